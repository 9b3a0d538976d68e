"""YOLO: detection and segmentation, with data.yaml, as docs.ultralytics.com/datasets describes them.

A text file for each image, a line for each object: the class number, then the box's middle and size, or the
polygon's points, as fractions of the image's size. Fractions have 10 digits: a thousandth of a pixel is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

import yaml
from msgspec.structs import replace

from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import Sizes, image_size, image_sizes
from layernext.formats.core.poses import BOX_OF_POINTS
from layernext.formats.core.probe import Probe
from layernext.formats.core.rotation import AS_OUTLINE
from layernext.formats.core.sample import (
    Sample,
    box_of,
    check_finite,
    location_of,
    points_of,
    size_of,
)
from layernext.formats.core.scores import Scores
from layernext.formats.core.targets import safe_relative, write_new
from layernext.formats.yolo_dataset import (
    SPLITS,
    Entry,
    has_names,
    has_task,
    iter_entries,
    open_dataset,
)
from layernext.formats.yolo_lines import BOX, CORNERS, Labels, read_labels
from layernext.model import Annotation, Keypoints, Mask, Polygon

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        "polygon": "its box",
        "rotated_box": "its box",
        "mask": "its box",
        "keypoints": "its box",
    },
    splits="folders",
    sizes="needed",
    parts=True,
)

FOLDERS = {"train": "train", "validation": "val", "test": "test", None: "train"}


Task: TypeAlias = Literal["detect", "segment", "obb"]
"""What a dataset is for, as Ultralytics calls it; ``obb`` is for rotated (oriented) boxes."""


def foreign_shape(annotation: Annotation, *, as_polygon: bool) -> str | None:
    """Names the geometry of an annotation that YOLO has no line for; None if it has one."""
    is_pose = as_polygon and isinstance(annotation, Keypoints)
    if annotation.geometry not in HOLDS.geometries or is_pose:
        return f"the geometry {annotation.geometry}"
    if as_polygon and len(points_of(annotation)) < CORNERS:
        if isinstance(annotation, Mask):
            return "a mask without pixels, or with too many corners"
        return "a polygon of one or two points"
    return None


def _foreign_to_corners(annotation: Annotation) -> str | None:
    """Names the geometry of an annotation that is not four corners."""
    if isinstance(annotation, Mask):
        return f"the geometry {annotation.geometry}"
    return None if len(points_of(annotation)) == BOX else "a polygon that does not have 4 points"


def yolo_line(
    annotation: Annotation, code: int, size: tuple[int, int], where: str, *, as_polygon: bool
) -> str | None:
    """The line of an annotation; None if YOLO has none for its geometry.

    Raises:
        DataError: the coordinates are too large for a floating point number.
    """
    width, height = size
    box = box_of(annotation, where)
    if box is None or foreign_shape(annotation, as_polygon=as_polygon):
        return None
    if as_polygon:
        numbers = [part for x, y in points_of(annotation) for part in (x / width, y / height)]
    else:
        x, y, w, h = box
        numbers = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
    check_finite(numbers, where)
    return f"{code} {fractions_text(numbers)}"


def fractions_text(numbers: Iterable[float]) -> str:
    """Numbers of a line, as short as 10 digits allow."""
    return " ".join(f"{number:.10f}".rstrip("0").rstrip(".") for number in numbers)


_CHANGES: dict[tuple[str, Task], str] = {
    ("polygon", "detect"): "the outline of a polygon; its box is",
    ("keypoints", "detect"): BOX_OF_POINTS,
    ("mask", "detect"): "the pixels of a mask; its box is",
    ("mask", "segment"): "the pixels of a mask; its joined outline is",
    ("rotated_box", "detect"): "the rotation of a box; the box around it is",
    ("rectangle", "segment"): "that a rectangle is one; its outline is",
    ("rotated_box", "segment"): AS_OUTLINE,
    ("rectangle", "obb"): "that a rectangle is one; a rotated box is",
    ("polygon", "obb"): "that four points are a polygon; a rotated box is, if they are one",
}
"""What becomes of a kind of geometry that a task has no line for, by both."""


class YoloWriter:
    """Writes a folder; see `SampleWriter`.

    Args:
        root: the folder.
        losses: counts what YOLO cannot hold.
        task: ``segment`` writes polygons in place of boxes, ``obb`` four corners.
        labels: their order gives the class numbers; other labels follow in order of appearance.
    """

    def __init__(
        self,
        root: Path,
        losses: Losses,
        *,
        task: Task = "detect",
        labels: list[str] | None = None,
    ) -> None:
        self._root, self._losses, self._task = root, losses, task
        self._codes = {label: number for number, label in enumerate(labels or [])}
        self._splits: set[str] = set()
        (root / "labels").mkdir()

    def write(self, sample: Sample) -> None:
        """Add an image."""
        size, lines = size_of(sample), []
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            line = self._line(annotation, size, where)
            if line is not None:
                self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
                lines.append(line)
        folder = folder_of(sample)
        self._splits.add(folder)
        path = self._root / "labels" / folder / safe_relative(sample.image).with_suffix(".txt")
        write_new(path, "".join(f"{line}\n" for line in lines).encode(), sample.image)

    def _line(self, annotation: Annotation, size: tuple[int, int], where: str) -> str | None:
        as_polygon = self._task != "detect"
        foreign = foreign_shape(annotation, as_polygon=as_polygon)
        if foreign is None and self._task == "obb":
            foreign = _foreign_to_corners(annotation)
        if foreign is not None:
            self._losses.note(foreign, where)
            return None
        if isinstance(annotation, Polygon) and annotation.parts and as_polygon:
            self._losses.note("the parts and holes of a polygon; its joined outline is", where)
        change = _CHANGES.get((annotation.geometry, self._task))
        if change is not None:
            self._losses.note(change, where)
        code = self._codes.setdefault(annotation.label, len(self._codes))
        return yolo_line(annotation, code, size, where, as_polygon=as_polygon)

    def close(self) -> None:
        """Write data.yaml."""
        rows = ["path: .", *(["task: obb"] if self._task == "obb" else [])]
        # Ultralytics needs both train and val; a single split serves as both.
        only = sorted(self._splits)[:1] or ["train"]
        rows += [
            f"{name}: images/{name if name in self._splits else only[0]}"
            for name in ("train", "val", "test")
            if name in self._splits or name != "test"
        ]
        rows.append("names:" if self._codes else "names: {}")
        rows += [f"  {code}: {quoted(label)}" for label, code in self._codes.items()]
        rows += self.description()
        (self._root / "data.yaml").write_text("\n".join(rows) + "\n", encoding="utf-8")

    def description(self) -> list[str]:
        """Further lines of data.yaml."""
        return []


def folder_of(sample: Sample) -> str:
    """The folder of an image's split."""
    split = sample.split or "train"
    return FOLDERS.get(split, safe_relative(split).name)


