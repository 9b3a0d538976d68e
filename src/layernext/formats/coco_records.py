"""The entries of COCO's files: images, categories and annotations, read from JSON.

Source: cocodataset.org (data format, results format). Shared by `layernext.formats.coco` and
`layernext.formats.coco_results`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from layernext.errors import FormatError, Problem
from layernext.formats.coco_masks import checked_mask, is_outline
from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.json_stream import (
    JsonWindow,
    check_keys,
    expect_end,
    iter_list,
    iter_unique_members,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.rotation import box_or_outline
from layernext.formats.core.spill import MAX_ID, Spill
from layernext.model import Annotation, AttributeValue, Geometry, Polygon

CROWD = "iscrowd"


class Category(Struct, gc=False):
    """An entry of ``categories``."""

    id: int
    name: str
    supercategory: Any = None


class Image(Struct, gc=False):
    """An entry of ``images``."""

    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class Head(Struct, gc=False):
    """What says which image an annotation belongs to."""

    image_id: int


class AnnotationRow(Struct, gc=False, forbid_unknown_fields=True):
    """An entry of ``annotations``, or of a list of results."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float] | None = None
    segmentation: Any = None
    iscrowd: int = 0
    score: float | None = None
    attributes: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    id: Any = None
    area: Any = None
    ignore: Any = None


Label: TypeAlias = tuple[str, dict[str, list[AttributeValue]]]
"""A label, and the attributes that every annotation of its category has."""


class Instances(Struct, frozen=True):
    """What results refer to by number.

    Attributes:
        images: the images by number.
        labels: the labels by number.
    """

    images: dict[int, Image]
    labels: dict[int, Label]


decode_head = msgspec.json.Decoder(Head)
decode_image = msgspec.json.Decoder(Image)
decode_category = msgspec.json.Decoder(Category)
decode_annotation = msgspec.json.Decoder(AnnotationRow)


def read_image(raw: bytes, where: str) -> Image:
    """An entry of ``images``.

    Raises:
        FormatError: it is not valid.
    """
    image: Image = decode_row(decode_image, raw, where)
    check_keys(raw, where)
    if not -MAX_ID <= image.id < MAX_ID:
        raise FormatError(Problem(f"{where}.id", "is not a 64-bit integer"))
    if not image.file_name:
        raise FormatError(Problem(f"{where}.file_name", "is empty"))
    for name, side in (("width", image.width), ("height", image.height)):
        if side is not None and side < 0:
            raise FormatError(Problem(f"{where}.{name}", f"is {side}, must be ≥ 0"))
    return image


def gather_annotations(path: Path, window: JsonWindow, spill: Spill) -> None:
    """Spill the list of annotations that comes next, each by its image.

    Raises:
        FormatError: an entry does not say which image it belongs to.
    """
    head: Head | None = None

    def judge(raw: bytes) -> bool:
        nonlocal head
        try:
            head = decode_head.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            head = None
        return head is not None

    for number, raw in enumerate(iter_list(window, "annotations", judge)):
        where = f"{path}: annotations[{number}]"
        try:
            spill.add((head or decode_row(decode_head, raw, where)).image_id, raw)
        except OverflowError as error:
            raise FormatError(Problem(f"{where}.image_id", "is not a 64-bit integer")) from error
        head = None


def gather_labels(
    path: Path, window: JsonWindow, labels: dict[int, Label], losses: Losses, has_super: bool
) -> None:
    """Read the list of categories that comes next.

    Args:
        path: the file, for messages.
        window: where the list begins.
        labels: gets the label of each category, by number.
        losses: counts supercategories that are not read.
        has_super: read supercategories as labels, and categories as their attribute ``name``.

    Raises:
        FormatError: an entry is not valid.
    """
    for number, raw in enumerate(iter_list(window, "categories")):
        where = f"{path}: categories[{number}]"
        category = decode_row(decode_category, raw, where)
        check_keys(raw, where)
        if not category.name:
            raise FormatError(Problem(f"{where}.name", "is empty"))
        above = category.supercategory
        if has_super and isinstance(above, str) and above:
            labels[category.id] = (above, {"name": [AttributeValue(value=category.name)]})
            continue
        labels[category.id] = (category.name, {})
        if above not in {None, "", category.name}:
            losses.note("the supercategory of a label", where)


