"""Label Studio's tasks, as samples: its JSON export, and JSON-MIN.

Source: labelstud.io, "Export annotations" and the tags' "Result parameters". A result is a region, or says more of the
region that has the same ``id``: its label (tag Labels), choices, text or a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec.structs import replace

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.format import ReadOptions
from layernext.formats.core.json_stream import JsonWindow, check_keys, expect_end, iter_list
from layernext.formats.core.labels import label_of
from layernext.formats.core.losses import Losses
from layernext.formats.core.outlines import ellipse_outline, mask_of_rows
from layernext.formats.core.pixels import IMAGE_EXTENSIONS
from layernext.formats.core.poses import PointNames, joined_pose
from layernext.formats.core.rotation import box_or_rotated_box
from layernext.formats.core.sample import Sample, check_finite
from layernext.formats.core.scores import Scores
from layernext.formats.label_studio_brush import runs_of_brush
from layernext.formats.label_studio_poses import (
    Located,
    points_by_parent,
    read_names,
    read_points,
)
from layernext.model import (
    Annotation,
    AttributeValue,
    ImageLabel,
    Line,
    Mask,
    Points,
    Polygon,
    Rectangle,
)

_UPLOAD = re.compile(r"/?data/upload/(?:\d+/)?")
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")
_LOCAL = re.compile(r"/?data/local-files/")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,20}://")
CHOICES_NAME = "choice"
"""The usual name of the tag of choices: another one says something, and is kept."""

_SHAPES = ("rectangle", "polygon", "ellipse", "keypoint", "brush", "vector", "bitmask")
_SAYS_MORE = ("choices", "textarea", "rating", "number", "taxonomy", "datetime", "pairwise")
_FURTHER_KEYS = {"annotation_id", "annotator", "created_at", "updated_at", "lead_time", "id"}


class _Task(msgspec.Struct):
    data: dict[str, Any]
    annotations: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []
    meta: dict[str, Any] | None = None


_task = msgspec.json.Decoder(_Task)
_entry = msgspec.json.Decoder(dict[str, Any])


def read_label_studio(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file of tasks: the newest annotation of each, or else the newest prediction.

    Raises:
        FormatError: the file is not of Label Studio, with the location.
    """
    names: set[str] = set()
    point_names = read_names(path)
    for label, skeleton in point_names.skeletons().items():
        options.classes.skeletons.setdefault(label, skeleton)
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for number, raw in enumerate(iter_list(window, "tasks")):
            where = f"{path}: [{number}]"
            sample = None
            with losses.problems:
                image, results, meta = _open_task(raw, where, losses)
                sample = _read_task(
                    image, results, meta, point_names, where, losses, options.scores
                )
            if sample is None:
                continue
            if sample.image in names:
                # Two uploads of a file that has the same name differ in Label Studio's prefix only.
                losses.warn("the name of an image comes twice; Label Studio's own is used", where)
                sample = replace(sample, image=image_name(image, keeps_prefix=True))
            if sample.image in names:
                message = f"the image {sample.image!r} comes twice; each image is one task"
                raise FormatError(Problem(where, message))
            names.add(sample.image)
            yield sample
        expect_end(window)


def _open_task(raw: bytes, where: str, losses: Losses) -> tuple[str, Any, dict[str, Any]]:
    """The image of a task, the results of what counts of it, and its meta."""
    try:
        if b'"data"' in raw:
            task = _task.decode(raw)
            check_keys(raw, where)
            done = [
                entry for entry in task.annotations if not entry.get("was_cancelled")
            ] or task.predictions  # fmt: skip
            if len(done) > 1:
                losses.note_shape("older annotations of a task", where)
            results = done[-1].get("result", []) if done else []
            score = done[-1].get("score") if done and not task.annotations else None
            if score is not None:
                losses.note("the score of a whole prediction", where)
            return _image_of(task.data, where), results, task.meta or {}
        entry = _entry.decode(raw)
        check_keys(raw, where)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(Problem(where, f"is not a task: {error}")) from error
    return _image_of(entry, where), _results_of_min(entry), {}


def _image_of(data: dict[str, Any], where: str) -> str:
    """The image of a task: ``image``, or else the field that looks like a path of one."""
    image = data.get("image")
    if isinstance(image, str) and image:
        return image
    for value in data.values():
        if isinstance(value, str) and Path(urlsplit_path(value)).suffix.lower() in IMAGE_EXTENSIONS:
            return value
    raise FormatError(Problem(where, "is not a task: it has no image in `data`"))


def urlsplit_path(text: str) -> str:
    """The path of a URL; the text itself if it is none."""
    return text.partition("?")[0] if _SCHEME.match(text) else text


