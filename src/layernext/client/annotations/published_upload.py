"""Uploading to a stack that speaks only the published protocol: the same batches, as shapes.

Labels are resolved first, and nothing is sent if they cannot be. Batches go one after the
other, each with the session's id, in the form of 2.3.4 where the stack knows the collection and in that of
0.0.5 where it does not (docs/protocol.md). How large they are follows the network, see `BatchSize`. Once it has
broken a request, bodies are compressed, unless the stack refuses that.
"""

from __future__ import annotations

import gzip
import logging
import time
import uuid
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

import msgspec

from layernext.client.annotations.batch_size import BatchSize
from layernext.client.annotations.image_names import ImageCount, image_number
from layernext.client.annotations.sources import Source
from layernext.client.annotations.upload import early_end_explained
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.refusals import RETRIED
from layernext.client.reports import UploadReport
from layernext.client.transport import Transport
from layernext.errors import (
    ConnectionFailed,
    DataError,
    InvalidRequest,
    Problem,
    RateLimited,
    StackError,
    StackUnavailable,
)
from layernext.model import (
    ImageAnnotations,
    Keypoints,
    RotatedBox,
    decode_trusted,
    naming_image,
)
from layernext.wire import published
from layernext.wire.native import UploadRequest
from layernext.wire.published import LabelTable, Received, shape_from_annotation, wire_fields

ATTEMPTS_AT_SIZE = 3
"""A batch that broke so often is divided; a network that breaks by chance lets it through before."""
REPEATED_PORTIONS = 8
"""In so many requests go the images of a batch that came in earlier ones, too."""
GZIP_LEVEL = 1
"""Makes shapes some six times smaller; higher levels take long and save little more."""

STAND_INS: dict[type[Any], str] = {
    RotatedBox: "rotated boxes: they are sent as the polygons of their corners, with box and rotation",
    Keypoints: "keypoints: they are sent as points, with visibilities and box",
}
"""What is sent in place of kinds that the published protocol does not have."""

logger = logging.getLogger("layernext.client.upload")


class _Labels:
    """The references of labels, fetched for each batch as far as they are new."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        answer = self._transport.request_json("GET", published.LABELS_PATH, json={})
        rows = answer if isinstance(answer, list) else []
        self._before = {Received(published.PublishedLabel, row).label_text for row in rows}
        self._wanted: dict[str, dict[str, dict[str, Any]]] = {}
        self.tables: dict[str, LabelTable] = {}
        self.new: list[str] = []

    def resolve(self, images: list[ImageAnnotations], first_index: int) -> None:
        """Have the references of everything in these images.

        Raises:
            DataError: two values that this protocol cannot tell apart.
            InvalidRequest: the stack did not give a reference.
        """
        missing: dict[str, dict[str, list[Any]]] = {}
        for index, image in enumerate(images, start=first_index):
            for position, annotation in enumerate(image.annotations):
                where = f"images[{index}].annotations[{position}]"
                attributes = self._wanted.get(annotation.label)
                if attributes is None:
                    attributes = self._wanted[annotation.label] = {}
                    missing[annotation.label] = {}
                for name, values in annotation.attributes.items():
                    texts = attributes.get(name)
                    if texts is None:
                        texts = attributes[name] = {}
                        missing.setdefault(annotation.label, {})[name] = []
                    for value in values:
                        text = text_of(value.value)
                        if text not in texts:
                            texts[text] = value.value
                            missing.setdefault(annotation.label, {}).setdefault(name, []).append(
                                value.value
                            )
                        elif not _is_same(texts[text], value.value):
                            raise DataError(
                                Problem(
                                    f"{where}.attributes[{name!r}]",
                                    f"{value.value!r} and {texts[text]!r} are one and the same in "
                                    "the published protocol, the only one this stack speaks",
                                )
                            )
        if missing:
            self._fetch(missing)

    def _fetch(self, missing: dict[str, dict[str, list[Any]]]) -> None:
        body = published.SentReferencesRequest(labels=missing, user_name=published.USER_NAME)
        answer = self._transport.request_json("POST", published.LABEL_REFERENCES_PATH, json=body)
        for label, attributes in missing.items():
            try:
                row = answer[label]
                table = self.tables.setdefault(label, LabelTable(row["ref"], row["color"], {}))
                for name, values in attributes.items():
                    attribute = row["texts"][name]
                    references = table.attributes.setdefault(name, (attribute["ref"], {}))
                    for value in values:
                        references[1][text_of(value)] = attribute["texts"][text_of(value)]
            except (KeyError, TypeError) as error:
                raise InvalidRequest(
                    f"the stack returned no reference for the label {label!r}", status=200
                ) from error
            if label not in self._before:
                self._before.add(label)
                self.new.append(label)


def text_of(value: Any) -> str:
    """The text under which a value stands in the reference table: a string itself, else JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()


