"""Keys of LayerNext JSON that the format does not know: they are kept, and counted, as they may be misspelled.

Uploads are stored as the bytes that came, so such keys come back as they were. Typed data has them in ``extra``,
which `encode_image` writes back beside the other keys.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from layernext.errors import DataError, Problem
from layernext.model.annotation import ImageAnnotations
from layernext.model.geometry import EXTRA_KEY, KINDS, built_from_kinds
from layernext.model.problems import listed, show

Level: TypeAlias = Literal["file", "image", "annotation", "attribute value"]

IMAGE_KEYS = frozenset({"image", "annotations", "storageName", "isNormalized", "width", "height"})
RESERVED_IMAGE_KEYS = {
    "run": "is what a download of several runs adds: upload each run by itself, or remove the key",
    "mode": "is what a download of several runs adds: upload each run by itself, or remove the key",
    EXTRA_KEY: "is reserved",
}
"""Keys of an image that would be taken for the stack's own, and why they are refused."""

COMMON_KEYS = frozenset({"type", "label", "confidence", "track", "metadata", "attributes"})
VALUE_KEYS = frozenset({"value", "confidence", "metadata"})
_PLURALS = {"image": "images", "annotation": "annotations", "attribute value": "attribute values"}
_OTHER_WORDS = {
    "score": "confidence",
    "scores": "confidence",
    "class": "label",
    "category": "label",
}
"""What other tools call a key of ours."""

ExtraKey: TypeAlias = tuple[Level, str, str]
"""The level that a key is at, the key, and its location within the image."""


@built_from_kinds
def annotation_keys() -> frozenset[str]:
    """Every key that an annotation of any kind may have."""
    return COMMON_KEYS.union(*(kind.types for kind in KINDS.values()))


def known_keys(level: Level) -> frozenset[str]:
    """The keys that the format knows at a level."""
    if level == "annotation":
        return annotation_keys()
    return {"image": IMAGE_KEYS, "attribute value": VALUE_KEYS}.get(level, frozenset({"images"}))


class ExtraKeys:
    """Counts unknown keys, each with the first location.

    Attributes:
        counts: what is said of each: how often, and where it was first.
    """

    def __init__(self) -> None:
        self.counts: dict[str, tuple[int, str]] = {}

    def add(self, level: Level, key: str, where: str) -> None:
        """Count one key."""
        if level == "file":
            what = f"unknown key {show(key)} of the file is kept{_advice(key, level)}"
        else:
            what = f"unknown key {show(key)} of {_PLURALS[level]} is kept{_advice(key, level)}"
        count, first = self.counts.get(what, (0, where))
        self.counts[what] = (count + 1, first)


def extra_key_notes(warnings: Mapping[str, tuple[int, str]]) -> list[str]:
    """Those of some warnings that are counted keys."""
    return [what for what in warnings if what.startswith("unknown key") and " is kept" in what]


def extra_key_problem(level: Level, key: str, where: str) -> Problem:
    """The problem of an unknown key, for those who refuse them."""
    format_keys = listed(sorted(known_keys(level)), "and")
    return Problem(where, f"unknown key {show(key)}; known are {format_keys}{_advice(key, level)}")


def _advice(key: str, level: Level) -> str:
    format_keys = known_keys(level)
    other = _OTHER_WORDS.get(key.lower())
    close = (
        [other] if other in format_keys else difflib.get_close_matches(key, format_keys, 1, 0.75)
    )
    return f" (did you mean {show(close[0])}?)" if close else ""


def iter_extra_keys(image: Mapping[str, Any]) -> Iterator[ExtraKey]:
    """The unknown keys of a decoded image that is otherwise valid."""
    for key in _without(image, IMAGE_KEYS):
        yield "image", key, ""
    format_keys = annotation_keys()
    for number, annotation in enumerate(image["annotations"]):
        where = f".annotations[{number}]"
        for key in _without(annotation, format_keys):
            yield "annotation", key, where
        for name, values in (annotation.get("attributes") or {}).items():
            for position, value in enumerate(values):
                for key in _without(value, VALUE_KEYS):
                    yield "attribute value", key, f"{where}.attributes[{show(name)}][{position}]"


def with_extra(image: ImageAnnotations, fields: Mapping[str, Any]) -> ImageAnnotations:
    """A typed image with the unknown keys of the JSON that it was decoded from."""
    format_keys = annotation_keys()
    annotations = [
        _with_extra_of(annotation, plain, format_keys)
        for annotation, plain in zip(image.annotations, fields["annotations"], strict=True)
    ]
    extra = _without(fields, IMAGE_KEYS)
    return msgspec.structs.replace(image, annotations=annotations, extra=extra)


def _with_extra_of(annotation: Any, plain: Mapping[str, Any], format_keys: frozenset[str]) -> Any:
    changes: dict[str, Any] = {}
    if not plain.keys() <= format_keys:
        changes["extra"] = _without(plain, format_keys)
    if plain.get("attributes"):
        changes["attributes"] = {
            name: [
                msgspec.structs.replace(value, extra=_without(plain_value, VALUE_KEYS))
                for value, plain_value in zip(values, plain["attributes"][name], strict=True)
            ]
            for name, values in annotation.attributes.items()
        }
    return msgspec.structs.replace(annotation, **changes) if changes else annotation


def _without(fields: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in keys}


_MARK = b'"' + EXTRA_KEY.encode() + b'":{'


def encode_image(
    image: ImageAnnotations, *, enc_hook: Callable[[Any], Any] | None = None, where: str = ""
) -> bytes:
    """The JSON of an image, form v2, with its unknown keys where they were.

    Args:
        image: the image.
        enc_hook: as in `msgspec.json.encode`.
        where: its location, for errors.

    Raises:
        DataError: something in ``extra`` is a key of the format.
    """
    raw = msgspec.json.encode(image, enc_hook=enc_hook)
    if _MARK not in raw:
        return raw
    fields = msgspec.json.decode(raw)
    _flatten(fields, IMAGE_KEYS | RESERVED_IMAGE_KEYS.keys(), where)
    format_keys = annotation_keys() | {EXTRA_KEY}
    for number, annotation in enumerate(fields["annotations"]):
        location = f"{where}.annotations[{number}]"
        _flatten(annotation, format_keys, location)
        for name, values in annotation.get("attributes", {}).items():
            for position, value in enumerate(values):
                value_location = f"{location}.attributes[{show(name)}][{position}]"
                _flatten(value, VALUE_KEYS | {EXTRA_KEY}, value_location)
    return msgspec.json.encode(fields)


def _flatten(fields: dict[str, Any], format_keys: frozenset[str], where: str) -> None:
    extra = fields.pop(EXTRA_KEY, {})
    for key in sorted(extra.keys() & format_keys):
        message = f"has {show(key)}, which is a key of the format; set its own field"
        raise DataError(Problem(f"{where}.extra".removeprefix("."), message))
    fields |= extra
