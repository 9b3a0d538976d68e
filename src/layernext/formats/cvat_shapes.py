"""The shapes of CVAT's XML, as annotations."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from layernext.errors import FormatError, Problem
from layernext.formats.core.losses import Losses
from layernext.formats.core.outlines import (
    ellipse_outline,
    joined,
    mask_of_rows,
    outlines_of_runs,
    runs_of_counts,
)
from layernext.formats.core.pixels import MAX_PIXELS
from layernext.formats.core.poses import HIDDEN, VISIBLE
from layernext.formats.core.rotation import box_or_rotated_box
from layernext.formats.core.xml_stream import EXACT, read_decimal, read_name
from layernext.model import (
    Annotation,
    AttributeValue,
    ImageLabel,
    Keypoint,
    Keypoints,
    Line,
    Mask,
    Point,
    Points,
    Polygon,
    Rectangle,
    Skeleton,
)

TAGS = {
    "rectangle": "box",
    "polygon": "polygon",
    "line": "polyline",
    "points": "points",
    "mask": "mask",
    "rotated_box": "box",
    "image_label": "tag",
    "keypoints": "skeleton",
}
"""The element of each kind of geometry."""

MAX_POINTS_CHARACTERS = 4 << 20
"""The limit of the points of a shape: more than 100,000 of them."""

_CORNERS_OF_CUBOID = ("tl1", "bl1", "tr1", "br1", "tl2", "bl2", "tr2", "br2")
_USUAL = {"occluded": "0", "z_order": "0", "source": "manual"}
"""What CVAT writes of a shape where nothing special is to say."""


def read_shape(
    shape: ET.Element,
    where: str,
    losses: Losses,
    size: tuple[int | None, int | None],
    skeletons: dict[str, Skeleton],
) -> Annotation | None:
    """A shape; None if no kind is near it, which counts as a loss.

    Args:
        shape: the element.
        where: its location, for messages.
        losses: counts what is not read.
        size: width and height of the image, if known.
        skeletons: of the task; gets the points of labels of which it says nothing, in the order they come.

    Raises:
        FormatError: it is not valid.
    """
    read = {
        "box": _read_box,
        "ellipse": _read_ellipse,
        "cuboid": _read_cuboid,
    }.get(shape.tag)
    if read is None and shape.tag not in TAGS.values():
        losses.note_shape(f"a shape of the kind {shape.tag}", where)
        return None
    fields: dict[str, Any] = {
        "label": read_name(shape.get("label"), where),
        "attributes": {
            str(attribute.get("name")): [AttributeValue(value=attribute.text or "")]
            for attribute in shape.findall("attribute")
        },
        "metadata": _flags_of(shape),
    }
    if shape.tag == "skeleton":
        return _read_skeleton(shape, fields, where, losses, skeletons)
    if shape.tag == "mask":
        return _read_mask(shape, fields, where, losses, size)
    if shape.tag == "tag":
        return ImageLabel(**fields)
    return read(shape, fields, where, losses) if read else _read_points(shape, fields, where)


def _read_points(shape: ET.Element, fields: dict[str, Any], where: str) -> Annotation:
    points = read_points(shape.get("points"), where)
    if shape.tag == "polygon":
        return Polygon(polygon=points, **fields)
    if shape.tag == "polyline":
        return Line(line=points, **fields)
    return Points(points=points, **fields)


def _flags_of(shape: ET.Element) -> dict[str, Any]:
    """What CVAT says of a shape beside its geometry, if it is not what it always says."""
    flags: dict[str, Any] = {}
    for name in ("occluded", "z_order", "source", "group_id"):
        value = (shape.get(name) or "").strip()
        if value and value != _USUAL.get(name):
            is_number = value.lstrip("-").isdecimal() and value.isascii() and len(value) < 10  # noqa: PLR2004
            flags[name] = int(value) if is_number else value
    return flags


def read_points(text: str | None, where: str) -> list[Point]:
    """The points of a shape, as ``x,y;x,y``.

    Raises:
        FormatError: they are not valid, or too many.
    """
    text = text or ""
    if len(text) > MAX_POINTS_CHARACTERS:
        message = f"has points of more than {MAX_POINTS_CHARACTERS:,} characters"
        raise FormatError(Problem(where, message))
    points = []
    for index, pair in enumerate(text.split(";")):
        x, _, y = pair.partition(",")
        location = f"{where}.points[{index}]"
        points.append((float(read_decimal(x, location)), float(read_decimal(y, location))))
    return points


def _number(shape: ET.Element, name: str, where: str) -> float:
    return float(read_decimal(shape.get(name), f"{where}.{name}"))


def _rotation(shape: ET.Element, where: str) -> float:
    return float(read_decimal(shape.get("rotation") or "0", f"{where}.rotation"))


def _read_box(shape: ET.Element, fields: dict[str, Any], where: str, losses: Losses) -> Annotation:
    del losses
    left, top, right, bottom = (
        read_decimal(shape.get(name), f"{where}.{name}") for name in ("xtl", "ytl", "xbr", "ybr")
    )
    if right < left or bottom < top:
        raise FormatError(Problem(where, "its corners are the wrong way round"))
    width, height = EXACT.subtract(right, left), EXACT.subtract(bottom, top)
    box = (float(left), float(top), float(width), float(height))
    return box_or_rotated_box(box, _rotation(shape, where), where, fields)


def _read_ellipse(
    shape: ET.Element, fields: dict[str, Any], where: str, losses: Losses
) -> Annotation:
    x, y, radius_x, radius_y = (_number(shape, name, where) for name in ("cx", "cy", "rx", "ry"))
    if radius_x < 0 or radius_y < 0 or max(map(abs, (x, y, radius_x, radius_y))) > MAX_PIXELS:
        raise FormatError(
            Problem(where, "is not an ellipse: a radius or its middle is out of range")
        )
    losses.note_shape("an ellipse; its outline is", where)
    outline = ellipse_outline((x, y), (radius_x, radius_y), _rotation(shape, where))
    return Polygon(polygon=outline, **fields)


def _read_mask(
    shape: ET.Element,
    fields: dict[str, Any],
    where: str,
    losses: Losses,
    size: tuple[int | None, int | None],
) -> Annotation:
    """A mask: run lengths, row by row, of the part of the image around it."""
    left, top, width, height = (
        _number(shape, name, where) for name in ("left", "top", "width", "height")
    )
    text = shape.get("rle") or ""
    if len(text) > MAX_POINTS_CHARACTERS:
        message = f"has a mask of more than {MAX_POINTS_CHARACTERS:,} characters"
        raise FormatError(Problem(where, message))
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isascii() and word.isdecimal() and len(word) < 12 for word in words):  # noqa: PLR2004
        raise FormatError(Problem(f"{where}.rle", "must be a list of run lengths"))
    counts = [int(word) for word in words]
    is_size = width > 0 and height > 0 and width.is_integer() and height.is_integer()
    if not is_size or width * height > MAX_PIXELS or sum(counts) > width * height:
        raise FormatError(Problem(where, "its run lengths are not those of its width and height"))
    rows = runs_of_counts(counts, int(width))
    image_width, image_height = size
    if image_width and image_height:
        corner = (round(left), round(top))
        return Mask(mask=mask_of_rows(rows, (image_height, image_width), corner), **fields)
    parts = outlines_of_runs(rows)
    if not parts:
        losses.note_shape("a mask of an image of unknown size; its box is", where)
        return Rectangle(bbox=(left, top, width, height), **fields)
    losses.note_shape("a mask of an image of unknown size; its outline is", where)
    outline = [(left + x, top + y) for x, y in joined(parts)]
    return Polygon(polygon=outline, **fields)


def _read_skeleton(
    shape: ET.Element,
    fields: dict[str, Any],
    where: str,
    losses: Losses,
    skeletons: dict[str, Skeleton],
) -> Annotation | None:
    """The points of a skeleton, in the order of its label; those that are missing are not labeled."""
    points: dict[str, Keypoint] = {}
    for index, element in enumerate(shape.findall("points")):
        location = f"{where}.points[{index}]"
        ((x, y), *further) = read_points(element.get("points"), location)
        if further:
            raise FormatError(Problem(location, "is a point of a skeleton, and has several"))
        is_occluded = element.get("occluded") == "1"
        visibility = 0 if element.get("outside") == "1" else HIDDEN if is_occluded else VISIBLE
        points[read_name(element.get("label"), location)] = (x, y, visibility)
    label = fields["label"]
    names = skeletons[label].points if label in skeletons else tuple(points)
    if points and label not in skeletons:
        skeletons[label] = Skeleton(points=names)
    for name in points.keys() - set(names):
        losses.note("a point that its skeleton does not have", f"{where}.{name}")
    if not names:
        losses.note_shape("a skeleton without points", where)
        return None
    return Keypoints(keypoints=[points.get(name, (0, 0, 0)) for name in names], **fields)


def _read_cuboid(
    shape: ET.Element, fields: dict[str, Any], where: str, losses: Losses
) -> Annotation:
    xs, ys = (
        [_number(shape, f"{axis}{corner}", where) for corner in _CORNERS_OF_CUBOID] for axis in "xy"
    )
    losses.note_shape("a cuboid; its box is", where)
    left, top = min(xs), min(ys)
    return Rectangle(bbox=(left, top, max(xs) - left, max(ys) - top), **fields)
