"""Where folders of label maps have their PNGs, and what the numbers in them mean.

Sources: cityscapesScripts (helpers/labels.py), the development kit of Pascal VOC 2012 (section 2, segmentation),
the toolkit of the MIT Scene Parsing Benchmark (objectInfo150.txt), and what CVAT writes as "Segmentation mask".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from msgspec import Struct

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import read_text
from layernext.formats.core.label_maps import Color

VOID = 255
"""The number of void pixels in most data sets."""

SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip

CITYSCAPES = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road",
    "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole",
    "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck",
    "bus", "caravan", "trailer", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""By id, from 0."""

CITYSCAPES_TRAINED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The ids of the classes that are evaluated, by their train id, from 0."""

PASCAL = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

_LABEL_IDS = "_labelIds.png"
_TRAIN_IDS = "_labelTrainIds.png"
_FOLDERS = ("annotations", "masks", "labels")
_INFO = "objectInfo150.txt"


class LabelMap(Struct, frozen=True):
    """A file of a folder.

    Attributes:
        path: of the PNG.
        image: name of its image, without extension.
        split: of it; None if there are no splits.
    """

    path: Path
    image: str
    split: str | None


class Layout(Struct, frozen=True, kw_only=True):
    """A folder of label maps.

    Attributes:
        files: by split and name.
        names: label by number; None if only the user knows them.
        colors: label by color, where pixels have colors in place of numbers.
        void: numbers that mean nothing.
        extension: of the images.
    """

    files: list[LabelMap]
    names: dict[int, str] | None = None
    colors: dict[Color, str] | None = None
    void: frozenset[int] = frozenset({VOID})
    extension: str = ".png"


def find_layout(root: Path) -> Layout:
    """The layout of a folder.

    Raises:
        FormatError: a list of classes cannot be read.
    """
    for layout in (_cityscapes(root), _pascal(root), _scene_parsing(root)):
        if layout is not None:
            return layout
    base = next((root / name for name in _FOLDERS if (root / name).is_dir()), root)
    files = _files(base, "*.png", lambda path: path.relative_to(base).with_suffix("").as_posix())
    names = _own_names(root)
    if names is None:
        return Layout(files=files)
    void = {0} if len(names) >= VOID else {0, VOID}
    return Layout(files=files, names=names, void=frozenset(void))


def _lines(path: Path) -> list[str]:
    """The lines of a list of names; a name may have any character but line breaks."""
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _own_names(root: Path) -> dict[int, str] | None:
    """The classes of ``classes.txt``, from 1, as the writer has them."""
    path = root / "classes.txt"
    if not path.is_file():
        return None
    return dict(enumerate(_lines(path), 1))


def _files(base: Path, pattern: str, name: Callable[[Path], str]) -> list[LabelMap]:
    """The files of a folder, whose first folder may be that of a split."""
    files = []
    for path in sorted(base.rglob(pattern)):
        inner = PurePosixPath(name(path))
        split = SPLITS.get(inner.parts[0].lower()) if len(inner.parts) > 1 else None
        image = PurePosixPath(*inner.parts[1:]) if split else inner
        files.append(LabelMap(path, image.as_posix(), split))
    return files


def _cityscapes(root: Path) -> Layout | None:
    """``gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png``."""
    for ending, names in (
        (_LABEL_IDS, dict(enumerate(CITYSCAPES))),
        (
            _TRAIN_IDS,
            {index: CITYSCAPES[number] for index, number in enumerate(CITYSCAPES_TRAINED)},
        ),
    ):

        def name(path: Path, ending: str = ending) -> str:
            inner = path.relative_to(root)
            parts = [part for part in inner.parent.parts if not part.startswith("gt")]
            stem = inner.name.removesuffix(ending).rpartition("_gt")[0]
            return "/".join([*parts, f"{stem}_leftImg8bit"])

        files = _files(root, f"*{ending}", name)
        if files:
            void = {0, VOID} if ending == _LABEL_IDS else {VOID}
            return Layout(files=files, names=names, void=frozenset(void))
    return None


def _pascal(root: Path) -> Layout | None:
    """``SegmentationClass``, with the splits of ``ImageSets/Segmentation``; or what CVAT writes, with its colors."""
    base = root if root.name == "SegmentationClass" else root / "SegmentationClass"
    if not base.is_dir():
        return None
    root = base.parent
    splits: dict[str, str] = {}
    for name, split in SPLITS.items():
        path = root / "ImageSets" / "Segmentation" / f"{name}.txt"
        if path.is_file():
            splits |= dict.fromkeys(_lines(path), split)
    files = [
        LabelMap(path, inner, splits.get(inner))
        for path in sorted(base.rglob("*.png"))
        for inner in [path.relative_to(base).with_suffix("").as_posix()]
    ]
    colors = root / "labelmap.txt"
    if colors.is_file():
        return Layout(files=files, colors=_labelmap(colors), extension=".jpg")
    return Layout(files=files, names=dict(enumerate(PASCAL)), extension=".jpg")


def _labelmap(path: Path) -> dict[Color, str]:
    """``name:r,g,b:parts:actions`` in each line."""
    colors: dict[Color, str] = {}
    for number, line in enumerate(_lines(path), 1):
        if line.startswith("#") or not line.strip():
            continue
        label, _, rest = line.partition(":")
        numbers = rest.partition(":")[0].split(",")
        try:
            red, green, blue = (int(part) for part in numbers)
        except ValueError as error:
            message = "must be a label, a colon and its color, such as car:128,0,0"
            raise FormatError(Problem(f"{path}: line {number}", message)) from error
        colors[red, green, blue] = label
    return colors


def _scene_parsing(root: Path) -> Layout | None:
    """ADE20K for scene parsing: ``annotations/training``, with the names in ``objectInfo150.txt``."""
    info = root / _INFO
    if not info.is_file():
        return None
    names: dict[int, str] = {}
    for line in _lines(info)[1:]:
        columns = line.split("\t")
        if columns[0].strip().isdecimal():
            names[int(columns[0])] = columns[-1].strip()
    base = root / "annotations"
    base = base if base.is_dir() else root
    files = _files(base, "*.png", lambda path: path.relative_to(base).with_suffix("").as_posix())
    return Layout(files=files, names=names, void=frozenset({0}), extension=".jpg")
