"""Files and folders that look like a format and are not: told what they are, before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from layernext.errors import FormatError
from layernext.formats import detect_format

VOC = "<annotation><filename>a.jpg</filename></annotation>"


def folder_with(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "source"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        pytest.param({"a.xml": VOC}, "voc", id="voc"),
        pytest.param({"Annotations/a.xml": f"<?xml version='1.0'?>\n<!-- <x> -->\n{VOC}"}, "voc", id="voc-prolog"),
        pytest.param({"a.xml": f"<!DOCTYPE x [<!ELEMENT x (y)>]>{VOC}"}, "voc", id="voc-doctype"),
        pytest.param({"a.xml": "no XML at all"}, "voc", id="left-to-the-reader"),
        pytest.param({"a.json": '{"version": "5", "shapes": []}'}, "labelme", id="labelme"),
        pytest.param({"a.json": '{"shapes": ['}, "labelme", id="labelme-broken"),
        pytest.param({"data.yaml": "names: []", "a.xml": "<x/>"}, "yolo", id="yolo"),
        pytest.param({"a.xml": "<annotations/>"}, "cvat", id="cvat"),
        pytest.param({"x/a.json": '[{"image_id": 1}]', "b.txt": "x"}, "coco-results", id="coco-results"),
    ],
)  # fmt: skip
def test_folders(tmp_path: Path, files: dict[str, str], name: str) -> None:
    """A folder is known by the first file that can tell."""
    assert detect_format(folder_with(tmp_path, files)) == name


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        pytest.param({"x/pom.xml": "<project/>"}, "unsupported format; the supported ones are layernext", id="xml"),
        pytest.param({"package.json": '{"name": "x"}'}, "unsupported format; the supported ones are layernext", id="json"),
        pytest.param({"a.txt": "x"}, "unsupported format; the supported ones are layernext, coco", id="text"),
    ],
)  # fmt: skip
def test_folders_of_other_files(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    """A folder without a file of any format is refused."""
    with pytest.raises(FormatError, match=sentence):
        detect_format(folder_with(tmp_path, files))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("<html></html>", "unsupported format", id="html"),
    ],
)
def test_single_xml_files(tmp_path: Path, text: str, sentence: str) -> None:
    """XML of CVAT and VOC is recognized by its root."""
    folder = folder_with(tmp_path, {"a.xml": text, "b.xml": "<annotations></annotations>"})
    with pytest.raises(FormatError, match=sentence):
        detect_format(folder / "a.xml")
    assert detect_format(folder / "b.xml") == "cvat"
    (folder / "c.xml").write_text(VOC)
    assert detect_format(folder / "c.xml") == "voc"
