"""How the JSON of an annotation set is kept: zstd-compressed, its values as they were uploaded."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import zstandard
from msgspec import Raw, Struct, field

from layernext.errors import TooLarge

LEVEL = 1
"""Levels above 1 cost twice the time for 5 % of the size on these rows."""

MAX_SET_BYTES = 256 << 20
"""Decompressed size of one image's set, beyond which no more annotations are merged into it."""


class Parts(Struct):
    """A set's JSON, taken apart but not decoded; `others` are its other keys."""

    image: str
    annotations: list[Raw]
    storageName: str | None = None  # noqa: N815 - the wire's names
    isNormalized: bool | None = None  # noqa: N815
    others: dict[str, Raw] = field(default_factory=dict)


def _take_apart(raw: bytes) -> Parts:
    fields = msgspec.json.decode(raw, type=dict[str, Raw])
    own_fields = {name: fields.pop(name) for name in _FIELDS if name in fields}
    parts = msgspec.json.decode(_object(own_fields), type=Parts)
    parts.others = fields
    return parts


_FIELDS = ("image", "annotations", "storageName", "isNormalized")


def _object(fields: dict[str, Raw]) -> bytes:
    members = (msgspec.json.encode(key) + b":" + bytes(raw) for key, raw in fields.items())
    return b"{" + b",".join(members) + b"}"


def compressor() -> zstandard.ZstdCompressor:
    """A compressor for one thread; it must not be shared."""
    return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)


def unpack(content: bytes) -> bytes:
    """The JSON of a stored set."""
    return zstandard.ZstdDecompressor().decompress(content)


def parts_of(content: bytes) -> Parts:
    """A stored set, taken apart."""
    return _take_apart(unpack(content))


def merged(image: str, sets: Iterable[Parts]) -> bytes:
    """One set of `image` with the annotations of all, in their order; compressed.

    Raises:
        TooLarge: the whole is larger than `MAX_SET_BYTES`.
    """
    chunk = list(sets)
    annotations = [item for parts in chunk for item in parts.annotations]
    if sum(memoryview(annotation).nbytes for annotation in annotations) > MAX_SET_BYTES:
        raise TooLarge(
            f"the annotations of {image!r} are more than {MAX_SET_BYTES >> 20} MB", status=413
        )
    bucket = next((parts.storageName for parts in chunk if parts.storageName is not None), None)
    is_normalized = any(parts.isNormalized for parts in chunk) or None
    others = {key: raw for parts in chunk for key, raw in parts.others.items()}
    return compressor().compress(_build(Parts(image, annotations, bucket, is_normalized, others)))


def renamed(raw: bytes, name: str) -> bytes:
    """The set with another ``image``; its annotations stay byte for byte."""
    parts = _take_apart(raw)
    parts.image = name
    return _build(parts)


def _build(parts: Parts) -> bytes:
    fields = [b'"image":' + msgspec.json.encode(parts.image)]
    if parts.storageName is not None:
        fields.append(b'"storageName":' + msgspec.json.encode(parts.storageName))
    if parts.isNormalized is not None:
        fields.append(b'"isNormalized":' + msgspec.json.encode(parts.isNormalized))
    fields.append(b'"annotations":[' + b",".join(map(bytes, parts.annotations)) + b"]")
    fields += [msgspec.json.encode(key) + b":" + bytes(raw) for key, raw in parts.others.items()]
    return b"{" + b",".join(fields) + b"}"
