"""TuSimple's lanes: a JSON object in each line, with the x of each lane at the same heights; -2 where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.fields import list_of, numbers_of, object_of, text_of
from layernext.formats.core.format import KEPT, Certainty, Detection, Format, Holds, ReadOptions
from layernext.formats.core.json_stream import check_keys
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.model import Annotation, Line

LABEL = "lane"
MAX_LINE_BYTES = 16 << 20
HOLDS = Holds(geometries={"line": KEPT})


def read_tusimple(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file, in its order.

    Raises:
        FormatError: a line is not valid, with its number.
    """
    del options
    for number, raw in iter_json_lines(path):
        where = f"{path}:{number}"
        sample = None
        with losses.problems:
            sample = _read_line(raw, where)
        if sample is not None:
            yield sample


def _read_line(raw: bytes, where: str) -> Sample:
    fields = object_of(decode_line(raw, where), where)
    heights = numbers_of(fields.get("h_samples"), None, f"{where}: h_samples")
    annotations: list[Annotation] = []
    for index, values in enumerate(list_of(fields.get("lanes"), f"{where}: lanes")):
        location = f"{where}: lanes[{index}]"
        lane = numbers_of(values, len(heights), location)
        points = [(x, y) for x, y in zip(lane, heights, strict=True) if x >= 0]
        if points:
            annotations.append(Line(label=LABEL, line=points))
    return Sample(
        image=text_of(fields.get("raw_file"), f"{where}: raw_file", "name"), annotations=annotations
    )


def decode_line(raw: bytes, where: str) -> Any:
    """The value of a line.

    Raises:
        FormatError: it is not JSON.
    """
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(Problem(where, f"is not JSON: {error}")) from error
    check_keys(raw, where)
    return value


def iter_json_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers.

    Raises:
        FormatError: the file cannot be read, or a line is too long.
    """
    number, rest = 0, b""
    with open_decompressed(path) as stream:
        while piece := stream.read(1 << 20):
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            if len(rest) > MAX_LINE_BYTES:
                message = f"is longer than {MAX_LINE_BYTES:,} bytes"
                raise FormatError(Problem(f"{path}:{number + len(lines) + 1}", message))
            for line in lines:
                number += 1
                if line.strip():
                    yield number, line
    if rest.strip():
        yield number + 1, rest


def detect(probe: Probe) -> Detection | None:
    """Lines of JSON with ``h_samples``."""
    if not probe.is_folder and probe.head.startswith(b"{") and b'"h_samples"' in probe.json_head:
        return Detection(Certainty.CERTAIN, "has the key `h_samples`")
    return None


FORMAT = Format(
    name="tusimple",
    about="TuSimple lanes",
    extension=".json",
    holds=HOLDS,
    read=read_tusimple,
    detect=detect,
)
