"""CULane: a file ``<image>.lines.txt`` for each image, a line of x and y in pixels for each lane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from layernext.formats.core.fields import number_of, points_in
from layernext.formats.core.format import (
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import IMAGE_EXTENSIONS
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample, check_finite, location_of, points_of
from layernext.formats.core.targets import safe_relative, write_new
from layernext.formats.yolo_lines import iter_lines
from layernext.model import Annotation, Line

LABEL = "lane"
SUFFIX = ".lines.txt"

HOLDS = Holds(geometries={"line": "its points"})


class CulaneWriter:
    """Writes a folder of files; see `SampleWriter`."""

    def __init__(self, root: Path, losses: Losses) -> None:
        self._root, self._losses = root, losses

    def write(self, sample: Sample) -> None:
        """Add an image."""
        if sample.split:
            self._losses.note("the split", sample.image)
        lines: list[str] = []
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            if annotation.label != LABEL:
                self._losses.note(f"a label; every line is a {LABEL}", where)
            self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
            numbers = [part for point in points_of(annotation) for part in point]
            check_finite(numbers, where)
            lines.append(" ".join(repr(float(part)) for part in numbers) + "\n")
        path = self._root / safe_relative(sample.image)
        write_new(path.with_name(path.stem + SUFFIX), "".join(lines).encode(), sample.image)

    def close(self) -> None:
        """Nothing is left to write."""


def read_culane(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a folder by name, or that of a single file; named ``.jpg`` if there is no picture.

    Raises:
        FormatError: a file is not of CULane, with the line.
    """
    folder = root.parent if root.is_file() else root
    paths = [root] if root.is_file() else sorted(root.rglob(f"*{SUFFIX}"))
    for path in paths:
        annotations: list[Annotation] = []
        with losses.problems:
            for number, line in iter_lines(path):
                where = f"{path}:{number}"
                with losses.problems:
                    words = line.split()
                    if words:
                        points = points_in([number_of(word, where) for word in words], where)
                        annotations.append(Line(label=LABEL, line=points))
        yield Sample(image=_image_of(path, folder, options), annotations=annotations)


def _image_of(path: Path, folder: Path, options: ReadOptions) -> str:
    stem = path.name.removesuffix(SUFFIX)
    inner = path.relative_to(folder).parent
    entry = options.sizes.get((inner / stem).as_posix())
    if entry is not None:
        return (inner / entry[2]).as_posix()
    extensions = [
        extension for extension in IMAGE_EXTENSIONS if path.with_name(stem + extension).is_file()
    ]
    return (inner / (stem + (min(extensions) if extensions else ".jpg"))).as_posix()


def write(target: Path, losses: Losses, options: ExportOptions) -> CulaneWriter:
    """Open a writer; see `Format`."""
    del options
    return CulaneWriter(target, losses)


def detect(probe: Probe) -> Detection | None:
    """A file ``.lines.txt``, or a folder with one."""
    if not probe.is_folder:
        is_lanes = probe.path.name.endswith(SUFFIX)
        return Detection(Certainty.CERTAIN, f"ends in {SUFFIX}") if is_lanes else None
    first = next(probe.path.rglob(f"*{SUFFIX}"), None)
    return Detection(Certainty.CERTAIN, f"has files {SUFFIX}") if first else None


FORMAT = Format(
    name="culane",
    about="CULane lanes",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read_culane,
    write=write,
    detect=detect,
)
