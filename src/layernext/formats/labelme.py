"""LabelMe: a JSON file for each image, beside it, as labelme 5 writes them."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_decompressed, read_text
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.labels import label_of
from layernext.formats.core.losses import Losses
from layernext.formats.core.outlines import ellipse_outline
from layernext.formats.core.poses import PointNames, labeled_parts, names_of_points
from layernext.formats.core.probe import Probe
from layernext.formats.core.rotation import ROUNDED, rotated_box_or_polygon
from layernext.formats.core.sample import Sample, check_finite, location_of, points_of, size_of
from layernext.formats.core.scores import Scores
from layernext.formats.core.targets import safe_relative, write_new
from layernext.formats.labelme_masks import mask_shape, read_mask_image
from layernext.formats.labelme_poses import grouped, plain_shape, pose_shapes, read_names
from layernext.model import (
    Annotation,
    AttributeValue,
    Keypoints,
    Line,
    Mask,
    Point,
    Points,
    Polygon,
    Rectangle,
    RotatedBox,
    Skeleton,
    is_number,
    refuse_repeated_keys,
    rotated_corners,
)

SHAPE_TYPES = {
    "rectangle": "rectangle",
    "polygon": "polygon",
    "line": "linestrip",
    "points": "points",
    "rotated_box": "rotation",
    "mask": "mask",
}
"""The ``shape_type`` of each kind of geometry; that of rotated boxes is X-AnyLabeling's."""

_ROTATED = {"rotation", "oriented_rectangle"}

HOLDS = Holds(
    geometries={
        **dict.fromkeys(SHAPE_TYPES, KEPT),
        "rotated_box": "yes; the rotation from -180 to 180",
        "mask": "yes, its pixels",
        "keypoints": "its labeled points, and its box",
    },
    sizes="needed",
    skeletons=("points",),
)

MAX_LABELME_BYTES = 64 << 20
"""The limit of the file of one image, which may contain the image itself."""

MAX_SHAPE_BYTES = 4 << 20
"""The limit of a shape's JSON: more than 100,000 points, which take many times that in memory."""


_READ_KEYS = {"label", "points", "shape_type", "score"}


def _load(path: Path) -> Any:
    """The content of a file, without the image that it may contain; None if it has no `shapes`."""
    try:
        if path.stat().st_size > MAX_LABELME_BYTES:
            message = f"is larger than {MAX_LABELME_BYTES:,} bytes"
            raise FormatError(Problem(str(path), message))
        with open_decompressed(path) as stream:  # skips a byte order mark, and recodes UTF-16
            raw = b""
            while piece := stream.read(1 << 20):
                raw += piece
        try:
            fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            raw_shapes = msgspec.json.decode(fields["shapes"], type=list[msgspec.Raw])
        except (msgspec.ValidationError, KeyError):
            return None
        for number, shape in enumerate(raw_shapes):
            if memoryview(shape).nbytes > MAX_SHAPE_BYTES:
                message = f"is larger than {MAX_SHAPE_BYTES:,} bytes"
                raise FormatError(Problem(f"{path}: shapes[{number}]", message))
        refuse_repeated_keys(raw, file=str(path))
        fields.pop("imageData", None)
        return {name: msgspec.json.decode(field) for name, field in fields.items()}
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(Problem(str(path), f"is not JSON: {error}")) from error


