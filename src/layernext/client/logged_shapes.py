"""What a loop passes to `RunLogger.log`: boxes of any layout, and the usual mistakes, by name."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath, PureWindowsPath
from typing import Any, Literal, TypeAlias, get_args

from layernext.errors import ConfigurationError, DataError, Problem
from layernext.model import RunLengths, counted, is_number, masks_of_map

BoxFormat: TypeAlias = Literal["xywh", "xyxy", "cxcywh"]
"""``xywh``: left, top, width, height. ``xyxy``: left, top, right, bottom. ``cxcywh``: center, width,
height."""

_BOX_NUMBERS = 4
_ROTATED_BOX_NUMBERS = 5
_POINT_NUMBERS = 2
_VISIBLE = 2
_LEAST_BOXES = 20
_SUSPECT_SHARE = 0.25
_TOLERANCE = 0.01
"""Of the image's size: boxes of real models stick out by a pixel or two."""


def check_box_format(box_format: str) -> BoxFormat:
    """The layout of this name.

    Raises:
        ConfigurationError: there is no such layout.
    """
    for layout in get_args(BoxFormat):
        if layout == box_format:
            name: BoxFormat = layout
            return name
    raise ConfigurationError(f"format is {box_format!r}, must be 'xywh', 'xyxy' or 'cxcywh'")


def check_image_name(image: object) -> None:
    """Refuse a path in place of a name.

    Raises:
        DataError: it is a path object, or a string with a full path.
    """
    if isinstance(image, os.PathLike):
        name = PurePath(image).name
        message = f"is a path, must be the file name in the collection: use path.name, {name!r}"
        raise DataError(Problem("image", message))
    if isinstance(image, str) and PureWindowsPath(image).drive[1:2] == ":":
        _refuse_full_path(image, PureWindowsPath(image).name)
    elif isinstance(image, str) and image.startswith("/"):
        _refuse_full_path(image, PurePath(image).name)


def _refuse_full_path(image: str, name: str) -> None:
    message = f"is the full path {image!r}, must be the file name in the collection, such as"
    raise DataError(Problem("image", f"{message} {name!r}"))


def as_rows(name: str, values: Any) -> list[Any] | None:
    """An array, or anything that can be iterated, as a list; None stays None.

    Raises:
        DataError: it is a table, an object with results, or not a list at all.
    """
    if values is None:
        return None
    kind = type(values).__name__
    if hasattr(values, "columns") and hasattr(values, "to_numpy"):
        advice = "pass the columns as an array: frame[[…]].to_numpy()"
        raise DataError(Problem(name, f"is a {kind}, must be a list or an array; {advice}"))
    if hasattr(values, "xyxy"):
        advice = f"pass its array: {name}=….xyxy, format='xyxy'"
        raise DataError(Problem(name, f"is a {kind}, must be a list or an array; {advice}"))
    if hasattr(values, "boxes"):
        advice = f"pass the array of its boxes: {name}=….boxes.xyxy, format='xyxy'"
        raise DataError(Problem(name, f"is a {kind}, must be a list or an array; {advice}"))
    plain = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(plain, str | bytes | Mapping):
        raise DataError(Problem(name, f"is a {type(plain).__name__}, must be a list"))
    try:
        return [row.tolist() if hasattr(row, "tolist") else row for row in plain]
    except TypeError as error:
        raise DataError(Problem(name, f"is a {kind}, must be a list")) from error


def as_boxes(
    values: Any, box_format: BoxFormat, rotations: Any = None
) -> tuple[list[Any], list[Any] | None]:
    """Boxes as x, y of the top left corner, width and height, and their rotations if they have any.

    Wrong ones are left to the check.

    Raises:
        DataError: a single box in place of a list of boxes; also as `as_rows` and `as_rotations`.
    """
    boxes = as_rows("boxes", values) or []
    is_single = len(boxes) in {_BOX_NUMBERS, _ROTATED_BOX_NUMBERS}
    if is_single and all(map(is_number, boxes)):
        message = f"is a single box, must be a list of boxes: boxes=[{boxes}]"
        raise DataError(Problem("boxes", message))
    boxes, degrees = as_rotations(rotations, boxes)
    if box_format != "xywh":
        boxes = [_as_xywh(box, box_format) for box in boxes]
    return boxes, degrees


def as_rotations(values: Any, boxes: list[Any]) -> tuple[list[Any], list[Any] | None]:
    """The boxes as four numbers each, and their rotations; None if they have none.

    Args:
        values: a rotation for each box, in degrees; None if the boxes may have it as a fifth number.
        boxes: as the caller has them.

    Raises:
        DataError: there is another number of rotations, or only some boxes have a fifth number.
    """
    rotations = as_column("rotations", values, len(boxes))
    are_rotated = [
        isinstance(box, list | tuple) and len(box) == _ROTATED_BOX_NUMBERS for box in boxes
    ]
    if not any(are_rotated):
        return boxes, rotations
    if rotations is not None or not all(are_rotated):
        other = "rotations are given, too" if rotations is not None else "others have not"
        message = f"have a fifth number, a rotation, and {other}; must have it in one way"
        raise DataError(Problem("boxes", message))
    return [box[:_BOX_NUMBERS] for box in boxes], [box[_BOX_NUMBERS] for box in boxes]


