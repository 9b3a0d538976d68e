"""COCO: instances and results, as cocodataset.org describes them (data format, results format).

An annotation's attributes and metadata go into the keys ``attributes`` and ``metadata``, which COCO's tools pass
over and we read again; a confidence into ``score``. Boxes are kept as they are; ``area`` is a box's own, or the
polygon's by the shoelace formula. Of a file of instances ``info``, ``licenses`` and what images have beside name and
size are not read, and neither are ``area`` and ``ignore``, but for an evaluation (`read_coco`), which counts by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from layernext.errors import FormatError, Problem
from layernext.formats.coco_masks import CORNERS, checked_mask, is_outline
from layernext.formats.compression import open_decompressed, open_output
from layernext.formats.json_stream import (
    JsonWindow,
    check_keys,
    expect_end,
    iter_list,
    iter_unique_members,
)
from layernext.formats.samples import (
    Losses,
    Sample,
    box_of,
    check_finite,
    place_of,
)
from layernext.formats.spill import MAX_ID, Spill
from layernext.model import Annotation, AttributeValue, Geometry, Polygon, Rectangle

CROWD = "iscrowd"


class _Category(Struct, gc=False):
    id: int
    name: str
    supercategory: Any = None


class _Image(Struct, gc=False):
    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class _Head(Struct, gc=False):
    image_id: int


class _Annotation(Struct, gc=False, forbid_unknown_fields=True):
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
    """What results refer to by numbers.

    Attributes:
        images: the images by number.
        labels: the labels by number.
    """

    images: dict[int, _Image]
    labels: dict[int, Label]


class CocoWriter:
    """Writes one file of instances, or a list of results; see `SampleWriter`.

    Args:
        path: the file.
        losses: gathers what COCO cannot hold.
        results: write a list of results in place of instances.
        instances: of the same images: results take over its numbers. Without it images have the numbers
            1, 2, 3 … in the order they come, and labels likewise.
        labels: their order gives the category ids; others follow as they come.
    """

    def __init__(
        self,
        path: Path,
        losses: Losses,
        *,
        results: bool = False,
        instances: Instances | None = None,
        labels: list[str] | None = None,
    ) -> None:
        self._losses, self._results, self._instances = losses, results, instances
        self._file = open_output(path)
        self._annotations = 0
        self._codes = {label: number for number, label in enumerate(labels or [], 1)}
        self._images: dict[str, int] = {}
        if instances is not None:
            self._codes = {label: number for number, (label, _) in instances.labels.items()}
            self._images = {image.file_name: number for number, image in instances.images.items()}
        self._rows: BinaryIO = path.with_suffix(".images").open("w+b")
        self._file.write(b"[" if results else b'{"annotations":[')

    def write(self, sample: Sample) -> None:
        """Add an image; its name may have come before."""
        if sample.split and not self._results:
            self._losses.note("the split", sample.image)
        image_id = self._image_id(sample)
        if image_id is None:
            self._losses.note("an image that is not among the instances", sample.image)
            return
        for number, one in enumerate(sample.annotations):
            encoded = self._encoded(one, image_id, place_of(sample, number))
            if encoded is not None:
                self._file.write((b"," if self._annotations else b"") + encoded)
                self._annotations += 1

    def _image_id(self, sample: Sample) -> int | None:
        found = self._images.get(sample.image)
        if found is not None or self._instances is not None:
            return found
        number = self._images[sample.image] = len(self._images) + 1
        row: dict[str, Any] = {"id": number, "file_name": sample.image}
        if sample.width and sample.height:
            row |= {"width": sample.width, "height": sample.height}
        self._rows.write((b"," if number > 1 else b"") + msgspec.json.encode(row))
        if self._results:
            self._losses.note("the name of an image; results have a number", sample.image)
        return number

    def _encoded(self, one: Annotation, image_id: int, where: str) -> bytes | None:
        box = box_of(one, where)
        if box is None:
            self._losses.note(f"the geometry {one.geometry}", where)
            return None
        code = self._code(one.label, where)
        if code is None:
            return None
        row: dict[str, Any] = {"image_id": image_id, "category_id": code, "bbox": box}
        if isinstance(one, Polygon):
            if len(one.polygon) < CORNERS:
                self._losses.note("a polygon of one or two points; its box is", where)
            else:
                row["segmentation"] = [[each for point in one.polygon for each in point]]
        if one.confidence is not None:
            row["score"] = one.confidence
        return self._result(one, row, where) if self._results else self._instance(one, row, where)

    def _code(self, label: str, where: str) -> int | None:
        code = self._codes.get(label)
        if code is None and self._instances is not None:
            self._losses.note("a label that is not among the instances", where)
        elif code is None:
            code = self._codes[label] = len(self._codes) + 1
            if self._results:
                self._losses.note("the name of a label; results have a number", where)
        return code

    def _result(self, one: Annotation, row: dict[str, Any], where: str) -> bytes:
        if one.confidence is None:
            # COCO's evaluation sorts by it; whoever has none is as sure as can be.
            row["score"] = 1.0
            self._losses.note("that there is no confidence; 1 is written", where)
        self._losses.note_fields(one, where, keeps=frozenset({"confidence"}))
        return msgspec.json.encode(row)

    def _instance(self, one: Annotation, row: dict[str, Any], where: str) -> bytes:
        metadata = one.metadata
        crowd = metadata.get(CROWD)
        row["iscrowd"] = 0
        if type(crowd) is int and crowd == 1:
            row["iscrowd"] = 1
            metadata = {name: value for name, value in metadata.items() if name != CROWD}
        row["id"] = self._annotations + 1
        x, y, width, height = row["bbox"]
        row["area"] = _area(one.polygon) if isinstance(one, Polygon) else width * height
        check_finite((row["area"], x + width, y + height), where)
        row.setdefault("segmentation", [])
        if one.attributes:
            row["attributes"] = one.attributes
        if metadata:
            row["metadata"] = metadata
        return msgspec.json.encode(row)

    def close(self) -> None:
        """Write what comes last."""
        name = Path(self._rows.name)
        if self._results:
            self._file.write(b"]")
        else:
            self._file.write(b'],"images":[')
            self._rows.seek(0)
            while piece := self._rows.read(1 << 20):
                self._file.write(piece)
            categories = [{"id": code, "name": label} for label, code in self._codes.items()]
            self._file.write(b'],"categories":' + msgspec.json.encode(categories) + b"}")
        self._rows.close()
        name.unlink()
        self._file.close()


def _area(points: list[tuple[float, float]]) -> float:
    following = [*points[1:], *points[:1]]
    crossed = sum(a * d - c * b for (a, b), (c, d) in zip(points, following, strict=True))
    return abs(crossed) / 2


_head = msgspec.json.Decoder(_Head)
_image = msgspec.json.Decoder(_Image)
_category = msgspec.json.Decoder(_Category)
_annotation = msgspec.json.Decoder(_Annotation)


class _Gathered(Struct):
    """What a file of instances has, but for images and annotations, which are spilled."""

    labels: dict[int, Label]
    has_images: bool = False
    has_categories: bool = False


def read_coco(
    path: Path,
    losses: Losses,
    *,
    has_supercategories: bool = False,
    evaluated: Geometry | None = None,
) -> Iterator[Sample]:
    """The images of a file of instances, in the order of the file: plain, ``.gz`` or ``.zst``.

    The file's annotations may stand in any order, and before their images; see `Spill` for what that costs.
    Of several polygons of one object, and of masks (RLE), only the box is read, and noted as a loss.

    Args:
        path: the file.
        losses: gathers what is in there and cannot be read.
        has_supercategories: read supercategories as labels, and the categories as their attribute ``name``.
        evaluated: read for an evaluation of this geometry: ``area`` and ``ignore`` become metadata, and so do
            masks where polygons are evaluated; where boxes are, the ``bbox`` is read of all objects.

    Raises:
        FormatError: it is not such a file, with the place.
    """
    with Spill() as spill:
        labels = _gather(path, spill, losses, has_supercategories).labels
        for raw_image, pieces in spill.groups():
            image = _image.decode(raw_image)
            aim = None if evaluated is None else _Evaluated(evaluated, image)
            yield Sample(
                image=image.file_name,
                annotations=[
                    _read(raw, labels, f"{path}: annotations[{number}]", losses, aim)
                    for number, raw in pieces
                ],
                width=image.width,
                height=image.height,
            )


def _gather(path: Path, spill: Spill, losses: Losses, has_super: bool) -> _Gathered:
    found = _Gathered({})
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for key in iter_unique_members(window, "an object with `images` and `categories`"):
            if key == "images":
                found.has_images = True
                _gather_images(path, window, spill)
            elif key == "annotations":
                _gather_annotations(path, window, spill)
            elif key == "categories":
                found.has_categories = True
                _gather_labels(path, window, found.labels, losses, has_super)
            else:
                window.value()
        expect_end(window)
    for name, is_there in (("images", found.has_images), ("categories", found.has_categories)):
        if not is_there:
            raise FormatError(Problem(str(path), f"is not a COCO file: it has no list `{name}`"))
    stray = spill.find_stray()
    if stray is not None:
        number, image_id = stray
        where = f"{path}: annotations[{number}].image_id"
        raise FormatError(Problem(where, f"there is no image {image_id}"))
    return found


def _gather_images(path: Path, window: JsonWindow, spill: Spill) -> None:
    for number, raw in enumerate(iter_list(window, "images")):
        where = f"{path}: images[{number}]"
        image = _checked_image(raw, where)
        if not spill.add_image(image.id, raw):
            raise FormatError(Problem(f"{where}.id", f"{image.id} appears twice"))


def _checked_image(raw: bytes, where: str) -> _Image:
    image: _Image = _decoded(_image, raw, where)
    check_keys(raw, where)
    if not -MAX_ID <= image.id < MAX_ID:
        raise FormatError(Problem(f"{where}.id", "is no number of 64 bits"))
    if not image.file_name:
        raise FormatError(Problem(f"{where}.file_name", "is empty"))
    for name, side in (("width", image.width), ("height", image.height)):
        if side is not None and side < 0:
            raise FormatError(Problem(f"{where}.{name}", f"is {side}, must be ≥ 0"))
    return image


def _gather_annotations(path: Path, window: JsonWindow, spill: Spill) -> None:
    head: _Head | None = None

    def judge(raw: bytes) -> bool:
        nonlocal head
        try:
            head = _head.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            head = None
        return head is not None

    for number, raw in enumerate(iter_list(window, "annotations", judge)):
        where = f"{path}: annotations[{number}]"
        try:
            spill.add((head or _decoded(_head, raw, where)).image_id, raw)
        except OverflowError as error:
            raise FormatError(Problem(f"{where}.image_id", "is not a 64-bit integer")) from error
        head = None


def _gather_labels(
    path: Path, window: JsonWindow, labels: dict[int, Label], losses: Losses, has_super: bool
) -> None:
    for number, raw in enumerate(iter_list(window, "categories")):
        where = f"{path}: categories[{number}]"
        category = _decoded(_category, raw, where)
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


def read_coco_labels(path: Path) -> dict[str, list[str]]:
    """The supercategories of a file of instances with the categories below each.

    A category without one stands for itself, with none below it.

    Raises:
        FormatError: it is not such a file, with the place.
    """
    found: dict[str, list[str]] = {}
    for label, further in _read_numbers(path, has_super=True).labels.values():
        names = found.setdefault(label, [])
        names += [str(each.value) for each in further.get("name", []) if each.value not in names]
    return found


def read_instances(path: Path) -> Instances:
    """The images and labels of a file of instances, by number, for results that refer to them.

    Raises:
        FormatError: it is not such a file, with the place.
    """
    found = _read_numbers(path, has_super=False)
    if not found.images or not found.labels:
        raise FormatError(Problem(str(path), "has no images or no categories; results need them"))
    return found


def _read_numbers(path: Path, *, has_super: bool) -> Instances:
    images: dict[int, _Image] = {}
    labels: dict[int, Label] = {}
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for key in iter_unique_members(window, "an object with `images` and `categories`"):
            if key == "images":
                for number, raw in enumerate(iter_list(window, "images", _is_image)):
                    image = _checked_image(raw, f"{path}: images[{number}]")
                    images[image.id] = image
            elif key == "categories":
                _gather_labels(path, window, labels, Losses(), has_super)
            elif window.peek() == b"[":
                for _ in iter_list(window, key, _has_head):
                    pass
            else:
                window.value()
        expect_end(window)
    return Instances(images, labels)


def _is_image(raw: bytes) -> bool:
    try:
        _image.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def _has_head(raw: bytes) -> bool:
    try:
        _head.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def read_results(
    path: Path, instances: Instances, losses: Losses, *, evaluated: Geometry | None = None
) -> Iterator[Sample]:
    """The images of a list of results, in the order of the instances; those without any are left out.

    Args:
        path: the results: plain, ``.gz`` or ``.zst``.
        instances: has names and sizes of the images, and the labels.
        losses: gathers what is in there and cannot be read.
        evaluated: read for an evaluation of this geometry, as `read_coco`; ``area`` is then that of the ``bbox``,
            as COCO's tools have it.

    Raises:
        FormatError: it is not such a file, or refers to what the instances do not have; with the place.
    """
    with Spill() as spill:
        for number, image in instances.images.items():
            spill.add_image(number, msgspec.json.encode(image))
        with open_decompressed(path) as stream:
            window = JsonWindow(stream, str(path))
            _gather_annotations(path, window, spill)
            expect_end(window)
        stray = spill.find_stray()
        if stray is not None:
            where = f"{path}: [{stray[0]}].image_id"
            raise FormatError(Problem(where, f"the instances have no image {stray[1]}"))
        for raw_image, pieces in spill.groups():
            if pieces:
                image = _image.decode(raw_image)
                aim = None if evaluated is None else _Evaluated(evaluated, image, is_result=True)
                yield Sample(
                    image=image.file_name,
                    annotations=[
                        _read(raw, instances.labels, f"{path}: [{number}]", losses, aim)
                        for number, raw in pieces
                    ],
                    width=image.width,
                    height=image.height,
                )


def _decoded(decoder: msgspec.json.Decoder[Any], raw: bytes, where: str) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(Problem(where, f"is not as COCO has it: {error}")) from error


_KNOWN = {*_Annotation.__struct_fields__}


def _read(
    raw: bytes,
    labels: dict[int, Label],
    where: str,
    losses: Losses,
    evaluated: _Evaluated | None = None,
) -> Annotation:
    one = _read_fields(raw, where, losses)
    if evaluated is not None:
        one = _for_evaluation(one, evaluated, where)
    elif one.ignore is not None:
        losses.note("the key 'ignore'", where)
    if one.category_id not in labels:
        raise FormatError(Problem(f"{where}.category_id", f"there is no {one.category_id}"))
    metadata = dict(one.metadata)
    if one.iscrowd:
        metadata[CROWD] = one.iscrowd
    if one.score is not None and not 0 <= one.score <= 1:
        raise FormatError(Problem(f"{where}.score", f"is {one.score}, must be from 0 to 1"))
    label, further = labels[one.category_id]
    fields: dict[str, Any] = {
        "label": label,
        "confidence": one.score,
        "attributes": further | _attributes(one.attributes, where),
        "metadata": metadata,
    }
    polygons = one.segmentation if isinstance(one.segmentation, list) else None
    if polygons and _is_single(polygons):
        return Polygon(polygon=_outline(polygons[0], where), **fields)
    if one.segmentation:
        losses.note_shape("a mask, or an object of several polygons; its box is", where)
    if one.bbox is None:
        raise FormatError(Problem(where, "has neither a bbox nor one polygon"))
    if one.bbox[2] < 0 or one.bbox[3] < 0:
        raise FormatError(Problem(f"{where}.bbox", "width and height must be ≥ 0"))
    return Rectangle(bbox=one.bbox, **fields)


def _outline(numbers: list[Any], where: str) -> list[tuple[float, float]]:
    try:
        flat = [float(number) for number in numbers]
    except OverflowError as error:
        message = "has a number that is too large"
        raise FormatError(Problem(f"{where}.segmentation", message)) from error
    return list(zip(flat[::2], flat[1::2], strict=True))


class _Evaluated(Struct, frozen=True):
    """What annotations of an image are read for: an evaluation of a geometry."""

    geometry: Geometry
    image: _Image
    is_result: bool = False


def _for_evaluation(one: _Annotation, evaluated: _Evaluated, where: str) -> _Annotation:
    """The annotation with what counts, as metadata; see `layernext.evaluation.packing.Flags`.

    Where boxes are evaluated, its box is its shape. Where polygons are, a shape that is not one outline goes into
    the metadata, too, and the outline is that of its box.
    """
    box, shape, metadata = one.bbox, one.segmentation, dict(one.metadata)
    # COCO's tools take the area of a result from its box, and that of the mask where there is none.
    box_area = None if box is None else box[2] * box[3]
    counted = {"area": box_area if evaluated.is_result else one.area, "ignore": one.ignore}
    metadata |= {name: value for name, value in counted.items() if value is not None}
    if evaluated.geometry == "rectangle" and box is not None:
        shape = None
    elif evaluated.geometry == "polygon" and shape and not _is_single(shape):
        image = evaluated.image
        metadata["segmentation"] = checked_mask(
            shape, image.width, image.height, f"{where}.segmentation"
        )
        x, y, w, h = box or (0.0, 0.0, float(image.width or 1), float(image.height or 1))
        shape = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return replace(one, segmentation=shape, metadata=metadata)


def _is_single(shape: Any) -> bool:
    return isinstance(shape, list) and len(shape) == 1 and is_outline(shape[0])


def _read_fields(raw: bytes, where: str, losses: Losses) -> _Annotation:
    try:
        annotation: _Annotation = _annotation.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        annotation = _read_foreign(raw, where, losses)
    surplus = raw.count(b":") - _key_count(annotation)
    if surplus and not (surplus == 1 and b'"iscrowd":' in raw):
        check_keys(raw, where)
    return annotation


def _key_count(annotation: _Annotation) -> int:
    """Keys that the JSON of an annotation has at least; ``iscrowd`` and ``metadata`` not counted.

    Each costs a colon, so that most annotations need no further check for repeated keys.
    """
    return (
        2
        + (annotation.bbox is not None)
        + (annotation.segmentation is not None)
        + (annotation.score is not None)
        + (annotation.attributes is not None)
        + (annotation.id is not None)
        + (annotation.area is not None)
        + (annotation.ignore is not None)
    )


def _read_foreign(raw: bytes, where: str, losses: Losses) -> _Annotation:
    """An annotation with keys that are not read, such as ``keypoints``: each is noted."""
    fields = _decoded(msgspec.json.Decoder(dict[str, Any]), raw, where)
    check_keys(raw, where)
    for name in [each for each in fields if each not in _KNOWN]:
        del fields[name]
        losses.note(f"the key {name!r}", where)
    try:
        return msgspec.convert(fields, _Annotation)
    except msgspec.ValidationError as error:
        raise FormatError(Problem(where, f"is not as COCO has it: {error}")) from error


def _attributes(given: Any, where: str) -> dict[str, list[AttributeValue]]:
    """Attributes as we write them, or as CVAT does: name to one value."""
    if not isinstance(given, dict):
        return {}
    found: dict[str, list[AttributeValue]] = {}
    for name, value in given.items():
        is_ours = isinstance(value, list) and all(
            isinstance(v, dict) and "value" in v for v in value
        )
        try:
            found[name] = (
                [msgspec.convert(each, AttributeValue) for each in value]
                if is_ours
                else [AttributeValue(value=value)]
            )
        except msgspec.ValidationError as error:
            raise FormatError(Problem(f"{where}.attributes.{name}", str(error))) from error
    return found
