"""Collections."""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from layernext.client.annotations import published_download
from layernext.client.files.download import DEFAULT_PARALLEL, FilesDownload, check_download
from layernext.client.files.remote import RemoteFile
from layernext.client.groups.group import Group
from layernext.client.metadata_files import check_fields
from layernext.client.published import listings, metadata
from layernext.client.reports import CreatedCollection, DownloadReport
from layernext.errors import ConfigurationError
from layernext.model import Collection, LabelClass, Mode
from layernext.wire import native


class Collections(Group):
    """Named sets of images, videos or other files."""

    def create(self, name: str) -> Collection:
        """The collection of this name, created if missing.

        Raises:
            DataError: the name is not valid for a collection.
        """
        self._connection.require_native("create a collection")
        collection: Collection = self._transport.request_json(
            "POST", native.COLLECTIONS_PATH, Collection, json={"name": name}
        )
        return collection

    def create_or_update(
        self,
        collection_name: str,
        content_type: str,
        custom_meta_object: Mapping[str, Any] | None = None,
    ) -> CreatedCollection:
        """Create a collection if none has this name and kind, and give it metadata.

        Args:
            collection_name: name of the collection.
            content_type: ``image``, ``video`` or ``other``.
            custom_meta_object: fields; `Tags` is a list of strings.

        Raises:
            DataError: the name, the type or the metadata is wrong.
        """
        listings.collection_code(content_type)
        fields = check_fields(custom_meta_object or {}, "custom_meta_object")
        return metadata.create_collection(self._transport, collection_name, content_type, fields)

    def details(
        self, collection_id: str, fields_filter: Mapping[str, bool] | None = None
    ) -> dict[str, Any]:
        """``id``, ``name`` and ``contentType`` of a collection, and the requested fields.

        Args:
            collection_id: id or name.
            fields_filter: the fields to return, as a dictionary from name to True:
                ``fileSize``, ``fileCount``, ``frameCount``,
                ``storagePath``, ``Tags``, ``createdAt``, ``updatedAt``, or a metadata field.

        Raises:
            NotFound: there is no such collection.
        """
        return listings.collection_details(self._transport, collection_id, fields_filter)

    def get_id(self, collection_name: str, content_type: str = "image") -> str:
        """The id of a collection.

        Args:
            collection_name: name of the collection.
            content_type: ``image``, ``video`` or ``other``; collections of different types may have the same
                name.

        Raises:
            DataError: the content type is not one of these.
            NotFound: there is no such collection.
        """
        return listings.collection_id(self._transport, collection_name, content_type)

    def download(
        self,
        collection_id: str,
        annotation_type: str = "all",
        operation_id_list: Sequence[str] | None = None,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
    ) -> DownloadReport:
        """Write a collection's annotations to ``<path>/<collection>/annotations.json``, and its files.

        Args:
            collection_id: the collection's id or name.
            annotation_type: ``all``, ``human`` or ``machine``; ignored if ``operation_id_list`` is given.
            operation_id_list: names of model runs and ground truths; None means all.
            custom_download_path: target folder; the current directory by default.
            is_media_include: also download the collection's files into ``<path>/<collection>/data``, as
                `client.files.download` does. With a list of runs, or with human or machine annotations only,
                these are the files of images that have such annotations.

        Raises:
            NotFound: no such collection.
            DownloadIncomplete: the annotations, or some of the files, could not be downloaded.
        """
        modes: dict[str, Mode | None] = {"all": None, "human": "human", "machine": "machine"}
        if annotation_type not in modes:
            raise ConfigurationError("annotation_type must be 'all', 'human' or 'machine'")
        runs, mode = list(operation_id_list or ()), modes[annotation_type]
        media: list[RemoteFile] = []
        report = published_download.download_collection(
            self._transport,
            collection_id,
            runs,
            mode,
            Path(custom_download_path or "."),
            media if is_media_include else None,
        )
        if not media:
            return report
        is_whole = not runs and mode is None
        files = FilesDownload(
            self._transport,
            report.path.parent,
            f"media of {collection_id}",
            self._connection.protocol.with_checksums(collection_id, media) if is_whole else media,
            delete=False,
            parallel=DEFAULT_PARALLEL,
            progress=False,
        ).run()
        return msgspec.structs.replace(report, files=check_download(files, "raise"))

    def list(self) -> builtins.list[Collection]:
        """The stack's collections, oldest first."""
        return self._records(native.COLLECTIONS_PATH, Collection, "list collections")

    def classes(self, collection: str) -> builtins.list[LabelClass]:
        """The classes of a collection in the order of their numbers; empty if none were declared.

        Uploads from formats that declare classes (COCO, YOLO, …) add them, used or not; exports write
        them in this order.

        Args:
            collection: id or name.

        Raises:
            NotFound: there is no such collection.
        """
        self._connection.require_native("list classes")
        classes: builtins.list[LabelClass] = self._transport.request_json(
            "GET",
            native.CLASSES_PATH,
            builtins.list[LabelClass],
            params={"collection": collection},
        )
        return classes

    def set_classes(
        self, collection: str, classes: Sequence[str | LabelClass]
    ) -> builtins.list[LabelClass]:
        """Replace the classes of a collection. Annotations with other labels remain.

        Args:
            collection: id or name.
            classes: names, or records with the codes of a source, in the order of their numbers.

        Raises:
            NotFound: there is no such collection.
            DataError: a name is not valid for a label, or is listed twice.
        """
        self._connection.require_native("set classes")
        records = [LabelClass(name=entry) if isinstance(entry, str) else entry for entry in classes]
        return self._connection.protocol.declare_classes(collection, records, replace=True)
