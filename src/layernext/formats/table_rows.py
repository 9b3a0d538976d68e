"""The rows of tables: one for each annotation, and one for an image without any. Nothing is lost.

Used by CSV and Parquet, with the same `COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.coco_masks import read_mask
from layernext.formats.core.format import KEPT, Holds
from layernext.formats.core.json_stream import check_keys
from layernext.formats.core.losses import Losses
from layernext.formats.core.sample import Sample, check_finite, location_of, points_of
from layernext.formats.core.scores import Scores
from layernext.formats.core.tracks import track_in_text, track_text
from layernext.model import (
    KINDS,
    Annotation,
    AttributeValue,
    Box,
    ImageLabel,
    Keypoints,
    Line,
    Mask,
    Points,
    Polygon,
    Rectangle,
    RotatedBox,
    SemanticMask,
)

COLUMNS = (
    "image", "width", "height", "split", "run", "mode", "label", "type", "confidence",
    "x", "y", "box_width", "box_height", "points", "attributes", "metadata", "mask",
    "rotation", "parts", "keypoints", "track",
)  # fmt: skip

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        "polygon": KEPT,
        "line": KEPT,
        "points": KEPT,
        "rotated_box": KEPT,
        "image_label": KEPT,
        "mask": KEPT,
        "keypoints": KEPT,
        "semantic_mask": KEPT,
    },
    fields={"confidence": KEPT, "track": KEPT, "attributes": KEPT, "metadata": KEPT},
    splits=KEPT,
    runs=True,
    sizes="kept",
    parts=True,
    skeletons=(),
)

_BOX = ("x", "y", "box_width", "box_height")
_HEAD = ("image", "width", "height", "split", "run", "mode")
MAX_CELL = 16 << 20
"""The limit of a cell, and of a line, in characters."""

_annotation = msgspec.json.Decoder(Annotation)
_attributes = msgspec.json.Decoder(dict[str, list[AttributeValue]])
_metadata = msgspec.json.Decoder(dict[str, Any])


def rows_of(sample: Sample, losses: Losses) -> Iterator[dict[str, Any]]:
    """The rows of an image; `points` as a list, attributes, metadata, masks, parts and keypoints as JSON."""
    head: dict[str, Any] = dict.fromkeys(COLUMNS)
    head |= {name: getattr(sample, name) for name in _HEAD}
    annotations = [
        annotation
        for number, annotation in enumerate(sample.annotations)
        if HOLDS.accepts(annotation, location_of(sample, number), losses)
    ]
    if not annotations:
        yield head
    for annotation in annotations:
        row = {
            **head,
            "label": annotation.label,
            "type": annotation.geometry,
            "confidence": annotation.confidence,
            "track": None if annotation.track is None else track_text(annotation.track),
        }
        row |= _columns_of_shape(annotation)
        if annotation.attributes:
            row["attributes"] = msgspec.json.encode(annotation.attributes).decode()
        if annotation.metadata:
            row["metadata"] = msgspec.json.encode(annotation.metadata).decode()
        yield row


def _columns_of_shape(annotation: Annotation) -> dict[str, Any]:
    """What the columns of a shape have for an annotation."""
    columns: dict[str, Any] = {}
    if isinstance(annotation, Rectangle | RotatedBox):
        columns = dict(zip(_BOX, annotation.bbox, strict=True))
        if isinstance(annotation, RotatedBox):
            columns["rotation"] = annotation.rotation
    elif isinstance(annotation, Mask | SemanticMask):
        columns["mask"] = msgspec.json.encode(annotation.mask).decode()
    elif isinstance(annotation, Keypoints):
        columns["keypoints"] = msgspec.json.encode(annotation.keypoints).decode()
        if annotation.bbox is not None:
            columns |= zip(_BOX, annotation.bbox, strict=True)
    elif isinstance(annotation, Polygon) and annotation.parts:
        columns["parts"] = msgspec.json.encode(annotation.parts).decode()
    elif not isinstance(annotation, ImageLabel):
        columns["points"] = points_of(annotation)
    return columns


def samples_of(
    rows: Iterator[tuple[dict[str, Any], str]], losses: Losses, scores: Scores
) -> Iterator[Sample]:
    """The images of rows with their locations; rows of an image that follow each other belong together.

    Args:
        rows: each with its location.
        losses: lists rows that are not valid.
        scores: how scores become confidences.

    Raises:
        FormatError: a row is not valid, with its location.
    """
    current: tuple[Any, ...] | None = None
    annotations: list[Annotation] = []
    begun = ""
    for row, where in rows:
        head = tuple([row.get(name) for name in _HEAD])
        if head != current:
            if current is not None:
                yield _sample(current, annotations, begun)
            current, annotations, begun = head, [], where
        with losses.problems:
            if row.get("label"):
                annotations.append(_shape(row, where, scores))
            elif row.get("type"):
                raise FormatError(Problem(where, "has a shape, and no label"))
    if current is not None:
        yield _sample(current, annotations, begun)


def _sample(head: tuple[Any, ...], annotations: list[Annotation], where: str) -> Sample:
    image, width, height, split, run, mode = head
    if not image:
        raise FormatError(Problem(where, "names no image"))
    for name, value in (("image", image), ("split", split), ("run", run)):
        if not isinstance(value, str | None):
            raise FormatError(Problem(where, f"{name} must be a string"))
    if mode not in {None, "machine", "human"}:
        raise FormatError(Problem(where, f"has the mode {mode!r}, must be machine or human"))
    try:
        return Sample(
            image=image,
            annotations=annotations,
            width=_side(width),
            height=_side(height),
            split=split,
            run=run,
            mode=mode,
        )
    except (ValueError, TypeError, OverflowError) as error:
        message = "width and height must be whole numbers ≥ 0"
        raise FormatError(Problem(where, message)) from error


def _side(value: Any) -> int | None:
    side = int(value) if value else None
    if side is not None and side < 0:
        raise ValueError(side)
    return side


_SHAPES: dict[str, type[Any]] = {"polygon": Polygon, "line": Line, "points": Points}


def _shape(row: dict[str, Any], where: str, scores: Scores) -> Annotation:
    try:
        fields: dict[str, Any] = {"label": row["label"]}
        if row.get("confidence") is not None:
            fields["confidence"] = scores.read(row["confidence"], where, "confidence")
        if row.get("track") is not None:
            fields["track"] = track_in_text(row["track"], f"{where}.track")
        if row.get("attributes"):
            fields["attributes"] = _attributes.decode(row["attributes"])
            check_keys(row["attributes"].encode(), f"{where}.attributes")
        if row.get("metadata"):
            fields["metadata"] = _metadata.decode(row["metadata"])
            check_keys(row["metadata"].encode(), f"{where}.metadata")
        return _outlined(row, fields, where)
    except DataError:
        raise
    except msgspec.MsgspecError as error:
        raise FormatError(Problem(where, f"is not an annotation: {error}")) from error
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        message = "is not an annotation: its type, numbers or points cannot be read"
        raise FormatError(Problem(where, message)) from error


def _outlined(row: dict[str, Any], fields: dict[str, Any], where: str) -> Annotation:
    kind = str(row.get("type"))
    if kind == "image_label":
        return ImageLabel(**fields)
    if kind == "keypoints":
        return _keypoints(row, fields, where)
    if kind in {"rectangle", "rotated_box"}:
        box = _box(row, where)
        if kind == "rectangle":
            return Rectangle(bbox=box, **fields)
        rotation = float(row["rotation"])
        check_finite([rotation], where)
        return RotatedBox(bbox=box, rotation=rotation, **fields)
    if kind in {"mask", "semantic_mask"}:
        struct = KINDS[kind].struct
        mask = msgspec.json.decode(row["mask"], type=dict[str, Any])
        check_keys(row["mask"].encode(), f"{where}.mask")
        pixels: Annotation = struct(mask=read_mask(mask, None, None, f"{where}.mask"), **fields)
        return pixels
    return _pointed(kind, row, fields, where)


def _pointed(kind: str, row: dict[str, Any], fields: dict[str, Any], where: str) -> Annotation:
    if kind == "polygon" and row.get("parts"):
        return Polygon(parts=_parts(row["parts"], where), **fields)
    cell = row["points"]
    pairs = msgspec.json.decode(cell) if isinstance(cell, str) else cell
    points = [(float(x), float(y)) for x, y in pairs]
    for point in points:
        check_finite(point, where)
    if not points:
        raise FormatError(Problem(where, "has no points"))
    annotation: Annotation = _SHAPES[kind](**{kind: points}, **fields)
    return annotation


def _box(row: dict[str, Any], where: str) -> Box:
    x, y, width, height = (float(row[name]) for name in _BOX)
    check_finite((x, y, width, height), where)
    if width < 0 or height < 0:
        raise FormatError(Problem(where, "width and height must be ≥ 0"))
    return x, y, width, height


def _keypoints(row: dict[str, Any], fields: dict[str, Any], where: str) -> Keypoints:
    points = msgspec.json.decode(row["keypoints"])
    problems = [*KINDS["keypoints"].find_problems(points, f"{where}.keypoints")]
    if problems:
        raise FormatError(problems)
    has_box = any(row.get(name) not in {None, ""} for name in _BOX)
    box = _box(row, where) if has_box else None
    return Keypoints(keypoints=[(x, y, seen) for x, y, seen in points], bbox=box, **fields)


def _parts(cell: str, where: str) -> list[list[list[tuple[float, float]]]]:
    value = msgspec.json.decode(cell)
    problems = [*KINDS["polygon"].find_alternative_problems("parts", value, f"{where}.parts")]
    if problems:
        raise FormatError(problems)
    return [[[(float(x), float(y)) for x, y in ring] for ring in part] for part in value]
