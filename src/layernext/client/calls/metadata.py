"""Calls that give files and collections metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from layernext.client.calls.base import Calls, check_text, renamed
from layernext.client.calls.items import collection_code
from layernext.client.reports import CreatedCollection, MetadataReport
from layernext.errors import DataError, FormatError, Problem
from layernext.model import MetadataNames, refuse_repeated_keys, show
from layernext.wire import published
from layernext.wire.items import NAMES_PATH

MetadataSource: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"
"""A JSON file, or its content: ``{"files": [{"file": "1.jpg", "metadata": {"Tags": ["a"]}}]}``."""

MAX_FILE_BYTES = 1 << 30


class MetadataCalls(Calls):
    """Metadata: custom fields and tags."""

    def get_metadata_names(self) -> MetadataNames:
        """Metadata fields and tags that were declared, and whether the stack takes no others."""
        self._connection.require_native("list declared metadata names")
        found: MetadataNames = self._connection.transport.request_json(
            "GET", NAMES_PATH, MetadataNames
        )
        return found

    def declare_metadata(
        self, fields: Iterable[str] = (), tags: Iterable[str] = (), *, withdraw: bool = False
    ) -> MetadataNames:
        """Declare metadata fields and tags, for a stack that takes declared ones only.

        Repeating it changes nothing. Other stacks keep the names, and take any.

        Args:
            fields, tags: their names.
            withdraw: undo it for these; metadata that is there stays.

        Returns:
            All that are declared now.

        Raises:
            DataError: a name cannot be one.
            NotAllowed: the key does not have the role admin.
        """
        self._connection.require_native("declare metadata names")
        body = {"fields": _texts(fields, "fields"), "tags": _texts(tags, "tags")}
        found: MetadataNames = self._connection.transport.request_json(
            "POST", NAMES_PATH, MetadataNames, json={**body, "withdraw": withdraw}
        )
        return found

    @renamed(collection_base_path="collection_name")  # 1.x
    def upload_metadata_for_files(
        self,
        collection_name: str,
        content_type: str | os.PathLike[str] | Mapping[str, Any] = "image",
        json_data_file_path: MetadataSource | None = None,
    ) -> MetadataReport:
        """Give files of a collection metadata; fields under other names stay.

        The whole file is checked before the first of it is sent; each thousand files are changed
        together, and repeating the call changes nothing.

        Args:
            collection_name: of the collection; the file names are those in it.
            content_type: ``image``, ``video`` or ``other``; in a call with two arguments it is the
                JSON file of images, as in 1.0.15.
            json_data_file_path: a JSON file, or its content as a dictionary.

        Raises:
            DataError: the data is wrong, with the place; nothing was sent.
            NotFound: no such collection.
        """
        if json_data_file_path is None:
            if isinstance(content_type, str) and content_type.lower() in published.CONTENT_TYPES:
                raise DataError(Problem("json_data_file_path", "is missing"))
            content_type, json_data_file_path = "image", content_type
        code = collection_code(content_type)
        entries = read_entries(json_data_file_path)
        body = {
            "collectionName": check_text(collection_name, "collection_name", "a collection"),
            "objectType": code,
        }
        found = self._object_at(published.COLLECTION_ID_PATH, body)
        if found.get("isSuccess") is False or not found.get("collectionId"):
            raise DataError(Problem("collection_name", str(found.get("message") or "is unknown")))
        return self._send_metadata(entries, {"collectionId": str(found["collectionId"])})

    def upload_metadata_by_unique_name(
        self,
        json_data_file_path: MetadataSource | None = None,
        json_data: Mapping[str, Any] | None = None,
    ) -> MetadataReport:
        """Give files metadata that are named by their unique names; see `upload_metadata_for_files`.

        Args:
            json_data_file_path: a JSON file, or its content as a dictionary.
            json_data: the content, as layernext-beta takes it.

        Raises:
            DataError: the data is wrong, with the place; nothing was sent.
        """
        if (json_data_file_path is None) == (json_data is None):
            raise DataError(Problem("json_data_file_path", "give either it or json_data"))
        source = json_data if json_data_file_path is None else json_data_file_path
        return self._send_metadata(read_entries(source or {}), {})

    def upload_metadata_by_storage_path(
        self, json_data_file_path: MetadataSource, bucket_name: str | None = None
    ) -> MetadataReport:
        """Give files metadata that are named by their paths in storage.

        Args:
            json_data_file_path: as in `upload_metadata_for_files`.
            bucket_name: the bucket; None is the default one.

        Raises:
            DataError: the data is wrong, with the place; nothing was sent.
        """
        bucket = "DEFAULT" if bucket_name is None else bucket_name
        return self._send_metadata(read_entries(json_data_file_path), {"bucketName": bucket})

    def upload_metadata_by_job_id(
        self, job_id: str, json_data_file_path: MetadataSource
    ) -> MetadataReport:
        """Give files metadata that came with one upload and are named as there.

        Args:
            job_id: from the upload's report.
            json_data_file_path: as in `upload_metadata_for_files`.

        Raises:
            DataError: the data is wrong, with the place; nothing was sent.
        """
        given = check_text(job_id, "job_id", "a job")
        return self._send_metadata(read_entries(json_data_file_path), {"jobId": given})

    def upload_metadata_for_collection(
        self,
        collection_name: str,
        content_type: str,
        metadata_obj: Mapping[str, Any],
        is_apply_to_all_files: bool = True,
    ) -> MetadataReport:
        """Give a collection metadata, and if wanted every file in it.

        Args:
            collection_name: of the collection.
            content_type: ``image``, ``video`` or ``other``.
            metadata_obj: fields; `Tags` is a list of strings.
            is_apply_to_all_files: False for the collection alone.

        Raises:
            DataError: the metadata is wrong.
            NotFound: no such collection.
        """
        body = {
            "collectionName": check_text(collection_name, "collection_name", "a collection"),
            "objectType": collection_code(content_type),
            "metadata": _fields(metadata_obj, "metadata_obj"),
            "isApplyToAllFiles": bool(is_apply_to_all_files),
        }
        answer = self._object_at(published.METADATA_OBJECT_PATH, body)
        return _report(answer)

    def create_or_update_collection(
        self,
        collection_name: str,
        content_type: str,
        custom_meta_object: Mapping[str, Any] | None = None,
    ) -> CreatedCollection:
        """Make a collection if there is none of this name and kind, and give it metadata.

        Args:
            collection_name: of the collection.
            content_type: ``image``, ``video`` or ``other``.
            custom_meta_object: fields; `Tags` is a list of strings.

        Raises:
            DataError: the name, the type or the metadata is wrong.
        """
        body = {
            "collectionName": check_text(collection_name, "collection_name", "a collection"),
            "objectType": collection_code(content_type),
            "customMetaObject": _fields(custom_meta_object or {}, "custom_meta_object"),
        }
        answer = self._object_at(published.CREATE_COLLECTION_PATH, body)
        if answer.get("isSuccess") is False:
            raise DataError(Problem("collection_name", str(answer.get("message") or "was refused")))
        made = CreatedCollection(collection_id=str(answer.get("collectionId") or ""))
        return made.including(answer)

    def _send_metadata(
        self, entries: list[dict[str, Any]], target: dict[str, str]
    ) -> MetadataReport:
        fixed = {"collectionId": None, "jobId": None, "bucketName": None, **target}
        parts = []
        for start in range(0, len(entries), published.METADATA_AT_ONCE):
            some = entries[start : start + published.METADATA_AT_ONCE]
            body = {**fixed, "metadata": some}
            parts.append(_report(self._object_at(published.METADATA_JSON_PATH, body)))
        return MetadataReport(
            updated=sum(part.updated for part in parts),
            unmatched=[name for part in parts for name in part.unmatched],
            message="; ".join(part.message for part in parts if part.message),
        )

    def _object_at(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._connection.transport.request_json(
            "POST", path, dict[str, Any], json=body
        )
        return answer


def _report(answer: Mapping[str, Any]) -> MetadataReport:
    return MetadataReport(
        updated=int(answer.get("updatedCount") or 0),
        unmatched=[str(name) for name in answer.get("unmatched") or []],
        message=str(answer.get("message") or ""),
    )


def _texts(given: Iterable[str], where: str) -> list[str]:
    if isinstance(given, str):
        raise DataError(Problem(where, f"is the text {given!r}, must be a list of strings"))
    return [check_text(each, f"{where}[{number}]", "a name") for number, each in enumerate(given)]


def read_entries(source: MetadataSource) -> list[dict[str, Any]]:
    """The entries of a metadata file, all of them checked.

    Raises:
        DataError: an entry is wrong, with the place; FormatError if it is not such a file.
    """
    given: Any = source
    if isinstance(source, str | os.PathLike):
        given = _read(Path(source))
    if not isinstance(given, Mapping) or not isinstance(given.get("files"), Iterable):
        raise DataError(Problem("files", "is missing: a metadata file is an object with `files`"))
    entries = []
    for number, entry in enumerate(given["files"]):
        where = f"files[{number}]"
        if not isinstance(entry, Mapping):
            raise DataError(Problem(where, f"is {show(entry)}, must be an object"))
        unknown = sorted(set(entry) - {"file", "metadata"})
        if unknown:
            raise DataError(
                Problem(f"{where}.{unknown[0]}", "is unknown; the keys are file, metadata")
            )
        name = check_text(entry.get("file"), f"{where}.file", "a file")
        fields = _fields(entry.get("metadata") or {}, f"{where}.metadata")
        entries.append({"file": name, "metadata": fields})
    return entries


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FormatError(Problem(str(path), "is larger than 1 GiB"))
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text)
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(Problem(str(path), f"is not JSON: {error}")) from error
    refuse_repeated_keys(text.encode("utf-8", "surrogatepass"), file=path.name)
    return content


def _fields(given: Any, where: str) -> dict[str, Any]:
    """Metadata as it is sent; the stack checks the rest."""
    if not isinstance(given, Mapping):
        raise DataError(Problem(where, f"is {show(given)}, must be an object"))
    tags = given.get("Tags", [])
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
        raise DataError(Problem(f"{where}.Tags", "must be a list of strings"))
    for name in given:
        check_text(name, where, "a metadata field")
    return dict(given)
