"""Logging a model run from a training or inference loop, image by image.

``with client.model_run(collection, name) as run: run.log(image, boxes=…)``. Each call checks its
image and turns it into JSON at once, so later changes to the caller's arrays do no harm. The JSON
waits in a short queue for a background thread, which runs the upload engine; the loop waits only
when the stack is several batches behind. Leaving the block sends the rest, or raises. An exception
inside the block ends the upload there: batches that the stack has stay, nothing more is sent.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from layernext.client.annotations.sources import Source, encode_item
from layernext.client.cancellation import Cancelled, go_on_unless_cancelled, is_cancelled
from layernext.client.logged_shapes import (
    BoxFormat,
    BoxWatch,
    RotationWatch,
    as_boxes,
    as_column,
    as_labels,
    as_masks,
    as_poses,
    as_rows,
    as_semantic_masks,
    as_tracks,
    check_box_format,
    check_image_name,
)
from layernext.client.outputs.adapters import iter_outputs
from layernext.client.outputs.image_names import GivenNames, ImageNames
from layernext.client.outputs.output import Names, Reading
from layernext.client.progress import ProgressChoice
from layernext.client.reports import UploadReport
from layernext.errors import LayerNextError
from layernext.formats import Losses
from layernext.model import AttributeValue, ImageDecoder, has_parts, naming_image

QUEUE_BYTES = 16 << 20
"""JSON that may wait for the background thread: a few batches."""

logger = logging.getLogger("layernext.client.upload")


class _Aborted(Exception):
    """The block was left by an exception."""


class _Queue:
    """Lines on their way to the background thread: the `Source` that it uploads."""

    total = None
    is_repeatable = False

    def __init__(self) -> None:
        self.warnings: dict[str, tuple[int, str]] = {}
        self.file_keys: dict[str, bytes] = {}
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._is_complete = False
        self._is_aborted = False
        self._has_reader = True

    def put(self, line: bytes) -> None:
        """Append a line; waits while the queue is full and somebody reads it."""
        with self._changed:
            while self._has_reader and self._size > QUEUE_BYTES:
                self._changed.wait()
            self._waiting.append(line)
            self._size += len(line)
            self._changed.notify_all()

    def complete(self) -> None:
        """Say that there is no further line."""
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Forget what waits, and make the reader stop."""
        with self._changed:
            self._is_aborted = True
            self._changed.notify_all()

    def leave(self) -> None:
        """Say that nobody reads any more, so that nobody waits for it."""
        with self._changed:
            self._has_reader = False
            self._changed.notify_all()

    def prepare(self, progress: ProgressChoice) -> None:
        """Nothing: every image was checked when it was logged."""

    def lines(self) -> Iterator[bytes]:
        """See `Source`."""
        while (line := self._get()) is not None:
            yield line

    def _get(self) -> bytes | None:
        with self._changed:
            while not (self._waiting or self._is_complete or self._is_aborted):
                self._changed.wait()
            if self._is_aborted:
                raise _Aborted
            if not self._waiting:
                return None
            line = self._waiting.popleft()
            self._size -= len(line)
            self._changed.notify_all()
            return line


