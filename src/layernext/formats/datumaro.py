"""Datumaro's own JSON: a file of items for each subset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layernext.errors import FormatError, Problem
from layernext.formats.coco_masks import read_mask
from layernext.formats.core.fields import (
    box_in,
    list_of,
    number_of,
    numbers_of,
    object_of,
    points_in,
    shown_value,
    side_of,
    text_of,
)
from layernext.formats.core.format import KEPT, Certainty, Detection, Format, Holds, ReadOptions
from layernext.formats.core.json_file import read_json
from layernext.formats.core.losses import Losses
from layernext.formats.core.poses import VISIBLE, skeleton_of
from layernext.formats.core.probe import Probe
from layernext.formats.core.rotation import box_or_rotated_box
from layernext.formats.core.sample import Sample
from layernext.formats.core.scores import Scores
from layernext.formats.core.tracks import track_of
from layernext.model import (
    Annotation,
    AttributeValue,
    ImageLabel,
    Keypoint,
    Keypoints,
    Line,
    Mask,
    Points,
    Polygon,
    Skeleton,
)

_SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
_FLAGS = ("group", "z_order", "object_id")
_SIZE = 2


def read_datumaro(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file, in its order.

    Raises:
        FormatError: the file is not of Datumaro, with the location.
    """
    content = object_of(read_json(path), str(path))
    labels = _read_labels(content, str(path))
    skeletons = _read_skeletons(content, labels, str(path), losses)
    for number, name in enumerate(labels):
        options.classes.add(name, number, skeletons.get(name))
    for number, entry in enumerate(list_of(content.get("items"), f"{path}: items")):
        where = f"{path}: items[{number}]"
        sample = None
        with losses.problems:
            item = object_of(entry, where)
            sample = _read_item(
                item, labels, skeletons, _SPLITS.get(path.stem), where, losses, options.scores
            )
        if sample is not None:
            yield sample


def _read_labels(content: dict[str, Any], path: str) -> list[str]:
    categories = object_of(content.get("categories") or {}, f"{path}: categories")
    group = object_of(categories.get("label") or {}, f"{path}: categories.label")
    entries = list_of(group.get("labels") or [], f"{path}: categories.label.labels")
    return [
        text_of(
            object_of(entry, path).get("name"), f"{path}: categories.label.labels[{number}]", "name"
        )
        for number, entry in enumerate(entries)
    ]


def _read_skeletons(
    content: dict[str, Any], labels: list[str], path: str, losses: Losses
) -> dict[str, Skeleton]:
    """The skeletons of labels that have a category of points."""
    categories = object_of(content.get("categories") or {}, f"{path}: categories")
    group = object_of(categories.get("points") or {}, f"{path}: categories.points")
    skeletons = {}
    for number, entry in enumerate(
        list_of(group.get("items") or [], f"{path}: categories.points.items")
    ):
        where = f"{path}: categories.points.items[{number}]"
        item = object_of(entry, where)
        label = _label_of(item, labels, where)
        skeleton = skeleton_of(item.get("labels"), item.get("joints"), where, losses)
        if label is not None and skeleton is not None:
            skeletons[label] = skeleton
    return skeletons


def _read_item(
    item: dict[str, Any],
    labels: list[str],
    skeletons: dict[str, Skeleton],
    split: str | None,
    where: str,
    losses: Losses,
    scores: Scores,
) -> Sample:
    image = object_of(item.get("image") or {}, f"{where}.image")
    size = image.get("size")
    height, width = size if isinstance(size, list) and len(size) == _SIZE else (None, None)
    annotations: list[Annotation] = []
    for number, entry in enumerate(list_of(item.get("annotations") or [], f"{where}.annotations")):
        location = f"{where}.annotations[{number}]"
        with losses.problems:
            fields = object_of(entry, location)
            annotation = _read_annotation(fields, labels, skeletons, location, losses, scores)
            if annotation is not None:
                annotations.append(annotation)
    return Sample(
        image=text_of(image.get("path") or item.get("id"), where, "id"),
        annotations=annotations,
        width=side_of(width),
        height=side_of(height),
        split=split,
    )


def _read_annotation(
    entry: dict[str, Any],
    labels: list[str],
    skeletons: dict[str, Skeleton],
    where: str,
    losses: Losses,
    scores: Scores,
) -> Annotation | None:
    kind = str(entry.get("type"))
    if kind == "caption":
        losses.note("a caption of an image", where)
        return None
    label = _label_of(entry, labels, where)
    if label is None:
        losses.note_shape("an annotation without a label", where)
        return None
    attributes = dict(object_of(entry.get("attributes") or {}, f"{where}.attributes"))
    fields: dict[str, Any] = {
        "label": label,
        "confidence": scores.read(attributes.pop("score", None), f"{where}.attributes.score"),
        "metadata": {
            name: entry[name] for name in _FLAGS if type(entry.get(name)) is int and entry[name] > 0
        },
    }
    if type(attributes.get("track_id")) in {int, float, str}:
        fields["track"] = track_of(attributes.pop("track_id"), f"{where}.attributes.track_id")
    rotation = 0.0
    if kind == "bbox":
        rotation = number_of(attributes.pop("rotation", 0) or 0, f"{where}.attributes.rotation")
    fields["attributes"] = {
        name: [AttributeValue(value=value)] for name, value in attributes.items() if name
    }
    if kind == "bbox":
        x, y, width, height = numbers_of(entry.get("bbox"), 4, f"{where}.bbox")
        box = box_in(x, y, width, height, where)
        return box_or_rotated_box(box, rotation, where, fields)
    if kind == "label":
        return ImageLabel(**fields)
    if kind == "mask":
        return _read_mask(entry, fields, where)
    skeleton = skeletons.get(label)
    return (
        _read_elements(entry, labels, skeleton, fields, where)
        if kind == "skeleton"
        else _read_points(entry, skeleton, fields, where, losses)
    )


