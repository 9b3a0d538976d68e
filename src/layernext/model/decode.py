"""Reading one image's annotation set from JSON: fast, typed, and strict where it comes in.

One image in either form of the format is decoded and checked by msgspec in one pass. Only when
that pass refuses it does `layernext.model.check` inspect it, slowly, to name every problem and its
path. Client and stack use the same code, so both accept exactly the same data. What the kinds of
geometry bring along is in `layernext.model.geometry`; the decoders are built from it.

Form v1 (the seed's): the geometry is an argument, ``metadata`` holds attribute values.
Form v2: every annotation names its ``type``; ``attributes`` and ``metadata`` are separate.
In a v1 file an annotation that has ``type`` or ``attributes`` is read as v2 (docs/protocol.md).
"""

from __future__ import annotations

import functools
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct, defstruct

from layernext.errors import DataError, Problem
from layernext.model.annotation import ImageAnnotations
from layernext.model.check import MAX_NAME_LENGTH, find_image_problems, find_set_problems
from layernext.model.geometry import (
    KINDS,
    Annotation,
    AttributeValue,
    Box,
    Geometry,
    GeometryKind,
    built_from_kinds,
)
from layernext.model.problems import show
from layernext.model.repeated_keys import colons_of

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
Confidence = Annotated[float, Meta(ge=0, le=1)]


class _StrictValue(Struct, gc=False, forbid_unknown_fields=True):
    value: Any
    confidence: Confidence | None = None
    metadata: dict[str, Any] | None = None


