"""An annotation set made ready for the database, outside every lock and transaction."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, TypeAlias

import msgspec
import zstandard
from msgspec import Struct

from layernext.model import CheckedImage, Geometry, is_normalized, iter_attribute_values

SetKeyKind: TypeAlias = Literal["name", "unique_name", "storage_path", "published"]
"""What an `ImageKey` says: a file name in a collection, a unique name, a path in a bucket, or the
``objectKey`` of a published client, which may be any of these (wire-contract 4.4)."""


class ImageKey(Struct, frozen=True):
    """By what an upload names an image.

    Attributes:
        kind: how to read `name`.
        name: as the client gave it.
        bucket: for storage paths; None is the stack's default bucket.
    """

    kind: SetKeyKind
    name: str
    bucket: str | None = None


class PreparedSet(Struct, gc=False):
    """One annotation set, checked, compressed and summed up.

    Attributes:
        key: the image.
        content: zstd of the set's JSON.
        annotation_count: annotations in it.
        label_counts: label to number of annotations.
        attribute_values: (label, attribute name, value as compact JSON) that occur in it.
        geometry: of annotations without a ``type``; None for form v2.
        normalized: whether the set's coordinates are fractions of the image's size.
        is_named: whether ``image`` in the JSON equals the key's name.
    """

    key: ImageKey
    content: bytes
    annotation_count: int
    label_counts: dict[str, int]
    attribute_values: set[tuple[str, str, str]]
    geometry: Geometry | None
    normalized: bool
    is_named: bool


def prepare_set(
    raw: bytes,
    image: CheckedImage,
    key: ImageKey,
    geometry: Geometry | None,
    compressor: zstandard.ZstdCompressor,
    *,
    normalized: bool = False,
) -> PreparedSet:
    """Sum up and compress one set; `image` is `raw` decoded, `normalized` what its upload says."""
    annotations = image.annotations
    return PreparedSet(
        key=key,
        content=compressor.compress(raw),
        annotation_count=len(annotations),
        label_counts=dict(Counter([annotation.label for annotation in annotations])),
        attribute_values=_attribute_values(image),
        geometry=geometry,
        normalized=normalized or is_normalized(image),
        is_named=image.image == key.name,
    )


def _attribute_values(image: CheckedImage) -> set[tuple[str, str, str]]:
    found = list(iter_attribute_values(image))
    if not found:
        return set()
    try:
        distinct = set(found)
        if all(type(value) is str for _, _, value in distinct):
            return {(label, name, _text_of(value)) for label, name, value in distinct}
    except TypeError:
        pass  # lists and objects have no hash
    return {(label, name, value_text(value)) for label, name, value in found}


def _text_of(value: str) -> str:
    return msgspec.json.encode(value).decode()


def value_text(value: Any) -> str:
    """The JSON text by which an attribute value is known: compact, keys sorted."""
    return msgspec.json.encode(value, order="sorted").decode()
