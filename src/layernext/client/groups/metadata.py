"""Metadata: fields and tags of files and collections."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from layernext.client.groups.group import Group
from layernext.client.metadata_files import MetadataSource, check_fields, read_entries
from layernext.client.published import listings, metadata
from layernext.client.reports import MetadataReport
from layernext.client.texts import check_text
from layernext.errors import DataError, Problem
from layernext.model import MetadataNames
from layernext.wire import published
from layernext.wire.native import NAMES_PATH


class Metadata(Group):
    """Fields and tags of files and collections."""

    def names(self) -> MetadataNames:
        """Declared metadata fields and tags, and whether the stack refuses others."""
        self._connection.require_native("list declared metadata names")
        names: MetadataNames = self._transport.request_json("GET", NAMES_PATH, MetadataNames)
        return names

    def declare(
        self, fields: Iterable[str] = (), tags: Iterable[str] = (), *, withdraw: bool = False
    ) -> MetadataNames:
        """Declare metadata fields and tags, for a stack that accepts only declared ones.

        Repeating the call changes nothing. Other stacks store the declarations, but accept any name.

        Args:
            fields, tags: their names.
            withdraw: withdraw these declarations instead; existing metadata stays.

        Returns:
            All fields and tags that are declared now.

        Raises:
            DataError: a name is not valid.
            NotAllowed: the key does not have the role admin.
        """
        self._connection.require_native("declare metadata names")
        body = {"fields": _check_names(fields, "fields"), "tags": _check_names(tags, "tags")}
        names: MetadataNames = self._transport.request_json(
            "POST", NAMES_PATH, MetadataNames, json={**body, "withdraw": withdraw}
        )
        return names

    def upload(
        self,
        collection_name: str,
        content_type: str | os.PathLike[str] | Mapping[str, Any] = "image",
        json_data_file_path: MetadataSource | None = None,
    ) -> MetadataReport:
        """Set metadata of files in a collection; their other fields stay.

        The whole file is checked before anything is sent; files are changed 1,000 at a time, and repeating
        the call changes nothing.

        Args:
            collection_name: name of the collection, in which the files have the given names.
            content_type: ``image``, ``video`` or ``other``; in a call with two arguments, this is the JSON
                file, for images, as in 1.0.15.
            json_data_file_path: a JSON file, or its content as a dictionary.

        Raises:
            DataError: the data is wrong, with the location; nothing was sent.
            NotFound: no such collection.
        """
        if json_data_file_path is None:
            if isinstance(content_type, str) and content_type.lower() in published.CONTENT_TYPES:
                raise DataError(Problem("json_data_file_path", "is missing"))
            content_type, json_data_file_path = "image", content_type
        code = listings.collection_code(content_type)
        entries = read_entries(json_data_file_path)
        collection_id = metadata.known_collection_id(self._transport, collection_name, code)
        return metadata.send_for_files(self._transport, entries, collection_id=collection_id)

    def upload_by_unique_name(
        self,
        json_data_file_path: MetadataSource | None = None,
        json_data: Mapping[str, Any] | None = None,
    ) -> MetadataReport:
        """Set metadata of files by their unique names; see `upload`.

        Args:
            json_data_file_path: a JSON file, or its content as a dictionary.
            json_data: the content, as layernext-beta takes it.

        Raises:
            DataError: the data is wrong, with the location; nothing was sent.
        """
        if (json_data_file_path is None) == (json_data is None):
            raise DataError(Problem("json_data_file_path", "give either it or json_data"))
        source = json_data if json_data_file_path is None else json_data_file_path
        return metadata.send_for_files(self._transport, read_entries(source or {}))

    def upload_by_storage_path(
        self, json_data_file_path: MetadataSource, bucket_name: str | None = None
    ) -> MetadataReport:
        """Set metadata of files by their paths in storage.

        Args:
            json_data_file_path: as in `upload`.
            bucket_name: the bucket; None is the default one.

        Raises:
            DataError: the data is wrong, with the location; nothing was sent.
        """
        bucket = "DEFAULT" if bucket_name is None else bucket_name
        entries = read_entries(json_data_file_path)
        return metadata.send_for_files(self._transport, entries, bucket=bucket)

    def upload_by_job(self, job_id: str, json_data_file_path: MetadataSource) -> MetadataReport:
        """Set metadata of the files of one upload, by their names in that upload.

        Args:
            job_id: job id from the upload's report.
            json_data_file_path: as in `upload`.

        Raises:
            DataError: the data is wrong, with the location; nothing was sent.
        """
        job = check_text(job_id, "job_id", "a job")
        entries = read_entries(json_data_file_path)
        return metadata.send_for_files(self._transport, entries, job_id=job)

    def upload_for_collection(
        self,
        collection_name: str,
        content_type: str,
        metadata_obj: Mapping[str, Any],
        is_apply_to_all_files: bool = True,
    ) -> MetadataReport:
        """Set metadata of a collection and, by default, of every file in it.

        Args:
            collection_name: name of the collection.
            content_type: ``image``, ``video`` or ``other``.
            metadata_obj: fields; `Tags` is a list of strings.
            is_apply_to_all_files: False for the collection alone.

        Raises:
            DataError: the metadata is wrong.
            NotFound: no such collection.
        """
        listings.collection_code(content_type)
        fields = check_fields(metadata_obj, "metadata_obj")
        return metadata.send_for_collection(
            self._transport,
            collection_name,
            content_type,
            fields,
            to_all_files=is_apply_to_all_files,
        )


def _check_names(names: Iterable[str], where: str) -> list[str]:
    if isinstance(names, str):
        raise DataError(Problem(where, f"is the text {names!r}, must be a list of strings"))
    return [check_text(name, f"{where}[{number}]", "a name") for number, name in enumerate(names)]
