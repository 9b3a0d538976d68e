"""COCO's masks and objects of several outlines, for an evaluation.

Masks are run lengths, column by column from the top left, beginning with pixels outside; as a list of numbers, or as
the text that COCO's tools write: differences to the count two before, in groups of five bits, the lowest bits first.
Source: ``rleFrString`` in the COCO API (maskApi.c). Those tools trust such a text; so it is checked here.
"""

from __future__ import annotations

from typing import Any

from layernext.errors import FormatError, Problem

CORNERS = 3
"""The fewest corners of a polygon in COCO."""

_FIRST_SIGN, _LAST_SIGN = 48, 111
_MORE, _NEGATIVE, _VALUE, _BITS = 0x20, 0x10, 0x1F, 5


def is_outline(points: Any) -> bool:
    """Whether this is an outline: x and y of at least three points in a row."""
    return (
        isinstance(points, list)
        and len(points) >= 2 * CORNERS
        and len(points) % 2 == 0
        and all(type(number) in {int, float} for number in points)
    )


def checked_mask(segmentation: Any, width: int | None, height: int | None, where: str) -> Any:
    """An object's segmentation: a list of outlines, or ``size`` and a list of ``counts``.

    Args:
        segmentation: as it is in the file.
        width, height: of the image.
        where: for the error.

    Raises:
        FormatError: it is not a segmentation, or not of an image of this size.
    """
    if isinstance(segmentation, list) and all(map(is_outline, segmentation)):
        return segmentation
    if not isinstance(segmentation, dict) or not isinstance(segmentation.get("counts"), list | str):
        raise FormatError(Problem(where, "is neither outlines of 3 points or more nor a mask"))
    if not width or not height:
        raise FormatError(Problem(where, "is a mask, and its image has no width and height"))
    if segmentation.get("size") != [height, width]:
        message = f"its size is {segmentation.get('size')}, that of the image [{height}, {width}]"
        raise FormatError(Problem(where, message))
    counts = segmentation["counts"]
    if isinstance(counts, str):
        counts = _decoded(counts, where)
    if (
        any(type(count) is not int or count < 0 for count in counts)
        or sum(counts) != width * height
    ):
        message = f"its counts are not those of {width} x {height} pixels"
        raise FormatError(Problem(where, message))
    return {"size": [height, width], "counts": counts}


def _decoded(text: str, where: str) -> list[int]:
    counts: list[int] = []
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
        counts.append(number)
        number = shift = 0
    else:
        if not shift:
            # From the fourth on, a count is the difference to the count two before it.
            for index in range(3, len(counts)):
                counts[index] += counts[index - 2]
            return counts
    raise FormatError(Problem(where, "its counts are not run lengths"))
