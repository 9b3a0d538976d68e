"""files upload, download, list: processes against a real stack."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "left").mkdir(parents=True)
    for number, name in enumerate(["1.png", "2.png", "left/1.png"]):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 9), (number, 1, 2)).save(buffer, "PNG")
        (folder / name).write_bytes(buffer.getvalue())
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_up_list_and_down(connected, pictures, tmp_path):
    """A folder goes up, is listed, and comes back; each command again does nothing."""
    first = json.loads(connected("files", "upload", pictures, "kitchen", "--json").stdout)
    assert sorted(first["uploaded"]) == ["1.png", "2.png", "left/1.png"]
    assert [each["reason"] for each in first["ignored"]] == ["no image"]
    again = connected("files", "upload", pictures, "kitchen").stdout
    assert "0 files uploaded, 3 already there, 0 failed" in again
    assert "left out: 1 file of the folder" in again
    listed = json.loads(connected("files", "list", "kitchen", "--json").stdout)
    assert [row["name"] for row in listed] == ["1.png", "2.png", "left/1.png"]
    assert "left/1.png" in connected("files", "list", "kitchen").stdout
    shown = connected("files", "download", "kitchen", "back", "--delete").stdout
    assert "3 files fetched, 0 already there, 0 failed, 0 deleted" in shown
    for name in ("1.png", "2.png", "left/1.png"):
        assert (tmp_path / "back" / name).read_bytes() == (pictures / name).read_bytes()
    report = json.loads(connected("files", "download", "kitchen", "back", "--json").stdout)
    assert (report["downloaded"], len(report["unchanged"])) == ([], 3)


def test_what_fails_is_said(connected, pictures):
    """The other files are uploaded; exit code 8, and a line for each that is not."""
    connected("files", "upload", pictures / "1.png", "half")
    (pictures / "1.png").write_bytes((pictures / "2.png").read_bytes() + b"more")
    done = connected("files", "upload", pictures, "half", "--pattern", "?.png", code=8)
    assert "2 files uploaded" in done.stdout or "1 file" in done.stdout
    assert "error: " in done.stderr
    assert "another file of this name" in done.stderr


def test_nothing_is_sent_of_a_wrong_folder(connected, pictures):
    """A picture that is none is refused by its path; exit code 4."""
    (pictures / "bad.png").write_text("<html>")
    done = connected("files", "upload", pictures, "wrong", code=4)
    assert "bad.png: is not an image" in done.stderr
    connected("files", "list", "wrong", code=5)
    connected("files", "upload", pictures, "wrong", "--type", "other", "--tag", "mixed")