class RunLogger:
    """Collects annotation sets and uploads them in the background; see `LayerNextClient.model_run`.

    Serves a single ``with`` block. `log` may be called by several threads.

    Attributes:
        report: the upload's report, once the block has ended without an error.
    """

    def __init__(
        self,
        upload: Callable[[Source], UploadReport],
        *,
        is_normalized: bool = False,
        strict: bool = False,
    ) -> None:
        self._upload = upload
        self._is_normalized = is_normalized
        self._losses = Losses(strict=strict)
        self._paths: dict[int, int] = {}
        self._box_watch = BoxWatch()
        self._rotation_watch = RotationWatch()
        self._queue = _Queue()
        self._thread = threading.Thread(target=self._run, name="layernext-run", daemon=True)
        self._failure: BaseException | None = None
        self._is_open = False
        self._is_aborted = threading.Event()
        self._process = os.getpid()
        self._decoder = ImageDecoder(None)
        self._logged = 0
        self.report: UploadReport | None = None

    def __enter__(self) -> RunLogger:
        """Open the run."""
        if self._is_open or self._thread.ident is not None:
            raise LayerNextError(
                "this run was already opened", hint="ask the client for another run"
            )
        self._is_open = True
        self._process = os.getpid()
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Send what is left and wait for it, or give up if the block failed."""
        self._is_open = False
        if os.getpid() != self._process:
            # Neither the thread nor what the queue's lock protects is in this process.
            if kind is None:
                raise _foreign_process()
            return
        if kind is None:
            self._queue.complete()
        else:
            self.abort()
        try:
            self._thread.join()
        except BaseException:  # Ctrl-C while waiting
            self.abort()
            raise
        if kind is None and self._failure is not None:
            raise self._failure
        if self.report is not None and not self.report.images:
            logger.warning("%s", self.report.no_images_notice)

    def abort(self) -> None:
        """Stop sending. A batch in flight may still be stored."""
        self._is_open = False
        self._is_aborted.set()
        self._queue.abort()

    def log(
        self,
        image: str,
        *,
        boxes: Any = None,
        rotations: Any = None,
        polygons: Iterable[Any] | None = None,
        lines: Iterable[Any] | None = None,
        masks: Any = None,
        keypoints: Any = None,
        semantic: Any = None,
        names: Mapping[int, str] | Sequence[str] | None = None,
        ignore: int | Iterable[int] | None = 255,
        labels: Sequence[str] | Any = None,
        confidences: Any = None,
        tracks: Any = None,
        attributes: Sequence[Mapping[str, Any]] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        format: BoxFormat = "xywh",
        size: tuple[float, float] | None = None,
    ) -> None:
        """Log one image's annotations. An image without annotations is also a result: log it without shapes.

        Logging an image again adds to its annotations.

        Args:
            image: the image's file name in the collection.
            boxes: (N, 4), in pixels; a numpy array or lists. By default x and y of the top left
                corner, width and height; see `format`. Or (N, 5): rotated boxes, with the rotation last.
            rotations: N numbers that turn the boxes into rotated boxes: degrees, clockwise as seen in the
                image, about the center of each box; or None.
            polygons: N polygons, each (M, 2): x, y of its corners; or a list of parts, each a list of outlines:
                the outer one, then its holes.
            lines: N lines, each (M, 2): x, y of its points.
            masks: (N, H, W) of bool, as large as the image: a numpy array, a tensor or lists; or N
                `RunLengths`, or dictionaries with COCO's ``size`` and ``counts``.
            keypoints: N poses, each (K, 3): x, y and visibility of its points, in the order of the label's skeleton
                (see `Keypoints`); or (K, 2) if all are visible. ``boxes`` are then the boxes of the poses,
                one for each.
            semantic: a label map (H, W) of class numbers, as large as the image: a numpy array, a tensor or
                lists. It becomes one `SemanticMask` for each number; ``labels`` and the other columns do not
                apply to them.
            names: for ``semantic``: a dictionary from class number to label, or labels in the order of their
                numbers.
            ignore: for ``semantic``: the class number that marks void pixels, or several such numbers, or
                None.
            labels: N class names, in the order poses, boxes, polygons, lines, masks. Without any of these,
                they are labels of the whole image, as a classifier gives them.
            confidences: N numbers from 0 to 1, in the same order, or None.
            tracks: N ids of tracked objects, each the same in every frame: whole numbers or strings, or None for an
                object that has none; or None.
            attributes: N dictionaries: attribute name to a value, or to a list of `AttributeValue`
                or ``{"value": …, "confidence": …}``; or None.
            metadata: N dictionaries of your own fields, or None.
            format: layout of the boxes: ``xywh`` (top left corner, width and height), ``xyxy`` (left, top,
                right and bottom) or ``cxcywh`` (center, width and height). They are stored as ``xywh``.
            size: width and height of the image, if known. It is used to warn, once, if many boxes of a run
                extend beyond their images. Not needed for a normalized run.

        Raises:
            ConfigurationError: ``format`` is not one of these.
            DataError: lengths differ, or a value breaks a rule; nothing of this image is logged.
            UploadIncomplete, StackError, ConnectionFailed: an earlier batch could not be sent.
        """
        if not self._is_open:
            raise LayerNextError("this run is not open", hint="call log inside the with block")
        if os.getpid() != self._process:
            raise _foreign_process()
        check_box_format(format)
        with naming_image(image):
            check_image_name(image)
            rectangles, degrees = as_boxes(boxes, format, rotations)
            if keypoints is None:
                annotations = [*_annotations(rectangles, degrees)]
            else:
                boxes_of_poses = None if boxes is None else rectangles
                annotations = [*as_poses(keypoints, boxes_of_poses, degrees)]
            annotations += _outlines(polygons, lines)
            annotations += ({"type": "mask", "mask": mask} for mask in as_masks(masks, size))
            rows = as_rows("labels", labels) or []
            if all(shapes is None for shapes in (boxes, polygons, lines, masks, keypoints)):
                annotations = [{"type": "image_label"} for _ in rows]
            _describe(annotations, rows, confidences, tracks, attributes, metadata)
            annotations += as_semantic_masks(semantic, names, ignore, size)
            # Checked here, so that the error points at the call that caused it.
            line = encode_item({"image": image, "annotations": annotations}, self._logged)
            self._decoder.decode(line, index=self._logged)
        known_size = (1.0, 1.0) if self._is_normalized else size
        if known_size is not None:
            self._box_watch.look_at(rectangles, known_size)
        if degrees:
            self._rotation_watch.look_at(degrees)
        self._queue.put(line)
        if self._failure is not None:
            raise self._failure
        self._logged += 1

    def log_results(
        self,
        results: Any,
        image: GivenNames | None = None,
        *,
        names: Names | None = None,
        format: BoxFormat | None = None,
    ) -> None:
        """Log the output of a model, as its library returns it, for one image or for many.

        It takes ``Results`` of Ultralytics, ``Detections`` of supervision, ``Instances`` of Detectron2,
        ``DetDataSample`` of MMDetection, dictionaries of torchvision and DETR, what Hugging Face's image processors
        and pipelines return, tables of pandas, Polars and Arrow, and lists of COCO results; and lists and
        generators of them. Tensors may be on any device. A detection that has a mask becomes a mask, with its box as
        ``bbox`` in its metadata; label maps become semantic masks. What is not logged is in the report's ``losses``.

        Args:
            results: one output, or an iterable of them; only one is in memory at a time.
            image: the image's file name in the collection, or several names in the order of the results, if
                the results do not have them; for COCO results, a dictionary from image number to name. Only
                the last part of a path in the results is used.
            names: labels by class number: a list from number 0, or a dictionary. Not needed if the results have them.
            format: layout of the boxes in plain dictionaries, and in tables whose columns do not show it:
                ``xywh``, ``xyxy``
                or ``cxcywh``.

        Raises:
            ConfigurationError: ``format`` is not one of these, or the results allow only one layout.
            DataError: something is not an output of a model, lengths differ, an image or a class has no name, or a
                value breaks a rule; the images before it are logged.
            UploadIncomplete, StackError, ConnectionFailed: an earlier batch could not be sent.
        """
        if format is not None:
            check_box_format(format)
        if isinstance(image, str) and isinstance(results, list) and not results:
            self.log(image)
            return
        image_names = ImageNames(image, self._paths)
        reading = Reading(
            names=names,
            box_format=format,
            is_normalized=self._is_normalized,
            losses=self._losses,
        )
        for output in iter_outputs(results, reading):
            go_on_unless_cancelled()
            self.log(image_names.name_of(output), **output.columns)
        image_names.finish()

    def _run(self) -> None:
        is_cancelled.set(self._is_aborted)  # in this thread's own context
        try:
            self.report = self._with_losses(self._upload(self._queue))
        except (_Aborted, Cancelled):
            pass  # the block's own exception is on its way
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._failure = error
        finally:
            self._queue.leave()

    def _with_losses(self, report: UploadReport) -> UploadReport:
        if not self._losses.counts:
            return report
        return msgspec.structs.replace(report, losses=self._losses.counts)


def _outlines(polygons: Any, lines: Any) -> Iterator[dict[str, Any]]:
    """Polygons and lines as form v2 has them."""
    for polygon in as_rows("polygons", polygons) or ():
        yield {"type": "polygon", "parts" if has_parts(polygon) else "polygon": polygon}
    for line in as_rows("lines", lines) or ():
        yield {"type": "line", "line": line}


def _annotations(boxes: list[Any], rotations: list[Any] | None) -> Iterator[dict[str, Any]]:
    """Boxes as form v2 has them."""
    if rotations is None:
        yield from ({"type": "rectangle", "bbox": box} for box in boxes)
        return
    for box, rotation in zip(boxes, rotations, strict=True):
        yield {"type": "rotated_box", "bbox": box, "rotation": rotation}


def _foreign_process() -> LayerNextError:
    return LayerNextError(
        "this run was opened in another process",
        hint="log in the process that opened it, or open one run in each process",
    )


def _describe(
    annotations: list[dict[str, Any]],
    labels: Any,
    confidences: Any,
    tracks: Any,
    attributes: Sequence[Mapping[str, Any]] | None,
    metadata: Sequence[Mapping[str, Any]] | None,
) -> None:
    """Give each annotation its label, confidence, track, attributes and metadata."""
    count = len(annotations)
    columns = {
        "label": as_labels(labels, count),
        "confidence": as_column("confidences", confidences, count),
        "track": as_tracks(tracks, count),
        "attributes": as_column("attributes", attributes, count),
        "metadata": as_column("metadata", metadata, count),
    }
    for key, column in columns.items():
        for annotation, value in zip(annotations, column or (), strict=False):
            annotation[key] = _attributes(value) if key == "attributes" else value


def _attributes(attributes: Any) -> Any:
    """Attributes as form v2 has them; what is not a dictionary is left to the check."""
    if not isinstance(attributes, Mapping):
        return attributes
    return {
        name: [_value(item) for item in value] if isinstance(value, list) else [{"value": value}]
        for name, value in attributes.items()
    }


def _value(item: Any) -> Any:
    if isinstance(item, AttributeValue):
        return {"value": item.value, "confidence": item.confidence, "metadata": item.metadata}
    return item
