"""Masks for semantic segmentation: a PNG for each image whose pixels are class numbers.

As written, 0 is void, 1 and up are the labels in the order of ``classes.txt``. Where annotations overlap, the later
one wins. A pixel belongs to a shape if its middle is inside of it. `masks_layouts` says which folders are read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.label_maps import (
    Color,
    mask_of_color,
    masks_of_numbers,
    open_turned,
    pillow,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.painting import check_size, fill, paint, runs_of_mask
from layernext.formats.core.pixels import entry_in
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample, check_finite, location_of, points_of, size_of
from layernext.formats.core.targets import safe_relative, write_new
from layernext.formats.masks_layouts import VOID, LabelMap, Layout, find_layout
from layernext.model import Mask, RunLengths, SemanticMask, counts_of

MAX_LABELS = 255
MAX_PIXELS = 1 << 29
"""The limit of one image, which is in memory as a whole, one byte for each pixel."""

HOLDS = Holds(
    geometries={
        "rectangle": "as pixels",
        "polygon": "as pixels",
        "rotated_box": "as pixels",
        "mask": "as pixels",
        "semantic_mask": KEPT,
    },
    splits="folders",
    sizes="needed",
    parts=True,
)

FOLDERS = {"train": "train", "validation": "val", "test": "test"}


class MaskWriter:
    """Writes a folder of masks, by split; see `SampleWriter`.

    Args:
        root: the folder.
        losses: gathers what masks cannot hold.
        labels: their order gives the class numbers; other labels follow in order of appearance.
    """

    def __init__(self, root: Path, losses: Losses, *, labels: list[str] | None = None) -> None:
        self._root, self._losses = root, losses
        pillow()
        self._codes = {label: number for number, label in enumerate(labels or [], 1)}

    def write(self, sample: Sample) -> None:
        """Add an image."""
        split = sample.split or "train"
        folder = FOLDERS.get(split, safe_relative(split).name)
        path = self._root / folder / safe_relative(sample.image).with_suffix(".png")
        write_new(path, mask_png(sample, self._codes, self._losses), sample.image)

    def close(self) -> None:
        """Write the list of classes; the line number is the class number."""
        labels = "".join(f"{label}\n" for label in self._codes)
        (self._root / "classes.txt").write_text(labels, encoding="utf-8")


def mask_png(sample: Sample, codes: dict[str, int], losses: Losses) -> bytes:
    """The mask of an image as PNG; new labels get the next number in `codes`.

    Raises:
        DataError: its size is unknown or too large, or there are too many labels.
    """
    image = pillow()
    width, height = size_of(sample)
    if width * height > MAX_PIXELS:
        raise DataError(Problem(sample.image, "is too large for a mask"))
    pixels = bytearray(width * height)
    for number, annotation in enumerate(sample.annotations):
        where = location_of(sample, number)
        if not HOLDS.accepts(annotation, where, losses):
            continue
        code = codes.setdefault(annotation.label, len(codes) + 1)
        if code > MAX_LABELS:
            raise DataError(Problem(where, f"is the label number {code}; masks have {MAX_LABELS}"))
        if "\n" in annotation.label or "\r" in annotation.label:
            raise DataError(
                Problem(where, "has a label with a line break, which no list of classes can have")
            )
        if not isinstance(annotation, SemanticMask):
            losses.note("which annotation a pixel is of", where)
        elif not runs_of_mask(annotation.mask):
            losses.note("a semantic mask without pixels", where)
        losses.note_fields(annotation, where, keeps=HOLDS.fields)
        if isinstance(annotation, Mask | SemanticMask):
            check_size(annotation.mask, (width, height), where)
            paint(pixels, height, runs_of_mask(annotation.mask), code)
            continue
        losses.note("the outline of a shape; its pixels are", where)
        points = points_of(annotation)
        for point in points:
            check_finite(point, where)
        fill(pixels, width, height, points, code)
    mask = image.frombytes("L", (width, height), bytes(pixels))
    encoded = io.BytesIO()
    mask.save(encoded, "PNG")
    return encoded.getvalue()


def write(target: Path, losses: Losses, options: ExportOptions) -> MaskWriter:
    """Open a writer; see `Format`."""
    return MaskWriter(target, losses, labels=options.labels)


def read_masks(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a folder of label maps, by split and name.

    Raises:
        FormatError: there are no PNGs, nothing says what the numbers mean, or a PNG is not valid.
        ConfigurationError: Pillow is not installed.
    """
    if not root.is_dir():
        raise FormatError(Problem(str(root), "is a file, must be a folder of label maps"))
    layout = find_layout(root)
    if not layout.files:
        raise FormatError(Problem(str(root), "has no PNGs of label maps"))
    names, void, colors = _meanings(root, layout, options)
    classes = names if colors is None else dict(enumerate(colors.values()))
    for number, name in classes.items():
        options.classes.add(name, number)
    for entry in layout.files:
        sample = None
        where = str(entry.path)
        instances = entry.path.with_name(entry.path.name.replace("_labelIds", "_instanceIds"))
        if instances != entry.path and instances.is_file():
            losses.note("the instances of objects", where)
        with losses.problems:
            if colors is not None:
                size, masks = _masks_of_colors(entry.path, where, colors, losses)
            else:
                size, numbers = masks_of_numbers(entry.path, where)
                masks = _named(numbers, names, void, where)
            sample = _sample(entry, layout, size, masks, options)
        if sample is not None:
            yield sample