def _results_of_min(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of an entry of JSON-MIN, in the form of the other export."""
    results = []
    for name, regions in entry.items():
        if name in _FURTHER_KEYS or not isinstance(regions, list):
            continue
        for region in regions:
            if not isinstance(region, dict):
                continue
            kind = next((key for key in region if key.endswith("labels")), "rectanglelabels")
            results.append(
                {
                    "type": kind,
                    "from_name": name,
                    "original_width": region.get("original_width"),
                    "original_height": region.get("original_height"),
                    "value": region,
                }
            )
    return results


def image_name(text: str, *, keeps_prefix: bool = False) -> str:
    """The name of an image, from the URL or path that Label Studio has for it.

    Args:
        text: such as ``/data/upload/3/0f6142fb-a.jpg``, ``/data/local-files/?d=photos/a.jpg``, or a URL.
        keeps_prefix: keep what Label Studio puts before the name of an uploaded file.

    Example:
        >>> image_name("/data/upload/3/0f6142fb-photo_21.jpg")
        'photo_21.jpg'
        >>> image_name("s3://bucket/photos/a.jpg")
        'a.jpg'
    """
    upload = _UPLOAD.match(text)
    if upload:
        name = unquote(text[upload.end() :])
        return name if keeps_prefix else _UPLOAD_PREFIX.sub("", name, count=1)
    if _LOCAL.match(text):
        inner = parse_qs(urlsplit(text).query).get("d", [""])[0]
        return inner.replace("\\", "/").lstrip("/") or text
    if _SCHEME.match(text):
        path = unquote(text.partition("://")[2].partition("?")[0].partition("#")[0])
        return path.rstrip("/").rpartition("/")[2] or text
    return text


def _read_task(
    image: str,
    results: Any,
    meta: dict[str, Any],
    point_names: PointNames,
    where: str,
    losses: Losses,
    scores: Scores,
) -> Sample:
    if not isinstance(results, list):
        raise FormatError(Problem(where, "has no list of results"))
    width, height, split = meta.get("width"), meta.get("height"), meta.get("split")
    regions, says_more = _sorted(results, where, losses)
    order = {id(result): number for number, result in enumerate(results)}
    annotations: list[tuple[int, Annotation]] = []
    seen: set[str] = set()
    children = points_by_parent(regions)
    parts = {id(result) for points in children.values() for result, _ in points}
    for result, location in regions:
        if id(result) in parts:
            continue
        with losses.problems:
            width, height = _size_of(result, location)
            identity = str(result.get("id"))
            seen.add(identity)
            more = says_more.get(identity, []) if "id" in result else []
            annotation = _guarded(
                lambda: _with_points(
                    _read_region(result, more, (width, height), location, losses, scores),  # noqa: B023
                    children.get(identity, []),  # noqa: B023
                    point_names,
                    location,  # noqa: B023
                    losses,
                ),
                location,
            )
            if annotation is not None:
                annotations.append((order[id(result)], annotation))
    for identity, further in says_more.items():
        if identity not in seen:
            for result, location in further:
                with losses.problems:
                    labels = _read_image_result(result, location, losses, scores)
                    annotations += [(order[id(result)], label) for label in labels]
    annotations.sort(key=itemgetter(0))
    return Sample(
        image=image_name(image),
        annotations=[annotation for _, annotation in annotations],
        width=width if type(width) is int and width > 0 else None,
        height=height if type(height) is int and height > 0 else None,
        split=split if isinstance(split, str) else None,
    )


def _sorted(
    results: list[Any], where: str, losses: Losses
) -> tuple[list[Located], dict[str, list[Located]]]:
    """The regions of a task; and the results that say more of one, by its id."""
    regions: list[Located] = []
    says_more: dict[str, list[Located]] = {}
    for index, result in enumerate(results):
        location = f"{where}.result[{index}]"
        with losses.problems:
            if not isinstance(result, dict) or not isinstance(result.get("type"), str):
                raise FormatError(Problem(location, "is not a result: it has no type"))
            kind = result["type"].removesuffix("labels")
            if kind in _SHAPES:
                regions.append((result, location))
            elif kind in _SAYS_MORE or kind == "":
                identity = str(result.get("id"))
                says_more.setdefault(identity, []).append((result, location))
            else:
                losses.note_shape(f"a result of the type {result['type']}", location)
    return regions, says_more


def _size_of(result: dict[str, Any], where: str) -> tuple[int, int]:
    sides = (result.get("original_width"), result.get("original_height"))
    try:
        width, height = (int(side) for side in sides if not isinstance(side, bool | None))
    except (TypeError, ValueError, OverflowError) as error:
        message = "has no size of its image: original_width and original_height must be numbers"
        raise FormatError(Problem(where, message)) from error
    if width < 0 or height < 0:
        raise FormatError(Problem(where, "the size of its image must be ≥ 0"))
    return width, height


def _guarded(read: Callable[[], Annotation | None], where: str) -> Annotation | None:
    try:
        return read()
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        message = "is not a result: its label, numbers or points cannot be read"
        raise FormatError(Problem(where, message)) from error


def _read_region(
    result: dict[str, Any],
    more: list[Located],
    size: tuple[int, int],
    where: str,
    losses: Losses,
    scores: Scores,
) -> Annotation | None:
    value, kind = result["value"], result["type"].removesuffix("labels")
    label = _label_of(result, more, where, losses)
    confidence = scores.read(result.get("score"), where)
    if label is None:
        return None
    fields: dict[str, Any] = {
        "label": label,
        "confidence": confidence,
        "attributes": _attributes_of(more),
    }
    if kind == "rectangle":
        x, y, w, h = (float(value[name]) for name in ("x", "y", "width", "height"))
        if w < 0 or h < 0:
            raise FormatError(Problem(where, "width and height must be ≥ 0"))
        box = (x * size[0] / 100, y * size[1] / 100, w * size[0] / 100, h * size[1] / 100)
        check_finite(box, where)
        rotation = float(value.get("rotation") or 0)
        # Label Studio rotates around the top left corner.
        return box_or_rotated_box(box, rotation, where, fields, about=box[:2])
    if kind == "ellipse":
        losses.note_shape("an ellipse; its outline is", where)
        x, y, radius_x, radius_y = (float(value[name]) for name in ("x", "y", "radiusX", "radiusY"))
        center = (x * size[0] / 100, y * size[1] / 100)
        radii = (radius_x * size[0] / 100, radius_y * size[1] / 100)
        outline = ellipse_outline(center, radii, float(value.get("rotation") or 0))
        for point in outline:
            check_finite(point, where)
        return Polygon(polygon=outline, **fields)
    if kind in {"brush", "bitmask"}:
        return _read_brush(value, size, fields, where, losses)
    return _read_points(kind, value, size, fields, where)


def _with_points(
    annotation: Annotation | None,
    children: list[Located],
    point_names: PointNames,
    where: str,
    losses: Losses,
) -> Annotation | None:
    """A region, or the keypoints of a rectangle that is the parent of points."""
    if not children or not isinstance(annotation, Rectangle):
        return annotation
    points = read_points(children, losses)
    for x, y, _ in points.values():
        check_finite((x, y), where)
    return joined_pose(annotation, points, point_names)


def _read_image_result(
    result: dict[str, Any], where: str, losses: Losses, scores: Scores
) -> list[Annotation]:
    """The labels of an image: what was chosen of it as a whole. Other results about an image are named."""
    if result["type"] != "choices":
        losses.note(f"a result of the type {result['type']} about an image", where)
        return []
    value = result.get("value")
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not all(isinstance(c, str) and c for c in choices):
        raise FormatError(Problem(where, "is not a result: its choices cannot be read"))
    confidence = scores.read(result.get("score"), where)
    name = result.get("from_name")
    metadata = {"from_name": name} if isinstance(name, str) and name != CHOICES_NAME else {}
    return [
        ImageLabel(label=choice, confidence=confidence, metadata=metadata) for choice in choices
    ]


def _read_points(
    kind: str, value: dict[str, Any], size: tuple[int, int], fields: dict[str, Any], where: str
) -> Annotation:
    if kind == "keypoint":
        points = _points_of([(value["x"], value["y"])], size, where)
        return Points(points=points, **fields)
    if kind == "vector":
        vertices = [(vertex["x"], vertex["y"]) for vertex in value["vertices"]]
        points = _points_of(vertices, size, where)
        is_closed = bool(value.get("closed"))
        return Polygon(polygon=points, **fields) if is_closed else Line(line=points, **fields)
    return Polygon(polygon=_points_of(value["points"], size, where), **fields)


def _read_brush(
    value: dict[str, Any], size: tuple[int, int], fields: dict[str, Any], where: str, losses: Losses
) -> Annotation | None:
    """A mask that was painted; None if it has no pixels, or is an image."""
    runs = runs_of_brush(value["rle"], *size) if isinstance(value.get("rle"), list) else {}
    if not runs:
        losses.note_shape("a mask that was painted", where)
        return None
    width, height = size
    return Mask(mask=mask_of_rows(runs, (height, width)), **fields)


def _label_of(
    result: dict[str, Any], more: list[Located], where: str, losses: Losses
) -> str | None:
    """The label of a region, its own or that of the tag Labels; None if it has none, which is named."""
    labels = result["value"].get(result["type"]) if result["type"].endswith("labels") else None
    if not labels:
        for other, _ in more:
            labels = labels or (other["value"].get("labels") if other["type"] == "labels" else None)
    if not labels:
        losses.note_shape("a region without a label", where)
        return None
    if len(labels) > 1:
        losses.note("further labels of a shape", where)
    return label_of(labels[0])


def _attributes_of(more: list[Located]) -> dict[str, list[AttributeValue]]:
    """What other results say of a region: choices, texts and numbers, by the name of their tag."""
    attributes: dict[str, list[AttributeValue]] = {}
    for result, _ in more:
        kind = result["type"]
        if kind == "labels" or not isinstance(result.get("value"), dict):
            continue
        content = result["value"].get("text" if kind == "textarea" else kind)
        values = content if isinstance(content, list) else [content]
        name = str(result.get("from_name") or kind)
        further = [AttributeValue(value=value) for value in values if value is not None]
        attributes.setdefault(name, []).extend(further)
    return {name: values for name, values in attributes.items() if values}


def _points_of(pairs: Any, size: tuple[int, int], where: str) -> list[tuple[float, float]]:
    points = [(float(x) * size[0] / 100, float(y) * size[1] / 100) for x, y in pairs]
    if not points:
        raise FormatError(Problem(where, "has no points"))
    for point in points:
        check_finite(point, where)
    return points