def _read_elements(
    entry: dict[str, Any],
    labels: list[str],
    skeleton: Skeleton | None,
    fields: dict[str, Any],
    where: str,
) -> Annotation:
    """A skeleton: its elements are points, each of a label of its own."""
    points: dict[str, Keypoint] = {}
    for number, element in enumerate(list_of(entry.get("elements"), f"{where}.elements")):
        location = f"{where}.elements[{number}]"
        content = object_of(element, location)
        name = _label_of(content, labels, location) or str(number + 1)
        points[name], *_ = _visible_points(content, location)
    names = tuple(points) if skeleton is None else skeleton.points
    if not names or points.keys() - set(names):
        message = "has points that the category of its label does not have"
        raise FormatError(Problem(f"{where}.elements", message))
    return Keypoints(keypoints=[points.get(name, (0, 0, 0)) for name in names], **fields)


def _visible_points(entry: dict[str, Any], where: str) -> list[Keypoint]:
    """Points with their visibility, which is 2 if it is not said."""
    points = points_in(numbers_of(entry.get("points"), None, f"{where}.points"), f"{where}.points")
    visibilities: list[Any] = list_of(entry.get("visibility") or [VISIBLE] * len(points), where)
    is_valid = all(isinstance(seen, int | float) and seen in {0, 1, 2} for seen in visibilities)
    if len(visibilities) != len(points) or not is_valid:
        message = "must have 0, 1 or 2 for each point"
        raise FormatError(Problem(f"{where}.visibility", message))
    return [(x, y, seen) for (x, y), seen in zip(points, visibilities, strict=True)]


def _read_points(
    entry: dict[str, Any],
    skeleton: Skeleton | None,
    fields: dict[str, Any],
    where: str,
    losses: Losses,
) -> Annotation | None:
    kind = str(entry.get("type"))
    if kind == "points" and skeleton is not None:
        points = _visible_points(entry, where)
        if len(points) == len(skeleton.points):
            return Keypoints(keypoints=points, **fields)
    if kind not in {"polygon", "polyline", "points"}:
        losses.note_shape(f"an annotation of the type {shown_value(kind)}", where)
        return None
    numbers = numbers_of(entry.get("points"), None, f"{where}.points")
    outline = points_in(numbers, f"{where}.points")
    if kind == "polygon":
        return Polygon(polygon=outline, **fields)
    return Line(line=outline, **fields) if kind == "polyline" else Points(points=outline, **fields)


def _label_of(entry: dict[str, Any], labels: list[str], where: str) -> str | None:
    code = entry.get("label_id")
    if code is None:
        return None
    if type(code) is not int or not 0 <= code < len(labels):
        message = f"is {shown_value(code)}, must be from 0 to {len(labels) - 1}"
        raise FormatError(Problem(f"{where}.label_id", message))
    return labels[code]


def _read_mask(entry: dict[str, Any], fields: dict[str, Any], where: str) -> Mask:
    rle = object_of(entry.get("rle"), f"{where}.rle")
    height, width = (int(side) for side in numbers_of(rle.get("size"), 2, f"{where}.rle.size"))
    mask = read_mask({**rle, "size": [height, width]}, None, None, f"{where}.rle")
    return Mask(mask=mask, **fields)


def detect(probe: Probe) -> Detection | None:
    """An object with ``items`` and ``categories``."""
    outline = probe.json
    if outline is None or outline.is_list:
        return None
    if "items" in outline.keys and (
        "categories" in outline.keys or "annotations" in outline.entry_keys.get("items", ())
    ):
        return Detection(Certainty.CERTAIN, "has the list `items` and `categories`")
    return None


FORMAT = Format(
    name="datumaro",
    about="Datumaro JSON",
    extension=".json",
    holds=Holds(
        geometries=dict.fromkeys(
            (
                "rectangle",
                "polygon",
                "line",
                "points",
                "mask",
                "rotated_box",
                "image_label",
                "keypoints",
            ),
            KEPT,
        ),
        fields={"confidence": KEPT, "track": KEPT, "attributes": KEPT},
        sizes="kept",
        splits="files",
    ),
    read=read_datumaro,
    detect=detect,
)
