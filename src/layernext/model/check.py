"""Finding every problem of an image's annotation set, each with its path and a plain sentence.

The slow half of validation: it runs only on images that the typed decoder refused, or to look for
what that decoder cannot see. The rules are the same as in `layernext.model.decode`; those of the
coordinates are in `layernext.model.geometry`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from msgspec import convert

from layernext.errors import Problem
from layernext.model.geometry import KINDS, Geometry, GeometryKind
from layernext.model.problems import is_number, listed, show, wrong
from layernext.model.repeated_keys import find_repeated_keys

MAX_NAME_LENGTH = 512
"""Characters in an image, label or attribute name: 4 bytes each still fit a PostgreSQL index."""

_IMAGE_KEYS = {"image", "annotations", "storageName", "isNormalized"}
_COMMON_KEYS = {"type", "label", "confidence", "metadata", "attributes"}
_VALUE_KEYS = {"value", "confidence", "metadata"}


def find_image_problems(raw: bytes, geometry: Geometry | None, index: int) -> list[Problem]:
    """All problems of one image.

    Args:
        raw: one JSON object as it stands in the file.
        geometry: that of annotations without a ``type``; None if each needs its own.
        index: the image's position in ``images``.

    Returns:
        The problems in the order of the data; empty if there are none.
    """
    where = f"images[{index}]"
    try:
        problems = list(_image(json.loads(raw), geometry, where))
        return [*find_repeated_keys(raw, where), *problems]
    except UnicodeDecodeError as error:
        return [Problem(where, f"is not UTF-8 text (byte {error.start} of the image)")]
    except RecursionError:
        return [Problem(where, "is nested too deeply")]
    except json.JSONDecodeError as error:
        return [Problem(where, f"is not JSON: {error.msg.lower()} (character {error.pos} of it)")]
    except ValueError as error:  # an integer with more digits than Python converts
        return [Problem(where, str(error))]


def find_names_problem(name: Any, what: str) -> str | None:
    """Why `name` cannot name an image, a label, an attribute, a collection or a run; else None."""
    if not isinstance(name, str):
        return f"is {show(name)}, must be a string"
    if not name:
        return f"is empty, must name {what}"
    if len(name) > MAX_NAME_LENGTH:
        return f"has {len(name)} characters, must have at most {MAX_NAME_LENGTH}"
    if "\x00" in name:
        return "contains the character U+0000, which no name may have"
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "contains half a surrogate pair, which is not valid Unicode"
    return None


def _image(image: Any, geometry: Geometry | None, where: str) -> Iterator[Problem]:
    if not isinstance(image, dict):
        yield wrong(where, image, "an object with `image` and `annotations`")
        return
    yield from _unknown(image, _IMAGE_KEYS, where)
    yield from _name(image, "image", where, "the image")
    if image.get("storageName") is not None:
        yield from _name(image, "storageName", where, "a bucket")
    if not isinstance(image.get("isNormalized", None), bool | None):
        yield wrong(f"{where}.isNormalized", image["isNormalized"], "true or false")
    if "annotations" not in image:
        yield Problem(f"{where}.annotations", "is missing, must be a list", "a list")
        return
    annotations = image["annotations"]
    if not isinstance(annotations, list):
        yield wrong(f"{where}.annotations", annotations, "a list")
        return
    has_problems = False
    for position, annotation in enumerate(annotations):
        for problem in _annotation(annotation, geometry, f"{where}.annotations[{position}]"):
            has_problems = True
            yield problem
    if not has_problems:
        yield from find_set_problems(annotations, geometry, where)


def find_set_problems(
    annotations: list[dict[str, Any]], geometry: Geometry | None, where: str
) -> Iterator[Problem]:
    """What is wrong between annotations of one image that are valid each for itself.

    Args:
        annotations: decoded.
        geometry: as of `find_image_problems`.
        where: the path of the image.
    """
    for kind in KINDS.values():
        if not kind.has_set_rules:
            continue
        members = [
            (
                f"{where}.annotations[{position}]",
                annotation["label"],
                convert(annotation[kind.key or ""], kind.coordinates_type),
            )
            for position, annotation in enumerate(annotations)
            if annotation.get("type", geometry) == kind.name
        ]
        if len(members) > 1:
            yield from kind.find_set_problems(members)


def _annotation(annotation: Any, geometry: Geometry | None, where: str) -> Iterator[Problem]:
    if not isinstance(annotation, dict):
        yield wrong(where, annotation, "an object")
        return
    keys = _COMMON_KEYS.union(*(kind.types for kind in KINDS.values()))
    yield from _unknown(annotation, keys, where, "put fields of your own into `metadata`")
    yield from _name(annotation, "label", where, "a class")
    yield from _confidence(annotation, where)
    kind_name = annotation.get("type", geometry)
    if kind_name is None:
        yield Problem(f"{where}.type", f"is missing, must be {listed(KINDS)}")
    elif not isinstance(kind_name, str) or kind_name not in KINDS:
        yield wrong(f"{where}.type", kind_name, listed(KINDS))
    else:
        yield from _coordinates(annotation, KINDS[kind_name], where)
    yield from _attributes(annotation, where)
    metadata = annotation.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield wrong(f"{where}.metadata", metadata, "an object")
    elif metadata:
        if "type" not in annotation and "attributes" not in annotation and geometry is not None:
            for name in metadata:
                yield from _attribute_name(name, f"{where}.metadata")
        yield from _finite(metadata, f"{where}.metadata")


def _coordinates(
    annotation: dict[str, Any], kind: GeometryKind[Any], where: str
) -> Iterator[Problem]:
    is_v1 = "type" not in annotation and "attributes" not in annotation
    alternatives: tuple[str, ...] = () if is_v1 else tuple(kind.alternative_types)
    allowed = {*kind.keys, *kind.further_types, *kind.optional_types, *alternatives}
    others = {
        key: None
        for other in KINDS.values()
        for key in (*other.keys[:1], *other.further_types, *other.alternative_types)
        if key not in allowed and annotation.get(key) is not None
    }
    name = f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind.name}"
    if kind.key is None:
        for key in others:
            yield Problem(f"{where}.{key}", f"does not belong to {name}, which has no shape")
        return
    # A former key that stands beside the key belongs to another kind.
    present = [key for key in (*kind.keys, *alternatives) if key in annotation]
    if not present:
        note = f"; this annotation has {listed(others)}" if others else ""
        message = f"is missing; {name} requires it{note}"
        yield Problem(f"{where}.{kind.key}", message)
        return
    key, *further = present
    for other in [*others, *(name for name in further if annotation[name] is not None)]:
        owners = [owner.name for owner in KINDS.values() if other in owner.further_types]
        advice = f"; an annotation with it has the type {listed(owners)}" if owners else ""
        message = f"does not belong to {name}, which has `{key}`{advice}"
        yield Problem(f"{where}.{other}", message)
    if key in kind.alternative_types:
        yield from kind.find_alternative_problems(key, annotation[key], f"{where}.{key}")
    else:
        yield from kind.find_problems(annotation[key], f"{where}.{key}")
    for optional in kind.optional_types:
        if optional in annotation:
            value = annotation[optional]
            yield from kind.find_further_problems(optional, value, f"{where}.{optional}")
    for required in kind.further_types:
        if required in annotation:
            value = annotation[required]
            yield from kind.find_further_problems(required, value, f"{where}.{required}")
        else:
            yield Problem(f"{where}.{required}", f"is missing; {name} requires it")


def _attributes(annotation: dict[str, Any], where: str) -> Iterator[Problem]:
    attributes = annotation.get("attributes")
    where = f"{where}.attributes"
    if attributes is None:
        return
    if not isinstance(attributes, dict):
        yield wrong(where, attributes, "an object")
        return
    for name, values in attributes.items():
        yield from _attribute_name(name, where)
        path = f"{where}[{show(name)}]"
        if not isinstance(values, list):
            yield wrong(path, values, 'a list of {"value": …}')
            continue
        for position, value in enumerate(values):
            yield from _attribute_value(value, f"{path}[{position}]")


def _attribute_value(value: Any, where: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield wrong(where, value, 'an object with "value"')
        return
    yield from _unknown(value, _VALUE_KEYS, where, "put fields of your own into `metadata`")
    if "value" not in value:
        yield Problem(f"{where}.value", "is missing")
    yield from _confidence(value, where)
    metadata = value.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield wrong(f"{where}.metadata", metadata, "an object")
    yield from _finite(value.get("value"), f"{where}.value")
    yield from _finite(metadata, f"{where}.metadata")


def _attribute_name(name: str, where: str) -> Iterator[Problem]:
    problem = find_names_problem(name, "an attribute")
    if problem:
        yield Problem(where, f"the attribute name {show(name)} {problem}")


def _name(fields: dict[str, Any], key: str, where: str, what: str) -> Iterator[Problem]:
    if key not in fields:
        yield Problem(f"{where}.{key}", "is missing, must be a string", "a string")
        return
    problem = find_names_problem(fields[key], what)
    if problem:
        yield Problem(f"{where}.{key}", problem, "a string", show(fields[key]))


def _confidence(fields: dict[str, Any], where: str) -> Iterator[Problem]:
    confidence = fields.get("confidence")
    if confidence is None:
        return
    if not is_number(confidence):
        yield wrong(f"{where}.confidence", confidence, "a number from 0 to 1")
    elif not 0 <= confidence <= 1:
        is_percentage = 2 < confidence <= 100  # noqa: PLR2004 - 2 and less are no percentages
        advice = "; divide percentages by 100" if is_percentage else ""
        yield Problem(
            f"{where}.confidence",
            f"is {show(confidence)}, must be from 0 to 1{advice}",
            "0 to 1",
            show(confidence),
        )


def _finite(value: Any, where: str) -> Iterator[Problem]:
    """Numbers that JSON cannot carry, anywhere inside `value`: NaN, infinite, or out of range."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(where, f"is {show(value)}, must be a finite number", "a finite number")
    elif isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        yield Problem(where, "contains half a surrogate pair, which is not valid Unicode")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _finite(key, where)
            yield from _finite(inner, f"{where}[{show(key)}]")
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from _finite(inner, f"{where}[{position}]")


def _unknown(
    fields: dict[str, Any], keys: set[str], where: str, hint: str | None = None
) -> Iterator[Problem]:
    for key in fields:
        if key not in keys:
            text = f"unknown key {show(key)}; known are {listed(sorted(keys), 'and')}"
            yield Problem(where, f"{text}; {hint}" if hint else text)
