"""Annotations as packed columns: what is decoded of an image's JSON, and the arrays it becomes.

Only what is evaluated is decoded: label, confidence, shape, the few metadata fields that say that a
truth does not count, and attributes if a table over them is wanted. An image that the fast decoder
refuses is looked at by `layernext.model.find_image_problems`, so errors name their place.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from layernext.errors import DataError, Problem
from layernext.model import (
    GEOMETRY_KEYS,
    EvaluatedGeometry,
    Geometry,
    ImageAnnotations,
    find_image_problems,
)

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.integer[Any]]


class Flags(Struct, gc=False):
    """What a truth's metadata say about counting it; each may be a number, a truth value or null.

    Attributes:
        iscrowd: COCO's: a region of many; annotations inside it neither count nor fail.
        ignore: as in COCO's evaluation: neither finding nor missing it counts.
        difficult: Pascal VOC's name for the same.
        area: square pixels, for size ranges; the shape's own area if left out. COCO files have it.
        segmentation: of COCO files: in place of the polygon a list of outlines, or run lengths of a mask.
    """

    iscrowd: Any = None
    ignore: Any = None
    difficult: Any = None
    area: Any = None
    segmentation: Any = None


class _Annotation(Struct, gc=False):
    label: str
    confidence: float | None = None
    type: str | None = None
    bbox: tuple[float, float, float, float] | None = None


class _Truth(_Annotation, gc=False):
    metadata: Flags | None = None


class _Shape(Struct, gc=False):
    label: str
    confidence: float | None = None
    type: str | None = None
    polygon: list[tuple[float, float]] | None = None
    line: list[tuple[float, float]] | None = None


class _TruthShape(_Shape, gc=False):
    metadata: Flags | None = None


class _Value(Struct, gc=False):
    value: Any


class _Full(_Shape, gc=False):
    bbox: tuple[float, float, float, float] | None = None
    attributes: dict[str, list[_Value]] | None = None
    metadata: dict[str, Any] | None = None


class _FullImage(Struct, gc=False):
    annotations: list[_Full]
    isNormalized: bool | None = None  # noqa: N815 - the format's name


class _BoxImage(Struct, gc=False):
    annotations: list[_Annotation]
    isNormalized: bool | None = None  # noqa: N815 - the format's name


class _BoxTruthImage(Struct, gc=False):
    annotations: list[_Truth]
    isNormalized: bool | None = None  # noqa: N815


class _ShapeImage(Struct, gc=False):
    annotations: list[_Shape]
    isNormalized: bool | None = None  # noqa: N815


class _ShapeTruthImage(Struct, gc=False):
    annotations: list[_TruthShape]
    isNormalized: bool | None = None  # noqa: N815


_decode_full = msgspec.json.Decoder(_FullImage).decode
_decode_boxes = msgspec.json.Decoder(_BoxImage).decode
_decode_box_truths = msgspec.json.Decoder(_BoxTruthImage).decode
_decode_shapes = msgspec.json.Decoder(_ShapeImage).decode
_decode_shape_truths = msgspec.json.Decoder(_ShapeTruthImage).decode

AnySet = bytes | memoryview | ImageAnnotations
"""An annotation set: the bytes of its JSON (form v1 or v2), or typed."""


class Source(Struct, frozen=True):
    """How the sets of one side are to be read.

    Attributes:
        geometry: of annotations without a ``type`` (form v1), or None.
        is_normalized: whether coordinates are fractions, where a set does not say so itself.
        is_coco: whether it was made of COCO for an evaluation: then metadata of both sides give areas that go
            before the shapes' own, and `Flags.segmentation`.
    """

    geometry: Geometry | None = None
    is_normalized: bool = False
    is_coco: bool = False


class LabelCodes(dict[str, int]):
    """Label to its number, in the order they come; an unknown one gets the next."""

    def __missing__(self, label: str) -> int:
        code = self[label] = len(self)
        return code

    def sort(self) -> NDArray[np.int32]:
        """Number the labels in their order; gives the new number for each old one."""
        new = {label: code for code, label in enumerate(sorted(self))}
        codes = np.array([new[label] for label in self], np.int32)
        self.clear()
        self.update(new)
        return codes


class Columns(Struct):
    """The annotations of one side of a batch of images, image after image.

    Attributes:
        image: (N,) number of the image in the batch, rising.
        label: (N,) code.
        score: (N,) confidence; 1 where there is none.
        shapes: boxes (N, 4) as x, y, width, height; or a list of N arrays (K, 2) of points; in
            pixels, or `Flags.segmentation`. Or what `Measure.prepare` made of them.
        area: (N,) square pixels, for size ranges; what metadata say goes first.
        has_area: (N,) whether metadata said it.
        ignore: (N,) of truths: neither finding nor missing it counts; of the run: it counts only if
            it is right.
        crowd: (N,) whether it may be found any number of times.
        value_row, value: (V,) annotations and codes of their attributes' values, where wanted.
    """

    image: IndexArray
    label: IndexArray
    score: FloatArray
    shapes: Any
    area: FloatArray
    has_area: NDArray[np.bool_]
    ignore: NDArray[np.bool_]
    crowd: NDArray[np.bool_]
    value_row: IndexArray
    value: IndexArray

    @property
    def count(self) -> int:
        """How many annotations."""
        return len(self.label)

    def in_order(self, order: IndexArray) -> Columns:
        """Some of them, in another order."""
        shapes = self.shapes
        now = np.full(self.count, -1)
        now[order] = np.arange(len(order))
        is_kept = now[self.value_row] >= 0
        return Columns(
            image=self.image[order],
            label=self.label[order],
            score=self.score[order],
            shapes=shapes[order] if isinstance(shapes, np.ndarray) else [shapes[i] for i in order],
            area=self.area[order],
            has_area=self.has_area[order],
            ignore=self.ignore[order],
            crowd=self.crowd[order],
            value_row=now[self.value_row][is_kept],
            value=self.value[is_kept],
        )


class Packer:
    """Gathers the sets of one side of a batch.

    Args:
        geometry: what is kept; others are counted in `other_geometry`.
        labels: shared with the other side.
        is_truth: whether metadata say what does not count.
        values: codes of attributes' values, by `attribute_key`; None if they are not wanted.
        names: of the wanted attributes; ``*`` for all.
    """

    def __init__(
        self,
        geometry: EvaluatedGeometry,
        labels: LabelCodes,
        *,
        is_truth: bool,
        values: LabelCodes | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self._values, self._names = values, set(names)
        self._geometry = geometry
        self._labels = labels
        self._is_truth = is_truth
        self._key = GEOMETRY_KEYS[geometry]
        self.other_geometry = 0
        self.without_confidence = 0
        self._clear()

    def _clear(self) -> None:
        self._counts: list[int] = []
        self._codes = array("q")
        self._scores = array("d")
        self._boxes = array("d")
        self._points: list[Any] = []
        self._flagged: list[tuple[int, Flags]] = []
        self._value_rows = array("q")
        self._value_codes = array("q")

    @property
    def annotation_count(self) -> int:
        """How many are gathered."""
        return len(self._codes)

    def add(
        self, found: AnySet | None, source: Source, image_wh: tuple[float, float] | None, image: str
    ) -> None:
        """Append one image's set; None is an empty one.

        Raises:
            DataError: it is not an annotation set; names the image and the place in it. Or it has
                fractions for coordinates, and nobody knows the image's size.
        """
        if found is None:
            self._counts.append(0)
            return
        if isinstance(found, ImageAnnotations):
            found = msgspec.json.encode(found)
        decoded = self._decode(found, source, image)
        kept: list[Any] = []
        for one in decoded.annotations:
            if (one.type or source.geometry) == self._geometry:
                kept.append(one)
            elif one.type or source.geometry:
                self.other_geometry += 1
            else:
                raise self._problem(found, source, image, None)
        self._labels_and_scores(kept)
        start = len(self._codes) - len(kept)
        if self._values is not None:
            self._attributes(kept, start, source, self._values)
        if self._is_truth or source.is_coco:
            self._flagged += [
                (start + place, one.metadata) for place, one in enumerate(kept) if one.metadata
            ]
        is_normalized = source.is_normalized or bool(decoded.isNormalized)
        if is_normalized and kept and image_wh is None:
            raise DataError(
                Problem(image, "has fractions for coordinates, and the image's size is not known")
            )
        scale = image_wh if is_normalized else None
        try:
            self._add_shapes(kept, scale, source)
        except TypeError as error:
            raise self._problem(found, source, image, error) from error
        self._counts.append(len(kept))

    def _attributes(
        self, kept: Sequence[_Full], start: int, source: Source, values: LabelCodes
    ) -> None:
        for row, one in enumerate(kept, start):
            found = {name: each[0].value for name, each in (one.attributes or {}).items() if each}
            is_v1 = one.type is None and one.attributes is None and source.geometry is not None
            if is_v1:
                found = one.metadata or {}
            if one.metadata is not None:
                one.metadata = msgspec.convert(one.metadata, Flags, strict=False)  # type: ignore[assignment]
            for name, value in found.items():
                if name in self._names or "*" in self._names:
                    self._value_rows.append(row)
                    self._value_codes.append(values[attribute_key(name, value)])

    def _labels_and_scores(self, kept: Sequence[Any]) -> None:
        self._codes.extend([self._labels[one.label] for one in kept])
        scores = [one.confidence for one in kept]
        if None in scores:
            self.without_confidence += scores.count(None)
            scores = [1.0 if score is None else score for score in scores]
        self._scores.extend(scores)

    def _add_shapes(
        self, kept: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        if self._geometry == "rectangle":
            flat = chain.from_iterable([one.bbox for one in kept])
            if scale is not None:
                factors = [*scale, *scale]
                flat = chain.from_iterable(
                    [v * f for v, f in zip(one.bbox, factors, strict=True)] for one in kept
                )
            self._boxes.extend(flat)
            return
        for one in kept:
            if source.is_coco and one.metadata and one.metadata.segmentation:
                self._points.append(one.metadata.segmentation)
                continue
            points = one.polygon if self._geometry == "polygon" else one.line or one.polygon
            if not points:
                raise TypeError("no points")
            self._points.append(np.array(points, float) * (scale or (1.0, 1.0)))

    def _decode(self, raw: bytes | memoryview, source: Source, image: str) -> Any:
        has_flags = self._is_truth or source.is_coco
        if self._values is not None:
            decode: Any = _decode_full
        elif self._geometry == "rectangle":
            decode = _decode_box_truths if has_flags else _decode_boxes
        else:
            decode = _decode_shape_truths if has_flags else _decode_shapes
        try:
            return decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._problem(raw, source, image, error) from error

    def _problem(
        self, raw: bytes | memoryview, source: Source, image: str, error: Exception | None
    ) -> DataError:
        problems = find_image_problems(bytes(raw), source.geometry, 0)
        if not problems:
            return DataError(Problem(image, f"cannot be evaluated: {error}"))
        return DataError(
            [Problem(f"{image}: {each.where}", each.message) for each in problems[:10]]
        )

    def take(self) -> Columns:
        """What was gathered, and start anew."""
        count = len(self._codes)
        counts = np.array(self._counts, np.int64)
        shapes: Any
        if self._geometry == "rectangle":
            shapes = np.array(self._boxes, float).reshape(-1, 4)
            area = shapes[:, 2] * shapes[:, 3]
        else:
            shapes = self._points
            # Of a mask it is known when it is drawn.
            area = np.array(
                [polygon_area(each) if isinstance(each, np.ndarray) else np.nan for each in shapes]
            )
        ignore, crowd, has_area = (np.zeros(count, bool) for _ in range(3))
        for place, flags in self._flagged:
            if self._is_truth:
                crowd[place] = bool(flags.iscrowd)
                ignore[place] = bool(flags.iscrowd or flags.ignore or flags.difficult)
            if isinstance(flags.area, int | float) and not isinstance(flags.area, bool):
                area[place], has_area[place] = flags.area, True
        columns = Columns(
            image=np.repeat(np.arange(len(counts)), counts),
            label=np.array(self._codes, np.int64),
            score=np.array(self._scores, float),
            shapes=shapes,
            area=area.astype(float),
            has_area=has_area,
            ignore=ignore,
            crowd=crowd,
            value_row=np.array(self._value_rows, np.int64),
            value=np.array(self._value_codes, np.int64),
        )
        self._clear()
        return columns


def attribute_key(name: str, value: Any) -> str:
    """What stands for a value of an attribute: no name has the sign in between."""
    return f"attribute\0{name}\0{_text(value)}"


def metadata_key(name: str, value: Any) -> str:
    """What stands for a value of an image's metadata."""
    return f"metadata\0{name}\0{_text(value)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def polygon_area(points: FloatArray) -> float:
    """Area inside a closed outline (K, 2), by the shoelace formula; 0 for fewer than three points."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
