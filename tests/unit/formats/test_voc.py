"""Pascal VOC as labelImg, CVAT and Roboflow write it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from layernext.errors import FormatError
from layernext.formats import (
    Losses,
    Sample,
    convert,
    detect_format,
    read_format,
    write_export,
)
from layernext.model import AttributeValue, Rectangle

BOX = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>30</xmax><ymax>60</ymax></bndbox>"


def read(
    folder: Path,
    inner: str,
    losses: Losses | None = None,
    size: int = 100,
    images: Path | None = None,
) -> Sample:
    (folder / "a.xml").write_text(
        f"<annotation><filename>a.png</filename><size><width>{size}</width><height>{size}</height></size>"
        f"<object><name>cat</name>{BOX}{inner}</object></annotation>"
    )
    (sample,) = read_format(folder / "a.xml", "voc", losses=losses, images=images)
    return sample


def test_attributes_of_cvat(tmp_path: Path) -> None:
    """Attributes of an object are read."""
    inner = "<attributes><attribute><name>color</name><value>red</value></attribute></attributes>"
    (box,) = read(tmp_path, inner).annotations
    expected = {"color": [AttributeValue(value="red")]}
    assert box == Rectangle(label="cat", bbox=(10, 20, 20, 40), attributes=expected)


def test_polygon_of_roboflow(tmp_path: Path) -> None:
    """The box of an object with a polygon is read, and the polygon is named as a loss."""
    losses = Losses()
    assert len(read(tmp_path, "<polygon><x1>1</x1><y1>1</y1></polygon>", losses).annotations) == 1
    assert (list(losses.counts), losses.shapes) == (["the polygon of an object; its box is"], 1)


def test_size_of_zero_is_unknown(tmp_path: Path) -> None:
    """labelImg writes 0 for a picture that it cannot open: the size is that of the image."""
    assert read(tmp_path, "", size=0).width is None
    (tmp_path / "images").mkdir()
    Image.new("RGB", (200, 160)).save(tmp_path / "images" / "a.png")
    sample = read(tmp_path, "", size=0, images=tmp_path / "images")
    assert (sample.width, sample.height) == (200, 160)


ZERO_BASED = (
    "<annotation><filename>a.jpg</filename><size><width>100</width><height>80</height></size>"
    "<object><name>cat</name><bndbox><xmin>{0}</xmin><ymin>{0}</ymin><xmax>99</xmax><ymax>79</ymax>"
    "</bndbox></object></annotation>"
)


@pytest.mark.parametrize("zero", ["0", "0.0", " 0.00 "])
def test_files_that_count_from_0(tmp_path: Path, zero: str) -> None:
    """A box at pixel 0 shows that all files of the folder count from 0."""
    (tmp_path / "a.xml").write_text(ZERO_BASED.format(zero))
    (tmp_path / "b.xml").write_text(ZERO_BASED.format("10").replace("a.jpg", "b.jpg"))
    losses = Losses()
    first, second = read_format(tmp_path, "voc", losses=losses)
    assert first.annotations == [Rectangle(label="cat", bbox=(0, 0, 99, 79))]
    assert second.annotations == [Rectangle(label="cat", bbox=(10, 10, 89, 69))]
    ((warning, (count, where)),) = losses.warnings.items()
    assert "begins at pixel 0" in warning
    assert (count, where) == (1, str(tmp_path / "a.xml"))


def test_files_of_ours_count_from_1(tmp_path: Path) -> None:
    """A box that begins left of the image is not taken for one that counts from 0."""
    box = Rectangle(label="cat", bbox=(-1, -1, 5, 5))
    write_export(
        [Sample(image="a.jpg", annotations=[box], width=9, height=9)], tmp_path / "out", "voc"
    )
    (sample,) = read_format(tmp_path / "out", "voc")
    assert sample.annotations == [box]


def test_flags_come_back(tmp_path: Path) -> None:
    """Difficult, truncated and occluded objects keep their flags, as metadata, and the pose."""
    inner = (
        "<difficult>1</difficult><truncated>0</truncated><occluded>1</occluded><pose>Left</pose>"
    )
    sample = read(tmp_path, inner)
    (box,) = sample.annotations
    assert box.metadata == {"difficult": 1, "occluded": 1, "pose": "Left"}
    report = write_export([sample], tmp_path / "out", "voc")
    assert report.losses == {"metadata": (1, "a.png: annotations[0]")}
    (again,) = read_format(tmp_path / "out", "voc")
    assert again.annotations[0].metadata == {"difficult": 1, "occluded": 1}


def test_layout_of_roboflow(tmp_path: Path) -> None:
    """A folder for each split, with the files beside the images."""
    for folder in ("train", "valid", "test"):
        (tmp_path / folder).mkdir()
        text = ZERO_BASED.format("1").replace("a.jpg", f"{folder}.jpg")
        (tmp_path / folder / "x.xml").write_text(text)
    assert {(sample.image, sample.split) for sample in read_format(tmp_path, "voc")} == {
        ("train.jpg", "train"), ("valid.jpg", "validation"), ("test.jpg", "test"),
    }  # fmt: skip


def test_images_in_folders_of_one_name(tmp_path: Path) -> None:
    """A file in a subfolder names an image there: two of them never share a name."""
    for folder in ("x", "y"):
        (tmp_path / "Annotations" / folder).mkdir(parents=True)
        (tmp_path / "Annotations" / folder / "a.xml").write_text(ZERO_BASED.format("1"))
    assert [s.image for s in read_format(tmp_path, "voc")] == ["x/a.jpg", "y/a.jpg"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "utf-8"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """XML is read in the encoding that it declares, or that its byte order mark shows."""
    declared = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    text = f'<?xml version="1.0" encoding="{declared}"?>' + ZERO_BASED.format("1")
    (tmp_path / "a.xml").write_bytes(text.replace("cat", "K\u00e4fer").encode(encoding))
    assert detect_format(tmp_path / "a.xml") == "voc"
    (sample,) = read_format(tmp_path / "a.xml", "voc")
    assert sample.annotations[0].label == "K\u00e4fer"


def test_every_problem_is_listed(tmp_path: Path) -> None:
    """All problems of all files are named at once; `skip_invalid` reads the rest."""
    (tmp_path / "a.xml").write_text(ZERO_BASED.format("200"))
    (tmp_path / "b.xml").write_text(ZERO_BASED.format("x"))
    (tmp_path / "c.xml").write_text(ZERO_BASED.format("1"))
    (tmp_path / "d.xml").write_text("<annotation>")
    with pytest.raises(FormatError) as refusal:
        list(read_format(tmp_path, "voc"))
    assert [Path(p.where.partition(": ")[0]).name for p in refusal.value.problems] == [
        "a.xml", "b.xml", "d.xml",
    ]  # fmt: skip
    losses = Losses()
    samples = list(read_format(tmp_path, "voc", losses=losses, skip_invalid=True))
    assert [len(sample.annotations) for sample in samples] == [0, 0, 1]
    assert losses.problems.count == 3


def test_order_of_labelmap(tmp_path: Path) -> None:
    """The labels of ``labelmap.txt`` keep their order, unused ones as well."""
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text(ZERO_BASED.format("1"))
    (tmp_path / "labelmap.txt").write_text("# label:color\nbackground:0,0,0::\nz:::\ncat:::\n")
    convert(tmp_path, tmp_path / "yolo", "yolo")
    assert '0: "z"\n  1: "cat"' in (tmp_path / "yolo" / "data.yaml").read_text()
