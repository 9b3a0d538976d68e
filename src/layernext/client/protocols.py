"""What a stack speaks: `Native` or `Published`, two classes with the same methods.

`Connection.protocol` chooses once, at the handshake. Calls that only the native protocol has ask for it with
`Connection.require_native`; those that both have go through here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import msgspec

from layernext.client.annotations import download, published_download
from layernext.client.annotations.published_upload import upload_published
from layernext.client.annotations.sources import Source
from layernext.client.annotations.upload import upload_native
from layernext.client.answers import Label, answer_of
from layernext.client.files import remote
from layernext.client.files.remote import RemoteFile
from layernext.client.listing import iter_records
from layernext.client.progress import ProgressChoice
from layernext.client.published import labels, listings
from layernext.client.reports import DownloadReport, RemoveReport, UploadReport
from layernext.client.transport import Transport
from layernext.errors import IncompatibleStack, InvalidRequest, NotFound
from layernext.model import ImageAnnotations, Item, LabelClass, Mode
from layernext.model import Label as LabelRecord
from layernext.wire import native, published
from layernext.wire.native import NativeOffer, RemoveResult, UploadRequest
from layernext.wire.published import Received, wire_fields

ImageSizes: TypeAlias = dict[str, tuple[int | None, int | None]]
"""Width and height by the image's name."""


class Native:
    """A stack with the native protocol.

    Args:
        transport: to the stack.
        offer: what it said of itself.
    """

    is_native = True

    def __init__(self, transport: Transport, offer: NativeOffer) -> None:
        self._transport = transport
        self._offer = offer

    # -- annotations --------------------------------------------------------------------------

    def upload(
        self,
        request: UploadRequest,
        source: Source,
        *,
        resume: bool,
        progress: ProgressChoice,
        started: float,
        job_id: str | None = None,
    ) -> UploadReport:
        """Upload a source; see `layernext.client.annotations.upload`."""
        del job_id  # the collection is enough
        return upload_native(
            self._transport,
            self._offer,
            request,
            source,
            resume=resume,
            progress=progress,
            started=started,
        )

    def iter_annotations(
        self, collection: str | None, run: str, mode: Mode | None
    ) -> Iterator[ImageAnnotations]:
        """The annotation sets of a run, in upload order."""
        return download.iter_annotations(self._transport, collection, run, mode)

    def download_to_file(
        self,
        collection: str | None,
        runs: Sequence[str],
        mode: Mode | None,
        path: Path,
        *,
        progress: ProgressChoice,
    ) -> DownloadReport:
        """Write runs to a LayerNext JSON file."""
        classes = self.classes(collection) if collection else []
        return download.download_to_file(
            self._transport,
            collection,
            runs,
            mode,
            path,
            skeletons={entry.name: entry.skeleton for entry in classes if entry.skeleton},
            progress=progress,
        )

    def remove_annotations(self, collection: str, run: str) -> RemoveReport:
        """Remove a run's annotations from a collection."""
        result: RemoveResult = self._transport.request_json(
            "DELETE",
            native.ANNOTATIONS_PATH,
            RemoveResult,
            params={"collection": collection, "run": run},
        )
        return RemoveReport(images=result.sets, annotations=result.annotations)

    # -- what else the stack holds ------------------------------------------------------------

    def labels(self) -> list[Label]:
        """Every label."""
        records = iter_records(self._transport, native.LABELS_PATH, LabelRecord)
        return [answer_of(Label, record) for record in records]

    def classes(self, collection: str) -> list[LabelClass]:
        """The classes of a collection in order; empty if the stack is of a version without them."""
        try:
            classes: list[LabelClass] = self._transport.request_json(
                "GET", native.CLASSES_PATH, list[LabelClass], params={"collection": collection}
            )
        except NotFound:
            return []  # the route, or the collection, which the next request names
        return classes

    def declare_classes(
        self, collection: str, classes: Sequence[LabelClass], *, replace: bool = False
    ) -> list[LabelClass]:
        """Append classes to those of a collection, or replace them; all classes."""
        request = native.ClassesRequest(
            collection=collection, classes=list(classes), replace=replace
        )
        result: list[LabelClass] = self._transport.request_json(
            "PUT", native.CLASSES_PATH, list[LabelClass], json=msgspec.to_builtins(request)
        )
        return result

    def image_sizes(self, collection: str) -> ImageSizes:
        """The sizes of a collection's images."""
        records = iter_records(self._transport, native.ITEMS_PATH, Item, collection=collection)
        return {item.name: (item.width, item.height) for item in records}

    def iter_files(self, collection: str, kind: int | None, query: str) -> Iterator[RemoteFile]:
        """The files of a collection that a query finds."""
        if not query:
            return remote.iter_native(self._transport, collection, kind)
        return listings.iter_files(self._transport, collection, kind, query, in_bundles=True)

    def with_checksums(self, collection: str, media: Sequence[RemoteFile]) -> Iterable[RemoteFile]:
        """All of a collection's files, with what the stack says of them."""
        del media  # the listing has all of it, and more
        files = remote.iter_native(self._transport, collection, published.IMAGE_COLLECTION)
        return (dataclasses.replace(file, name=f"data/{file.name}") for file in files)

    def info(self) -> dict[str, Any] | None:
        """The stack's version and the key's name and role."""
        info: dict[str, Any] = self._transport.request_json("GET", native.BASE_PATH)
        return info

    def status(self) -> dict[str, Any] | None:
        """How the server is that answers; None from an earlier version."""
        try:
            status: dict[str, Any] = self._transport.request_json("GET", native.STATUS_PATH)
        except NotFound:
            return None
        return status


