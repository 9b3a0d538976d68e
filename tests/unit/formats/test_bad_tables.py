"""Damaged and oversized tables and YOLO files: a FormatError with its place, nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image

from layernext.errors import DataError
from layernext.formats import Sample, read_format, write_export
from layernext.formats.yolo_lines import MAX_LINE
from layernext.model import Polygon, Rectangle

MUTANTS = 300


def read_all(path: Path, name: str) -> str:
    """What the reader says of a file it refuses; empty if it reads it."""
    try:
        list(read_format(path, name))
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_damaged_tables(tmp_path: Path, name: str) -> None:
    """Bytes changed anywhere: an answer, or a sentence with the file and without Python's names."""
    shapes = [
        Rectangle(label="bä", bbox=(1, 2, 3, 4), confidence=0.5, attributes={"a": ["x"]}),
        Polygon(label="b", polygon=[(1, 2), (3, 4), (5, 6)]),
    ]
    samples = [Sample(image=f"{n}.jpg", annotations=shapes, width=9, height=9) for n in range(5)]
    path = tmp_path / "table"
    write_export(samples, path, name)
    content, numbers, refused = path.read_bytes(), random.Random(19), 0
    for _ in range(MUTANTS):
        mutant = bytearray(content)
        for _ in range(numbers.choice((1, 5, 20))):
            mutant[numbers.randrange(len(mutant))] = numbers.randrange(256)
        path.write_bytes(mutant)
        message = read_all(path, name)
        refused += bool(message)
        assert "Error" not in message, message
        assert not message or str(path) in message
    assert refused


def test_long_lines_are_refused(tmp_path: Path) -> None:
    """With file and line, before they are taken apart."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").write_text("names: [a]\n")
    label = tmp_path / "labels" / "x.txt"
    label.write_text("0 .5 .5 .1 .1\n0" + " .5" * (MAX_LINE // 3 + 1))
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "x.png")
    message = read_all(tmp_path, "yolo")
    assert f"{label}:2" in message
    assert "is longer than 4,194,304 characters" in message


NUMBERS = "1,2;" * 3_000_000


@pytest.mark.parametrize(
    ("name", "file", "content", "place"),
    [
        ("yolo", "data.yaml", "names: [" + "a," * 600_000 + "]", "data.yaml: is larger than"),
        ("csv", "a.csv", "image,label,type\na,b" + "," * (17 << 20), "a.csv:2: is longer than"),
        ("csv", "a.csv", 'image,label,type\na,"' + "b\n" * (9 << 20) + '",x', "field larger than"),
        (
            "cvat",
            "a.xml",
            f'<annotations>\n<image name="{NUMBERS}"/></annotations>',
            "a.xml:2: has",
        ),
        (
            "cvat",
            "a.xml",
            '<annotations><image name="a"><polygon label="b" points="'
            + NUMBERS[: 5 << 20]
            + '"/></image></annotations>',
            "image[0].polygon[0]: has points of more than",
        ),
        (
            "labelme",
            "a.json",
            '{"shapes":[{"label":"b","points":[' + "[1,2]," * 800_000 + "[1,2]]}]}",
            "a.json: shapes[0]: is larger than",
        ),
    ],
)
def test_endless_values_are_refused(
    tmp_path: Path, name: str, file: str, content: str, place: str
) -> None:
    """With file and place, before they are taken apart."""
    path = tmp_path / file
    path.write_text(content)
    message = read_all(path if name in {"csv", "cvat"} else tmp_path, name)
    assert place in message
    assert message.count(str(path)) == 1
