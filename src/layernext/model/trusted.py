"""Annotation sets that were checked before, as typed data: what a stack has stored, and what a file had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct, defstruct

from layernext.model.annotation import ImageAnnotations
from layernext.model.extra_keys import annotation_keys, with_extra
from layernext.model.geometry import (
    KINDS,
    Annotation,
    AttributeValue,
    Geometry,
    GeometryKind,
    built_from_kinds,
)
from layernext.model.image_types import image_type, union
from layernext.model.problems import show

_Decode: TypeAlias = Callable[[bytes | memoryview], Any]


class _ReadV1(Struct, gc=False, kw_only=True, forbid_unknown_fields=True):
    label: str
    confidence: float | None = None
    metadata: dict[str, Any] | None = None


class _ReadImage(Struct, gc=False, kw_only=True):
    image: str
    annotations: list[Any]
    storageName: str | None = None  # noqa: N815
    isNormalized: bool | None = None  # noqa: N815
    width: int | None = None
    height: int | None = None


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
    annotation = union(kind.struct for kind in KINDS.values())
    v1_image = image_type("_ReadV1Image", v1_type, _ReadImage)
    v2_image = image_type("_ReadV2Image", annotation, _ReadImage)
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


def decode_trusted(
    raw: bytes | memoryview, geometry: Geometry | None, *, with_extra_keys: bool = False
) -> ImageAnnotations:
    """The image in `raw` as typed data, without checking ranges: for what a stack has stored.

    Args:
        raw: one JSON object, form v1 or v2.
        geometry: that of annotations without a ``type``; None for form v2.
        with_extra_keys: also what the format does not know, in ``extra``. That takes more time.

    Raises:
        msgspec.ValidationError: `raw` is not an image in either form.
    """
    image = _decode_known(raw, geometry)
    if with_extra_keys and _may_have_extra_keys(raw, image, is_v1=geometry is not None):
        return with_extra(image, msgspec.json.decode(raw))
    return image


def _decode_known(raw: bytes | memoryview, geometry: Geometry | None) -> ImageAnnotations:
    trusted = _trusted()
    try:
        image = trusted.v2(raw) if geometry is None else trusted.v1(raw)
    except msgspec.ValidationError:
        return _decode_mixed(raw, geometry)  # for one, a null where v2 would leave the key out
    if geometry is None:
        return _whole(image, image.annotations)
    return _whole(image, _typed(image.annotations, KINDS[geometry]))


def _may_have_extra_keys(raw: bytes | memoryview, image: ImageAnnotations, *, is_v1: bool) -> bool:
    """Whether `raw` has more colons than the usual keys account for."""
    text = raw if isinstance(raw, bytes) else bytes(raw)
    expected = 2 + (image.storage_name is not None) + image.normalized
    expected += (image.width is not None) + (image.height is not None)
    required = 2 if is_v1 else 3
    for annotation in image.annotations:
        fields = annotation.attributes if is_v1 else annotation.metadata
        if is_v1 is False and annotation.attributes:
            return True
        expected += (
            required + (annotation.confidence is not None) + (len(fields) + 1 if fields else 0)
        )
        expected += annotation.track is not None
        if KINDS[annotation.geometry].key is None:
            expected -= 1
    return text.count(b":") != expected


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
        width=image.width,
        height=image.height,
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
            v1_fields = {key: value for key, value in present.items() if key in annotation_keys()}
            v1_annotation = msgspec.convert(v1_fields, trusted.v1_type)
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