class Published:
    """A stack that speaks only the published protocol.

    Args:
        transport: to the stack.
    """

    is_native = False

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # -- annotations --------------------------------------------------------------------------

    def upload(
        self,
        request: UploadRequest,
        source: Source,
        *,
        resume: bool,
        progress: ProgressChoice,
        started: float,
        job_id: str | None = None,
    ) -> UploadReport:
        """Upload a source; see `layernext.client.annotations.published_upload`."""
        del resume  # everything is sent again
        return upload_published(
            self._transport, request, source, progress=progress, started=started, job_id=job_id
        )

    def iter_annotations(
        self, collection: str | None, run: str, mode: Mode | None
    ) -> Iterator[ImageAnnotations]:
        """The annotation sets of a run, page by page."""
        return published_download.iter_annotations(self._transport, collection, run, mode)

    def download_to_file(
        self,
        collection: str | None,
        runs: Sequence[str],
        mode: Mode | None,
        path: Path,
        *,
        progress: ProgressChoice,
    ) -> DownloadReport:
        """Write a run to a LayerNext JSON file.

        Raises:
            IncompatibleStack: there is not exactly one run.
        """
        if len(runs) != 1:
            raise needs_native("tell several runs apart in a file; name one run")
        return published_download.download_to_file(
            self._transport, collection, runs[0], mode, path, progress=progress
        )

    def remove_annotations(self, collection: str, run: str) -> RemoveReport:
        """Remove a run's annotations from a collection."""
        collection_id = published_download.id_of_collection(self._transport, collection)
        query = urlencode(
            wire_fields(published.RemoveQuery, collection_id=collection_id, operation_id=run)
        )
        body = published.RemoveRequest(session_id="")
        answer = self._transport.request_json(
            "GET", f"{published.DELETE_ANNOTATIONS_PATH}?{query}", json=body
        )
        result = Received(published.RemoveAnswer, answer)
        if result.is_success is False:
            raise InvalidRequest(f"the stack did not remove {run!r}: {result.message}", status=200)
        return RemoveReport(
            images=result.image_count,
            annotations=result.annotation_count,
            message=str(result.message or ""),
        )

    # -- what else the stack holds ------------------------------------------------------------

    def labels(self) -> list[Label]:
        """Every label."""
        return labels.list_labels(self._transport, None)

    def classes(self, collection: str) -> list[LabelClass]:
        """Nothing: this protocol has no classes."""
        del collection
        return []

    def declare_classes(
        self, collection: str, classes: Sequence[LabelClass], *, replace: bool = False
    ) -> list[LabelClass]:
        """Nothing: this protocol has no classes."""
        del collection, classes, replace
        return []

    def image_sizes(self, collection: str) -> ImageSizes:
        """Nothing: this protocol cannot tell."""
        del collection
        return {}

    def iter_files(self, collection: str, kind: int | None, query: str) -> Iterator[RemoteFile]:
        """The files of a collection that a query finds."""
        return listings.iter_files(self._transport, collection, kind, query, in_bundles=False)

    def with_checksums(self, collection: str, media: Sequence[RemoteFile]) -> Iterable[RemoteFile]:
        """The files as they are: this protocol has no checksums."""
        del collection
        return media

    def info(self) -> dict[str, Any] | None:
        """None: this protocol cannot tell."""
        return None

    def status(self) -> dict[str, Any] | None:
        """None: this protocol cannot tell."""
        return None


def needs_native(what: str) -> IncompatibleStack:
    """The error for a call that only the native protocol has."""
    return IncompatibleStack(
        f"this stack speaks only the published protocol, which cannot {what}", status=501
    )