def _is_same(value: Any, other: Any) -> bool:
    return isinstance(value, str) == isinstance(other, str)


class _Target:
    """Where the batches go, and what an image is called there."""

    def __init__(self, transport: Transport, request: UploadRequest, job_id: str | None) -> None:
        self._request = request
        self._job_id = job_id
        self._prefix = ""
        self.is_v2 = True
        self._transport = transport
        self._name = name = (request.collection or "").rstrip("/")
        if request.key_kind != "name" or not name or job_id is not None:
            return
        try:
            self._prefix = f"{self._storage_path()}_"
        except InvalidRequest:
            # The stack does not know the collection yet: the form of 0.0.5 names it by path.
            self._prefix = f"{name}/"
            self.is_v2 = False

    def _look_up(self) -> object:
        body = published.CollectionIdRequest(collection_name=self._name)
        return self._transport.request_json("POST", published.COLLECTION_ID_PATH, json=body)

    def _storage_path(self) -> str:
        """Where the collection is in storage.

        Raises:
            InvalidRequest: the stack does not say.
        """
        collection = Received(published.CollectionIdAnswer, self._look_up())
        if not collection.has("collection_id"):
            raise InvalidRequest(f"there is no collection {self._name!r}", status=200)
        body = published.CollectionDetailsRequest(
            collection_id=collection.collection_id,
            required_meta_obj=wire_fields(published.StoredItem, storage_path=True),
        )
        answer = self._transport.request_json("POST", published.COLLECTION_DETAILS_PATH, json=body)
        details = Received(published.CollectionDetailsAnswer, answer).item_details
        item = Received(published.StoredItem, details)
        if not item.has("storage_path"):
            raise InvalidRequest(
                f"the stack has no path of the collection {self._name!r}", status=200
            )
        return str(item.storage_path)

    def confirm(self) -> None:
        """See that the first images of a new collection have made it.

        Raises:
            InvalidRequest: the stack took its name for part of the images' names.
        """
        if self.is_v2:
            return
        answer = self._look_up()
        collection = Received(published.CollectionIdAnswer, answer)
        if isinstance(answer, dict) and not collection.collection_id:
            raise InvalidRequest(
                f"the stack stored the images in another collection, whose name is the beginning of "
                f"{self._name!r}",
                status=200,
            )

    def check(self, batch: list[ImageAnnotations], first: int) -> None:
        """Refuse names that the stack could not tell from another.

        Raises:
            DataError: a name begins with a slash, and the collection is named by its path, which
                may end with slashes.
        """
        if self.is_v2:
            return
        problems = [
            Problem(
                f"images[{index}].image",
                f"{image.image!r} begins with a slash, and this collection is new to the stack: "
                "the published protocol would lose the slash",
            )
            for index, image in enumerate(batch, first)
            if image.image.startswith("/")
        ]
        if problems:
            raise DataError(problems)

    def entry(self, image: ImageAnnotations, shapes: list[dict[str, Any]]) -> dict[str, Any]:
        """One image of a request."""
        by_path, by_job = self._request.key_kind == "storage_path", self._job_id is not None
        return wire_fields(
            published.SetEntry,
            object_key=None if by_path or by_job else f"{self._prefix}{image.image}",
            storage_path=image.image if by_path else None,
            bucket_name=(image.storage_name or self._request.bucket) if by_path else None,
            job_id=self._job_id,
            file_name=image.image if by_job else None,
            data=wire_fields(
                published.SentSetData,
                annotation_objects=shapes,
                is_user_annotated=self._request.mode == "human",
            ),
        )