def _as_xywh(box: Any, box_format: BoxFormat) -> Any:
    if not isinstance(box, list | tuple) or len(box) != _BOX_NUMBERS:
        return box
    numbers = [n.tolist() if hasattr(n, "tolist") else n for n in box]
    if not all(map(is_number, numbers)):
        return numbers
    first, second, third, fourth = numbers
    if box_format == "cxcywh":
        return [first - third / 2, second - fourth / 2, third, fourth]
    if third < first or fourth < second:
        message = f"is {numbers}, whose right or bottom is before its left or top; is it xywh?"
        raise DataError(Problem("boxes", message))
    return [first, second, third - first, fourth - second]


def as_poses(
    values: Any, boxes: list[Any] | None, rotations: list[Any] | None
) -> list[dict[str, Any]]:
    """Keypoints as JSON has them; points without a visibility count as visible. Wrong ones are left to the check.

    Args:
        values: an array (N, K, 3) or (N, K, 2), or a list of them.
        boxes: those of the objects, or None.
        rotations: those of the boxes, which must have none.

    Raises:
        DataError: a single pose in place of a list; or the boxes are of another number, or turned.
    """
    if values is not None and hasattr(values, "xy") and hasattr(values, "data"):
        kind = type(values).__name__
        message = f"is a {kind}, must be a list or an array; pass its array: keypoints=….data"
        raise DataError(Problem("keypoints", message))
    poses = as_rows("keypoints", values) or []
    if any(isinstance(pose, list | tuple) and any(map(is_number, pose)) for pose in poses):
        message = "is a single pose (K, 3), must be (N, K, 3): keypoints=keypoints[None]"
        raise DataError(Problem("keypoints", message))
    if rotations is not None:
        raise DataError(Problem("rotations", "must be None: keypoints have upright boxes"))
    annotations: list[dict[str, Any]] = [
        {
            "type": "keypoints",
            "keypoints": [_as_keypoint(point) for point in pose]
            if isinstance(pose, list | tuple)
            else pose,
        }
        for pose in poses
    ]
    for annotation, box in zip(
        annotations, as_column("boxes", boxes, len(poses)) or (), strict=False
    ):
        annotation["bbox"] = box
    return annotations


def _as_keypoint(point: Any) -> Any:
    numbers = point.tolist() if hasattr(point, "tolist") else point
    has_visibility = not isinstance(numbers, list | tuple) or len(numbers) != _POINT_NUMBERS
    return numbers if has_visibility else [*numbers, _VISIBLE]


def as_masks(values: Any, size: tuple[float, float] | None) -> list[dict[str, Any]]:
    """Masks as JSON has them, run-length encoded; wrong run lengths are left to the check.

    Args:
        values: an array or tensor (N, H, W), or a list of arrays, `RunLengths` or COCO's dictionaries.
        size: width and height of the image, if known.

    Raises:
        DataError: a mask is not of bool, or not of this size; or a single mask in place of a list.
    """
    if values is None:
        return []
    if len(getattr(values, "shape", (0, 0, 0))) == 2:  # noqa: PLR2004 - height and width
        message = "is a single mask (H, W), must be (N, H, W): masks=mask[None]"
        raise DataError(Problem("masks", message))
    if isinstance(values, str | bytes | Mapping | RunLengths):
        raise DataError(Problem("masks", f"is a {type(values).__name__}, must be a list"))
    return [_as_mask(mask, size, f"masks[{index}]") for index, mask in enumerate(values)]


def _as_mask(mask: Any, size: tuple[float, float] | None, where: str) -> dict[str, Any]:
    if isinstance(mask, Mapping):
        fields = dict(mask)
        if isinstance(fields.get("counts"), bytes):  # as pycocotools has it
            fields["counts"] = fields["counts"].decode("ascii", "replace")
        return fields
    try:
        encoded = mask if isinstance(mask, RunLengths) else RunLengths.from_array(mask)
    except DataError as error:
        raise DataError(Problem(where, error.problems[0].message)) from error
    height, width = encoded.size
    if size is not None and (width, height) != tuple(size):
        message = (
            f"is {width} x {height} pixels, must be of the image's size, {size[0]} x {size[1]}"
        )
        raise DataError(Problem(where, message))
    return {"size": [height, width], "counts": encoded.counts}


