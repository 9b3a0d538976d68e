"""Versions with augmentations, through the SDK against a real stack; names and splits of their files."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from PIL import Image

from layernext import ImageAnnotations, LayerNextClient, Rectangle
from tests.integration.client.test_datasets import SPLIT, download, fill, fresh, made

LIST = {
    "IMAGE_LEVEL": [
        {"id": "FLIP_IMAGE", "properties": [{"id": "FLIP_HORIZONTAL", "values": [True]}]},
        {"id": "HUE", "properties": [{"id": "HUE_DEGREES", "values": [-40, 40]}]},
    ]
}


def test_pictures_of_the_train_split(client: LayerNextClient, tmp_path: Path) -> None:
    """They are in the version and its downloads, with their annotations, and in no collection."""
    name = fill(client, tmp_path)
    given = copy.deepcopy(LIST)
    version_id = made(client, name, augmentation_list=given, seed=5)
    assert given == LIST, "the caller's list stays as it is"
    version = client.datasets.get_version(version_id)
    assert version.augmentations == ["FLIP_IMAGE.FLIP_HORIZONTAL", "HUE.HUE_DEGREES -40..40"]
    assert (version.image_count, version.picture_count) == (10, 12)
    assert version.splits == {"train": 6, "validation": 2, "test": 2}
    assert len(list(client.items.iter(query=f'collection = "{name}"'))) == 10
    coco = download(client, version_id, "COCO", tmp_path / "coco")
    train = json.loads((coco / "train.json").read_text())
    names = {each["file_name"] for each in train["images"]}
    assert len(names) == 18
    assert names == {path.name for path in (coco / "train2017").iterdir()}
    held_out = {
        p.stem for split in ("test", "validation") for p in (coco / f"{split}2017").iterdir()
    }
    assert len(held_out) == 4
    assert not any(one.split("-")[0] in held_out for one in names if "-" in one)
    flipped = next(one for one in names if one.endswith("-flip-horizontal.png"))
    here = coco / "train2017"
    with (
        Image.open(here / flipped.replace("-flip-horizontal", "")) as source,
        Image.open(here / flipped) as picture,
    ):
        turned = source.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert picture.tobytes() == turned.tobytes()
    image_id = next(each["id"] for each in train["images"] if each["file_name"] == flipped)
    boxes = [each["bbox"] for each in train["annotations"] if each["image_id"] == image_id]
    assert boxes == [[64 - 1 - 30, 2, 30, 40], [64 - 5 - 7, 6, 7, 8]]
    yolo = download(client, version_id, "YOLO Darknet", tmp_path / "yolo")
    text = (yolo / "data" / flipped.replace(".png", ".txt")).read_text().splitlines()
    numbers = [float(each) for each in text[0].split()[1:]]
    assert numbers == pytest.approx([48 / 64, 22 / 48, 30 / 64, 40 / 48])
    assert len((yolo / "train.txt").read_text().split()) == 18
    raw = download(client, version_id, "RAW", tmp_path / "raw")
    assert "12 more pictures" in (raw / "readme.txt").read_text()
    assert len(json.loads((raw / "annotations.json").read_text())["images"]) == 22
    again = made(client, name, augmentation_list=LIST, seed=5)
    twin = download(client, again, "RAW", tmp_path / "twin")
    one, two = (
        {path.name: path.read_bytes() for path in (folder / "data").iterdir()}
        for folder in (raw, twin)
    )
    assert one == two, "the same seed makes the same pictures"
    client.delete_dataset_version(version_id)
    assert len(list((twin / "data").iterdir())) == 22


def test_images_without_a_file_have_no_pictures(client: LayerNextClient, tmp_path: Path) -> None:
    """The version is made all the same, and its job says how many there are."""
    name = fill(client, tmp_path, 2)
    box = Rectangle(label="cup", bbox=(1, 2, 3, 4))
    client.upload_modelrun(name, "run", [ImageAnnotations(image="later.png", annotations=[box])])
    report = client.create_dataset_from_collection(
        fresh("set"), name, {"train": 100, "validation": 0, "test": 0}, augmentation_list=LIST
    )
    client.wait_for_job_complete(report.job_id, timeout_s=30)
    version = client.datasets.get_version(report.version_id)
    assert (version.image_count, version.picture_count) == (3, 4)


def test_names_do_not_clash(client: LayerNextClient, tmp_path: Path) -> None:
    """Of two collections with the same file names, nothing is lost in any download."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    first, second = fill(client, tmp_path / "one", 3), fill(client, tmp_path / "two", 3)
    report = client.create_dataset_from_datalake(
        fresh("set"), SPLIT, query=f"collection in ({first}, {second})",
        export_types=["RAW", "YOLO Darknet", "COCO"],
    )  # fmt: skip
    client.wait_for_job_complete(report.job_id, timeout_s=30)
    wanted = {f"{name}_{number}" for name in (first, second) for number in range(3)}
    yolo = download(client, report.version_id, "YOLO Darknet", tmp_path / "yolo")
    assert {path.stem for path in (yolo / "data").glob("*.png")} == wanted
    assert {path.stem for path in (yolo / "data").glob("*.txt")} == wanted
    raw = download(client, report.version_id, "RAW", tmp_path / "raw")
    images = json.loads((raw / "annotations.json").read_text())["images"]
    assert sorted(each["image"] for each in images) == sorted(f"{one}.png" for one in wanted)
    lists = {
        path.stem: {line.rpartition("_")[2] for line in path.read_text().split()}
        for path in (yolo / f"{split}.txt" for split in SPLIT)
        if path.exists()
    }
    assert sum(map(len, lists.values())) == 3, "the same file in two collections is in one split"


def test_a_file_keeps_its_split_under_another_name(client: LayerNextClient, tmp_path: Path) -> None:
    """What was tested with does not become training data because it was uploaded again."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    first = fill(client, tmp_path / "one", 8)
    base = made(client, first, seed=1)
    second = fill(client, tmp_path / "two", 8)
    report = client.update_dataset_version_from_collection(
        base, second, SPLIT, seed=99, export_types=["YOLO Darknet"]
    )
    client.wait_for_job_complete(report.job_id, timeout_s=30)
    old = download(client, base, "YOLO Darknet", tmp_path / "old")
    new = download(client, report.version_id, "YOLO Darknet", tmp_path / "new")
    for split in SPLIT:
        lines = (sorted((at / f"{split}.txt").read_text().split()) for at in (old, new))
        assert next(lines) == next(lines)