class LabelmeWriter:
    """Writes a folder of files; see `SampleWriter`."""

    def __init__(
        self, root: Path, losses: Losses, skeletons: Mapping[str, Skeleton] | None = None
    ) -> None:
        self._root, self._losses = root, losses
        self._skeletons = skeletons or {}

    def write(self, sample: Sample) -> None:
        """Add an image."""
        if sample.split:
            self._losses.note("the split", sample.image)
        width, height = size_of(sample)
        shapes: list[dict[str, Any]] = []
        names: dict[str, tuple[str, ...]] = {}
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
            if isinstance(annotation, Keypoints):
                points = names_of_points(annotation, self._skeletons.get(annotation.label))
                names[annotation.label] = max(names.get(annotation.label, ()), points, key=len)
                parts = labeled_parts(annotation, points, where, self._losses, has_hidden=True)
                shapes += pose_shapes(annotation, parts, number + 1, where)
                continue
            fields = _position_of(annotation, where)
            if fields is None:
                self._losses.note("a mask without pixels", where)
                continue
            shape = plain_shape(annotation.label, SHAPE_TYPES[annotation.geometry], **fields)
            if isinstance(annotation, RotatedBox):
                shape["direction"] = math.radians(annotation.rotation % 360)
            shapes.append(shape)
        content: dict[str, Any] = {
            "version": "5.0.0",
            "flags": {},
            "shapes": shapes,
            # As labelme writes it: relative to this file.
            "imagePath": posixpath.basename(sample.image),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        if names:
            content["keypoints"] = names  # labelme keeps keys that it does not know
        path = self._root / safe_relative(sample.image).with_suffix(".json")
        write_new(path, msgspec.json.encode(content), sample.image)

    def close(self) -> None:
        """Nothing is left to write."""


def _position_of(annotation: Annotation, where: str) -> dict[str, Any] | None:
    """The points of a shape, and the pixels of a mask; None if that has none."""
    if isinstance(annotation, Mask):
        return mask_shape(annotation.mask)
    points = points_of(annotation)
    for point in points:
        check_finite(point, where)
    if isinstance(annotation, Rectangle):
        points = [points[0], points[2]]
    return {"points": points}


def read_labelme(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a folder by name, or the image of a single file.

    Raises:
        FormatError: a file is not of LabelMe, with the location.
    """
    if root.is_file():
        root, paths = root.parent, [root]
    else:
        paths = sorted(root.rglob("*.json"))
    for number, name in enumerate(_listed_labels(root)):
        options.classes.add(name, number)
    point_names = read_names(paths, _load)
    for label, skeleton in point_names.skeletons().items():
        options.classes.skeletons.setdefault(label, skeleton)
    for path in paths:
        sample = None
        with losses.problems:
            sample = _read_file(path, root, point_names, losses, options.scores)
        if sample is not None:
            yield sample


def _listed_labels(root: Path) -> list[str]:
    """The labels of labelme's ``labels.txt``, without those that it keeps for itself."""
    path = root / "labels.txt"
    lines = read_text(path).splitlines() if path.is_file() else []
    names = [line.strip() for line in lines]
    return [name for name in names if name and name not in {"__ignore__", "_background_"}]


def _read_file(
    path: Path, root: Path, point_names: PointNames, losses: Losses, scores: Scores
) -> Sample:
    content = _load(path)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise FormatError(Problem(str(path), "has no `shapes`"))
    annotations: dict[int, Annotation] = {}
    if isinstance(content.get("flags"), dict) and any(content["flags"].values()):
        losses.note("the flags of an image", str(path))
    width, height = _side(content, "imageWidth", path), _side(content, "imageHeight", path)
    for number, shape in enumerate(content["shapes"]):
        with losses.problems:
            where = f"{path}: shapes[{number}]"
            annotation = _read_shape(shape, where, losses, scores, (height, width))
            if annotation is not None:
                annotations[number] = annotation
    return Sample(
        image=_image_of(content, path, root),
        annotations=grouped(content["shapes"], annotations, point_names),
        width=width,
        height=height,
    )


def _image_of(content: dict[str, Any], path: Path, root: Path) -> str:
    """The image's path below the folder; only its file name if it is elsewhere."""
    declared = str(content.get("imagePath") or path.stem).replace("\\", "/")
    folder = path.parent.relative_to(root).as_posix()
    name = posixpath.normpath(posixpath.join(folder, declared))
    is_inside = not name.startswith(("../", "/")) and name not in {".", ".."}
    return name if is_inside else posixpath.basename(declared)


def _side(content: dict[str, Any], name: str, path: Path) -> int | None:
    value = content.get(name)
    # 0 or -1 is what tools write that could not open the image.
    if value is None or type(value) is int or (isinstance(value, float) and value.is_integer()):
        return int(value) if value is not None and value > 0 else None
    raise FormatError(Problem(f"{path}: {name}", f"is {value!r}, must be a whole number"))


def _read_shape(
    shape: Any,
    where: str,
    losses: Losses,
    scores: Scores,
    size: tuple[int | None, int | None],
) -> Annotation | None:
    try:
        label, kind = label_of(shape["label"]), str(shape.get("shape_type") or "polygon")
        points = [(float(x), float(y)) for x, y in shape["points"]]
        metadata = {
            name: value for name, value in shape.items()
            if name not in _READ_KEYS and value not in (None, "", {}, [], False)
        }  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = "is not a shape of LabelMe: it needs a label, and points of two numbers each"
        raise FormatError(Problem(where, message)) from error
    if not points or not label:
        raise FormatError(Problem(where, "has no points or no label"))
    for point in points:
        check_finite(point, where)
    attributes = metadata.pop("attributes", {})
    if not isinstance(attributes, dict):
        metadata["attributes"], attributes = attributes, {}
    fields: dict[str, Any] = {
        "label": label,
        "confidence": scores.read(shape.get("score"), where),
        "attributes": {
            name: [AttributeValue(value=value)] for name, value in attributes.items() if name
        },
        "metadata": metadata,
    }
    height, width = size
    if kind == "mask" and height and width and isinstance(metadata.get("mask"), str):
        text = metadata.pop("mask")
        mask = read_mask_image(text, points[0], (height, width), where)
        return Mask(mask=mask, **fields)
    return _read_points(kind, points, fields, where, losses)


def _read_points(
    kind: str, points: list[Point], fields: dict[str, Any], where: str, losses: Losses
) -> Annotation | None:
    if kind == "rectangle" and _is_upright(points):
        return _box_around(points, fields, where)
    if kind in {"rectangle", *_ROTATED} and len(points) == 4:  # noqa: PLR2004 - a box has four corners
        return _read_rotated(points, fields, where, losses)
    if kind == "polygon":
        return Polygon(polygon=points, **fields)
    if kind in {"linestrip", "line"}:
        return Line(line=points, **fields)
    if kind in {"point", "points"}:
        return Points(points=points, **fields)
    return _read_coarsely(kind, points, fields, where, losses)


def _read_rotated(
    points: list[Point], fields: dict[str, Any], where: str, losses: Losses
) -> Annotation:
    """A rotated box by its corners; `direction`, in radians, is kept if it says something else."""
    annotation = rotated_box_or_polygon(points, fields, where, losses)
    direction = fields["metadata"].get("direction")
    if isinstance(annotation, RotatedBox) and is_number(direction):
        directed = rotated_corners(annotation.bbox, math.degrees(direction))
        if (
            max(math.dist(a, b) for a, b in zip(directed, points_of(annotation), strict=True))
            < ROUNDED
        ):
            del fields["metadata"]["direction"]
    return annotation


def _box_around(points: list[Point], fields: dict[str, Any], where: str) -> Annotation:
    xs, ys = zip(*points, strict=True)
    box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    check_finite(box, where)
    return Rectangle(bbox=box, **fields)


def _read_coarsely(
    kind: str, points: list[Point], fields: dict[str, Any], where: str, losses: Losses
) -> Annotation | None:
    """The outline of a circle; the box of a mask without pixels, or of an image of unknown size."""
    if kind == "circle" and len(points) == 2:  # noqa: PLR2004 - the middle, and a point of the edge
        radius = math.dist(*points)
        outline = ellipse_outline(points[0], (radius, radius))
        for point in outline:
            check_finite(point, where)
        losses.note_shape("a circle; its outline is", where)
        return Polygon(polygon=outline, **fields)
    if kind == "mask" and len(points) == 2:  # noqa: PLR2004 - two corners
        fields["metadata"].pop("mask", None)  # an image, in base64
        losses.note_shape("a mask; its box is", where)
        return _box_around(points, fields, where)
    losses.note_shape(f"a shape of the kind {kind}", where)
    return None


def _is_upright(points: list[tuple[float, float]]) -> bool:
    """Whether points are two opposite corners, as labelme has them, or all four, as X-AnyLabeling has them."""
    if len(points) == 2:  # noqa: PLR2004 - two corners
        return True
    if len(points) != 4:  # noqa: PLR2004 - four corners
        return False
    (a, b), (c, d), (e, f), (g, h) = points
    return (b == d and c == e and f == h and g == a) or (a == c and d == f and e == g and h == b)


def write(target: Path, losses: Losses, options: ExportOptions) -> LabelmeWriter:
    """Open a writer; see `Format`."""
    return LabelmeWriter(target, losses, options.skeletons)


def detect(probe: Probe) -> Detection | None:
    """A JSON file with ``shapes``, or a folder whose first JSON file is one."""
    file = probe.first(".json") if probe.is_folder else probe
    outline = None if file is None else file.json
    if file is None or outline is None:
        return None
    if "shapes" in outline.keys and probe.is_folder:
        return Detection(Certainty.LIKELY, f"has `shapes` in {probe.name_of(file)}")
    if "shapes" in outline.keys and "imagePath" in outline.keys:
        return Detection(Certainty.CERTAIN, "has `shapes` and `imagePath`")
    if probe.is_folder and outline.is_broken:
        return Detection(Certainty.POSSIBLE, "is a folder of JSON files")
    return None


FORMAT = Format(
    name="labelme",
    about="LabelMe",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read_labelme,
    write=write,
    detect=detect,
)