def as_semantic_masks(
    values: Any,
    names: Mapping[int, str] | Sequence[str] | None,
    ignore: int | Iterable[int] | None,
    size: tuple[float, float] | None,
) -> list[dict[str, Any]]:
    """A label map as semantic masks, by class number.

    Args:
        values: an array, a tensor or lists (H, W) of class numbers; None for no label map.
        names: the label of each number.
        ignore: numbers of pixels that are void.
        size: width and height of the image, if known.

    Raises:
        DataError: it is not a label map, not of this size, or a number has no name.
    """
    if values is None:
        return []
    if names is None:
        raise DataError(Problem("names", "are missing: semantic= needs the name of each number"))
    labels = dict(names if isinstance(names, Mapping) else enumerate(names))
    ignored = set() if ignore is None else {ignore} if isinstance(ignore, int) else {*ignore}
    try:
        masks = masks_of_map(values)
    except DataError as error:
        raise DataError(Problem("semantic", error.problems[0].message)) from error
    unnamed = [number for number in masks if number not in ignored and number not in labels]
    if unnamed:
        numbers = ", ".join(map(str, unnamed[:10]))
        message = f"have no name for {numbers}; pixels with the number {_show(ignored)}"
        raise DataError(Problem("names", message))
    by_label: dict[str, int] = {}
    for number in masks:
        if number in ignored:
            continue
        other = by_label.setdefault(labels[number], number)
        if other != number:
            message = (
                f"have {labels[number]!r} for {other} and {number}; each needs a name of its own"
            )
            raise DataError(Problem("names", message))
    return [
        {
            "type": "semantic_mask",
            "label": labels[number],
            "mask": _as_mask(mask, size, "semantic"),
        }
        for number, mask in masks.items()
        if number not in ignored
    ]


def _show(ignored: set[int]) -> str:
    """Which numbers are void, for a message."""
    return f"{', '.join(map(str, sorted(ignored))) or 'of ignore='} are void"


def as_labels(values: Any, count: int) -> list[Any] | None:
    """One label for each shape.

    Raises:
        DataError: another number of them, or class ids in place of names.
    """
    labels = as_column("labels", values, count)
    for label in labels or ():
        if is_number(label):
            message = f"has the class id {label:g}, must have class names, such as names[{label:g}]"
            raise DataError(Problem("labels", message))
    return labels


def as_column(name: str, values: Any, count: int) -> list[Any] | None:
    """As `as_rows`, with one value for each shape.

    Raises:
        DataError: another number of them; also as `as_rows`.
    """
    rows = as_rows(name, values)
    if rows is not None and len(rows) != count:
        raise DataError(
            Problem(
                name,
                f"has {counted(len(rows), 'value')} for {counted(count, 'shape')}; must have one for each",
            )
        )
    return rows


def as_tracks(values: Any, count: int) -> list[Any] | None:
    """One id of a track for each shape; whole numbers that are floats become integers, as trackers give both.

    Raises:
        DataError: another number of them.
    """
    tracks = as_column("tracks", values, count)
    if tracks is None:
        return None
    return [
        int(track) if isinstance(track, float) and track.is_integer() else track for track in tracks
    ]


class BoxWatch:
    """Warns, once, when many boxes leave their images: most often their layout is another one."""

    def __init__(self) -> None:
        self._boxes = self._outside = 0
        self._first_image: str | None = None
        self._has_warned = False

    def look_at(self, boxes: list[Any], size: tuple[float, float]) -> None:
        """Count valid xywh boxes of an image of this width and height."""
        width, height = size
        outside = sum(
            x < -_TOLERANCE * width
            or y < -_TOLERANCE * height
            or x + box_width > (1 + _TOLERANCE) * width
            or y + box_height > (1 + _TOLERANCE) * height
            for x, y, box_width, box_height in boxes
        )
        self.count(len(boxes), outside)

    def count(self, boxes: int, outside: int, first_image: str | None = None) -> None:
        """Add boxes that were compared with the sizes of their images, and how many leave them."""
        self._boxes += boxes
        self._outside += outside
        self._first_image = self._first_image or first_image
        is_suspect = self._outside > _SUSPECT_SHARE * self._boxes
        if is_suspect and self._boxes >= _LEAST_BOXES and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{self._outside} of {self._boxes} boxes leave their images; boxes are x, y of the "
                "top left corner, width, height, unless format='xyxy' or 'cxcywh' says otherwise",
                stacklevel=4,
            )

    def describe(self) -> dict[str, tuple[int, str]]:
        """For `UploadReport.warnings`; empty if every box is within its image."""
        if not self._outside:
            return {}
        what = "a box that leaves its image (boxes are x, y of the top left corner, width, height)"
        return {what: (self._outside, f"image {self._first_image!r}")}


class RotationWatch:
    """Warns, once, when all rotations look like radians."""

    def __init__(self) -> None:
        self._count = 0
        self._largest = 0.0
        self._has_warned = False

    def look_at(self, rotations: list[float]) -> None:
        """Count valid rotations of an image."""
        self._count += len(rotations)
        self._largest = max([self._largest, *map(abs, rotations)])
        is_suspect = 0 < self._largest <= math.pi and self._count >= _LEAST_BOXES
        if is_suspect and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"all {self._count} rotations are between -π and π; they are in degrees: convert radians with "
                "numpy.degrees",
                stacklevel=3,
            )
