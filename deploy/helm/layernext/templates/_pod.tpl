{{- define "layernext.labels" -}}
app.kubernetes.io/name: layernext
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "layernext.pod" -}}
automountServiceAccountToken: false
# Longer than serve needs to finish what is in flight, and the pause before it.
terminationGracePeriodSeconds: 60
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: data
    emptyDir: {}
  - name: tmp
    emptyDir: {sizeLimit: {{ .Values.temporaryFiles }}}
{{- end }}

{{- define "layernext.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - secretRef: {name: {{ .Values.secretName }}}
env:
  - {name: LAYERNEXT_OBJECTS, value: {{ .Values.objects.url | quote }}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "layernext.options" -}}
- --data=/data
- --log-format=json
{{- with .Values.objects.endpoint }}
- --objects-endpoint={{ . }}
{{- end }}
{{- with .Values.purgeTrashAfter }}
- --purge-trash-after={{ . }}
{{- end }}
{{- end }}
