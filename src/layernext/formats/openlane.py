"""OpenLane: a JSON file for each frame; of each lane its points in the image are read.

Source: github.com/OpenDriveLab/OpenLane, "Annotations of lanes".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layernext.errors import FormatError, Problem
from layernext.formats.core.fields import list_of, numbers_of, object_of, text_of
from layernext.formats.core.format import KEPT, Certainty, Detection, Format, Holds, ReadOptions
from layernext.formats.core.json_file import read_json
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.core.tracks import track_of
from layernext.model import Annotation, Line

CATEGORIES = {
    0: "unknown", 1: "white-dash", 2: "white-solid", 3: "double-white-dash", 4: "double-white-solid",
    5: "white-ldash-rsolid", 6: "white-lsolid-rdash", 7: "yellow-dash", 8: "yellow-solid",
    9: "double-yellow-dash", 10: "double-yellow-solid", 11: "yellow-ldash-rsolid",
    12: "yellow-lsolid-rdash", 20: "left-curbside", 21: "right-curbside",
}  # fmt: skip
_AXES = 2


def read_openlane(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The frames of a folder by name, or that of a single file.

    Raises:
        FormatError: a file is not of OpenLane, with the location.
    """
    for code, name in CATEGORIES.items():
        options.classes.add(name, code)
    for path in [root] if root.is_file() else sorted(root.rglob("*.json")):
        sample = None
        with losses.problems:
            sample = _read_frame(path, losses)
        if sample is not None:
            yield sample


def _read_frame(path: Path, losses: Losses) -> Sample:
    content = object_of(read_json(path), str(path))
    annotations: list[Annotation] = []
    for number, entry in enumerate(list_of(content.get("lane_lines"), f"{path}: lane_lines")):
        where = f"{path}: lane_lines[{number}]"
        with losses.problems:
            annotation = _read_lane(object_of(entry, where), where, losses)
            if annotation is not None:
                annotations.append(annotation)
    return Sample(
        image=text_of(content.get("file_path"), f"{path}: file_path", "name"),
        annotations=annotations,
    )


def _read_lane(lane: dict[str, Any], where: str, losses: Losses) -> Annotation | None:
    axes = list_of(lane.get("uv"), f"{where}.uv")
    if len(axes) != _AXES:
        raise FormatError(Problem(f"{where}.uv", "must be a list of x and a list of y"))
    xs = numbers_of(axes[0], None, f"{where}.uv[0]")
    ys = numbers_of(axes[1], len(xs), f"{where}.uv[1]")
    if not xs:
        losses.note_shape("a lane without points in the image", where)
        return None
    if lane.get("xyz"):
        losses.note("the points of a lane in space", where)
    code = lane.get("category")
    metadata = {} if lane.get("attribute") is None else {"attribute": lane["attribute"]}
    label = CATEGORIES.get(code) if type(code) is int else None
    return Line(
        label=label or f"category {code}"[:100],
        line=list(zip(xs, ys, strict=True)),
        track=track_of(lane.get("track_id"), f"{where}.track_id"),
        metadata=metadata,
    )


def detect(probe: Probe) -> Detection | None:
    """A JSON file with ``lane_lines``, or a folder whose first JSON file has it."""
    file = probe.first(".json") if probe.is_folder else probe
    outline = None if file is None else file.json
    if file is None or outline is None or "lane_lines" not in outline.keys:
        return None
    if probe.is_folder:
        return Detection(Certainty.LIKELY, f"has `lane_lines` in {probe.name_of(file)}")
    return Detection(Certainty.CERTAIN, "has the list `lane_lines`")


FORMAT = Format(
    name="openlane",
    about="OpenLane, lanes in the image",
    extension=".zip",
    is_folder=True,
    holds=Holds(geometries={"line": KEPT}, fields={"track": KEPT}),
    read=read_openlane,
    detect=detect,
)