def image_path(sample: Sample) -> Path:
    """Where YOLO expects the image, below the folder."""
    return Path("images", folder_of(sample)) / safe_relative(sample.image)


def quoted(label: str) -> str:
    """A label as YAML reads it back: in double quotes, which escape line breaks of all kinds."""
    dumped: str = yaml.safe_dump(label, default_style='"', allow_unicode=True, width=float("inf"))
    return dumped.rstrip("\n")


def read_yolo(
    root: Path, losses: Losses, options: ReadOptions, *, are_rotated: bool = False
) -> Iterator[Sample]:
    """The images of a dataset, by split and name; those without labels have no annotations.

    Args:
        root: a folder with a YAML of any name, ``obj.data`` or ``classes.txt``; or the YAML or ``obj.data`` itself.
        losses: counts what is not read.
        options: the sizes of images that are not in the dataset.
        are_rotated: whether every line has the corners of a rotated box.

    Raises:
        FormatError: a file is not of YOLO, with the line.
    """
    dataset = open_dataset(root, options.names)
    labels = replace(
        dataset.labels,
        are_rotated=are_rotated,
        need_boxes=are_rotated and options.evaluated == "rotated_box",
        are_boxes=options.evaluated == "rectangle",
    )
    skeletons = dataset.skeletons(losses)
    for number, name in sorted(dataset.labels.names.items()):
        options.classes.add(name, number, skeletons.get(name))
    sizes = options.sizes
    for entry in iter_entries(dataset):
        size: tuple[int, int] | None = None
        extension = ""
        sample = None
        with losses.problems:
            if entry.image is not None and entry.image.is_file():
                size, extension = image_size(entry.image), entry.image.suffix
            else:
                if not sizes:
                    images = dataset.root / "images"
                    sizes = image_sizes(images if images.is_dir() else dataset.root)
                entry_of_image = _find_size(sizes, entry)
                if entry_of_image is not None:
                    size, extension = entry_of_image[:2], Path(entry_of_image[2]).suffix
            sample = _read_entry(entry, size, extension, labels, losses, options.scores)
        if sample is not None:
            yield sample


