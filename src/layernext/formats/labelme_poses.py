"""Keypoints of LabelMe and X-AnyLabeling: a rectangle, and points of the same ``group_id``. A point's label is its name.

X-AnyLabeling says that a point is hidden by ``difficult``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layernext.errors import DataError
from layernext.formats.core.labels import label_of
from layernext.formats.core.poses import HIDDEN, VISIBLE, PointNames, is_hidden, joined_pose
from layernext.formats.core.sample import box_of, check_finite
from layernext.model import Annotation, Keypoint, Keypoints, Points, Rectangle

_POINT = re.compile(rb'"shape_type":\s*"points?"')


def read_names(paths: list[Path], load: Callable[[Path], Any]) -> PointNames:
    """The names of the points of each label: their order must be known before the first image.

    Args:
        paths: the files of all images.
        load: reads one. What cannot be read is left to the reader's error.
    """
    names = PointNames()
    for path in paths:
        try:
            if not _POINT.search(path.read_bytes()):
                continue
            content = load(path)
        except (OSError, DataError):
            continue
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            continue
        names.add_declared(content.get("keypoints"))
        for box, points in _groups(content["shapes"]):
            label = label_of(content["shapes"][box]["label"])
            names.add(label, [label_of(content["shapes"][point]["label"]) for point in points])
    return names


def _groups(shapes: list[Any]) -> list[tuple[int, list[int]]]:
    """The positions of rectangles, each with those of the points of its group; of other groups nothing."""
    groups: dict[Any, list[int]] = {}
    for position, shape in enumerate(shapes):
        if isinstance(shape, dict) and isinstance(shape.get("group_id"), int | str):
            groups.setdefault(shape["group_id"], []).append(position)
    complete = []
    for positions in groups.values():
        boxes = [at for at in positions if shapes[at].get("shape_type") == "rectangle"]
        points = [at for at in positions if _is_named_point(shapes[at])]
        names = {shapes[at]["label"] for at in points}
        is_pose = len(boxes) == 1 and len(names) == len(points) == len(positions) - 1
        if is_pose and points and isinstance(shapes[boxes[0]].get("label"), str):
            complete.append((boxes[0], points))
    return complete


def _is_named_point(shape: dict[str, Any]) -> bool:
    points = shape.get("points")
    is_single = isinstance(points, list) and len(points) == 1
    is_point = shape.get("shape_type") in {"point", "points"}
    return is_single and is_point and isinstance(shape.get("label"), str)


def grouped(
    shapes: list[Any], annotations: dict[int, Annotation], names: PointNames
) -> list[Annotation]:
    """The annotations of an image, with keypoints in place of a rectangle and the points of its group.

    Args:
        shapes: as they are in the file.
        annotations: those that were read, by position.
        names: of the points of each label.
    """
    for box, positions in _groups(shapes):
        whole = annotations.get(box)
        parts = [annotations.get(position) for position in positions]
        if not isinstance(whole, Rectangle) or not all(isinstance(part, Points) for part in parts):
            continue
        points: dict[str, Keypoint] = {}
        for position, part in zip(positions, parts, strict=True):
            if isinstance(part, Points):
                hidden = shapes[position].get("difficult") is True
                points[part.label] = (*part.points[0], HIDDEN if hidden else VISIBLE)
            del annotations[position]
        whole.metadata.pop("group_id", None)
        annotations[box] = joined_pose(whole, points, names)
    return [annotations[position] for position in sorted(annotations)]


def plain_shape(label: str, kind: str, **fields: Any) -> dict[str, Any]:
    """A shape as labelme writes it."""
    return {"label": label, **fields, "group_id": None, "shape_type": kind, "flags": {}}


def pose_shapes(
    annotation: Keypoints, parts: list[tuple[str, Keypoint]], group: int, where: str
) -> list[dict[str, Any]]:
    """A rectangle, and a point for each part.

    Raises:
        DataError: the coordinates are too large for a floating point number.
    """
    x, y, width, height = box_of(annotation, where) or (0.0, 0.0, 0.0, 0.0)
    check_finite((x + width, y + height), where)
    corners = [[x, y], [x + width, y + height]]
    shapes = [plain_shape(annotation.label, "rectangle", points=corners)]
    for name, (point_x, point_y, visibility) in parts:
        shape = plain_shape(name, "point", points=[[point_x, point_y]])
        if is_hidden(visibility):
            shape["difficult"] = True
        shapes.append(shape)
    return [shape | {"group_id": group if parts else None} for shape in shapes]
