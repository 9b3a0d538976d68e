"""Exports that the stack makes as jobs."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Literal

from layernext.client.files.download import FilesDownload, check_download
from layernext.client.files.remote import RemoteFile
from layernext.client.files.reports import FileDownloadReport
from layernext.client.groups.group import Group
from layernext.client.progress import ProgressChoice
from layernext.client.run_uploads import mode_of
from layernext.client.texts import check_text
from layernext.errors import Conflict
from layernext.formats import LabelRules
from layernext.model import Export
from layernext.wire import native


class Exports(Group):
    """Exports that the stack writes as jobs; `client.runs.export` writes a file on this machine."""

    def start(
        self,
        format: str,
        *,
        collection: str | None = None,
        run: str | None = None,
        ground_truth: bool | None = None,
        dataset_version: str | None = None,
        split: Literal["train", "validation", "test"] | None = None,
        strict: bool = False,
        label_rules: LabelRules | None = None,
    ) -> Export:
        """Let the stack write a run or a dataset version in another format, as a job.

        The result is one file, a zip archive if the format needs a folder. It can be downloaded for 7 days.
        Every call starts another export.

        Args:
            format: a format that `layernext.convert` writes, except ``coco-results``.
            collection: name or id of the collection of ``run``, unless ``dataset_version`` is given.
            run: name of the model run or ground truth.
            ground_truth: True for the ground truth, False for the model run, if both have this name.
            dataset_version: id of a version.
            split: only this one of the version; None for all.
            strict: let the job fail at what the format cannot hold.
            label_rules: what becomes of labels, and the order of the classes.

        Returns:
            The export; `client.jobs.wait` with its ``job_id`` waits for it.

        Raises:
            DataError: there is no such format, or not exactly one of ``run`` and ``dataset_version`` is
                given.
            NotFound: no such collection, run or version.
            Conflict: a model run and a ground truth have this name, or the version is not ready.
        """
        self._connection.require_native("export in the background")
        body = native.ExportRequest(
            format=format,
            collection=collection,
            run=run,
            mode=mode_of(ground_truth),
            dataset_version=dataset_version,
            split=split,
            strict=strict,
            label_rules=None if label_rules is None else _labels_of(label_rules),
        )
        export: Export = self._transport.request_json(
            "POST", native.EXPORTS_PATH, Export, json=body
        )
        return export

    def get(self, export_id: str) -> Export:
        """An export: its status, and what it contains.

        Args:
            export_id: the export's id.

        Raises:
            NotFound: no export has this id, or it has expired.
        """
        return self._send("GET", export_id)

    def delete(self, export_id: str) -> Export:
        """Delete an export and its file before it expires.

        Args:
            export_id: the export's id.

        Raises:
            NotFound: no export has this id, or it has expired.
        """
        return self._send("DELETE", export_id)

    def _send(self, method: str, export_id: str) -> Export:
        self._connection.require_native("read exports")
        path = native.export_path(check_text(export_id, "export_id", "an export"))
        export: Export = self._transport.request_json(method, path, Export)
        return export

    def download(
        self,
        export_id: str,
        folder: str | os.PathLike[str] | None = None,
        *,
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Download the file of an export; a repeated call resumes, or does nothing if the file exists.

        Args:
            export_id: the export's id.
            folder: target folder; the current directory by default. The file has the export's
                ``file_name``.
            progress: as in `client.upload_modelrun_from_json`.

        Raises:
            NotFound: no export has this id, or it has expired.
            Conflict: it is not ready yet, or has failed.
            DownloadIncomplete: the download ended early; the error's report says what arrived.
        """
        export = self.get(export_id)
        if export.url is None:
            why = f": {export.message}" if export.message else ""
            raise Conflict(f"the export is {export.status}{why}", status=409)
        file = RemoteFile(
            name=export.file_name, url=export.url, size=export.size, checksum=export.checksum
        )
        work = FilesDownload(
            self._transport,
            Path(folder or "."),
            f"export {export.id}",
            [file],
            delete=False,
            parallel=1,
            progress=progress,
        )
        return check_download(work.run(), "raise")

    def list(self) -> builtins.list[Export]:
        """Every export of the stack that has not expired, newest first."""
        self._connection.require_native("list exports")
        exported: builtins.list[Export] = self._transport.request_json(
            "GET", native.EXPORTS_PATH, builtins.list[Export]
        )
        return exported


def _labels_of(rules: LabelRules) -> native.ExportLabels | None:
    if rules.change_nothing:
        return None
    return native.ExportLabels(
        labels=rules.labels,
        mapping=rules.mapping,
        ignore_case=rules.ignore_case,
        class_agnostic=rules.class_agnostic,
    )
