"""Metadata for the files of an upload, from a JSON file (E30, E31, E28)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from layernext.client.connection import Connection
from layernext.errors import DataError, FormatError, Problem
from layernext.wire import published

PAGE_FILES = 1_000


class FileMetadata(Struct, frozen=True):
    """An entry of a metadata file."""

    file: str
    metadata: dict[str, Any] = {}


class MetadataFile(Struct, frozen=True):
    """A metadata file: ``{"files": [{"file": …, "metadata": {…, "Tags": […]}}, …]}``."""

    files: list[FileMetadata]


def read_metadata_file(path: str | os.PathLike[str]) -> list[FileMetadata]:
    """The entries of a metadata file, checked.

    Raises:
        FormatError: it is no such file.
        DataError: `Tags` are no list of texts.
        OSError: it cannot be read.
    """
    try:
        read = msgspec.json.decode(Path(path).read_bytes(), type=MetadataFile)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FormatError(f"is no metadata file: {error}", file=str(path)) from error
    problems = [
        Problem(f"files[{number}].metadata.Tags", "must be a list of texts")
        for number, entry in enumerate(read.files)
        if not _are_texts(entry.metadata.get("Tags", []))
    ]
    if problems:
        raise DataError(problems, file=str(path))
    return read.files


def _are_texts(tags: object) -> bool:
    return isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)


def upload_metadata(connection: Connection, job_id: str, entries: list[FileMetadata]) -> None:
    """Give files of an upload their metadata.

    Args:
        connection: the stack.
        job_id: of the upload.
        entries: from `read_metadata_file`.
    """
    transport = connection.transport
    tags = sorted({tag for entry in entries for tag in entry.metadata.get("Tags", [])})
    if tags:
        transport.request("POST", published.VALIDATE_TAGS_PATH, json={"tags": tags})
    names = sorted({name for entry in entries for name in entry.metadata if name != "Tags"})
    if names:
        transport.request("POST", published.VALIDATE_FIELDS_PATH, json={"fields": names})
    for start in range(0, len(entries), PAGE_FILES):
        body = {
            "metadata": entries[start : start + PAGE_FILES],
            "jobId": job_id,
            "collectionId": None,
            "bucketName": None,
        }
        transport.request("POST", published.METADATA_BY_JSON_PATH, json=body)
