"""Annotations as packed columns: what is decoded from an image's JSON, and the arrays it becomes.

Only what is evaluated is decoded: label, confidence, coordinates, the few metadata fields that say that a
truth does not count, and attributes if a table over them is requested. An image that the fast decoder
refuses goes to `layernext.model.find_image_problems`, so errors name its path.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct, defstruct
from numpy.typing import NDArray

from layernext.errors import DataError, Problem
from layernext.evaluation.columns import Columns, Flags, Source
from layernext.evaluation.similarity import SIMILARITIES, evaluated_kinds
from layernext.model import KINDS, EvaluationSettings, ImageAnnotations, find_image_problems


class _Annotation(Struct, gc=False):
    label: str
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    type: str | None = None


class _Value(Struct, gc=False):
    value: Any


_FLAGS: list[tuple[str, Any, Any]] = [("metadata", Flags | None, None)]
_VALUES: list[tuple[str, Any, Any]] = [
    ("attributes", dict[str, list[_Value]] | None, None),
    ("metadata", dict[str, Any] | None, None),
]


@cache
def _decoder(
    kinds: tuple[str, ...], *, has_flags: bool, has_values: bool
) -> Callable[[bytes], Any]:
    """Decodes of an image what is packed.

    Args:
        kinds: whose coordinates are decoded; annotations of others are without.
        has_flags: decode the metadata that says what does not count.
        has_values: decode all attributes and metadata.
    """
    types: dict[str, Any] = {}
    for name in kinds:
        types |= KINDS[name].types
    fields: list[Any] = [(key, coordinates | None, None) for key, coordinates in types.items()]
    fields += _VALUES if has_values else _FLAGS if has_flags else []
    annotation = defstruct("_Packed", fields, bases=(_Annotation,), gc=False)
    image = defstruct(
        "_PackedImage",
        [("annotations", list[annotation]), ("isNormalized", bool | None, None)],  # type: ignore[valid-type]
        gc=False,
    )
    return msgspec.json.Decoder(image).decode


AnySet = bytes | memoryview | ImageAnnotations
"""An annotation set: the bytes of its JSON (form v1 or v2), or typed."""


class LabelCodes(dict[str, int]):
    """Label to its number, in the order they come; an unknown label gets the next number."""

    def __missing__(self, label: str) -> int:
        code = self[label] = len(self)
        return code

    def sort(self) -> NDArray[np.int32]:
        """Number the labels in their order; returns the new number for each old one."""
        new = {label: code for code, label in enumerate(sorted(self))}
        codes = np.array([new[label] for label in self], np.int32)
        self.clear()
        self.update(new)
        return codes


class Packer:
    """Gathers the sets of one side of a batch.

    Args:
        settings: completed; annotations that it does not evaluate are counted in `other_geometry`.
        labels: shared with the other side.
        is_truth: whether metadata says what does not count.
        values: codes of attributes' values, by `attribute_key`; None if they are not needed.
        names: of the attributes to gather; ``*`` for all.
    """

    def __init__(
        self,
        settings: EvaluationSettings,
        labels: LabelCodes,
        *,
        is_truth: bool,
        values: LabelCodes | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self._values, self._names = values, set(names)
        self._kinds = evaluated_kinds(settings)
        self._has_masks = any(KINDS[name].key == "mask" for name in self._kinds)
        self._labels = labels
        self._is_truth = is_truth
        self._has_places = KINDS[settings.geometry].key is not None
        self._shapes = SIMILARITIES[settings.geometry].gatherer()
        self.other_geometry = 0
        self.without_confidence = 0
        self._clear()

    def _clear(self) -> None:
        self._counts: list[int] = []
        self._codes = array("q")
        self._scores = array("d")
        self._flagged: list[tuple[int, Flags]] = []
        self._value_rows = array("q")
        self._value_codes = array("q")

    @property
    def annotation_count(self) -> int:
        """How many are gathered."""
        return len(self._codes)

    def add(
        self,
        annotation_set: AnySet | None,
        source: Source,
        image_wh: tuple[float, float] | None,
        image: str,
    ) -> tuple[float, float] | None:
        """Append one image's set; None is an empty one.

        Returns:
            `image_wh`; if that is unknown, the size of the set's masks.

        Raises:
            DataError: it is not an annotation set; names the image and the path in it. Or its
                coordinates are fractions and the image's size is unknown; or a mask is not of that size.
        """
        if annotation_set is None:
            self._counts.append(0)
            return image_wh
        raw = annotation_set
        if isinstance(raw, ImageAnnotations):
            raw = msgspec.json.encode(raw)
        decoded = self._decode(raw, source, image)
        annotations: list[Any] = []
        for annotation in decoded.annotations:
            if (annotation.type or source.geometry) in self._kinds:
                annotations.append(annotation)
            elif annotation.type or source.geometry:
                self.other_geometry += 1
            else:
                raise self._problem(raw, source, image, None)
        self._labels_and_scores(annotations)
        start = len(self._codes) - len(annotations)
        if self._values is not None:
            self._attributes(annotations, start, source, self._values)
        if self._is_truth or source.is_coco:
            self._flagged += [
                (row, annotation.metadata)
                for row, annotation in enumerate(annotations, start)
                if annotation.metadata
            ]
        is_normalized = source.is_normalized or bool(decoded.isNormalized)
        if is_normalized and annotations and image_wh is None and self._has_places:
            raise DataError(
                Problem(image, "has fractions for coordinates, and the image's size is not known")
            )
        scale = image_wh if is_normalized else None
        try:
            self._shapes.add(annotations, scale, source)
        except TypeError as error:
            raise self._problem(raw, source, image, error) from error
        self._counts.append(len(annotations))
        return self._size_of_masks(annotations, image_wh, image) if self._has_masks else image_wh

    def _size_of_masks(
        self, annotations: Sequence[Any], image_wh: tuple[float, float] | None, image: str
    ) -> tuple[float, float] | None:
        for number, annotation in enumerate(annotations):
            if annotation.mask is None:
                continue
            height, width = annotation.mask.size
            if image_wh is None:
                image_wh = (float(width), float(height))
            elif (width, height) != (int(image_wh[0]), int(image_wh[1])):
                size = f"{width} x {height} pixels, its image {image_wh[0]:g} x {image_wh[1]:g}"
                raise DataError(Problem(image, f"mask {number + 1} of it has {size}"))
        return image_wh

    def _attributes(
        self, annotations: Sequence[Any], start: int, source: Source, codes: LabelCodes
    ) -> None:
        for row, annotation in enumerate(annotations, start):
            attributes = annotation.attributes
            values = {
                name: entries[0].value for name, entries in (attributes or {}).items() if entries
            }
            if annotation.type is None and attributes is None and source.geometry is not None:
                values = annotation.metadata or {}  # form v1
            if annotation.metadata is not None:
                annotation.metadata = msgspec.convert(annotation.metadata, Flags, strict=False)
            for name, value in values.items():
                if name in self._names or "*" in self._names:
                    self._value_rows.append(row)
                    self._value_codes.append(codes[attribute_key(name, value)])

    def _labels_and_scores(self, annotations: Sequence[Any]) -> None:
        self._codes.extend([self._labels[annotation.label] for annotation in annotations])
        scores = [annotation.confidence for annotation in annotations]
        if None in scores:
            self.without_confidence += scores.count(None)
            scores = [1.0 if score is None else score for score in scores]
        self._scores.extend(scores)

    def _decode(self, raw: bytes | memoryview, source: Source, image: str) -> Any:
        decode: Callable[..., Any] = _decoder(
            self._kinds,
            has_flags=self._is_truth or source.is_coco,
            has_values=self._values is not None,
        )
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
        is_score = any(problem.where.endswith(".confidence") for problem in problems)
        return DataError(
            [Problem(f"{image}: {problem.where}", problem.message) for problem in problems[:10]],
            hint="scale scores: --scale-confidence 100 for percent, or sigmoid for logits"
            if is_score
            else None,
        )

    def take(self) -> Columns:
        """Everything gathered; then start empty."""
        count = len(self._codes)
        counts = np.array(self._counts, np.int64)
        shapes, area = self._shapes.take()
        ignore, crowd, has_area = (np.zeros(count, bool) for _ in range(3))
        for row, flags in self._flagged:
            if self._is_truth:
                crowd[row] = bool(flags.iscrowd)
                ignore[row] = bool(flags.iscrowd or flags.ignore or flags.difficult)
            if isinstance(flags.area, int | float) and not isinstance(flags.area, bool):
                area[row], has_area[row] = flags.area, True
        columns = Columns(
            image=np.repeat(np.arange(len(counts)), counts),
            label=np.array(self._codes, np.int64),
            score=np.array(self._scores, float),
            shapes=shapes,
            area=area,
            has_area=has_area,
            ignore=ignore,
            crowd=crowd,
            value_row=np.array(self._value_rows, np.int64),
            value=np.array(self._value_codes, np.int64),
        )
        self._clear()
        return columns


def attribute_key(name: str, value: Any) -> str:
    """The key of an attribute's value; no name contains its separator."""
    return f"attribute\0{name}\0{_text(value)}"


def metadata_key(name: str, value: Any) -> str:
    """The key of a value of an image's metadata."""
    return f"metadata\0{name}\0{_text(value)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