class _Session:
    """One upload: sends its batches, and counts what the stack has acknowledged.

    Attributes:
        size: how much to put into the next batch.
    """

    def __init__(
        self,
        transport: Transport,
        request: UploadRequest,
        total: int | None,
        job_id: str | None,
    ) -> None:
        self._transport = transport
        self._request = request
        self._total = total
        self._id = str(uuid.uuid4())
        self._labels = _Labels(transport)
        self._target = _Target(transport, request, job_id)
        self._bytes_sent = 0
        self._unmatched: int | None = 0
        self._annotations = 0
        self._warned: set[type[Any]] = set()
        self._acknowledged = array("Q")
        self._image_count = ImageCount()
        self._divided: dict[int, str] = {}
        self._is_compressed = False
        self._takes_gzip: bool | None = None
        self.size = BatchSize()
        self.images = 0
        self.batches = 0

    def send(self, batch: list[ImageAnnotations], *, normalized: bool) -> None:
        """Send some images, in one transaction of the stack's unless they have to be divided.

        Raises:
            DataError: the protocol cannot carry them, or the stack found them wrong.
            InvalidRequest: the stack refused them.
            ConnectionFailed: they did not get through in the time for retries, however small.
        """
        self._target.check(batch, self.images)
        self._warn_of_stand_ins(batch)
        self._labels.resolve(batch, self.images)
        size, whole = self.size.bytes, len(batch)
        batch, repeated = self._without_repeated(batch)
        sessions: dict[str, list[ImageAnnotations]] = {} if batch or repeated else {self._id: []}
        for image in batch:
            session_id = self._divided.get(image_number(image.image, image.storage_name), self._id)
            sessions.setdefault(session_id, []).append(image)
        for session_id, images in sessions.items():
            self._deliver(images, session_id, normalized)
        # The network may have become worse since the batch was gathered.
        count = max(1, whole * min(size, self.size.bytes) // (size * REPEATED_PORTIONS))
        for start in range(0, len(repeated), count):
            portion: dict[str, list[ImageAnnotations]] = {}
            for image in repeated[start : start + count]:
                session_id = self._divided.get(_number_of(image), self._id)
                portion.setdefault(session_id, []).append(image)
            for session_id, images in portion.items():
                self._deliver(images, session_id, normalized)

    def _warn_of_stand_ins(self, batch: list[ImageAnnotations]) -> None:
        kinds = {type(annotation) for image in batch for annotation in image.annotations}
        for kind in (kinds & STAND_INS.keys()) - self._warned:
            self._warned.add(kind)
            logger.warning(
                "this stack speaks only the published protocol, which has no %s beside them for stacks that read these",
                STAND_INS[kind],
            )

    def _without_repeated(
        self, batch: list[ImageAnnotations]
    ) -> tuple[list[ImageAnnotations], list[ImageAnnotations]]:
        """A batch that can be divided, and those of its images that came in earlier batches.

        The latter cannot be divided, so they go in portions far smaller than what gets through.
        """
        earlier = {_number_of(image) for image in batch}.intersection(self._acknowledged)
        fresh = [image for image in batch if _number_of(image) not in earlier]
        return fresh, [image for image in batch if _number_of(image) in earlier]

    def _deliver(self, batch: list[ImageAnnotations], session_id: str, normalized: bool) -> None:
        """Send images in one request; in two of half the size if that breaks again and again.

        The stack may have stored a batch whose answer did not come. The same batch in the same
        session changes nothing, but its halves would be added to it. In a session of their own they
        replace it, and whatever an earlier session has of these images: so only images that did not
        come in an earlier batch are divided, all sets of an image on the same side.
        """
        failures = 0

        def should_stop() -> bool:
            nonlocal failures
            failures += 1
            self._is_compressed = self._takes_gzip is not False
            self.size.request_broke(failures)
            return failures >= ATTEMPTS_AT_SIZE and self._can_divide(batch)

        path, content = self._encoded(batch, session_id)
        try:
            unmatched = self._post(path, content, normalized, should_stop)
        except ConnectionFailed:
            if failures < ATTEMPTS_AT_SIZE or not self._can_divide(batch):
                raise
            session_id = str(uuid.uuid4())
            self._divided.update((_number_of(image), session_id) for image in batch)
            for half in _halves(batch):
                self._deliver(half, session_id, normalized)
            return
        except (StackUnavailable, RateLimited):
            if failures < ATTEMPTS_AT_SIZE:
                raise
            # Smaller batches would not help.
            unmatched = self._post(path, content, normalized, None)
        self._count(batch, unmatched)
        if not failures:
            self.size.request_passed()

    def _can_divide(self, batch: list[ImageAnnotations]) -> bool:
        numbers = {_number_of(image) for image in batch}
        return len(numbers) > 1 and numbers.isdisjoint(self._acknowledged)

    def _encoded(self, batch: list[ImageAnnotations], session_id: str) -> tuple[str, bytes]:
        """Path and body of a batch's request. The body has times in it: each attempt sends the same."""
        tables = self._labels.tables
        entries = [self._target.entry(image, _shapes(image, tables)) for image in batch]
        images = self.images + len(batch)
        body = wire_fields(
            published.OperationDataBody,
            meta_updates_array=msgspec.json.encode(entries).decode(),
            session_id=session_id,
            total_image_count=images if self._total is None else self._total,
            uploaded_image_count=images,
        )
        if self._target.is_v2:
            path = published.operation_path_v2(self._request.run)
            body |= wire_fields(
                published.OperationDataBody,
                operation_mode=published.OPERATION_MODES[self._request.mode],
                operation_type=published.OPERATION_TYPE_ANNOTATION,
            )
        else:
            path = published.operation_path(self._request.run, self._request.mode)
        return path, msgspec.json.encode(body)

    def _post(
        self,
        path: str,
        content: bytes,
        normalized: bool,
        should_stop: Callable[[], bool] | None,
    ) -> int | None:
        """Send a batch; how many of its images have no file, if the stack says so."""
        if self._is_compressed:
            packed = gzip.compress(content, GZIP_LEVEL)
            try:
                unmatched = self._post_body(path, packed, normalized, should_stop, "gzip")
            except (StackError, DataError) as error:
                is_passing = isinstance(error, StackError) and error.status in RETRIED
                if self._takes_gzip or is_passing:
                    raise
                # It may be the compression that the stack refuses; if not it says so once more.
                self._takes_gzip = self._is_compressed = False
            else:
                self._takes_gzip = True
                return unmatched
        return self._post_body(path, content, normalized, should_stop, "identity")

    def _post_body(
        self,
        path: str,
        body: bytes,
        normalized: bool,
        should_stop: Callable[[], bool] | None,
        encoding: str,
    ) -> int | None:
        headers = {"Content-Type": "application/json"}
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        answer = self._transport.request_json(
            "POST",
            path,
            params=wire_fields(published.OperationDataQuery, is_normalized=str(normalized)),
            content=body,
            headers=headers,
            should_stop=should_stop,
        )
        self._bytes_sent += len(body)
        result = Received(published.OperationDataAnswer, answer)
        if not isinstance(answer, dict) or result.is_success is False:
            reason = result.message if isinstance(answer, dict) else answer
            raise InvalidRequest(f"the stack refused a batch: {reason}", status=200)
        unmatched: int | None = result.unmatched_count
        return unmatched

    def _count(self, batch: list[ImageAnnotations], unmatched: int | None) -> None:
        if self._unmatched is not None:
            self._unmatched = None if unmatched is None else self._unmatched + unmatched
        if not self.batches and batch:
            self._target.confirm()
        numbers = [image_number(image.image, image.storage_name) for image in batch]
        self._acknowledged.extend(numbers)
        self._image_count.add(numbers)
        self.images += len(batch)
        self._annotations += sum(len(image.annotations) for image in batch)
        self.batches += 1

    def report(self, started: float) -> UploadReport:
        """What the stack has acknowledged."""
        return UploadReport(
            collection=self._request.collection,
            run=self._request.run,
            mode=self._request.mode,
            images=self._image_count.total,
            annotations=self._annotations,
            batches=self.batches,
            resumed_batches=0,
            new_labels=sorted(self._labels.new),
            unmatched_images=(
                None if self._unmatched is None else min(self._unmatched, self._image_count.total)
            ),
            bytes_sent=self._bytes_sent,
            seconds=time.monotonic() - started,
        )


def upload_published(
    transport: Transport,
    request: UploadRequest,
    source: Source,
    *,
    progress: ProgressChoice,
    started: float,
    job_id: str | None = None,
) -> UploadReport:
    """Upload a source by the published protocol; see `layernext.client.annotations.upload.upload_native`."""
    session = _Session(transport, request, source.total, job_id)
    report = partial(session.report, started)
    hint = "call it again; images already stored are replaced with identical data"
    with (
        early_end_explained(request.run, report, hint),
        show_progress(progress, f"uploading {request.run}", source.total) as advance,
    ):
        for batch, normalized in _batches(source, request, session):
            session.send(batch, normalized=normalized)
            advance(len(batch))
        if not session.batches:  # a run on no image is a run, too
            session.send([], normalized=request.normalized)
    return report()


def _number_of(image: ImageAnnotations) -> int:
    """64 bits that stand for an image's name. Two alike would only keep a batch from being divided."""
    return image_number(image.image, image.storage_name)


def _halves(batch: list[ImageAnnotations]) -> tuple[list[ImageAnnotations], list[ImageAnnotations]]:
    """A batch in two, with all sets of an image in the same half."""
    numbers = list(dict.fromkeys(map(_number_of, batch)))
    first = set(numbers[: len(numbers) // 2])
    return (
        [image for image in batch if _number_of(image) in first],
        [image for image in batch if _number_of(image) not in first],
    )


def _batches(
    source: Source, request: UploadRequest, session: _Session
) -> Iterator[tuple[list[ImageAnnotations], bool]]:
    """Images gathered into batches, all of a batch normalized or none."""
    batch: list[ImageAnnotations] = []
    size, is_normalized = 0, request.normalized
    for line in source.lines():
        image = decode_trusted(line, request.geometry)
        normalized = request.normalized or image.normalized
        is_full = len(batch) >= published.BATCH_IMAGES or size + len(line) > session.size.bytes
        if batch and (is_full or normalized != is_normalized):
            yield batch, is_normalized
            batch, size = [], 0
        is_normalized = normalized
        batch.append(image)
        size += len(line)
    if batch:
        yield batch, is_normalized


def _shapes(image: ImageAnnotations, tables: dict[str, LabelTable]) -> list[dict[str, Any]]:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
    shapes: list[dict[str, Any]] = []
    with naming_image(image.image):
        for number, annotation in enumerate(image.annotations):
            table = tables[annotation.label]
            try:
                shape = shape_from_annotation(annotation, number + 1, table, text_of, now)
            except DataError as error:
                where = f"annotations[{number}]"
                problems = [replace(p, where=f"{where}.{p.where}") for p in error.problems]
                raise DataError(problems) from error
            shapes.append(shape)
    return shapes
