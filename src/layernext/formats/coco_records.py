"""The entries of COCO's files: images, categories and annotations, read from JSON.

Source: cocodataset.org (data format, results format). Shared by `layernext.formats.coco` and
`layernext.formats.coco_results`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from layernext.errors import FormatError, Problem
from layernext.formats.coco_keypoints import pose_of, read_points, read_skeleton
from layernext.formats.coco_masks import checked_segmentation, is_outline, read_mask
from layernext.formats.core.classes import Classes
from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.json_stream import (
    JsonWindow,
    check_keys,
    expect_end,
    iter_list,
    iter_unique_members,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.rotation import box_or_rotated_box
from layernext.formats.core.scores import Scores
from layernext.formats.core.spill import MAX_ID, Id, Spill, id_of
from layernext.model import (
    KINDS,
    Annotation,
    AttributeValue,
    Geometry,
    Keypoints,
    Mask,
    Polygon,
    Skeleton,
)

CROWD = "iscrowd"

MAX_SIDE = 10**9
"""Pixels of a side: more is not a number of pixels."""


AnyId: TypeAlias = int | float | str
"""An id as it is in the file; see `id_of`."""


class Category(Struct, gc=False):
    """An entry of ``categories``."""

    id: AnyId
    name: str
    supercategory: Any = None
    keypoints: Any = None
    skeleton: Any = None
    sigmas: Any = None
    flips: Any = None
    isthing: Any = None


class Image(Struct, gc=False):
    """An entry of ``images``; LVIS has a URL in place of the file name."""

    id: AnyId
    file_name: str = ""
    width: float | None = None
    height: float | None = None
    coco_url: str = ""


class Head(Struct, gc=False):
    """What says which image an annotation belongs to."""

    image_id: AnyId
    file_name: Any = None


class AnnotationRow(Struct, gc=False, forbid_unknown_fields=True):
    """An entry of ``annotations``, or of a list of results."""

    image_id: AnyId
    category_id: AnyId
    bbox: tuple[float, float, float, float] | None = None
    segmentation: Any = None
    iscrowd: int = 0
    score: float | None = None
    attributes: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    id: Any = None
    area: Any = None
    ignore: Any = None
    keypoints: list[int | float] | None = None
    num_keypoints: Any = None


ImageSize: TypeAlias = tuple[int | None, int | None]
"""Width and height."""

Label: TypeAlias = tuple[str, dict[str, list[AttributeValue]]]
"""A label, and the attributes that every annotation of its category has."""


class Instances(Struct, frozen=True):
    """What results refer to by number.

    Attributes:
        images: the images by id.
        labels: the labels by id.
        codes: the id of each label, as it is in the file.
        skeletons: what the keypoints of a label are, by label.
    """

    images: dict[Id, Image]
    labels: dict[Id, Label]
    codes: dict[str, AnyId]
    skeletons: dict[str, Skeleton]


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
    image_id = id_of(image.id)
    if isinstance(image_id, int) and not -MAX_ID <= image_id < MAX_ID:
        raise FormatError(Problem(f"{where}.id", "is not a 64-bit integer"))
    if not image.file_name:
        image.file_name = image.coco_url.partition("?")[0].rpartition("/")[2]
    if not image.file_name:
        raise FormatError(Problem(f"{where}.file_name", "is missing or empty"))
    for name in ("width", "height"):
        side = getattr(image, name)
        if side is None:
            continue
        if side < 0:
            raise FormatError(Problem(f"{where}.{name}", f"is {side}, must be ≥ 0"))
        if not float(side).is_integer() or side > MAX_SIDE:
            raise FormatError(Problem(f"{where}.{name}", f"is {side}, must be a whole number"))
        # 0 is what tools write that could not open the image.
        setattr(image, name, int(side) or None)
    return image


def sides_of(image: Image) -> tuple[int | None, int | None]:
    """Width and height of an image that was read by `read_image`."""
    return (
        None if image.width is None else int(image.width),
        None if image.height is None else int(image.height),
    )


def gather_annotations(
    path: Path,
    window: JsonWindow,
    spill: Spill,
    losses: Losses,
    resolve: Callable[[Id, Head], Id] | None = None,
) -> None:
    """Spill the list of annotations that comes next, each by its image.

    Args:
        path: the file, for messages.
        window: where the list begins.
        spill: gets the annotations.
        losses: lists annotations that do not say which image they belong to.
        resolve: the image's id in place of the one in the file.

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
        with losses.problems:
            try:
                entry = head or decode_row(decode_head, raw, where)
                image_id = id_of(entry.image_id)
                spill.add(image_id if resolve is None else resolve(image_id, entry), raw)
            except OverflowError as error:
                message = "is not a 64-bit integer"
                raise FormatError(Problem(f"{where}.image_id", message)) from error
        head = None


