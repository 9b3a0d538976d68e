"""Files of every format, changed at random: the right answer, or a sentence that names the file.

`LAYERNEXT_MUTANTS` says how many of each format; the seed is fixed, so that a failure comes again.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from layernext.errors import DataError
from layernext.formats import FORMATS, ExportOptions, Sample, read_format, write_export
from layernext.model import Annotation, AttributeValue, Line, Points, Polygon, Rectangle
from tests.support.further_formats import SOURCES

MUTANTS = int(os.environ.get("LAYERNEXT_MUTANTS", "300"))
HANG_SECONDS = 60
READ = [name for name, kind in FORMATS.items() if kind.read]
PYTHON_NAME = re.compile(
    r"\b[A-Z]\w*(?:Error|Exception|Warning|Operation)\b|Traceback|<class|object at 0x"
)
_annotation = msgspec.json.Decoder(Annotation)

SHAPES: list[Annotation] = [
    Rectangle(
        label="bä",
        bbox=(1, 2, 3, 4),
        confidence=0.5,
        attributes={"a": [AttributeValue("x", 0.5, {"m": 1}), AttributeValue(2)]},
        metadata={"k": [1, {"z": None}]},
    ),
    Polygon(label="b", polygon=[(1, 2), (3, 4), (5, 6.5)], confidence=0.25),
    Line(label="c", line=[(0, 0), (1.5, 1)]),
    Points(label="d", points=[(4, 4)]),
]
STRANGE_VALUES: list[Any] = [
    None, True, -1, 0, 0.5, 1e308, -1e308, 10**30, 2**63, "", "x", "1", "1e999", "nan", "ä\x00", [], {}, [[]], [None],
    [[1, 2]], [["1", "2"]], [1, 2, 3], {"a": 1}, {"counts": "1", "size": [9, 9]}, {"counts": [1, 80], "size": [9, 9]},
    "../../x", "/etc/passwd", "a" * 3000,
]  # fmt: skip
STRANGE_WORDS = [
    b"", b"nan", b"inf", b"-1", b"0", b"1e308", b"-1e308", b"1e999", b"9" * 400, b"1.5", b"\xff", b"\x00", b"x", b"<",
    b"&lt;", b"&x;", b"{", b"[[1,2]]", b"null", b'"', b",", b"../../x", b"\r", b"\n", b" ", "ä".encode(), b"0x1",
    b"1_0", "٣".encode(), b"<!DOCTYPE a>", b"--- !!python/object:os.system", b"- &a [*a]",
]  # fmt: skip
WORD = re.compile(rb"[\w.+-]+")


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value: the list or object, and the index or key."""
    places: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        places.append((value, key))
        if isinstance(inner, dict | list):
            places += nodes(inner)
    return places


def change_json(content: bytes, numbers: random.Random) -> bytes:
    """Other values, missing and doubled ones, at any depth."""
    value = json.loads(content)
    for _ in range(numbers.choice((1, 1, 2, 4))):
        places = nodes(value)
        if not places:
            break
        holder, key = numbers.choice(places)
        action = numbers.randrange(5)
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder, list):
            holder.append(holder[key])
        elif action == 2 and isinstance(holder, dict):
            holder[numbers.choice(list(holder))] = holder[key]
        else:
            # A copy: an object that is in itself would be no JSON.
            holder[key] = json.loads(json.dumps(numbers.choice(STRANGE_VALUES)))
    return json.dumps(value, ensure_ascii=numbers.random() < 0.5).encode()


def change_words(content: bytes, numbers: random.Random) -> bytes:
    """Other words: numbers, tags, names, cells."""
    for _ in range(numbers.choice((1, 1, 2, 4))):
        words = list(WORD.finditer(content))
        if not words:
            break
        word = numbers.choice(words)
        other = numbers.choice([*STRANGE_WORDS, numbers.choice(words)[0]])
        content = content[: word.start()] + other + content[word.end() :]
    return content


def change_lines(content: bytes, numbers: random.Random) -> bytes:
    """Missing, doubled and swapped lines."""
    lines = content.splitlines(keepends=True)
    if lines:
        place, other = numbers.randrange(len(lines)), numbers.randrange(len(lines))
        lines[place : place + 1] = numbers.choice(
            ([], [lines[place]] * 2, [lines[other]], [lines[place].rstrip(b"\r\n")])
        )
    return b"".join(lines)


def change_bytes(content: bytes, numbers: random.Random) -> bytes:
    """Any bytes, a piece that is missing, or an early end."""
    mutant = bytearray(content)
    start = numbers.randrange(len(mutant) + 1)
    match numbers.randrange(4):
        case 0:
            return bytes(mutant[:start])
        case 1:
            del mutant[start : start + numbers.choice((1, 3, 50))]
        case 2:
            mutant[start:start] = numbers.randbytes(numbers.choice((1, 3, 50)))
        case _:
            for _ in range(numbers.choice((1, 5, 20))):
                if mutant:
                    mutant[numbers.randrange(len(mutant))] = numbers.randrange(256)
    return bytes(mutant)


