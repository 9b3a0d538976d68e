"""Pascal VOC as labelImg, CVAT and Roboflow write it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from layernext.formats import Losses, Sample, read_format
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
