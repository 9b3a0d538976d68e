"""A package with a format of its own, as others would write it, and its installation."""

from __future__ import annotations

from pathlib import Path

DOTS = '''
"""A line for each box: image, label, x, y, width, height, separated by bars."""

from layernext.formats import (
    KEPT, Certainty, Detection, Format, Holds, Sample,
)
from layernext.model import Rectangle

HOLDS = Holds(geometries={"rectangle": KEPT})


class Writer:
    def __init__(self, target, losses):
        self.file, self.losses = target.open("w"), losses

    def write(self, sample):
        for number, annotation in enumerate(sample.annotations):
            where = f"{sample.image}: annotations[{number}]"
            if HOLDS.accepts(annotation, where, self.losses):
                self.losses.note_fields(annotation, where, keeps=HOLDS.fields)
                cells = [sample.image, annotation.label, *annotation.bbox]
                self.file.write("|".join(map(str, cells)) + chr(10))

    def close(self):
        self.file.close()


def read(path, losses, options):
    for line in path.read_text().splitlines():
        image, label, *numbers = line.split("|")
        box = Rectangle(label=label, bbox=tuple(map(float, numbers)))
        yield Sample(image=image, annotations=[box])


def detect(probe):
    if not probe.is_folder and probe.path.suffix == ".dots":
        return Detection(Certainty.LIKELY, "ends in .dots")


FORMAT = Format(
    name="dots", about="boxes between bars", extension=".dots", holds=HOLDS,
    read=read, write=lambda target, losses, options: Writer(target, losses), detect=detect,
)
'''


def install(folder: Path, package: str, modules: dict[str, str], points: dict[str, str]) -> Path:
    """Put a package into a folder as an installer does: its modules and its `.dist-info`."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[layernext.formats]\n{lines}")
    return folder