def _meanings(
    root: Path, layout: Layout, options: ReadOptions
) -> tuple[dict[int, str], frozenset[int], dict[Color, str] | None]:
    """The label of each number, the numbers that are void, and labels by color if pixels have colors.

    Raises:
        FormatError: nothing says what the numbers mean.
    """
    if layout.colors is not None and not options.names:
        return {}, frozenset(), layout.colors
    names, void = layout.names, layout.void
    if options.names:
        names = dict(enumerate(options.names))
        void = frozenset({VOID} - names.keys())
    if names is None:
        message = "has no classes.txt, so nothing says what the numbers in its PNGs mean"
        hint = "give the class names in the order of their numbers, from 0; 255 is void"
        raise FormatError(Problem(str(root), message), hint=hint)
    unnamed = {number for number, name in names.items() if not name}
    labels = {number: name for number, name in names.items() if name}
    return labels, void | unnamed, None


def _named(
    masks: dict[int, RunLengths], names: dict[int, str], void: frozenset[int], where: str
) -> list[tuple[str, RunLengths]]:
    unnamed = [number for number in masks if number not in names and number not in void]
    if unnamed:
        numbers = ", ".join(map(str, unnamed[:10]))
        message = f"has pixels with the number {numbers}, and there are names for {_span(names)}"
        raise FormatError(Problem(where, message))
    return [(names[number], mask) for number, mask in masks.items() if number not in void]


def _span(names: dict[int, str]) -> str:
    return f"{min(names)} to {max(names)}" if names else "none"


def _masks_of_colors(
    path: Path, where: str, colors: dict[Color, str], losses: Losses
) -> tuple[tuple[int, int], list[tuple[str, RunLengths]]]:
    turned = open_turned(path, where, "RGB")
    bands = list(turned.split())
    height, width = turned.size
    masks = [
        (label, mask)
        for color, label in colors.items()
        if (mask := mask_of_color(bands, color)) is not None
    ]
    covered = sum(sum(counts_of(mask)[1::2]) for _, mask in masks)
    if covered < width * height:
        losses.note("pixels whose color no class has; they are void", where)
    return (width, height), masks


def _sample(
    entry: LabelMap,
    layout: Layout,
    size: tuple[int, int],
    masks: list[tuple[str, RunLengths]],
    options: ReadOptions,
) -> Sample:
    picture = entry_in(options.sizes, f"{entry.image}{layout.extension}")
    name = entry.image if picture is not None else f"{entry.image}{layout.extension}"
    return Sample(
        image=name,
        annotations=[SemanticMask(label=label, mask=mask) for label, mask in masks],
        width=size[0],
        height=size[1],
        split=entry.split,
    )


def detect(probe: Probe) -> Detection | None:
    """A folder in a layout of a data set, or with PNGs and ``classes.txt`` and nothing else."""
    if not probe.is_folder or ".png" not in probe.first_files:
        return None
    root = probe.path
    if next(root.rglob("*_gtFine_label*Ids.png"), None) or next(
        root.rglob("*_gtCoarse_label*Ids.png"), None
    ):
        return Detection(Certainty.CERTAIN, "has label maps of Cityscapes")
    if (root / "SegmentationClass").is_dir():
        has_boxes = (root / "Annotations").is_dir()
        certainty = Certainty.POSSIBLE if has_boxes else Certainty.LIKELY
        return Detection(certainty, "has the folder SegmentationClass")
    if (root / "objectInfo150.txt").is_file():
        return Detection(Certainty.LIKELY, "has objectInfo150.txt, as ADE20K has")
    texts = [path for path in root.glob("*.txt") if path.name != "classes.txt"]
    is_plain = set(probe.first_files) <= {".png", ".txt"} and not texts
    if is_plain and (root / "classes.txt").is_file() and not (root / "labels").is_dir():
        return Detection(Certainty.LIKELY, "has PNGs and classes.txt")
    return None


FORMAT = Format(
    name="masks",
    about="class numbers as pixels, PNG",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read_masks,
    write=write,
    detect=detect,
)
