"""Which files an upload finds, and which it refuses before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layernext.client.files.content import fits
from layernext.client.files.sources import find_files
from layernext.errors import DataError
from layernext.model import media_type

JPEG, PNG = b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"
BITMAP = b"BM" + bytes(12) + (40).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (JPEG, "image/jpeg"),
        (PNG, "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", "application/octet-stream"),
        (BITMAP, "image/bmp"),
        (b"BM is also how a text may begin", "application/octet-stream"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00+", "image/tiff"),
        (b"GIF87a", "image/gif"),
        (b"\x00\x00\x00 ftypisom", "video/mp4"),
        (b"\x00\x00\x00 ftypavif", "image/avif"),
        (b"\x00\x00\x00 ftypheic", "image/heic"),
        (b"\x1aE\xdf\xa3", "video/x-matroska"),
        (b"\x1aE\xdf\xa3\x9fB\x82\x84webm", "video/webm"),
        (b"", "application/octet-stream"),
    ],
)
def test_content_is_told_by_bytes(head: bytes, kind: str) -> None:
    """Each kind by its signature."""
    assert media_type(head) == kind


@given(st.binary(max_size=64))
def test_any_bytes_are_something(head: bytes) -> None:
    """Nothing crashes, and what is an image is not a video."""
    kind = media_type(head)
    assert not (fits(kind, "image") and fits(kind, "video"))
    assert fits(kind, "other")


def test_pictures_that_not_every_stack_can_read() -> None:
    """They are neither images nor videos, but go into a collection of other files."""
    for kind in ("image/avif", "image/heic"):
        assert [fits(kind, content) for content in ("image", "video", "other")] == [
            False,
            False,
            True,
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {
        "b.jpg": JPEG,
        "sub/a.dat": PNG,
        "sub/deep/c.png": PNG,
        "notes.txt": b"text",
        ".hidden.jpg": JPEG,
        ".git/x.jpg": JPEG,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "link").symlink_to(tmp_path / "sub")
    return tmp_path


def test_a_folder_with_all_below_it(folder: Path) -> None:
    """Named by the path from there; what is left out is said, with the reason."""
    found = find_files(folder, "image", None)
    assert {file.name: file.media_type for file in found.files} == {
        "b.jpg": "image/jpeg", "sub/a.dat": "image/png", "sub/deep/c.png": "image/png",
    }  # fmt: skip
    assert {Path(each.path).name: each.reason for each in found.ignored} == {
        ".hidden.jpg": "hidden", ".git": "hidden", "notes.txt": "no image",
        "link": "a link to a folder",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("patterns", "names"),
    [(["*.png"], ["sub/deep/c.png"]), (["sub/*"], ["sub/a.dat", "sub/deep/c.png"])],
)
def test_patterns(folder: Path, patterns: list[str], names: list[str]) -> None:
    """By name, or by the path from the folder."""
    assert [file.name for file in find_files(folder, "image", patterns).files] == names


def test_what_calls_itself_an_image_must_be_one(folder: Path) -> None:
    """Every such file is named, and nothing else is looked at as an error."""
    (folder / "broken.jpg").write_bytes(b"<html>")
    (folder / "empty.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        find_files(folder, "image", None)
    assert [Path(p.where).name for p in caught.value.problems] == ["broken.jpg", "empty.png"]
    assert "is not an image" in caught.value.problems[0].message


@pytest.mark.parametrize("how", ["one", "several"])
def test_named_files_must_fit(folder: Path, how: str) -> None:
    """What the caller named is never left out silently."""
    notes = folder / "notes.txt"
    with pytest.raises(DataError, match=r"notes\.txt: is not an image"):
        find_files(notes if how == "one" else [folder / "b.jpg", notes], "image", None)
    assert [file.name for file in find_files(notes, "other", None).files] == ["notes.txt"]


def test_two_of_one_name(folder: Path) -> None:
    """Files are told apart by name, so two of one name cannot both be uploaded."""
    (folder / "sub" / "b.jpg").write_bytes(JPEG)
    with pytest.raises(DataError, match="has the same name as"):
        find_files([folder / "b.jpg", folder / "sub" / "b.jpg"], "image", None)


def test_nothing_there(tmp_path: Path) -> None:
    """An upload of nothing is a mistake, not a success."""
    with pytest.raises(DataError, match="there is no image to upload"):
        find_files(tmp_path, "image", None)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        find_files(tmp_path / "missing", "image", None)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        find_files(tmp_path / "pipe", "other", None)
