"""Reading one image's annotation set from JSON: fast, typed, and strict where it comes in.

One image in either form of the format is decoded and checked by msgspec in one pass. Only when
that pass refuses it does `layernext.model.check` look again, slowly, to name every problem and its
place. Client and stack use the same code, so both accept exactly the same data.

Form v1 (the seed's): the geometry is an argument, ``metadata`` holds attribute values.
Form v2: every annotation names its ``type``; ``attributes`` and ``metadata`` are separate.
In a v1 file an annotation that has ``type`` or ``attributes`` is read as v2 (docs/protocol.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from layernext.errors import DataError, Problem
from layernext.model.annotation import (
    GEOMETRY_KEYS,
    Annotation,
    AttributeValue,
    Geometry,
    ImageAnnotations,
    Line,
    Point,
    Points,
    Polygon,
    Rectangle,
)
from layernext.model.check import MAX_NAME_LENGTH, find_image_problems
from layernext.model.repeated_keys import colons_of

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
Confidence = Annotated[float, Meta(ge=0, le=1)]
Side = Annotated[float, Meta(ge=0)]
BBox = tuple[float, float, Side, Side]
PointList = Annotated[list[Point], Meta(min_length=1)]


class _StrictValue(Struct, gc=False, forbid_unknown_fields=True):
    value: Any
    confidence: Confidence | None = None
    metadata: dict[str, Any] | None = None


class _StrictV2(Struct, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    label: Name
    confidence: Confidence | None = None
    attributes: dict[Name, list[_StrictValue]] | None = None
    metadata: dict[str, Any] | None = None


class _StrictRectangle(_StrictV2, tag="rectangle", kw_only=True, gc=False):
    bbox: BBox


class _StrictPolygon(_StrictV2, tag="polygon", kw_only=True, gc=False):
    polygon: PointList


class _StrictLine(_StrictV2, tag="line", kw_only=True, gc=False):
    line: PointList


class _StrictPoints(_StrictV2, tag="points", kw_only=True, gc=False):
    points: PointList


class _StrictV1(Struct, gc=False, kw_only=True, forbid_unknown_fields=True):
    label: Name
    confidence: Confidence | None = None
    metadata: dict[Name, Any] | None = None


class _StrictV1Rectangle(_StrictV1, kw_only=True, gc=False):
    bbox: BBox


class _StrictV1Polygon(_StrictV1, kw_only=True, gc=False):
    polygon: PointList


class _StrictV1Line(_StrictV1, kw_only=True, gc=False):
    line: PointList


class _StrictV1Points(_StrictV1, kw_only=True, gc=False):
    points: PointList


class _StrictImage(Struct, gc=False, forbid_unknown_fields=True):
    image: Name
    storageName: Name | None = None  # noqa: N815 - the wire's name
    isNormalized: bool | None = None  # noqa: N815


class _StrictV2Image(_StrictImage, kw_only=True, gc=False):
    annotations: list[_StrictRectangle | _StrictPolygon | _StrictLine | _StrictPoints]


class _StrictV1RectangleImage(_StrictImage, kw_only=True, gc=False):
    annotations: list[_StrictV1Rectangle]


class _StrictV1PolygonImage(_StrictImage, kw_only=True, gc=False):
    annotations: list[_StrictV1Polygon]


class _StrictV1LineImage(_StrictImage, kw_only=True, gc=False):
    annotations: list[_StrictV1Line]


class _StrictV1PointsImage(_StrictImage, kw_only=True, gc=False):
    annotations: list[_StrictV1Points]


CheckedImage: TypeAlias = (
    _StrictV2Image
    | _StrictV1RectangleImage
    | _StrictV1PolygonImage
    | _StrictV1LineImage
    | _StrictV1PointsImage
    | ImageAnnotations
)
"""A decoded image that passed every check: `image`, `annotations` with `label`, `confidence`."""

_V1_IMAGES: dict[Geometry, type[CheckedImage]] = {
    "rectangle": _StrictV1RectangleImage,
    "polygon": _StrictV1PolygonImage,
    "line": _StrictV1LineImage,
    "points": _StrictV1PointsImage,
}

_ESCAPED_NUL = b"\\u0000"
_ESCAPED_COLON = b"\\u003"


def _is_doubtful(raw: bytes | memoryview, image: CheckedImage) -> bool:
    """Whether `raw` may have what the typed pass cannot see: U+0000 in a name, a repeated key."""
    # Runs for every image that is read or taken in: written for speed, measured by check_file.
    text = raw if isinstance(raw, bytes) else bytes(raw)
    # Looking for one byte is six times as fast, and most data has no escape at all.
    if b"\\" in text and (_ESCAPED_NUL in text or _ESCAPED_COLON in text):
        return True
    # Each key costs a colon. See `repeated_keys`; here the usual keys are counted unseen.
    annotations: list[Any] = image.annotations
    usual = 3 if isinstance(image, _StrictV2Image) else 2
    surplus = text.count(b":") - 2 - usual * len(annotations)
    if not surplus:
        return False
    # Plain loops: half the cost of a list that is built to be counted.
    for annotation in annotations:
        if annotation.confidence is not None:
            surplus -= 1
    if surplus and isinstance(image, _StrictImage):
        surplus -= (image.storageName is not None) + (image.isNormalized is not None)
    if not surplus:
        return False
    # Flat metadata, which is what there is most often.
    flat = surplus
    for annotation in annotations:
        metadata = annotation.metadata
        if metadata is not None:
            flat -= 1 + len(metadata)
    if not flat or surplus == _free_colons(image):
        return False
    # A null is written and not seen in `image`, so it takes the whole value.
    return text.count(b":") != colons_of(msgspec.json.decode(text))


def _free_colons(image: CheckedImage) -> int:
    """The colons of `metadata`, `attributes` and strings of a decoded image."""
    annotations: list[Any] = image.annotations
    count: int = image.image.count(":") + sum(a.label.count(":") for a in annotations)
    if isinstance(image, _StrictImage):
        count += (image.storageName or "").count(":")
    for metadata in [a.metadata for a in annotations if a.metadata is not None]:
        count += 1 + colons_of(metadata)
    if isinstance(image, _StrictV2Image):
        for attributes in [a.attributes for a in annotations if a.attributes is not None]:
            count += 1 + len(attributes) + sum(name.count(":") for name in attributes)
            for value in [value for values in attributes.values() for value in values]:
                count += 1 + colons_of(value.value) + (value.confidence is not None)
                if value.metadata is not None:
                    count += 1 + colons_of(value.metadata)
    return count


class ImageDecoder:
    """Decodes and checks images of one upload.

    Args:
        geometry: the geometry of annotations without a ``type`` (form v1), or None if every
            annotation has to name its own (form v2).
    """

    def __init__(self, geometry: Geometry | None) -> None:
        self.geometry = geometry
        wanted: type[CheckedImage] = _StrictV2Image if geometry is None else _V1_IMAGES[geometry]
        self._decode: Callable[[bytes | memoryview], CheckedImage] = msgspec.json.Decoder(
            wanted
        ).decode

    def try_decode(self, raw: bytes | memoryview) -> CheckedImage | None:
        """The image in `raw` if the fast pass accepts it; None says nothing about why not."""
        try:
            image = self._decode(raw)
            return None if _is_doubtful(raw, image) else image
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def decode(
        self, raw: bytes | memoryview, *, index: int = 0, file: str | None = None
    ) -> CheckedImage:
        """The image in `raw`, checked.

        Args:
            raw: one JSON object as it stands in the file.
            index: its place in ``images``, for the error's text.
            file: the file's name, for the error's text.

        Raises:
            DataError: with every problem of the image, each with its place.
        """
        try:
            image = self._decode(raw)
            is_doubtful = _is_doubtful(raw, image)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return self._decode_slowly(raw, index, file, error)
        if is_doubtful:
            # PostgreSQL cannot store U+0000 in a name; in free values it is fine.
            self._decode_slowly(raw, index, file, None)
        return image

    def _decode_slowly(
        self, raw: bytes | memoryview, index: int, file: str | None, error: Exception | None
    ) -> CheckedImage:
        problems = find_image_problems(bytes(raw), self.geometry, index)
        if problems:
            raise DataError(problems, file=file) from error
        try:
            return decode_trusted(raw, self.geometry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
            # The slow check knows the same rules; were it ever to miss one, say what msgspec says.
            raise DataError(Problem(f"images[{index}]", str(reason)), file=file) from reason


class _ReadV1(Struct, gc=False, kw_only=True, forbid_unknown_fields=True):
    label: str
    confidence: float | None = None
    metadata: dict[str, Any] | None = None
    bbox: tuple[float, float, float, float] | None = None
    polygon: list[Point] | None = None
    line: list[Point] | None = None
    points: list[Point] | None = None

    def typed(self, geometry: Geometry) -> Annotation:
        attributes = {
            name: [AttributeValue(value)] for name, value in (self.metadata or {}).items()
        }
        rest: dict[str, Any] = {
            "label": self.label,
            "confidence": self.confidence,
            "attributes": attributes,
        }
        if geometry == "rectangle" and self.bbox is not None:
            return Rectangle(bbox=self.bbox, **rest)
        if geometry == "polygon" and self.polygon is not None:
            return Polygon(polygon=self.polygon, **rest)
        if geometry == "points" and self.points is not None:
            return Points(points=self.points, **rest)
        # Some documentation pages of the published client use `polygon` for lines (4.2).
        line = self.line if self.line is not None else self.polygon
        if geometry == "line" and line is not None:
            return Line(line=line, **rest)
        raise msgspec.ValidationError(f"`{GEOMETRY_KEYS[geometry]}` is missing")


class _ReadV1Image(Struct, gc=False):
    image: str
    annotations: list[_ReadV1]
    storageName: str | None = None  # noqa: N815
    isNormalized: bool | None = None  # noqa: N815


class _ReadAnyImage(Struct, gc=False):
    image: str
    annotations: list[dict[str, Any]]
    storageName: str | None = None  # noqa: N815
    isNormalized: bool | None = None  # noqa: N815


_read_v2 = msgspec.json.Decoder(ImageAnnotations).decode
_read_v1 = msgspec.json.Decoder(_ReadV1Image).decode
_read_any = msgspec.json.Decoder(_ReadAnyImage).decode


def decode_trusted(raw: bytes | memoryview, geometry: Geometry | None) -> ImageAnnotations:
    """The image in `raw` as typed data, without checking ranges: for what a stack has stored.

    Args:
        raw: one JSON object, form v1 or v2.
        geometry: that of annotations without a ``type``; None for form v2.

    Raises:
        msgspec.ValidationError: `raw` is not an image in either form.
    """
    if geometry is None:
        try:
            return _read_v2(raw)
        except msgspec.ValidationError:
            return _decode_mixed(raw, None)  # a null where v2 would leave the key out
    try:
        image = _read_v1(raw)
    except msgspec.ValidationError:
        return _decode_mixed(raw, geometry)
    return ImageAnnotations(
        image=image.image,
        annotations=[annotation.typed(geometry) for annotation in image.annotations],
        storage_name=image.storageName,
        normalized=bool(image.isNormalized),
    )


def _decode_mixed(raw: bytes | memoryview, geometry: Geometry | None) -> ImageAnnotations:
    image = _read_any(raw)
    annotations: list[Annotation] = []
    for fields in image.annotations:
        present = {key: value for key, value in fields.items() if value is not None}
        if geometry is None or "type" in present or "attributes" in present:
            present.setdefault("type", geometry)
            if present["type"] == "line" and "line" not in present and "polygon" in present:
                present["line"] = present.pop("polygon")
            for values in present.get("attributes", {}).values():
                for value in values:
                    if value.get("metadata", ...) is None:
                        del value["metadata"]
            annotation: Annotation = msgspec.convert(present, Annotation)
        else:
            annotation = msgspec.convert(present, _ReadV1).typed(geometry)
        annotations.append(annotation)
    return ImageAnnotations(
        image=image.image,
        annotations=annotations,
        storage_name=image.storageName,
        normalized=bool(image.isNormalized),
    )


def is_normalized(image: CheckedImage) -> bool:
    """Whether the image itself says that its coordinates are fractions of its size."""
    if isinstance(image, ImageAnnotations):
        return image.normalized
    return bool(image.isNormalized)


def distinct_attribute_values(image: CheckedImage) -> set[tuple[str, str, Any]]:
    """The (label, attribute name, value) of a decoded image, where Python finds equal values equal.

    Raises:
        TypeError: a value is a list or an object; `iter_attribute_values` gives those, too.
    """
    # Written out, without a generator in between: this runs for every annotation of an upload.
    if isinstance(image, ImageAnnotations | _StrictV2Image):
        return {
            (annotation.label, name, value.value)
            for annotation in image.annotations
            if annotation.attributes
            for name, values in annotation.attributes.items()
            for value in values
        }
    return {
        (annotation.label, name, value)
        for annotation in image.annotations
        if annotation.metadata
        for name, value in annotation.metadata.items()
    }


def iter_attribute_values(image: CheckedImage) -> Iterator[tuple[str, str, Any]]:
    """Every (label, attribute name, value) of a decoded image, repeats included."""
    if isinstance(image, ImageAnnotations | _StrictV2Image):
        for annotation in [a for a in image.annotations if a.attributes]:
            for name, values in (annotation.attributes or {}).items():
                for value in values:
                    yield annotation.label, name, value.value
        return
    for plain in [a for a in image.annotations if a.metadata]:
        for name, value in (plain.metadata or {}).items():
            yield plain.label, name, value


def confidences_by_label(image: CheckedImage) -> dict[str, list[float | None]]:
    """The confidence of each annotation, or None, by label; labels in the order they come."""
    found: dict[str, list[float | None]] = defaultdict(list)
    for annotation in image.annotations:
        found[annotation.label].append(annotation.confidence)
    return found