def read_numbers(path: Path, *, has_super: bool) -> Instances:
    """The images and labels of a file of instances, by number, without its annotations.

    Raises:
        FormatError: the file is not COCO instances, with the location.
    """
    images: dict[int, Image] = {}
    labels: dict[int, Label] = {}
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for key in iter_unique_members(window, "an object with `images` and `categories`"):
            if key == "images":
                for number, raw in enumerate(iter_list(window, "images", _is_image)):
                    image = read_image(raw, f"{path}: images[{number}]")
                    images[image.id] = image
            elif key == "categories":
                gather_labels(path, window, labels, Losses(), has_super)
            elif window.peek() == b"[":
                for _ in iter_list(window, key, _has_head):
                    pass
            else:
                window.value()
        expect_end(window)
    return Instances(images, labels)


def _is_image(raw: bytes) -> bool:
    try:
        decode_image.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def _has_head(raw: bytes) -> bool:
    try:
        decode_head.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def decode_row(decoder: msgspec.json.Decoder[Any], raw: bytes, where: str) -> Any:
    """An entry of a list.

    Raises:
        FormatError: it is not as COCO has it.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(Problem(where, f"is not as COCO has it: {error}")) from error


_READ_KEYS = {*AnnotationRow.__struct_fields__}


def read_annotation(
    raw: bytes,
    labels: dict[int, Label],
    where: str,
    losses: Losses,
    purpose: Purpose | None = None,
) -> Annotation | None:
    """An annotation of an image; None if it has no geometry, which is counted as a loss.

    Args:
        raw: the entry as it is in the file.
        labels: the labels by category number.
        where: its location, for messages.
        losses: counts what is not read.
        purpose: the evaluation that it is read for, if any.

    Raises:
        FormatError: it is not valid.
    """
    row = _read_fields(raw, where, losses)
    if purpose is not None:
        row = _for_evaluation(row, purpose, where)
    elif row.ignore is not None:
        losses.note("the key 'ignore'", where)
    if row.category_id not in labels:
        raise FormatError(Problem(f"{where}.category_id", f"there is no {row.category_id}"))
    metadata = dict(row.metadata)
    if row.iscrowd:
        metadata[CROWD] = row.iscrowd
    if row.score is not None and not 0 <= row.score <= 1:
        raise FormatError(Problem(f"{where}.score", f"is {row.score}, must be from 0 to 1"))
    label, further = labels[row.category_id]
    fields: dict[str, Any] = {
        "label": label,
        "confidence": row.score,
        "attributes": further | _attributes(row.attributes, where),
        "metadata": metadata,
    }
    return _with_geometry(row, fields, where, losses, purpose)


def _with_geometry(
    row: AnnotationRow, fields: dict[str, Any], where: str, losses: Losses, purpose: Purpose | None
) -> Annotation | None:
    polygons = row.segmentation if isinstance(row.segmentation, list) else None
    if polygons and _is_single(polygons):
        return Polygon(polygon=_outline(polygons[0], where), **fields)
    if row.segmentation:
        losses.note_shape("a mask, or an object of several polygons; its box is", where)
    if row.bbox is None:
        losses.note_shape("an annotation without a box and without a single polygon", where)
        return None
    if row.bbox[2] < 0 or row.bbox[3] < 0:
        raise FormatError(Problem(f"{where}.bbox", "width and height must be ≥ 0"))
    # An evaluation takes the box as it is, as COCO's tools do.
    rotation = _rotation(row.attributes) if purpose is None and not row.segmentation else 0.0
    if rotation:
        fields["attributes"].pop("rotation")
    return box_or_outline(row.bbox, rotation, where, fields)


def _rotation(attributes: Any) -> float:
    """The rotation of a box in CVAT's COCO, among whose attributes is always ``occluded``; else 0."""
    if not isinstance(attributes, dict) or "occluded" not in attributes:
        return 0.0
    rotation = attributes.get("rotation")
    is_number = isinstance(rotation, int | float) and not isinstance(rotation, bool)
    return float(rotation) % 360 if rotation is not None and is_number else 0.0


