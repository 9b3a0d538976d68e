"""Zip archives: what is hostile or broken is refused with a sentence, within bounds."""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import pytest

from layernext.errors import DataError, FormatError
from layernext.formats import detect_format, read_format
from layernext.formats.core import archive

COCO = '{"images": [{"id": 1, "file_name": "a.jpg"}], "categories": [], "annotations": []}'


def zipped(path: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("folder", ["", "export/", "annotations/", "out/annotations/"])
def test_a_file_in_an_archive(tmp_path: Path, folder: str) -> None:
    """Wherever it is, with what macOS adds."""
    files: dict[str, bytes | str] = {f"{folder}a.json": COCO, "__MACOSX/._a.json": b"\x00\x05\x16"}
    path = zipped(tmp_path / "out.zip", files)
    assert detect_format(path) == "coco"
    (sample,) = read_format(path, "coco")
    assert sample.image == "a.jpg"


@pytest.mark.parametrize("name", ["../a.json", "/etc/a.json", "x/../../a.json", "c:/a.json"])
def test_paths_that_lead_out(tmp_path: Path, name: str) -> None:
    """Nothing is written beside the temporary folder."""
    path = zipped(tmp_path / "out.zip", {name: COCO})
    with pytest.raises(FormatError, match=r"out\.zip: has the path .* which leads out of it"):
        detect_format(path)
    assert sorted(tmp_path.rglob("*")) == [path]


def test_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to far more than its size is refused before the disk is full."""
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    path = zipped(tmp_path / "out.zip", {"a.json": b"[" + b" " * (64 << 20) + b"]"})
    with pytest.raises(FormatError, match=r"out\.zip: unpacks to more than 200 times its size"):
        detect_format(path)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of files is bounded, too."""
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    path = zipped(tmp_path / "out.zip", {f"{n}.json": COCO for n in range(3)})
    with pytest.raises(FormatError, match="has 3 files; at most 2 are unpacked"):
        detect_format(path)


def test_encrypted_and_broken(tmp_path: Path) -> None:
    """Each in a sentence, without a name of Python's."""
    path = zipped(tmp_path / "out.zip", {"a.json": COCO})
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.index(signature) + offset
        raw[at : at + 2] = struct.pack("<H", 1)
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=r"is encrypted: a\.json; unpack it first"):
        detect_format(path)
    path.write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(FormatError, match=r"out\.zip: is a zip archive that cannot be read"):
        detect_format(path)


def test_damaged_archives(tmp_path: Path) -> None:
    """Changed bytes anywhere: the right answer or our exception."""
    path = zipped(tmp_path / "out.zip", {"a.json": COCO, "b/c.txt": "x" * 500})
    whole = path.read_bytes()
    numbers = random.Random(13)
    for _ in range(300):
        raw = bytearray(whole)
        for _ in range(numbers.choice((1, 3))):
            raw[numbers.randrange(len(raw))] = numbers.randrange(256)
        path.write_bytes(raw[: numbers.choice((len(raw), numbers.randrange(len(raw))))])
        try:
            list(read_format(path, "coco"))
        except DataError as error:
            message = str(error)
            assert "out.zip" in message
