"""Names from elsewhere become paths that stay where they belong."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layernext.client.files.local_names import Folder, LocalNames, local_name

NASTY = st.sampled_from(
    ["", ".", "..", "...", "con", "NUL.txt", "a", "A", "a.", "a ", "é", "e\u0301", "/", "\\", "C:",
     "~", ".layernext", ".LAYERNEXT", "\x00", "\n", "<b>", "x" * 300, "ß", "SS", "\ud800", "COM1 .jpg"]
)  # fmt: skip
NAMES = st.one_of(
    st.text(st.characters(), max_size=40),
    st.lists(NASTY, max_size=6).map("/".join),
    st.lists(NASTY, max_size=4).map("".join),
)
DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


def folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


@given(NAMES)
def test_every_name_becomes_a_plain_relative_path(name: str) -> None:
    """No path leads up, is absolute, has a device or a character that some system refuses."""
    path = local_name(name)
    path.encode()
    for part in path.split("/"):
        assert part not in {"", ".", ".."}
        assert part == part.rstrip(". ")
        assert len(part.encode()) <= 220
        assert not re.search(r'[\x00-\x1f\x7f<>:"|?*\\]', part)
        assert not DEVICE.fullmatch(part.partition(".")[0].rstrip(" "))
        assert folded(part) != ".layernext"
    assert os.path.normpath(path) == path.replace("/", os.sep)


@given(st.lists(NAMES, max_size=30))
def test_no_two_files_share_a_path(names: list[str]) -> None:
    """Also where case does not count, and no file is where another's folder is."""
    given_out = LocalNames()
    paths = [folded(given_out.of(name)) for name in names]
    assert len(set(paths)) == len(paths)
    folders = {"/".join(p.split("/")[:n]) for p in paths for n in range(1, p.count("/") + 1)}
    assert folders.isdisjoint(paths)


@given(st.lists(NAMES, max_size=10))
def test_the_same_list_gives_the_same_paths(names: list[str]) -> None:
    """A second call finds what the first one wrote."""
    first, second = LocalNames(), LocalNames()
    assert [first.of(name) for name in names] == [second.of(name) for name in names]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("1.jpg", "1.jpg"),
        ("left/ü 1.jpg", "left/ü 1.jpg"),
        ("/etc/passwd", "etc/passwd"),
        ("../../x", "%2E%2E/%2E%2E/x"),
        ("C:\\x", "C%3A%5Cx"),
        ("nul.jpg", "_nul.jpg"),
        (".layernext/files.json", "%2Elayernext/files.json"),
        ("", "_"),
    ],
)
def test_examples(name: str, path: str) -> None:
    """Ordinary names stay as they are."""
    assert local_name(name) == path


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    """A link in the folder that leads out of it is not followed."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "sub").symlink_to(outside)
    with pytest.raises(NotADirectoryError, match="leads out"):
        Folder(inside).place("sub/x.jpg")
    with pytest.raises(NotADirectoryError, match="leads out"):
        Folder(inside).place("sub/deeper/x.jpg")
    assert list(outside.iterdir()) == []
    (inside / "file").write_text("")
    with pytest.raises(OSError, match="exist"):
        Folder(inside).place("file/x.jpg")