def gather_labels(
    path: Path,
    window: JsonWindow,
    labels: dict[Id, Label],
    losses: Losses,
    has_super: bool,
    classes: Classes,
    stuff: set[Id] | None = None,
) -> None:
    """Read the list of categories that comes next.

    Args:
        path: the file, for messages.
        window: where the list begins.
        labels: gets the label of each category, by id.
        losses: counts supercategories that are not read, and skeletons that are not valid.
        has_super: read supercategories as labels, and categories as their attribute ``name``.
        classes: gets the labels in their order, with their ids.
        stuff: gets the ids of categories that are no things, in a file of panoptic segments.

    Raises:
        FormatError: an entry is not valid.
    """
    for number, raw in enumerate(iter_list(window, "categories")):
        where = f"{path}: categories[{number}]"
        category = decode_row(decode_category, raw, where)
        check_keys(raw, where)
        if not category.name:
            raise FormatError(Problem(f"{where}.name", "is empty"))
        above, code = category.supercategory, id_of(category.id)
        if stuff is not None and category.isthing == 0:
            stuff.add(code)
        if has_super and isinstance(above, str) and above:
            labels[code] = (above, {"name": [AttributeValue(value=category.name)]})
            continue
        labels[code] = (category.name, {})
        skeleton = read_skeleton(category, where, losses)
        classes.add(category.name, category.id if isinstance(category.id, str) else code, skeleton)
        if above not in {None, "", category.name}:
            losses.note("the supercategory of a label", where)


def read_numbers(path: Path, *, has_super: bool) -> Instances:
    """The images and labels of a file of instances, by number, without its annotations.

    Raises:
        FormatError: the file is not COCO instances, with the location.
    """
    images: dict[Id, Image] = {}
    labels: dict[Id, Label] = {}
    classes = Classes()
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for key in iter_unique_members(window, "an object with `images` and `categories`"):
            if key == "images":
                for number, raw in enumerate(
                    iter_list(window, "images", partial(_decodes, decode_image))
                ):
                    image = read_image(raw, f"{path}: images[{number}]")
                    images[id_of(image.id)] = image
            elif key == "categories":
                gather_labels(path, window, labels, Losses(), has_super, classes)
            elif window.peek() == b"[":
                for _ in iter_list(window, key, partial(_decodes, decode_head)):
                    pass
            else:
                window.value()
        expect_end(window)
    return Instances(images, labels, dict(classes.codes), dict(classes.skeletons))


def _decodes(decoder: msgspec.json.Decoder[Any], raw: bytes) -> bool:
    try:
        decoder.decode(raw)
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
    labels: dict[Id, Label],
    where: str,
    losses: Losses,
    scores: Scores,
    purpose: Purpose | None = None,
    size: ImageSize = (None, None),
) -> Annotation | None:
    """An annotation of an image; None if it has no geometry, which is counted as a loss.

    Args:
        raw: the entry as it is in the file.
        labels: the labels by category id.
        where: its location, for messages.
        losses: counts what is not read.
        scores: how scores become confidences.
        purpose: the evaluation that it is read for, if any.
        size: width and height of the image, if known.

    Raises:
        FormatError: it is not valid.
    """
    row = _read_fields(raw, where)
    if purpose is not None:
        row = _for_evaluation(row, purpose, where)
    elif row.ignore is not None:
        row.metadata.setdefault("ignore", row.ignore)
    if row.num_keypoints is not None and not row.keypoints:
        row.metadata.setdefault("num_keypoints", row.num_keypoints)
    code = row.category_id if type(row.category_id) is int else id_of(row.category_id)
    if code not in labels:
        message = f"there is no category {row.category_id!r}; {_span(labels)}"
        raise FormatError(Problem(f"{where}.category_id", message))
    metadata = dict(row.metadata)
    if row.iscrowd:
        metadata[CROWD] = row.iscrowd
    label, further = labels[code]
    fields: dict[str, Any] = {
        "label": label,
        "confidence": None if row.score is None else scores.read(row.score, f"{where}.score"),
        "attributes": further | _attributes(row.attributes, where),
        "metadata": metadata,
    }
    if row.keypoints:
        return _posed(row, fields, where)
    if isinstance(row.segmentation, dict) and row.segmentation:
        return _masked(row, fields, where, size)
    return _with_geometry(row, fields, where, losses, purpose)


def original_id(value: AnyId) -> int | str:
    """An id as it is written again: a float that is a whole number as that."""
    return value if isinstance(value, str) else id_of(value)


def _span(labels: dict[Id, Label]) -> str:
    numbers = sorted(code for code in labels if isinstance(code, int))
    if not numbers:
        return f"there are {len(labels)} categories"
    return f"there are {len(labels)}, from {numbers[0]} to {numbers[-1]}"


def _masked(row: AnnotationRow, fields: dict[str, Any], where: str, size: ImageSize) -> Mask:
    """A mask; a box and an area that are not those of its pixels are kept in the metadata."""
    mask = read_mask(row.segmentation, *size, f"{where}.segmentation")
    kind = KINDS["mask"]
    if row.bbox is not None and row.bbox != kind.box(mask):
        fields["metadata"].setdefault("bbox", [*row.bbox])
    if type(row.area) in {int, float} and row.area != kind.area(mask):
        fields["metadata"].setdefault("area", row.area)
    return Mask(mask=mask, **fields)


