"""COCO's masks and objects of several outlines, as an evaluation takes them.

Masks are run lengths, column by column from the top left, the first of pixels outside; as a list of numbers, or as
the text that COCO's tools write: differences to the run before the last in groups of five bits, the lowest first.
Source: ``rleFrString`` in the COCO API (maskApi.c). What we make of a text is checked here, as those tools trust it.
"""

from __future__ import annotations

from typing import Any

from layernext.errors import FormatError, Problem

CORNERS = 3
"""Of a polygon in COCO, at least."""

_FIRST_SIGN, _LAST_SIGN = 48, 111
_MORE, _NEGATIVE, _VALUE, _BITS = 0x20, 0x10, 0x1F, 5


def is_outline(points: Any) -> bool:
    """Whether this is an outline: x and y of at least three points in a row."""
    return (
        isinstance(points, list)
        and len(points) >= 2 * CORNERS
        and len(points) % 2 == 0
        and all(type(each) in {int, float} for each in points)
    )


def checked_mask(given: Any, width: int | None, height: int | None, where: str) -> Any:
    """An object's segmentation: a list of outlines, or ``size`` and a list of ``counts``.

    Args:
        given: as the file has it.
        width, height: of the image.
        where: for the error.

    Raises:
        FormatError: it is no segmentation, or not of an image of this size.
    """
    if isinstance(given, list) and all(map(is_outline, given)):
        return given
    if not isinstance(given, dict) or not isinstance(given.get("counts"), list | str):
        raise FormatError(Problem(where, "is neither outlines of 3 points or more nor a mask"))
    if not width or not height:
        raise FormatError(Problem(where, "is a mask, and its image has no width and height"))
    if given.get("size") != [height, width]:
        message = f"its size is {given.get('size')}, that of the image [{height}, {width}]"
        raise FormatError(Problem(where, message))
    counts = given["counts"]
    if isinstance(counts, str):
        counts = _decoded(counts, where)
    if any(type(each) is not int or each < 0 for each in counts) or sum(counts) != width * height:
        message = f"its counts are not those of {width} x {height} pixels"
        raise FormatError(Problem(where, message))
    return {"size": [height, width], "counts": counts}


def _decoded(text: str, where: str) -> list[int]:
    found: list[int] = []
    number = shift = 0
    for sign in text:
        code = ord(sign) - _FIRST_SIGN
        if not 0 <= code <= _LAST_SIGN - _FIRST_SIGN or shift > 60:  # noqa: PLR2004 - 64 bits
            break
        number |= (code & _VALUE) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _NEGATIVE:
            number -= 1 << shift
        found.append(number)
        number = shift = 0
    else:
        if not shift:
            # From the fourth on, each is what it differs by from the one before the last.
            for place in range(3, len(found)):
                found[place] += found[place - 2]
            return found
    raise FormatError(Problem(where, "its counts are no run lengths"))
