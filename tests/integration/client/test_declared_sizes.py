"""Sizes that a source declares are used until the picture comes, and compared with it then."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from PIL import Image

from layernext import LayerNextClient

OTHER = "a declared size that is not that of the picture"
TURNED = "a declared size that fits the picture only turned by 90 degrees, as it may be stored"


def coco(path: Path, **sizes: tuple[int, int]) -> Path:
    """A COCO file with one box on each image."""
    images = [
        {"id": number, "file_name": f"{name}.jpg", "width": width, "height": height}
        for number, (name, (width, height)) in enumerate(sizes.items(), 1)
    ]
    boxes = [
        {"id": image["id"], "image_id": image["id"], "category_id": 1, "bbox": [10, 20, 20, 10]}
        for image in images
    ]
    categories = [{"id": 1, "name": "cup"}]
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return path


@pytest.fixture
def collection() -> str:
    return f"sizes-{uuid.uuid4().hex[:8]}"


def test_without_pictures(client: LayerNextClient, collection: str, tmp_path: Path) -> None:
    """Exports to fractions and to COCO, the listing, and the way back have the declared size."""
    source = coco(tmp_path / "in.json", a=(100, 200))
    report = client.upload_modelrun(collection, "run", source, format="coco")
    assert report.warnings == {}
    (item,) = client.items.iter(collection)
    assert (item.width, item.height, item.has_file) == (100, 200, False)
    assert (item.declared_width, item.declared_height) == (100, 200)
    client.runs.export(collection, "run", tmp_path / "yolo", "yolo")
    (labels,) = (tmp_path / "yolo").rglob("a.txt")
    assert labels.read_text().split() == ["0", "0.2", "0.125", "0.2", "0.05"]
    client.runs.export(collection, "run", tmp_path / "out.json", "coco")
    (image,) = json.loads((tmp_path / "out.json").read_text())["images"]
    assert (image["width"], image["height"]) == (100, 200)
    client.download_to_file(collection, "run", tmp_path / "down.json")
    (image,) = json.loads((tmp_path / "down.json").read_text())["images"]
    assert (image["width"], image["height"]) == (100, 200)
    (typed,) = client.iter_annotations(collection, "run")
    assert (typed.width, typed.height, typed.extra) == (100, 200, {})
    export = client.exports.start("yolo", collection=collection, run="run")
    assert client.jobs.wait(export.job_id or "").status == "completed"


def test_differences_are_said(client: LayerNextClient, collection: str, tmp_path: Path) -> None:
    """With the annotations if the picture is there, with the pictures if it comes later."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in "abc":
        Image.new("RGB", (100, 40)).save(pictures / f"{name}.jpg")
    source = coco(tmp_path / "in.json", a=(100, 40), b=(40, 100), c=(50, 20))
    client.upload_modelrun(collection, "before", source, format="coco")
    uploaded = client.files.upload(pictures, "image", collection)
    job = client.jobs.wait(uploaded.job_id)
    assert job.status == "completed"
    assert job.message == (
        "2 pictures have another size than annotations declare, the first is b.jpg: "
        "declared 40 x 100, the picture has 100 x 40; it fits only turned by 90 degrees"
    )
    report = client.upload_modelrun(collection, "after", source, format="coco")
    assert report.warnings == {
        OTHER: (1, "c.jpg: declared 50 x 20, the picture has 100 x 40"),
        TURNED: (1, "b.jpg: declared 40 x 100, the picture has 100 x 40"),
    }
    items = {item.name: item for item in client.items.iter(collection)}
    assert {(item.width, item.height) for item in items.values()} == {(100, 40)}
    assert (items["b.jpg"].declared_width, items["b.jpg"].declared_height) == (40, 100)


@pytest.mark.parametrize("value", ["640", 0, -1, 1.5, True, 1 << 31])
def test_sizes_that_are_none(client: LayerNextClient, value: object) -> None:
    image = {"image": "a.jpg", "width": value, "annotations": []}
    with pytest.raises(ValueError, match=r"images\[0\].width: is .*, must be a positive whole"):
        client.upload_modelrun("sizes", "run", [image])
