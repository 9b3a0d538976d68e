"""Keypoints of Label Studio: a rectangle, and points whose ``parentID`` it is. A point's label is its name.

Source: labelstud.io, tag KeyPointLabels, and "Add relations": a region may be the parent of others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.json_stream import JsonWindow, iter_list
from layernext.formats.core.losses import Losses
from layernext.formats.core.poses import VISIBLE, PointNames
from layernext.model import Keypoint

Located: TypeAlias = tuple[dict[str, Any], str]
"""A result and its location."""

_PARENT = b'"parentID"'
_PIECE = 1 << 20

_task = msgspec.json.Decoder(dict[str, Any])


def read_names(path: Path) -> PointNames:
    """The names of the points of each label: their order must be known before the first image.

    What cannot be read is left to the reader's error.
    """
    names = PointNames()
    if not _has_parents(path):
        return names
    with open_decompressed(path) as stream:
        for raw in iter_list(JsonWindow(stream, str(path)), "tasks"):
            if _PARENT not in raw:
                continue
            try:
                task = _task.decode(raw)
                names.add_declared((task.get("meta") or {}).get("keypoints"))
                for entry in (task.get("annotations") or task.get("predictions") or [])[-1:]:
                    _add_names(entry.get("result") or [], names)
            except (
                msgspec.MsgspecError,
                UnicodeDecodeError,
                AttributeError,
                TypeError,
                RecursionError,
            ):
                continue
    return names


def _has_parents(path: Path) -> bool:
    before = b""
    with open_decompressed(path) as stream:
        while piece := stream.read(_PIECE):
            if _PARENT in before + piece:
                return True
            before = piece[-len(_PARENT) :]
    return False


def _add_names(results: list[dict[str, Any]], names: PointNames) -> None:
    parents = {
        result.get("id"): result["value"]["rectanglelabels"][0]
        for result in results
        if result.get("type") == "rectanglelabels" and result["value"].get("rectanglelabels")
    }
    for result in results:
        name = name_of(result)
        if name is not None and result.get("parentID") in parents:
            names.add(parents[result["parentID"]], [name])


def name_of(result: dict[str, Any]) -> str | None:
    """The name of a point; None if the result is no point with a single name."""
    if result.get("type") != "keypointlabels" or not isinstance(result.get("value"), dict):
        return None
    labels = result["value"].get("keypointlabels")
    is_name = isinstance(labels, list) and len(labels) == 1 and isinstance(labels[0], str)
    return labels[0] if is_name and labels else None


def points_by_parent(regions: list[Located]) -> dict[str, list[Located]]:
    """The points of each upright rectangle, by its id."""
    parents = {
        result["id"]
        for result, _ in regions
        if result["type"].startswith("rectangle")
        and isinstance(result.get("id"), str)
        and isinstance(result.get("value"), dict)
        and not result["value"].get("rotation")
    }
    points: dict[str, list[Located]] = {}
    for result, location in regions:
        parent = result.get("parentID")
        if isinstance(parent, str) and parent in parents and name_of(result) is not None:
            points.setdefault(parent, []).append((result, location))
    return points


def read_points(children: list[Located], losses: Losses) -> dict[str, Keypoint]:
    """The points of an object by name, all visible.

    Raises:
        KeyError, TypeError, ValueError: a point has no place.
    """
    points: dict[str, Keypoint] = {}
    for result, location in children:
        name, value = name_of(result), result["value"]
        if name is None or name in points:
            losses.note("a further point of the same name", location)
            continue
        width, height = float(result["original_width"]), float(result["original_height"])
        x, y = float(value["x"]) * width / 100, float(value["y"]) * height / 100
        points[name] = (x, y, VISIBLE)
    return points