def _read_entry(
    entry: Entry,
    size: tuple[int, int] | None,
    extension: str,
    labels: Labels,
    losses: Losses,
    scores: Scores,
) -> Sample:
    """An image; in fractions, and by its name without extension, if there is no picture of it."""
    annotations = (
        read_labels(entry.labels, labels, size or (1.0, 1.0), losses, scores)
        if entry.labels.is_file()
        else []
    )
    return Sample(
        image=f"{entry.stem}{extension}",
        annotations=annotations,
        width=size[0] if size else None,
        height=size[1] if size else None,
        split=entry.split,
        normalized=size is None,
    )


def _find_size(sizes: Sizes, entry: Entry) -> tuple[int, int, str] | None:
    folders = [folder for folder, split in SPLITS.items() if split == entry.split]
    for key in (*(f"{folder}/{entry.stem}" for folder in folders), entry.stem):
        if key in sizes:
            return sizes[key]
    return None


def write(target: Path, losses: Losses, options: ExportOptions) -> YoloWriter:
    """Open a writer; see `Format`."""
    return YoloWriter(target, losses, labels=options.labels)


def is_rotated(path: Path) -> bool:
    """Whether the YAML of a dataset, or in its folder, says that it is for rotated boxes."""
    files = [path] if path.is_file() else [path / "data.yaml"]
    return any(file.suffix.lower() in {".yaml", ".yml"} and has_task(file, "obb") for file in files)


def detect(probe: Probe) -> Detection | None:
    """A folder with a YAML that has names, with darknet's files, or with labels; or such a YAML itself."""
    return None if is_rotated(probe.path) else _detection(probe)


def _detection(probe: Probe) -> Detection | None:
    path = probe.path
    is_yaml = path.suffix.lower() in {".yaml", ".yml"}
    if not probe.is_folder:
        is_dataset = is_yaml and has_names(path)
        return Detection(Certainty.CERTAIN, "is a YAML file with `names`") if is_dataset else None
    for name in ("data.yaml", "obj.data"):
        if (path / name).is_file():
            return Detection(Certainty.CERTAIN, f"has {name}")
    for file in (*sorted(path.glob("*.yaml")), *sorted(path.glob("*.yml"))):
        if has_names(file):
            return Detection(Certainty.CERTAIN, f"has `names` in {file.name}")
    if next((path / "labels").rglob("*.txt"), None) is not None:
        return Detection(Certainty.LIKELY, "has text files in a folder `labels`")
    if (path / "classes.txt").is_file() and len(list(islice(path.glob("*.txt"), 2))) > 1:
        return Detection(Certainty.LIKELY, "has text files beside classes.txt")
    return None


FORMAT = Format(
    name="yolo",
    about="YOLO detection",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read_yolo,
    write=write,
    detect=detect,
    image_path=image_path,
)
