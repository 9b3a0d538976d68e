"""An annotation set made ready for the database, outside every lock and transaction."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from layernext.model import (
    Box,
    CheckedImage,
    Geometry,
    confidences_by_label,
    distinct_attribute_values,
    is_normalized,
    iter_attribute_values,
    rectangles_of,
)
from layernext.stack.store.annotations import content, summaries
from layernext.stack.store.collections.keys import ImageKey
from layernext.stack.store.labels.texts import value_text

MEASURED_SETS = 64
"""Sets of a batch whose boxes are compared with the sizes of their images: enough to notice that an
upload confuses the layouts of boxes, at next to no cost."""
TOLERANCE = 0.01
"""Of an image's side, by which a box may leave it."""


class PreparedSet(Struct, gc=False):
    """One annotation set, checked, compressed and summed up.

    Attributes:
        key: the image.
        content: zstd of the set's JSON.
        annotation_count: annotations in it.
        label_counts: label to number of annotations.
        confidences: the `summaries.confidence_codes` of the annotations, label by label.
        attribute_values: (label, attribute name, value as compact JSON) that occur in it; it may
            leave out what an earlier set of the same batch has.
        geometry: of annotations without a ``type``; None for form v2.
        normalized: whether the set's coordinates are fractions of the image's size.
        is_named: whether ``image`` in the JSON equals the key's name.
        boxes: in pixels, of the first sets of a batch only.
        size: width and height of the image as the set declares them.
    """

    key: ImageKey
    content: bytes
    annotation_count: int
    label_counts: dict[str, int]
    confidences: bytes
    attribute_values: set[tuple[str, str, str]]
    geometry: Geometry | None
    normalized: bool
    is_named: bool
    boxes: list[Box]
    size: tuple[int, int] | None

    def count_outside(self, width: int, height: int) -> int:
        """How many of `boxes` leave an image of this size."""
        right, bottom = (1 + TOLERANCE) * width, (1 + TOLERANCE) * height
        left, top = width - right, height - bottom
        return sum(
            x < left or y < top or x + box_width > right or y + box_height > bottom
            for x, y, box_width, box_height in self.boxes
        )


class BatchPreparation:
    """Prepares the sets of a batch; each image can be forgotten as soon as it was added.

    Args:
        geometry: of annotations without a ``type``; None for form v2.
        normalized: what the upload says; an image can say it for itself.
    """

    def __init__(self, geometry: Geometry | None, *, normalized: bool) -> None:
        self._geometry = geometry
        self._normalized = normalized
        self._raws: list[bytes | bytearray | memoryview] = []
        self._sets: list[PreparedSet] = []
        self._confidences: list[float | None] = []
        self._texts_seen: set[tuple[str, str, Any]] = set()

    def add(self, raw: bytes | memoryview, image: CheckedImage, key: ImageKey) -> None:
        """Sum up one set: its JSON, the same decoded, and by what its image is named."""
        self._raws.append(raw)
        by_label = confidences_by_label(image)
        for chunk in by_label.values():
            self._confidences += chunk
        normalized = self._normalized or is_normalized(image)
        has_boxes = len(self._sets) < MEASURED_SETS and not normalized
        self._sets.append(
            PreparedSet(
                key=key,
                content=b"",
                annotation_count=len(image.annotations),
                label_counts=dict(zip(by_label, map(len, by_label.values()), strict=True)),
                confidences=b"",
                attribute_values=self._new_values(image),
                geometry=self._geometry,
                normalized=normalized,
                is_named=image.image == key.name,
                boxes=rectangles_of(image) if has_boxes else [],
                size=(image.width, image.height) if image.width and image.height else None,
            )
        )

    def _new_values(self, image: CheckedImage) -> set[tuple[str, str, str]]:
        try:
            new = distinct_attribute_values(image) - self._texts_seen
        except TypeError:
            new = None
        # Of texts alone is it true that equal values are the same: 1, 1.0 and True are not.
        if new is not None and all(type(value) is str for _, _, value in new):
            self._texts_seen |= new
            return {(label, name, value_text(value)) for label, name, value in new}
        result = iter_attribute_values(image)
        return {(label, name, value_text(value)) for label, name, value in result}

    def finish(self) -> list[PreparedSet]:
        """Compress everything, sum up the confidences, and give the sets.

        One call for the whole batch: it leaves the interpreter to other threads meanwhile.
        """
        if self._raws:
            packed = content.compressor().multi_compress_to_buffer(self._raws)
            codes = summaries.confidence_codes(self._confidences).tobytes()
            start = 0
            for position, prepared in enumerate(self._sets):
                prepared.content = packed[position].tobytes()
                end = start + summaries.CODE_BYTES * prepared.annotation_count
                prepared.confidences = codes[start:end]
                start = end
        return self._sets
