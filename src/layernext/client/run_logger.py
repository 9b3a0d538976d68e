"""Logging a model run from a training or inference loop, image by image.

``with client.model_run(collection, name) as run: run.log(image, boxes=…)``. What is logged goes
through a short queue to a background thread that runs the upload engine, so the loop waits only
when the stack is several batches behind. Leaving the block sends the rest, or raises. An exception
inside the block ends the upload there: batches that were sent stay, nothing more is sent.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from layernext.client.reports import UploadReport
from layernext.client.sources import encode_item
from layernext.errors import DataError, Problem
from layernext.model import ImageDecoder

QUEUE_IMAGES = 2_000
"""Images that may wait for the background thread."""

_END = object()


class _Stop(Exception):  # noqa: N818 - never leaves this module
    """The block was left by an exception."""


class RunLogger:
    """Collects annotation sets and uploads them in the background; see `LayerNextClient.model_run`.

    Attributes:
        report: the upload's report, once the block has ended well.
    """

    def __init__(self, start: Callable[[Iterable[Mapping[str, Any]]], UploadReport]) -> None:
        self._start = start
        self._queue: queue.Queue[Any] = queue.Queue(QUEUE_IMAGES)
        self._thread = threading.Thread(target=self._run, name="layernext-run", daemon=True)
        self._failure: BaseException | None = None
        self._has_stopped = threading.Event()
        self._decoder = ImageDecoder(None)
        self._logged = 0
        self.report: UploadReport | None = None

    def __enter__(self) -> RunLogger:
        """Open the run."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Send what is left and wait for it, or give up if the block failed."""
        self._put(_END if kind is None else _Stop())
        self._thread.join()
        if kind is None and self._failure is not None:
            raise self._failure

    def log(
        self,
        image: str,
        *,
        boxes: Any = None,
        polygons: Sequence[Any] | None = None,
        lines: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        confidences: Any = None,
        attributes: Sequence[Mapping[str, Any]] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Log one image's annotations. An image without any is a result, too: log it empty.

        Logging an image again adds to it.

        Args:
            image: the image's file name in the collection.
            boxes: (N, 4): x, y, width, height in pixels; a numpy array or lists.
            polygons: N polygons, each (M, 2): x, y of its corners.
            lines: N lines, each (M, 2): x, y of its points.
            labels: N class names, in the order boxes, polygons, lines.
            confidences: N numbers from 0 to 1, in the same order, or None.
            attributes: N dictionaries: attribute name to a value, or to a list of
                ``{"value": …, "confidence": …}``; or None.
            metadata: N dictionaries of free fields, or None.

        Raises:
            DataError: lengths differ, or a value breaks a rule; nothing of this image is logged.
            UploadIncomplete, StackError, ConnectionFailed: an earlier batch could not be sent.
        """
        shapes = [
            *(("rectangle", "bbox", shape) for shape in _rows(boxes)),
            *(("polygon", "polygon", _plain(shape)) for shape in polygons or ()),
            *(("line", "line", _plain(shape)) for shape in lines or ()),
        ]
        columns = {
            "labels": _rows(labels),
            "confidences": _rows(confidences),
            "attributes": attributes,
            "metadata": metadata,
        }
        for name, column in columns.items():
            is_needed = name == "labels" and shapes
            if (column or is_needed) and len(column or ()) != len(shapes):
                raise DataError(
                    Problem(name, f"has {len(column or ())}, must have {len(shapes)}: one a shape")
                )
        annotations = []
        for place, (kind, key, shape) in enumerate(shapes):
            fields: dict[str, Any] = {"type": kind, "label": columns["labels"][place], key: shape}
            if columns["confidences"]:
                fields["confidence"] = columns["confidences"][place]
            if attributes:
                fields["attributes"] = {
                    name: value if isinstance(value, list) else [{"value": value}]
                    for name, value in attributes[place].items()
                }
            if metadata:
                fields["metadata"] = metadata[place]
            annotations.append(fields)
        item = {"image": image, "annotations": annotations}
        # Checked here, so that the error points at the call that caused it.
        self._decoder.decode(encode_item(item, self._logged), index=self._logged)
        self._put(item)
        self._logged += 1

    def _put(self, item: Any) -> None:
        while not self._has_stopped.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return
        if self._failure is not None and not isinstance(item, _Stop):
            raise self._failure

    def _items(self) -> Iterator[Mapping[str, Any]]:
        while (item := self._queue.get()) is not _END:
            if isinstance(item, _Stop):
                raise item
            yield item

    def _run(self) -> None:
        try:
            self.report = self._start(self._items())
        except _Stop:
            pass  # the block's own exception is on its way
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._failure = error
        finally:
            self._has_stopped.set()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _rows(values: Any) -> list[Any]:
    """An array or a sequence as a list; None as an empty one."""
    if values is None:
        return []
    plain = _plain(values)
    return [_plain(row) for row in plain]