def changes_of(path: Path) -> list[Callable[[bytes, random.Random], bytes]]:
    if path.suffix == ".json":
        return [change_json, change_json, change_words, change_bytes]
    if path.suffix == ".parquet":
        return [change_bytes]
    return [change_words, change_words, change_lines, change_bytes]


def written(folder: Path, name: str) -> tuple[Path, dict[str, Path]]:
    """A small valid file or folder of a format, and what else reading it takes."""
    if name in SOURCES:
        return SOURCES[name].write(folder), {}
    is_coco = name in {"coco", "coco-results"}
    geometries = SHAPES[:2] if is_coco else SHAPES
    samples = [
        Sample(image=f"{n}.png", annotations=geometries, width=9, height=9, split="train")
        for n in range(3)
    ]
    path = folder / f"file{FORMATS[name].extension if not FORMATS[name].is_folder else ''}"
    further: dict[str, Path] = {}
    instances = None
    if name == "coco-results":
        further["instances"] = instances = folder / "instances.json"
        write_export(samples, instances, "coco")
    write_export(samples, path, name, ExportOptions(instances=instances))
    if name == "coco":
        content = json.loads(path.read_bytes())
        content["annotations"][0]["segmentation"] = {"size": [9, 9], "counts": [10, 3, 68]}
        content["annotations"][1]["segmentation"] = {"size": [9, 9], "counts": ":3T2"}
        path.write_text(json.dumps(content))
    if name.startswith("yolo"):
        for folder_of_images in (path / "images", path / "images" / "train"):
            folder_of_images.mkdir(parents=True, exist_ok=True)
            for n in range(3):
                Image.new("RGB", (9, 9)).save(folder_of_images / f"{n}.png")
    return path, further


def check(samples: list[Sample], name: str) -> None:
    """What was read is what annotations can be: finite numbers, names, confidences."""
    for sample in samples:
        assert isinstance(sample.image, str)
        assert sample.image, name
        for side in (sample.width, sample.height):
            assert side is None or (type(side) is int and side >= 0)
        for annotation in sample.annotations:
            # Numbers that are not finite become null, which no shape has.
            assert _annotation.decode(msgspec.json.encode(annotation)) is not None
            assert annotation.label
            assert annotation.confidence is None or 0 <= annotation.confidence <= 1


@pytest.mark.parametrize("name", READ)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    """No exception but ours, none of Python's names in it, the file named, no end of time."""
    path, further = written(tmp_path / "whole", name)
    assert list(read_format(path, name, **further)), "the file is right before it is changed"  # type: ignore[arg-type]
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    images = {".png", ".jpg"} if name != "classification" else set()
    contents = {one: one.read_bytes() for one in files if one.suffix not in images}
    numbers = random.Random(f"14 {name}")
    refused = 0
    for _ in range(MUTANTS):
        target = numbers.choice(list(contents))
        mutant = numbers.choice(changes_of(target))(contents[target], numbers)
        target.write_bytes(mutant)
        began = time.process_time()
        try:
            check(list(read_format(path, name, **further)), name)  # type: ignore[arg-type]
        except DataError as error:
            refused += 1
            message, lines = str(error), error.lines()
            assert not PYTHON_NAME.search(message), (message, mutant)
            assert path.name in message, (message, mutant)
            assert all(path.name in line for line in lines), (lines, mutant)
        except Exception as error:
            raise AssertionError(repr(error), mutant) from error
        assert time.process_time() - began < HANG_SECONDS, mutant
        target.write_bytes(contents[target])
    assert refused


@pytest.mark.parametrize("name", ["voc", "cvat"])
@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]>',
        '<!DOCTYPE a [<!ENTITY x "yy"><!ENTITY z "&x;&x;&x;&x;">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
        '<!doctype a [<!entity % x SYSTEM "file:///etc/hostname"> %x;]>',
    ],
)
def test_entities_are_refused(tmp_path: Path, name: str, declaration: str) -> None:
    """Before any of them is expanded or fetched."""
    path, _ = written(tmp_path / "whole", name)
    file = next(path.rglob("*.xml")) if path.is_dir() else path
    text = re.sub(r"^<\?xml.*?\?>", "", file.read_text())
    for encoding in ("utf-8", "utf-16"):
        file.write_bytes((declaration + text.replace("9.png", "&x;")).encode(encoding))
        with pytest.raises(DataError, match=r"document type|UTF-8|not XML") as refusal:
            list(read_format(path, name))
        assert file.name in str(refusal.value)
    shutil.rmtree(tmp_path / "whole")