def _outline(numbers: list[Any], where: str) -> list[tuple[float, float]]:
    try:
        flat = [float(number) for number in numbers]
    except OverflowError as error:
        message = "has a number that is too large"
        raise FormatError(Problem(f"{where}.segmentation", message)) from error
    return list(zip(flat[::2], flat[1::2], strict=True))


class Purpose(Struct, frozen=True):
    """The evaluation that the annotations of an image are read for."""

    geometry: Geometry
    image: Image
    is_result: bool = False


def _for_evaluation(row: AnnotationRow, purpose: Purpose, where: str) -> AnnotationRow:
    """The annotation with what the evaluation counts by, as metadata; see `layernext.evaluation.packing.Flags`.

    If boxes are evaluated, its geometry is its box. If polygons are, a segmentation that is not a single outline goes
    into the metadata, too, and the outline is that of the box.
    """
    box, shape, metadata = row.bbox, row.segmentation, dict(row.metadata)
    # COCO's tools take the area of a result from its box, or from the mask if it has no box.
    box_area = None if box is None else box[2] * box[3]
    counted = {"area": box_area if purpose.is_result else row.area, "ignore": row.ignore}
    metadata |= {name: value for name, value in counted.items() if value is not None}
    if purpose.geometry == "rectangle" and box is not None:
        shape = None
    elif purpose.geometry == "polygon" and shape and not _is_single(shape):
        image = purpose.image
        metadata["segmentation"] = checked_mask(
            shape, image.width, image.height, f"{where}.segmentation"
        )
        x, y, w, h = box or (0.0, 0.0, float(image.width or 1), float(image.height or 1))
        shape = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return replace(row, segmentation=shape, metadata=metadata)


def _is_single(shape: Any) -> bool:
    return isinstance(shape, list) and len(shape) == 1 and is_outline(shape[0])


def _read_fields(raw: bytes, where: str, losses: Losses) -> AnnotationRow:
    try:
        row: AnnotationRow = decode_annotation.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        row = _read_foreign(raw, where, losses)
    surplus = raw.count(b":") - _key_count(row)
    if surplus and not (surplus == 1 and b'"iscrowd":' in raw):
        check_keys(raw, where)
    return row


def _key_count(row: AnnotationRow) -> int:
    """The least number of keys in an annotation's JSON, apart from ``iscrowd`` and ``metadata``.

    Each takes a colon, so that most annotations need no further check for repeated keys.
    """
    return (
        2
        + (row.bbox is not None)
        + (row.segmentation is not None)
        + (row.score is not None)
        + (row.attributes is not None)
        + (row.id is not None)
        + (row.area is not None)
        + (row.ignore is not None)
    )


def _read_foreign(raw: bytes, where: str, losses: Losses) -> AnnotationRow:
    """An annotation with keys that are not read, such as ``keypoints``: each is counted as a loss."""
    fields = decode_row(msgspec.json.Decoder(dict[str, Any]), raw, where)
    check_keys(raw, where)
    for name in [key for key in fields if key not in _READ_KEYS]:
        del fields[name]
        losses.note(f"the key {name!r}", where)
    # As Python writers leave fields that they do not use; COCO's tools take them so, too.
    if fields.get("bbox") == []:
        fields["bbox"] = None
    if fields.get(CROWD) in (None, True, False):
        fields[CROWD] = int(bool(fields.get(CROWD)))
    try:
        return msgspec.convert(fields, AnnotationRow)
    except msgspec.ValidationError as error:
        raise FormatError(Problem(where, f"is not as COCO has it: {error}")) from error


def _attributes(content: Any, where: str) -> dict[str, list[AttributeValue]]:
    """Attributes as this package writes them, or as CVAT does: a name and its value."""
    if not isinstance(content, dict):
        return {}
    attributes: dict[str, list[AttributeValue]] = {}
    for name, value in content.items():
        is_ours = isinstance(value, list) and all(
            isinstance(v, dict) and "value" in v for v in value
        )
        try:
            attributes[name] = (
                [msgspec.convert(entry, AttributeValue) for entry in value]
                if is_ours
                else [AttributeValue(value=value)]
            )
        except msgspec.ValidationError as error:
            raise FormatError(Problem(f"{where}.attributes.{name}", str(error))) from error
    return attributes
