"""Create ML: a list of images with boxes by their middle and size, in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.fields import box_in, list_of, number_of, object_of, text_of
from layernext.formats.core.format import KEPT, Certainty, Detection, Format, Holds, ReadOptions
from layernext.formats.core.json_stream import JsonWindow, expect_end, iter_list
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.core.scores import Scores
from layernext.formats.tusimple import decode_line
from layernext.model import Annotation, Rectangle

_IMAGE_KEYS = ("image", "imagefilename", "imageURL")
_LIST_KEYS = ("annotations", "annotation")


def read_createml(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file, in its order.

    Raises:
        FormatError: the file is not of Create ML, with the location.
    """
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for number, raw in enumerate(iter_list(window, "images")):
            where = f"{path}: [{number}]"
            sample = None
            with losses.problems:
                fields = object_of(decode_line(raw, where), where)
                sample = _read_image(fields, where, losses, options.scores)
            if sample is not None:
                yield sample
        expect_end(window)


def _read_image(fields: dict[str, Any], where: str, losses: Losses, scores: Scores) -> Sample:
    image = next((fields[key] for key in _IMAGE_KEYS if fields.get(key)), None)
    entries: Any = next((fields[key] for key in _LIST_KEYS if key in fields), [])
    annotations: list[Annotation] = []
    for number, entry in enumerate(list_of(entries, f"{where}.annotations")):
        location = f"{where}.annotations[{number}]"
        with losses.problems:
            annotations.append(_read_box(object_of(entry, location), location, scores))
    return Sample(image=text_of(image, where, "image"), annotations=annotations)


def _read_box(entry: dict[str, Any], where: str, scores: Scores) -> Annotation:
    coordinates = object_of(entry.get("coordinates"), f"{where}.coordinates")
    x, y, width, height = (
        number_of(coordinates.get(name), f"{where}.coordinates.{name}")
        for name in ("x", "y", "width", "height")
    )
    return Rectangle(
        label=text_of(entry.get("label"), where, "label"),
        bbox=box_in(x - width / 2, y - height / 2, width, height, where),
        confidence=scores.read(entry.get("confidence"), where, "confidence"),
    )


def detect(probe: Probe) -> Detection | None:
    """A list of images with boxes that have ``coordinates``."""
    outline = probe.json
    if outline is None or not outline.is_list:
        return None
    keys = outline.entry_keys.get("", set())
    if keys & {*_IMAGE_KEYS} and keys & {*_LIST_KEYS} and b'"coordinates"' in probe.json_head:
        return Detection(Certainty.CERTAIN, "is a list of images with `coordinates`")
    return None


FORMAT = Format(
    name="createml",
    about="Create ML JSON",
    extension=".json",
    holds=Holds(geometries={"rectangle": KEPT}, fields={"confidence": KEPT}),
    read=read_createml,
    detect=detect,
)