class _StrictV2(Struct, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    label: Name
    confidence: Confidence | None = None
    attributes: dict[Name, list[_StrictValue]] | None = None
    metadata: dict[str, Any] | None = None


class _StrictV1(Struct, gc=False, kw_only=True, forbid_unknown_fields=True):
    label: Name
    confidence: Confidence | None = None
    metadata: dict[Name, Any] | None = None


class _StrictImage(Struct, gc=False, forbid_unknown_fields=True):
    image: Name
    storageName: Name | None = None  # noqa: N815 - the wire's name
    isNormalized: bool | None = None  # noqa: N815


class _StrictV2Image(_StrictImage, kw_only=True, gc=False):
    annotations: list[_StrictV2]


class _StrictV1Image(_StrictImage, kw_only=True, gc=False):
    annotations: list[_StrictV1]


CheckedImage: TypeAlias = _StrictV2Image | _StrictV1Image | ImageAnnotations
"""A decoded image that passed every check: `image`, `annotations` with `label`, `confidence`."""

_Decode: TypeAlias = Callable[[bytes | memoryview], Any]


class _Strict(Struct, frozen=True):
    """What the fast pass is made of.

    Attributes:
        v2: decodes images of form v2.
        v1: decodes images of form v1, by the name of the kind.
        colons: by class of an annotation: what counts the colons of its coordinates, less the usual one.
        doubts: by class of an annotation: what decides whether its coordinates need the slow check.
        rules: by class of an annotation: what decides whether those of an image need the slow check.
        special: the classes of annotations that have an entry in one of them.
        plain_images: the classes of images that have no such annotation.
    """

    v2: _Decode
    v1: dict[str, _Decode]
    colons: dict[type[Any], Callable[[Any], int]]
    doubts: dict[type[Any], Callable[[Any], bool]]
    rules: dict[type[Any], Callable[[Sequence[Any]], bool]]
    special: frozenset[type[Any]]
    plain_images: frozenset[type[Any]]

    def is_doubtful(self, annotation: Any) -> bool:
        """Whether its kind asks for the slow check of its coordinates."""
        doubt = self.doubts.get(type(annotation))
        return doubt is not None and doubt(annotation)

    def breaks_rules(self, annotations: Sequence[Any]) -> bool:
        """Whether a rule between the annotations of an image asks for the slow check."""
        for annotation_type, is_doubtful in self.rules.items():
            members = [member for member in annotations if type(member) is annotation_type]
            if len(members) > 1 and is_doubtful(members):
                return True
        return False

    def surplus_colons(self, annotation: Any) -> int:
        """Colons of its coordinates beyond the usual one."""
        count = self.colons.get(type(annotation))
        return 0 if count is None else count(annotation)


@built_from_kinds
def _strict() -> _Strict:
    v1: dict[str, _Decode] = {}
    colons: dict[type[Any], Callable[[Any], int]] = {}
    doubts: dict[type[Any], Callable[[Any], bool]] = {}
    rules: dict[type[Any], Callable[[Sequence[Any]], bool]] = {}
    v2_types = []
    v1_images: dict[type[Any], type[Any]] = {}
    for kind in KINDS.values():
        name = kind.struct.__name__
        fields = [] if kind.key is None else [(kind.key, kind.checked_type)]
        fields += kind.further_types.items()
        optional = [
            (key, kind_type | None, None) for key, kind_type in kind.alternative_types.items()
        ]
        beside = [(key, kind_type | None, None) for key, kind_type in kind.optional_types.items()]
        v2_fields: list[Any] = [*fields, *beside]
        if optional:
            checked_fields = [(key, checked | None, None) for key, checked in fields]
            v2_fields = [*checked_fields, *beside, *optional]
        v2_type = defstruct(
            f"_Strict{name}", v2_fields, bases=(_StrictV2,), tag=kind.name, kw_only=True, gc=False
        )
        v1_type = defstruct(
            f"_StrictV1{name}", [*fields, *beside], bases=(_StrictV1,), kw_only=True, gc=False
        )
        v1_image = _image_type(f"_StrictV1{name}Image", v1_type, _StrictV1Image)
        v1[kind.name] = msgspec.json.Decoder(v1_image).decode
        v1_images[v1_image] = v1_type
        v2_types.append(v2_type)
        if kind.colons != 1 or type(kind).count_colons is not GeometryKind.count_colons:
            colons[v1_type] = colons[v2_type] = _surplus_of(kind)
        if type(kind).is_doubtful is not GeometryKind.is_doubtful:
            doubts[v1_type] = doubts[v2_type] = _doubt_of(kind)
        if kind.has_set_rules:
            rules[v1_type] = rules[v2_type] = kind.is_set_doubtful
        if optional:
            doubts[v2_type] = _doubt_of_alternatives(kind)
    v2_image = _image_type("_StrictV2AnyImage", _union(v2_types), _StrictV2Image)
    special = frozenset([*colons, *doubts, *rules])
    return _Strict(
        v2=msgspec.json.Decoder(v2_image).decode,
        v1=v1,
        colons=colons,
        doubts=doubts,
        rules=rules,
        special=special,
        plain_images=frozenset(
            image for image, annotation in v1_images.items() if annotation not in special
        ),
    )


def _doubt_of(kind: GeometryKind[Any]) -> Callable[[Any], bool]:
    return lambda annotation: kind.is_doubtful(kind.coordinates_of(annotation))


def _doubt_of_alternatives(kind: GeometryKind[Any]) -> Callable[[Any], bool]:
    """Whether an annotation has none of the keys, or both, or doubtful coordinates."""
    (alternative,) = kind.alternative_types
    key = kind.key or ""

    def is_doubtful(annotation: Any) -> bool:
        value = getattr(annotation, alternative)
        if value is None:
            return getattr(annotation, key) is None
        return getattr(annotation, key) is not None or kind.is_alternative_doubtful(value)

    return is_doubtful


def _surplus_of(kind: GeometryKind[Any]) -> Callable[[Any], int]:
    return lambda annotation: kind.count_colons(kind.coordinates_of(annotation)) - 1


def _image_type(name: str, annotation: Any, base: type[Struct]) -> Any:
    fields = [("annotations", list[annotation])]
    return defstruct(name, fields, bases=(base,), kw_only=True, gc=False)


def _union(types: Iterable[Any]) -> Any:
    return functools.reduce(operator.or_, types)


_ESCAPED_NUL = b"\\u0000"
_ESCAPED_COLON = b"\\u003"


def _is_doubtful(raw: bytes | memoryview, image: CheckedImage, strict: _Strict) -> bool:
    """Whether `raw` may have what the typed pass cannot see: U+0000 in a name, a repeated key."""
    # Runs for every image that is read or ingested: written for speed, measured by check_file.
    text = raw if isinstance(raw, bytes) else bytes(raw)
    # Searching for one byte is six times as fast, and most data has no escape at all.
    if b"\\" in text and (_ESCAPED_NUL in text or _ESCAPED_COLON in text):
        return True
    # Each key costs a colon. See `repeated_keys`; here the usual keys are counted unseen.
    annotations: list[Any] = image.annotations
    expected = 3 if isinstance(image, _StrictV2Image) else 2
    surplus = text.count(b":") - 2 - expected * len(annotations)
    # Most images have no annotation of a special kind; this finds out in a microsecond.
    if type(image) not in strict.plain_images and not strict.special.isdisjoint(
        map(type, annotations)
    ):
        if any(map(strict.is_doubtful, annotations)) or strict.breaks_rules(annotations):
            return True
        if not strict.colons.keys().isdisjoint(map(type, annotations)):
            surplus -= sum(map(strict.surplus_colons, annotations))
    return surplus != 0 and _has_unexplained_colons(text, image, surplus)


def _has_unexplained_colons(text: bytes, image: CheckedImage, surplus: int) -> bool:
    """Whether `surplus` colons in `text` are more or fewer than optional keys and strings account for."""
    annotations: list[Any] = image.annotations
    # Plain loops: half the cost of building a list to count it.
    for annotation in annotations:
        if annotation.confidence is not None:
            surplus -= 1
    if surplus and isinstance(image, _StrictImage):
        surplus -= (image.storageName is not None) + (image.isNormalized is not None)
    if not surplus:
        return False
    # Flat metadata, which is the most common.
    flat = surplus
    for annotation in annotations:
        metadata = annotation.metadata
        if metadata is not None:
            flat -= 1 + len(metadata)
    if not flat or surplus == _free_colons(image):
        return False
    # A null is written but absent from `image`, so this takes the whole value.
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
        self._strict = _strict()
        self._decode: Callable[[bytes | memoryview], CheckedImage] = (
            self._strict.v2 if geometry is None else self._strict.v1[geometry]
        )

    def try_decode(self, raw: bytes | memoryview) -> CheckedImage | None:
        """The image in `raw` if the fast pass accepts it; None says nothing about why not."""
        try:
            image = self._decode(raw)
            return None if _is_doubtful(raw, image, self._strict) else image
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def decode(
        self, raw: bytes | memoryview, *, index: int = 0, file: str | None = None
    ) -> CheckedImage:
        """The image in `raw`, checked.

        Args:
            raw: one JSON object as it stands in the file.
            index: its position in ``images``, for the error's text.
            file: the file's name, for the error's text.

        Raises:
            DataError: with every problem of the image, each with its path.
        """
        try:
            image = self._decode(raw)
            is_doubtful = _is_doubtful(raw, image, self._strict)
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
            # The slow check knows the same rules; if it ever misses one, report what msgspec says.
            raise DataError(Problem(f"images[{index}]", str(reason)), file=file) from reason


class _ReadV1(Struct, gc=False, kw_only=True, forbid_unknown_fields=True):
    label: str
    confidence: float | None = None
    metadata: dict[str, Any] | None = None


class _ReadImage(Struct, gc=False, kw_only=True):
    image: str
    annotations: list[Any]
    storageName: str | None = None  # noqa: N815
    isNormalized: bool | None = None  # noqa: N815


class _ReadAnyImage(_ReadImage, kw_only=True, gc=False):
    annotations: list[dict[str, Any]]


_read_any = msgspec.json.Decoder(_ReadAnyImage).decode


class _Trusted(Struct, frozen=True):
    """What reads images that were checked before.

    Attributes:
        v2: decodes images of form v2.
        v1: decodes images of form v1.
        v1_type: class of v1's annotations, which may have any key of any kind.
        annotation: union of the classes of all annotations.
        image: class of v2's images.
    """

    v2: _Decode
    v1: _Decode
    v1_type: type[Any]
    annotation: Any
    image: type[_ReadImage]


@built_from_kinds
def _trusted() -> _Trusted:
    coordinates: dict[str, Any] = {}
    for kind in KINDS.values():
        coordinates |= kind.types
    fields = [(key, value_type | None, None) for key, value_type in coordinates.items()]
    v1_type = defstruct("_ReadV1Any", fields, bases=(_ReadV1,), kw_only=True, gc=False)
    annotation = _union(kind.struct for kind in KINDS.values())
    v1_image = _image_type("_ReadV1Image", v1_type, _ReadImage)
    v2_image = _image_type("_ReadV2Image", annotation, _ReadImage)
    return _Trusted(
        v2=msgspec.json.Decoder(v2_image).decode,
        v1=msgspec.json.Decoder(v1_image).decode,
        v1_type=v1_type,
        annotation=annotation,
        image=v2_image,
    )


def _typed(annotations: list[Any], kind: GeometryKind[Any]) -> list[Annotation]:
    """Annotations of form v1 as those of v2 are: their metadata becomes attributes."""
    # One loop without calls: this runs for everything that is read back from a stack.
    typed: list[Annotation] = []
    struct, key = kind.struct, kind.key
    simple_key = None if kind.further_types or kind.optional_types else key
    for annotation in annotations:
        metadata = annotation.metadata
        fields: dict[str, Any] = {
            "label": annotation.label,
            "confidence": annotation.confidence,
            "attributes": {name: [AttributeValue(value)] for name, value in metadata.items()}
            if metadata
            else {},
        }
        coordinates = None if simple_key is None else getattr(annotation, simple_key)
        if simple_key is not None and coordinates is not None:
            fields[simple_key] = coordinates
        elif key is not None:
            coordinates = kind.read(annotation)
            if coordinates is None:
                raise msgspec.ValidationError(f"`{key}` is missing")
            fields |= kind.fields_of(coordinates)
        typed.append(struct(**fields))
    return typed


def decode_trusted(raw: bytes | memoryview, geometry: Geometry | None) -> ImageAnnotations:
    """The image in `raw` as typed data, without checking ranges: for what a stack has stored.

    Args:
        raw: one JSON object, form v1 or v2.
        geometry: geometry of annotations without a ``type``; None for form v2.

    Raises:
        msgspec.ValidationError: `raw` is not an image in either form.
    """
    trusted = _trusted()
    try:
        image = trusted.v2(raw) if geometry is None else trusted.v1(raw)
    except msgspec.ValidationError:
        return _decode_mixed(raw, geometry)  # for one, a null where v2 would leave the key out
    if geometry is None:
        return _whole(image, image.annotations)
    return _whole(image, _typed(image.annotations, KINDS[geometry]))


def find_problems_of_merged(
    annotations: Sequence[bytes | memoryview], geometry: Geometry | None, where: str
) -> list[Problem]:
    """What is wrong between annotations that were valid in sets of their own, and become one set.

    Args:
        annotations: the JSON of each.
        geometry: that of annotations without a ``type``.
        where: the path of the image.
    """
    names = [kind.name.encode() for kind in KINDS.values() if kind.has_set_rules]
    raws = list(map(bytes, annotations))
    if not any(name in raw for raw in raws for name in names):
        return []  # which is cheap: most sets have none of them
    return list(find_set_problems([msgspec.json.decode(raw) for raw in raws], geometry, where))


def convert_trusted(fields: Any, *, strict: bool = True) -> ImageAnnotations:
    """An image of form v2 as typed data, from plain data, without checking ranges.

    Args:
        fields: what was decoded of one JSON object.
        strict: refuse numbers that are strings.

    Raises:
        msgspec.ValidationError: it is not an image of form v2.
    """
    image = msgspec.convert(fields, _trusted().image, strict=strict)
    return _whole(image, image.annotations)


def _whole(image: _ReadImage, annotations: list[Annotation]) -> ImageAnnotations:
    return ImageAnnotations(
        image=image.image,
        annotations=annotations,
        storage_name=image.storageName,
        normalized=bool(image.isNormalized),
    )


def _decode_mixed(raw: bytes | memoryview, geometry: Geometry | None) -> ImageAnnotations:
    trusted, image = _trusted(), _read_any(raw)
    annotations: list[Annotation] = []
    for fields in image.annotations:
        present = {key: value for key, value in fields.items() if value is not None}
        if geometry is None or "type" in present or "attributes" in present:
            present.setdefault("type", geometry)
            _refuse_unknown_kind(present["type"])
            _use_current_key(present)
            for values in present.get("attributes", {}).values():
                for value in values:
                    if value.get("metadata", ...) is None:
                        del value["metadata"]
            annotation: Annotation = msgspec.convert(present, trusted.annotation)
        else:
            v1_annotation = msgspec.convert(present, trusted.v1_type)
            (annotation,) = _typed([v1_annotation], KINDS[geometry])
        annotations.append(annotation)
    return _whole(image, annotations)


def _refuse_unknown_kind(name: Any) -> None:
    """Say that a newer version must have written an annotation.

    Raises:
        msgspec.ValidationError: it did.
    """
    if isinstance(name, str) and name not in KINDS:
        message = (
            f"annotations of the type {show(name)}, which this version of layernext does not know; a newer one "
            "may, and download_to_file keeps them as they are"
        )
        raise msgspec.ValidationError(message)


def _use_current_key(fields: dict[str, Any]) -> None:
    """Put coordinates under a former key where the kind has them today."""
    kind = KINDS.get(fields["type"])
    if kind is None or kind.key is None or kind.key in fields:
        return
    for key in kind.former_keys:
        if key in fields:
            fields[kind.key] = fields.pop(key)
            return


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


def rectangles_of(image: CheckedImage) -> list[Box]:
    """The upright boxes of an image, as they are written."""
    return [
        annotation.bbox
        for annotation in image.annotations
        if hasattr(annotation, "bbox") and annotation.bbox and not hasattr(annotation, "rotation")
    ]


def confidences_by_label(image: CheckedImage) -> dict[str, list[float | None]]:
    """The confidence of each annotation, or None, by label; labels in the order they come."""
    confidences: dict[str, list[float | None]] = defaultdict(list)
    for annotation in image.annotations:
        confidences[annotation.label].append(annotation.confidence)
    return confidences
