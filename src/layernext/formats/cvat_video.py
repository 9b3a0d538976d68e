"""CVAT's XML for videos: tracks, which become an annotation in each of their frames.

A track lists shapes by frame. In the frames between two of them the shape moves evenly from one to the other, and
after the last one it stays, until a shape that is ``outside``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from layernext.errors import FormatError, Problem
from layernext.formats.core.losses import Losses
from layernext.formats.core.sample import Sample
from layernext.formats.core.spill import Spill
from layernext.formats.core.xml_stream import read_name, read_side
from layernext.formats.cvat_shapes import read_shape
from layernext.formats.cvat_skeletons import read_skeletons
from layernext.model import Annotation, Keypoints, RotatedBox, Skeleton, kind_of

MAX_FRAMES = 500_000
"""Frames of a video: more than 4 hours at 30 a second."""

MAX_SHAPES = 10_000_000
"""Annotations in all frames of a video."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_FRAME = re.compile(r"[0-9]{1,7}")
_annotation = msgspec.json.Decoder(Annotation)
_SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask", "skeleton", "cuboid")


class Task(Struct, frozen=True, kw_only=True):
    """What the beginning of a file says about its images or frames.

    Attributes:
        labels: in their order.
        skeletons: what the keypoints of a label are.
        frames: of a video; 0 if it is not one.
        width, height: of its frames; None if that is not said.
        is_declared: whether the file has a beginning.
    """

    labels: list[str] = []
    skeletons: dict[str, Skeleton] = {}
    frames: int = 0
    width: int | None = None
    height: int | None = None
    is_declared: bool = False


def read_task(meta: ET.Element, where: str, losses: Losses) -> Task:
    """The element ``meta`` of a file."""
    whole = next(iter(meta), meta)
    is_video = whole.findtext("mode") == "interpolation"
    labels = list(meta.iter("label"))
    names = [label.findtext("name") for label in labels if not label.findtext("parent")]
    return Task(
        labels=[name for name in names if name],
        skeletons=read_skeletons(labels, losses, where),
        frames=min(read_side(whole.findtext("size")) or 0, MAX_FRAMES) if is_video else 0,
        width=read_side(meta.findtext(".//original_size/width")),
        height=read_side(meta.findtext(".//original_size/height")),
        is_declared=True,
    )


def frame_name(number: int) -> str:
    """The image of a frame, as CVAT names it in its other formats."""
    return f"frame_{number:06d}.PNG"


def read_track(track: ET.Element, frames: Spill, task: Task, where: str, losses: Losses) -> None:
    """Keep the annotations of a track, each by its frame.

    Raises:
        FormatError: the track is not valid.
    """
    label = read_name(track.get("label"), where)
    shapes = [shape for shape in track if shape.tag in _SHAPES]
    has_others = any(shape.get("keyframe") == "0" for shape in shapes)
    number = _track_number(track.get("id"), f"{where}.id")
    keyframes: list[tuple[int, Annotation | None]] = []
    for index, shape in enumerate(shapes):
        location = f"{where}.{shape.tag}[{index}]"
        with losses.problems:
            frame = _whole(shape.get("frame"), f"{location}.frame")
            shape.set("label", label)
            annotation = None
            if shape.get("outside") != "1":
                annotation = read_shape(
                    shape, location, losses, (task.width, task.height), task.skeletons
                )
            if annotation is not None:
                annotation = replace(annotation, track=number)
            keyframes.append((frame, annotation))
    keyframes.sort(key=lambda keyframe: keyframe[0])
    for index, (frame, annotation) in enumerate(keyframes):
        if annotation is None:
            continue
        is_last = index + 1 == len(keyframes)
        end, following = (max(task.frames, frame + 1), None) if is_last else keyframes[index + 1]
        if frames.count + end - frame > MAX_SHAPES:
            message = f"makes more than {MAX_SHAPES:,} annotations in all frames"
            raise FormatError(Problem(where, message))
        has_others = has_others or end > frame + 1
        for between in range(frame, end):
            share = (between - frame) / (end - frame)
            moved = _between(annotation, following, share) if following else annotation
            frames.add(between, msgspec.json.encode(moved))
    if has_others:
        losses.note("which shapes of a track are keyframes; each frame has its own", where)


def _whole(text: str | None, where: str) -> int:
    digits = (text or "").strip()
    if not _FRAME.fullmatch(digits) or int(digits) > MAX_FRAMES:
        message = f"is {text!r}, must be a whole number up to {MAX_FRAMES:,}"
        raise FormatError(Problem(where, message))
    return int(digits)


def _track_number(text: str | None, where: str) -> int:
    digits = (text or "").strip()
    if not _NUMBER.fullmatch(digits):
        raise FormatError(Problem(where, f"is {text!r}, must be a whole number"))
    return int(digits)


def _between(annotation: Annotation, following: Annotation, share: float) -> Annotation:
    """An annotation on its way to the next one; the same if they differ in kind or number of points, or are masks."""
    if annotation.geometry != following.geometry or not share:
        return annotation
    kind = kind_of(annotation)
    if isinstance(annotation, Keypoints) and isinstance(following, Keypoints):
        return _pose_between(annotation, following, share)
    start, end = kind.coordinates_of(annotation), kind.coordinates_of(following)
    if kind.is_in_pixels or len(start) != len(end):
        return annotation
    if isinstance(annotation, RotatedBox) and isinstance(following, RotatedBox):
        # The shorter way round.
        turn = (following.rotation - annotation.rotation + 180) % 360 - 180
        end = (following.bbox, annotation.rotation + turn)
    moved: Annotation = kind.with_coordinates(annotation, _mixed(start, end, share))
    return moved


def _pose_between(annotation: Keypoints, following: Keypoints, share: float) -> Annotation:
    """Each point on its way to where it is next; its visibility stays until then."""
    points = annotation.keypoints
    if len(points) != len(following.keypoints):
        return annotation
    mixed = [
        (*_mixed(start[:2], end[:2], share), start[2])
        for start, end in zip(points, following.keypoints, strict=True)
    ]
    return replace(annotation, keypoints=mixed)


def _mixed(start: Any, end: Any, share: float) -> Any:
    if isinstance(start, float | int):
        return start + (end - start) * share
    mixed = [_mixed(a, b, share) for a, b in zip(start, end, strict=True)]
    return tuple(mixed) if isinstance(start, tuple) else mixed


def iter_frames(frames: Spill, task: Task) -> Iterator[Sample]:
    """Every frame of a video in order, also those without annotations."""
    last = frames.last_piece()
    for number in range(max(task.frames, 0 if last is None else last + 1)):
        frames.add_image(number, b"")
    for number, (_, pieces) in enumerate(frames.groups()):
        yield Sample(
            image=frame_name(number),
            annotations=[_annotation.decode(raw) for _, raw in pieces],
            width=task.width,
            height=task.height,
        )