def _posed(row: AnnotationRow, fields: dict[str, Any], where: str) -> Keypoints:
    """Keypoints; what COCO says beside them is kept in the metadata."""
    if row.bbox is not None and (row.bbox[2] < 0 or row.bbox[3] < 0):
        raise FormatError(Problem(f"{where}.bbox", "width and height must be ≥ 0"))
    points = read_points(row.keypoints or [], f"{where}.keypoints")
    measures = {"num_keypoints": row.num_keypoints, "segmentation": row.segmentation}
    if type(row.area) in {int, float}:
        measures["area"] = row.area
    return pose_of(points, row.bbox, fields, measures)


def _with_geometry(
    row: AnnotationRow, fields: dict[str, Any], where: str, losses: Losses, purpose: Purpose | None
) -> Annotation | None:
    shape = row.segmentation
    if is_outline(shape):
        shape = [shape]  # the list of outlines is missing; it can be nothing else
    if isinstance(shape, list) and _is_single(shape):
        return Polygon(polygon=_outline(shape[0], where), **fields)
    if shape:
        outlines = (
            _outlines(shape) if purpose is None or KINDS[purpose.geometry].key == "mask" else []
        )
        if outlines:
            if len(outlines) < len(shape):
                losses.note("an outline of one or two points", where)
            parts = [[_outline(outline, where)] for outline in outlines]
            shape_fields = {"parts": parts} if len(parts) > 1 else {"polygon": parts[0][0]}
            return Polygon(**shape_fields, **fields)
        losses.note_shape("a segmentation that is not outlines; its box is", where)
    if row.bbox is None:
        losses.note_shape("an annotation without a box and without a single polygon", where)
        return None
    if row.bbox[2] < 0 or row.bbox[3] < 0:
        raise FormatError(Problem(f"{where}.bbox", "width and height must be ≥ 0"))
    # An evaluation takes the box as it is, as COCO's tools do.
    rotation = _rotation(row.attributes) if purpose is None and not row.segmentation else 0.0
    if rotation:
        fields["attributes"].pop("rotation")
    return box_or_rotated_box(row.bbox, rotation, where, fields)


def _outlines(shape: Any) -> list[list[Any]]:
    """The outlines of an object, those of one or two points left out."""
    return [outline for outline in shape if is_outline(outline)] if isinstance(shape, list) else []


def _rotation(attributes: Any) -> float:
    """The rotation of a box in CVAT's COCO, among whose attributes is always ``occluded``; else 0."""
    if not isinstance(attributes, dict) or "occluded" not in attributes:
        return 0.0
    rotation = attributes.get("rotation")
    is_number = isinstance(rotation, int | float) and not isinstance(rotation, bool)
    return float(rotation) if rotation is not None and is_number else 0.0


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

    If keypoints are not evaluated, they are left out. If boxes are, its geometry is its box. If polygons are, a segmentation that is not a single outline goes
    into the metadata, too, and the outline is that of the box.
    """
    box, shape, metadata = row.bbox, row.segmentation, dict(row.metadata)
    if is_outline(shape):
        shape = [shape]
    # COCO's tools take the area of a result from its box, or from the mask if it has no box.
    box_area = None if box is None else box[2] * box[3]
    counted = {"area": box_area if purpose.is_result else row.area, "ignore": row.ignore}
    metadata |= {name: value for name, value in counted.items() if value is not None}
    points = row.keypoints if purpose.geometry == "keypoints" else None
    if points and row.num_keypoints == 0:
        metadata["ignore"] = 1  # COCO's tools go by this number
    if points or (purpose.geometry == "rectangle" and box is not None):
        shape = None
    elif purpose.geometry in {"polygon", "keypoints"} and shape and not _is_single(shape):
        image = purpose.image
        where = f"{where}.segmentation"
        metadata["segmentation"] = checked_segmentation(shape, *sides_of(image), where)
        x, y, w, h = box or (0.0, 0.0, float(image.width or 1), float(image.height or 1))
        shape = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return replace(row, segmentation=shape, metadata=metadata, keypoints=points)


def _is_single(shape: Any) -> bool:
    return isinstance(shape, list) and len(shape) == 1 and is_outline(shape[0])


def _read_fields(raw: bytes, where: str) -> AnnotationRow:
    try:
        row: AnnotationRow = decode_annotation.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        row = _read_foreign(raw, where)
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
        + (row.keypoints is not None)
        + (row.num_keypoints is not None)
    )


def _read_foreign(raw: bytes, where: str) -> AnnotationRow:
    """An annotation with keys that COCO does not have: they become metadata."""
    fields = decode_row(msgspec.json.Decoder(dict[str, Any]), raw, where)
    check_keys(raw, where)
    further = {key: fields.pop(key) for key in [*fields] if key not in _READ_KEYS}
    # What we do not know is the user's.
    if isinstance(fields.get("metadata", {}), dict):
        fields["metadata"] = further | fields.get("metadata", {})
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
