"""Datasets through the SDK, against a real stack: made, frozen, compared, downloaded."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from layernext import ImageAnnotations, LayerNextClient, Rectangle
from layernext.errors import Conflict, DataError, InvalidRequest, NotFound

SPLIT = {"train": 60, "validation": 20, "test": 20}
TYPES = ["RAW", "YOLO Darknet", "COCO", "Pascal VOC", "Semantic Segmentation"]


def fresh(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def fill(client: LayerNextClient, tmp_path: Path, count: int = 10) -> str:
    """A collection of real images with a run."""
    name, folder = fresh("yard"), tmp_path / "images"
    folder.mkdir()
    for number in range(count):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number * 20 % 256, number, 7)).save(buffer, "PNG")
        (folder / f"{number}.png").write_bytes(buffer.getvalue())
    report = client.upload_files_to_collection(str(folder), "image", name)
    client.wait_for_job_complete(report["job_id"], timeout_s=30)
    client.upload_modelrun(name, "run", sets(count))
    return name


def sets(count: int, x: float = 1.0) -> list[ImageAnnotations]:
    return [
        ImageAnnotations(
            image=f"{n}.png",
            annotations=[
                Rectangle(label="cup", bbox=(x, 2, 30, 40)),
                Rectangle(label="fork", bbox=(5, 6, 7, 8)),
            ],
        )
        for n in range(count)
    ]


def made(client: LayerNextClient, collection: str, **options: Any) -> str:
    """A dataset of a collection, built; its version."""
    report = client.create_dataset_from_collection(
        fresh("set"), collection, options.pop("split", SPLIT), export_types=TYPES, **options
    )
    assert report["isSuccess"]
    client.wait_for_job_complete(report["jobId"], timeout_s=30)
    return report.version_id


def test_a_version_is_frozen(client: LayerNextClient, tmp_path: Path) -> None:
    """Later uploads do not change it; a version made after them has what is new; images stay put."""
    name = fill(client, tmp_path)
    first = made(client, name)
    version = client.datasets.get_version(first)
    assert (version.status, version.version, version.image_count) == ("ready", "1.0.0", 10)
    assert version.splits == {"train": 6, "validation": 2, "test": 2}
    assert version.annotation_count == 20
    client.upload_modelrun(name, "run", sets(3, x=9.0))
    client.upload_modelrun(name, "other", sets(1))
    report = client.update_dataset_version_from_collection(
        first, name, SPLIT, query="name != 9.png", export_types=["RAW"]
    )
    client.wait_for_job_complete(report.job_id, timeout_s=30)
    second = client.datasets.get_version(report.version_id)
    assert (second.version, second.image_count) == ("1.0.1", 9)
    assert second.dataset_id == version.dataset_id
    diff = client.datasets.diff(first, second.id)
    assert diff.removed == [f"{name}_9.png"]
    assert (diff.added, diff.moved) == ([], {})
    assert diff.changed == [f"{name}_{n}.png" for n in range(3)]
    assert diff.unchanged == 6
    same = client.datasets.diff(first, first)
    assert (same.unchanged, same.changed, same.added) == (10, [], [])
    raw = download(client, first, "RAW", tmp_path / "raw")
    images = json.loads((raw / "annotations.json").read_text())["images"]
    assert images[0]["annotations"][0]["bbox"] == [1, 2, 30, 40]
    assert len(images) == 10
    client.delete_dataset_version(second.id)
    with pytest.raises(NotFound):
        client.delete_dataset_version(second.id)
    assert [
        each.id for each in client.datasets.list() if each.dataset_id == version.dataset_id
    ] == [first]


def download(client: LayerNextClient, version_id: str, kind: str, folder: Path) -> Path:
    report = client.download_dataset(version_id, kind, folder)
    assert report.failed == []
    (target,) = folder.iterdir()
    return target


def test_downloads(client: LayerNextClient, tmp_path: Path) -> None:
    """Every export type, with media and lists of paths; again nothing is fetched."""
    name = fill(client, tmp_path)
    version = made(client, name, labels=["cup"])
    yolo = download(client, version, "YOLO Darknet", tmp_path / "yolo")
    assert (yolo / "classes.txt").read_text() == "cup\n"
    assert len(list((yolo / "data").glob("*.png"))) == 10
    text = (yolo / "data" / "3.txt").read_text()
    assert [float(each) for each in text.split()] == pytest.approx(
        [0, 16 / 64, 22 / 48, 30 / 64, 40 / 48]
    )
    lists = {split: (yolo / f"{split}.txt").read_text().split() for split in SPLIT}
    assert {split: len(paths) for split, paths in lists.items()} == {
        "train": 6, "validation": 2, "test": 2,
    }  # fmt: skip
    assert all((yolo / path).is_file() for paths in lists.values() for path in paths)
    again = client.download_dataset(version, "YOLO Darknet", tmp_path / "yolo")
    assert len(again.unchanged) == 10, "the images are there; texts are created again"
    coco = download(client, version, "COCO", tmp_path / "coco")
    train = json.loads((coco / "train.json").read_text())
    assert len(train["images"]) == len(list((coco / "train2017").iterdir())) == 6
    assert [category["name"] for category in train["categories"]] == ["cup"]
    voc = download(client, version, "Pascal VOC", tmp_path / "voc")
    assert "<name>cup</name>" in (voc / "data" / "0.xml").read_text()
    masks = download(client, version, "Semantic Segmentation", tmp_path / "masks")
    (mask,) = [path for split in SPLIT for path in (masks / split).glob("3.png")]
    with Image.open(mask) as pixels:
        # Beyond the box, which is 30 by 40 pixels around (16, 22), is background.
        assert [pixels.getpixel(at) for at in ((16, 22), (40, 22))] == [1, 0]
    assert (masks / "classes.txt").read_text() == "cup\n"
    assert len(list((masks / "data").glob("*.png"))) == 10
    alone = tmp_path / "alone"
    client.download_dataset(version, "RAW", alone, is_media_include=False)
    assert sorted(p.name for p in alone.rglob("*.*") if p.is_file() and "/." not in str(p)) == [
        "annotations.json", "readme.txt",
    ]  # fmt: skip


def test_what_cannot_be(client: LayerNextClient, tmp_path: Path) -> None:
    """Wrong arguments are named before anything is made."""
    name = fill(client, tmp_path, 2)
    version = made(client, name, operation_list=[])
    assert client.datasets.get_version(version).annotation_count == 0
    owner = client.datasets.get_version(version).dataset
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"split_info": {"train": 100}}, DataError, "split_info"),
        ({"split_info": {"train": 50, "validation": 20, "test": 20}}, DataError, "adds up to 90"),
        ({"split_info": {"train": 120, "validation": -20, "test": 0}}, DataError, "must be ≥ 0"),
        ({"dataset_name": ""}, DataError, "dataset_name"),
        ({"collection_id": fresh("no")}, NotFound, "no collection"),
        ({"query": "label = nothing"}, DataError, "nothing fits"),
        ({"filter": {"tags": []}}, DataError, "unknown"),
        ({"export_types": ["TFRecord"]}, DataError, "exportTypes"),
        ({"augmentation_list": {"IMAGE_LEVEL": [{"id": "HUE"}]}}, DataError, "augment"),
        ({"dataset_name": owner}, Conflict, "already"),
    ]
    right = {"dataset_name": fresh("set"), "collection_id": name, "split_info": SPLIT}
    for changed, kind, text in wrong:
        with pytest.raises(kind, match=text):
            client.create_dataset_from_collection(**{**right, **changed})
    thirds = {"train": 100 / 3, "validation": 100 / 3, "test": 100 / 3}
    made(client, name, split=thirds, seed=3, stratify=True)
    report = client.create_dataset_from_datalake(
        fresh("set"), SPLIT, query=f'collection = "{name}"'
    )
    client.wait_for_job_complete(report.job_id, timeout_s=30)
    with pytest.raises(InvalidRequest, match="was made for"):
        client.download_dataset(report.version_id, "COCO", tmp_path / "x")
    with pytest.raises(NotFound):
        client.download_dataset("nothing", "RAW", tmp_path / "x")


def test_a_dataset_of_a_dataset(client: LayerNextClient, tmp_path: Path) -> None:
    """Its images can be chosen by its name or a version's id, and restricted further."""
    name = fill(client, tmp_path, 4)
    first = made(client, name, query="name != 3.png")
    source = client.datasets.get_version(first).dataset
    for query, count in (
        (f'dataset = "{source}"', 3),
        (f"dataset.version = {first} and name in (0.png, 3.png)", 1),
    ):
        report = client.create_dataset_from_datalake(
            fresh("set"), SPLIT, item_type="dataset", query=query
        )
        client.wait_for_job_complete(report.job_id, timeout_s=30)
        assert client.datasets.get_version(report.version_id).image_count == count
    with pytest.raises(DataError, match="nothing fits"):
        client.create_dataset_from_datalake(
            fresh("set"),
            SPLIT,
            item_type="dataset",
            query=f'collection = "{name}" and name = 3.png',
        )
    with pytest.raises(DataError, match="must be 'image', 'image_collection' or 'dataset'"):
        client.create_dataset_from_datalake(fresh("set"), SPLIT, item_type="video")
