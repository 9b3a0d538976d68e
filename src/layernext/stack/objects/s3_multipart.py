"""Uploads to S3 in parts, by the protocol's own multipart uploads: parts go straight into the object.

obstore signs URLs of whole objects only, so this asks S3 through boto3. An upload's handle is S3's id of it; once
it is finished or dropped its URLs are good for nothing, so that nobody can change an object that is visible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from layernext.errors import ConfigurationError, InvalidRequest, NotFound
from layernext.stack.objects.face import Part
from layernext.stack.objects.unavailable import unavailable

_OPTIONS = {
    "endpoint": "endpoint_url",
    "region": "region_name",
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
}
"""What obstore calls a setting, and boto3."""

_ATTEMPTS = 10
_GONE = {"NoSuchUpload", "NoSuchKey", "404"}


class S3Multipart:
    """Multipart uploads below a URL such as ``s3://bucket/prefix``.

    Args:
        url: of the bucket.
        options: as obstore has them; what is missing comes from the environment.

    Raises:
        ConfigurationError: boto3 is not installed.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        try:
            import boto3  # noqa: PLC0415 - only where objects are in S3
            import botocore.config  # noqa: PLC0415
            import botocore.exceptions  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "objects in S3 need boto3", hint="pip install '.[stack]' in the source folder"
            ) from error
        parts = urlsplit(url)
        self._bucket, prefix = parts.netloc, parts.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        named = {name: options[key] for key, name in _OPTIONS.items() if options.get(key)}
        is_virtual = str(options.get("virtual_hosted_style_request", "")).lower() == "true"
        has_endpoint = "endpoint_url" in named
        config = botocore.config.Config(
            signature_version="s3v4",
            # Clients send no checksum that S3 knows, and not every store understands boto3's own.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            s3={"addressing_style": "path" if has_endpoint and not is_virtual else "virtual"},
        )
        self._client: Any = boto3.session.Session().client("s3", config=config, **named)
        self._errors = (
            botocore.exceptions.ClientError,
            botocore.exceptions.BotoCoreError,
        )

    def _key(self, path: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + path}

    def open(self, path: str) -> str:
        """Begin an upload; its handle."""
        with self._explained():
            return str(self._client.create_multipart_upload(**self._key(path))["UploadId"])

    def part_url(self, path: str, handle: str, number: int, seconds: int) -> str:
        """Where a part goes. Only the host is signed, so any header may be sent along."""
        return self._url(
            "upload_part", seconds, **self._key(path), UploadId=handle, PartNumber=number
        )

    def read_url(self, path: str, seconds: int, headers: Mapping[str, str]) -> str:
        """Where an object is; the store answers with these of our headers."""
        overrides = {
            "ResponseContentType": headers.get("content-type"),
            "ResponseContentDisposition": headers.get("content-disposition"),
            "ResponseCacheControl": headers.get("cache-control"),
        }
        return self._url(
            "get_object", seconds, **self._key(path), **{k: v for k, v in overrides.items() if v}
        )

    def _url(self, what: str, seconds: int, **parameters: Any) -> str:
        with self._explained():
            return str(
                self._client.generate_presigned_url(what, Params=parameters, ExpiresIn=seconds)
            )

    def list_parts(self, path: str, handle: str) -> list[Part]:
        """The parts that have come.

        Raises:
            NotFound: there is no such upload; it may be finished.
        """
        parts = []
        with self._explained():
            pages = self._client.get_paginator("list_parts")
            for page in pages.paginate(**self._key(path), UploadId=handle):
                for entry in page.get("Parts", ()):
                    tag = str(entry["ETag"]).strip('"')
                    parts.append(Part(int(entry["PartNumber"]), int(entry["Size"]), tag))
        return sorted(parts, key=lambda part: part.number)

    def finish(self, path: str, handle: str, parts: Sequence[Part]) -> None:
        """Make the object of the parts.

        Raises:
            NotFound: there is no such upload; it may be finished.
            InvalidRequest: the parts do not make an object.
        """
        named = [{"PartNumber": part.number, "ETag": f'"{part.tag}"'} for part in parts]
        with self._explained():
            self._client.complete_multipart_upload(
                **self._key(path), UploadId=handle, MultipartUpload={"Parts": named}
            )

    def list_uploads(self, prefix: str) -> Iterator[tuple[str, str, datetime]]:
        """Path, handle and begin of every unfinished upload whose path begins so."""
        with self._explained():
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for upload in page.get("Uploads", ()):
                    path = str(upload["Key"]).removeprefix(self._prefix)
                    yield path, str(upload["UploadId"]), upload["Initiated"]

    def drop(self, path: str, handle: str) -> None:
        """Forget an upload; no error if there is none."""
        try:
            with self._explained():
                self._client.abort_multipart_upload(**self._key(path), UploadId=handle)
        except NotFound:
            return

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What S3 says, as our errors."""
        try:
            yield
        except self._errors as error:
            details = getattr(error, "response", {}).get("Error", {})
            code = str(details.get("Code", ""))
            if code in _GONE:
                raise NotFound("there is no such upload", status=404) from error
            if code in {"InvalidPart", "InvalidPartOrder", "EntityTooSmall"}:
                text = f"the parts do not make one file: {details.get('Message', code)}"
                raise InvalidRequest(text, status=409) from error
            raise unavailable(error) from error
