"""COCO as Python writers leave it."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from layernext.errors import ConfigurationError, DataError, FormatError
from layernext.formats import (
    Losses,
    Sample,
    Scores,
    convert,
    detect_format,
    read_format,
    write_export,
)
from layernext.model import Annotation, Mask, Polygon, Rectangle, RunLengths, counts_of

OUTLINE = [[1, 1, 10, 1, 10, 10]]


def read(folder: Path, losses: Losses | None = None, **annotation: Any) -> list[Annotation]:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, **annotation},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
        ],
    }
    (folder / "a.json").write_text(json.dumps(content))
    (sample,) = read_format(folder / "a.json", "coco", losses=losses)
    return list(sample.annotations)


@pytest.mark.parametrize(("value", "metadata"), [(False, {}), (None, {}), (True, {"iscrowd": 1})])
def test_crowd_of_another_type(tmp_path: Path, value: Any, metadata: dict[str, Any]) -> None:
    """``iscrowd`` may be true, false or null, as for COCO's tools."""
    first, _ = read(tmp_path, bbox=[1, 2, 3, 4], iscrowd=value)
    assert first == Rectangle(label="cat", bbox=(1, 2, 3, 4), metadata=metadata)


@pytest.mark.parametrize("box", [[], None], ids=repr)
def test_polygon_without_a_box(tmp_path: Path, box: Any) -> None:
    """A polygon needs no box."""
    first, _ = read(tmp_path, bbox=box, segmentation=OUTLINE)
    assert first == Polygon(label="cat", polygon=[(1, 1), (10, 1), (10, 10)])


def test_annotation_without_a_shape(tmp_path: Path) -> None:
    """An annotation without a geometry is named as a loss, and the others are read."""
    losses = Losses()
    assert read(tmp_path, losses, bbox=None) == [Rectangle(label="cat", bbox=(1, 2, 3, 4))]
    what = "an annotation without a box and without a single polygon"
    assert losses.counts == {what: (1, f"{tmp_path / 'a.json'}: annotations[0]")}
    assert losses.shapes == 1


def content(**more: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 20]}],
    } | more


def saved(folder: Path, value: Any, name: str = "a.json") -> Path:
    (folder / name).write_text(json.dumps(value))
    return folder / name


@pytest.mark.parametrize(
    ("image_id", "named"),
    [("img_a", "img_a"), ("324158", "324158"), ("324158", 324158), (1.0, 1), (1, 1.0), ("007", "007"), (-1, "-1")],
)  # fmt: skip
def test_ids_of_any_type(tmp_path: Path, image_id: Any, named: Any) -> None:
    """Ids join the lists, whether they are numbers or strings."""
    value = content()
    value["images"][0] |= {"id": image_id, "width": 100.0}
    value["categories"][0]["id"] = value["annotations"][0]["category_id"] = f"c{image_id}"
    value["annotations"][0]["image_id"] = named
    if named == "-1":
        value["annotations"][0]["image_id"] = -1
    (sample,) = read_format(saved(tmp_path, value), "coco")
    assert sample.annotations == [Rectangle(label="cat", bbox=(10, 10, 50, 20))]
    assert (sample.width, sample.height) == (100, 80)


def test_ids_come_back(tmp_path: Path) -> None:
    """Ids of images and categories, their order and unused categories are kept on the way back."""
    value = content()
    value["images"] = [
        {"id": 9, "file_name": "b.jpg"}, {"id": "x", "file_name": "a.jpg"}, {"id": 1, "file_name": "c.jpg"},
    ]  # fmt: skip
    value["categories"] = [
        {"id": 7, "name": "z"}, {"id": 0, "name": "cat"}, {"id": 3, "name": "unused"},
    ]  # fmt: skip
    value["annotations"][0] |= {"image_id": "x", "category_id": 0}
    convert(saved(tmp_path, value), tmp_path / "out.json", "coco")
    again = json.loads((tmp_path / "out.json").read_text())
    assert [(image["id"], image["file_name"]) for image in again["images"]] == [
        (9, "b.jpg"), ("x", "a.jpg"), (1, "c.jpg"),
    ]  # fmt: skip
    assert again["categories"] == value["categories"]
    assert again["annotations"][0] | {"id": 1} == {
        "id": 1, "image_id": "x", "category_id": 0, "bbox": [10, 10, 50, 20], "iscrowd": 0, "area": 1000,
        "segmentation": [],
    }  # fmt: skip


def test_class_numbers_do_not_depend_on_what_is_used(tmp_path: Path) -> None:
    """Two files of the same categories get the same class numbers in YOLO."""
    names = ["plate", "zero", "one", "unused"]
    value = content(categories=[{"id": code, "name": name} for code, name in enumerate(names)])
    for number, codes in enumerate(([2, 0, 1], [1, 2])):
        value["annotations"] = [
            {"id": code, "image_id": 1, "category_id": code, "bbox": [1, 1, 10, 10]}
            for code in codes
        ]
        convert(saved(tmp_path, value), tmp_path / str(number), "yolo")
        text = (tmp_path / str(number) / "labels" / "train" / "a.txt").read_text()
        assert [int(line.split()[0]) for line in text.splitlines()] == codes
        listed = "".join(f'  {code}: "{name}"\n' for code, name in enumerate(names))
        assert f"names:\n{listed}" in (tmp_path / str(number) / "data.yaml").read_text()


def test_two_images_of_one_name(tmp_path: Path) -> None:
    """They would become one; both are named."""
    value = content()
    value["images"].append({"id": 2, "file_name": "a.jpg"})
    message = r"images\[1\]\.file_name: 'a.jpg' appears twice: images\[0\]"
    with pytest.raises(FormatError, match=message):
        list(read_format(saved(tmp_path, value), "coco"))
    image = {"image": "a.jpg", "annotations": []}
    path = saved(tmp_path, {"images": [image, image]})
    with pytest.raises(DataError, match=r"a\.jpg: is the name of two images"):
        convert(path, tmp_path / "out.csv", "coco")


def test_every_problem_is_listed(tmp_path: Path) -> None:
    """All of them, each with its place; or the good annotations with `skip_invalid`."""
    value = content()
    good = value["annotations"][0]
    value["annotations"] = [
        good | {"bbox": [10, 10, -5, 9]}, good | {"category_id": 5}, good | {"score": 59}, good | {"image_id": 9},
        good | {"bbox": "x"}, {"category_id": 1}, good,
    ]  # fmt: skip
    path = saved(tmp_path, value)
    with pytest.raises(FormatError) as refusal:
        convert(path, tmp_path / "out.json", "layernext")
    assert not (tmp_path / "out.json").exists()
    places = {problem.where.partition(": ")[2] for problem in refusal.value.problems}
    assert places == {
        "annotations[0].bbox", "annotations[1].category_id", "annotations[2].score", "annotations[3].image_id",
        "annotations[4]", "annotations[5]",
    }  # fmt: skip
    report = convert(path, tmp_path / "out.json", "layernext", skip_invalid=True)
    assert (report.annotations, report.skipped, len(report.problems)) == (1, 6, 6)


def test_problems_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    """After a hundred the reading ends."""
    value = content()
    value["annotations"] = [value["annotations"][0] | {"category_id": 5}] * 1000
    with pytest.raises(FormatError) as refusal:
        list(read_format(saved(tmp_path, value), "coco"))
    assert (len(refusal.value.problems), refusal.value.more) == (100, True)


def test_scores_that_are_not_confidences(tmp_path: Path) -> None:
    """Percent and logits are refused with the fix, and read with it."""
    value = content()
    value["annotations"][0]["score"] = 59
    path = saved(tmp_path, value)
    with pytest.raises(FormatError, match="--scale-confidence 100 for percent, or sigmoid"):
        list(read_format(path, "coco"))
    for scale, confidence in ((100, 0.59), ("100", 0.59), ("sigmoid", 1 / (1 + math.exp(-59)))):
        (sample,) = read_format(path, "coco", scores=Scores.parse(scale))
        assert sample.annotations[0].confidence == pytest.approx(confidence)
    for scale in ("0", "-1", "x", "nan", "inf"):
        with pytest.raises(ConfigurationError, match="a number above 0, or sigmoid"):
            Scores.parse(scale)


def test_unknown_keys_are_the_users(tmp_path: Path) -> None:
    """Keys of an annotation that COCO does not have become metadata, and come back."""
    value = content()
    more = {"keypoint": [1, 2, 2], "num_keypoints": 0, "track_id": 7, "custom": {"a": [None]}}
    value["annotations"][0] |= more
    losses = Losses()
    (sample,) = read_format(saved(tmp_path, value), "coco", losses=losses)
    assert sample.annotations[0].metadata == more
    assert losses.counts == {}
    convert(tmp_path / "a.json", tmp_path / "out.json", "coco")
    (again,) = read_format(tmp_path / "out.json", "coco")
    assert again.annotations[0].metadata == more


def test_results_of_ultralytics(tmp_path: Path) -> None:
    """``predictions.json`` names images by their file, or by their name without extension."""
    value = content()
    value["images"] = [
        {"id": 1, "file_name": "sub/a.jpg"}, {"id": 2, "file_name": "000139.jpg"}, {"id": 139, "file_name": "b.jpg"},
    ]  # fmt: skip
    instances = saved(tmp_path, value)
    result = {"category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    results = [
        result | {"image_id": "a"}, result | {"image_id": 139, "file_name": "000139.jpg"},
        result | {"image_id": 139}, result | {"image_id": "139"},
    ]  # fmt: skip
    path = saved(tmp_path, results, "predictions.json")
    samples = list(read_format(path, "coco-results", instances=instances))
    assert [(sample.image, len(sample.annotations)) for sample in samples] == [
        ("sub/a.jpg", 1), ("000139.jpg", 1), ("b.jpg", 2),
    ]  # fmt: skip
    assert not any(annotation.metadata for sample in samples for annotation in sample.annotations)


def test_unknown_category_of_results(tmp_path: Path) -> None:
    """A category that the instances do not have is named, with those that they have."""
    instances = saved(tmp_path, content())
    result = {"image_id": 1, "category_id": 80, "bbox": [1, 2, 3, 4], "score": 0.5}
    path = saved(tmp_path, [result, result | {"category_id": 1}], "results.json")
    message = r"\[0\]\.category_id: there is no category 80; there are 1, from 1 to 1"
    with pytest.raises(FormatError, match=message):
        list(read_format(path, "coco-results", instances=instances))
    (sample,) = read_format(path, "coco-results", instances=instances, skip_invalid=True)
    assert len(sample.annotations) == 1


def rle_of(mask: Any) -> Any:
    from pycocotools import mask as coco_masks

    encoded = coco_masks.encode(np.asfortranarray(mask.astype("uint8")))
    return encoded | {"counts": encoded["counts"].decode()}


def pixels_of(annotation: Annotation, height: int, width: int) -> Any:
    """The pixels that the tool of others sees in a polygon."""
    from pycocotools import mask as coco_masks

    assert isinstance(annotation, Polygon)
    flat = [number for point in annotation.polygon for number in point]
    encoded = coco_masks.merge(coco_masks.frPyObjects([flat], height, width))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools and numpy 2
        return coco_masks.decode(encoded)


@pytest.mark.parametrize("kind", ["string", "numbers"])
@pytest.mark.parametrize("crowd", [0, 1])
def test_masks_come_back_as_written(tmp_path: Path, kind: str, crowd: int) -> None:
    """A mask is read as one and written with the same counts, string or numbers, crowd or not."""
    pixels = np.kron(np.random.default_rng(1).random((8, 10)) < 0.5, np.ones((10, 10)))
    segmentation = rle_of(pixels)
    if kind == "numbers":
        segmentation["counts"] = counts_of(RunLengths((80, 100), segmentation["counts"]))
    fields = {"segmentation": segmentation, "iscrowd": crowd, "area": int(pixels.sum())}
    losses = Losses()
    found, _ = read(tmp_path, losses, bbox=[0, 0, 100, 80], **fields)
    sample = Sample(image="a.png", width=100, height=80, annotations=[found])
    assert isinstance(found, Mask)
    assert found.mask == RunLengths((80, 100), segmentation["counts"])
    assert found.metadata == ({"iscrowd": 1} if crowd else {})
    assert losses.counts == {}
    assert write_export([sample], tmp_path / "out.json", "coco").losses == {}
    (written,) = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert written["segmentation"] == segmentation
    assert {name: written[name] for name in ("iscrowd", "area", "bbox")} == {
        "iscrowd": crowd, "area": pixels.sum(), "bbox": [0, 0, 100, 80],
    }  # fmt: skip


def test_box_and_area_of_a_mask_that_are_not_its_own(tmp_path: Path) -> None:
    """The box head of a model says something else than its mask head: both are kept."""
    pixels = np.zeros((80, 100), bool)
    pixels[10:20, 10:30] = True
    given = {"bbox": [9.5, 9, 22, 12.25], "area": 190.5, "segmentation": rle_of(pixels)}
    first, _ = read(tmp_path, **given)
    assert first.metadata == {"bbox": [9.5, 9.0, 22.0, 12.25], "area": 190.5}
    sample = Sample(image="a.png", width=100, height=80, annotations=[first])
    write_export([sample], tmp_path / "out.json", "coco")
    (written,) = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert {name: written[name] for name in given} == given
    assert "metadata" not in written


@pytest.mark.parametrize(
    ("segmentation", "where", "message"),
    [
        ({"size": [9, 9], "counts": "7"}, "counts", "sums to 7 pixels"),
        (
            {"size": [9, 9], "counts": [81]},
            "size",
            "is 9 x 9 pixels, that of the image is 100 x 80",
        ),
        ({"counts": [81]}, "size", "is missing"),
    ],
)
def test_wrong_masks(tmp_path: Path, segmentation: Any, where: str, message: str) -> None:
    """A mask that is none, or not of its image, is refused with its place."""
    place = rf"annotations\[0\]\.segmentation\.{where}: {message}"
    with pytest.raises(FormatError, match=place):
        read(tmp_path, segmentation=segmentation)


def test_objects_of_several_outlines(tmp_path: Path) -> None:
    """The outlines are parts of one polygon, and come back as they were."""
    parts = [[10, 10, 30, 10, 30, 30.5, 10, 30], [50, 10, 70, 10, 70, 20, 50, 20]]
    losses = Losses()
    first, _ = read(tmp_path, losses, segmentation=[*parts, [1, 2, 3, 4]], bbox=[10, 10, 60, 20.5])
    assert isinstance(first, Polygon)
    assert first.polygon == []
    assert first.parts == [[[*zip(part[::2], part[1::2], strict=True)]] for part in parts]
    assert list(losses.counts) == ["an outline of one or two points"]
    sample = Sample(image="a.png", width=100, height=80, annotations=[first])
    assert write_export([sample], tmp_path / "out.json", "coco").losses == {}
    (written,) = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert written["segmentation"] == parts
    assert written["bbox"] == [10, 10, 60, 20.5]
    assert written["area"] == 605


def test_holes_are_joined_to_their_outline(tmp_path: Path) -> None:
    """COCO's outlines have no holes: one that is joined covers the same pixels, and is named."""
    outer = [(10, 10), (50, 10), (50, 40), (10, 40)]
    hole = [(20, 20), (30, 20), (30, 30), (20, 30)]
    ring = Polygon(label="cat", parts=[[outer, hole]])
    sample = Sample(image="a.png", width=100, height=80, annotations=[ring])
    report = write_export([sample], tmp_path / "out.json", "coco")
    assert list(report.losses) == ["the holes of a polygon; its joined outline is"]
    (back,) = read_format(tmp_path / "out.json", "coco")
    assert pixels_of(back.annotations[0], 80, 100).sum() == 40 * 30 - 10 * 10


def test_flat_segmentation(tmp_path: Path) -> None:
    """An outline without the list around it can be nothing else."""
    first, _ = read(tmp_path, segmentation=[1, 1, 10, 1, 10, 10], bbox=[1, 1, 9, 9])
    assert first == Polygon(label="cat", polygon=[(1, 1), (10, 1), (10, 10)])


def test_panoptic(tmp_path: Path) -> None:
    """The box of each segment is read; its pixels, which are in a PNG, are named as a loss."""
    segments = [{"id": 5, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0, "area": 9}]
    value = content(annotations=[{"image_id": 1, "file_name": "a.png", "segments_info": segments}])
    losses = Losses()
    (sample,) = read_format(saved(tmp_path, value), "coco", losses=losses)
    assert sample.annotations == [Rectangle(label="cat", bbox=(1, 2, 3, 4))]
    assert losses.shapes == 1


def test_panoptic_with_its_png(tmp_path: Path) -> None:
    """The pixels of a segment's color are its mask; a segment that has none is its box, and named."""
    ids = np.zeros((80, 100), np.uint32)
    ids[10:20, 30:50] = 5 + 256 * 7 + 65536 * 9
    ids[15:18, 35:40] = 6
    colors = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
    (tmp_path / "a").mkdir()
    Image.fromarray(colors).save(tmp_path / "a" / "seg.png")
    segments = [
        {"id": int(ids[10, 30]), "category_id": 1, "bbox": [30, 10, 20, 10], "iscrowd": 0, "area": 185},
        {"id": 6, "category_id": 1, "bbox": [35, 15, 5, 3], "iscrowd": 1, "area": 15},
        {"id": 77, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0, "area": 12},
    ]  # fmt: skip
    value = content(
        annotations=[{"image_id": 1, "file_name": "seg.png", "segments_info": segments}]
    )
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value))
    losses = Losses()
    (sample,) = read_format(path, "coco", losses=losses)
    first, second, third = sample.annotations
    assert isinstance(first, Mask)
    assert isinstance(second, Mask)
    assert (first.mask.to_array() == (ids == ids[10, 30])).all()
    assert (second.mask.to_array() == (ids == 6)).all()
    assert (first.metadata, second.metadata) == ({}, {"iscrowd": 1})
    assert third == Rectangle(label="cat", bbox=(1, 2, 3, 4))
    assert losses.shapes == 1
    (tmp_path / "a" / "seg.png").write_bytes(b"no image")
    with pytest.raises(
        FormatError, match=r"annotations\[0\]\.file_name: .*seg\.png is not a readable PNG"
    ):
        list(read_format(path, "coco"))


def test_lvis_names_images_by_url(tmp_path: Path) -> None:
    """LVIS has a URL in place of the file name."""
    value = content()
    del value["images"][0]["file_name"]
    value["images"][0]["coco_url"] = "http://images.cocodataset.org/train2017/000000391895.jpg"
    (sample,) = read_format(saved(tmp_path, value), "coco")
    assert sample.image == "000000391895.jpg"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """A byte order mark is skipped, and UTF-16 is read."""
    text = json.dumps(
        content(categories=[{"id": 1, "name": "K\u00e4fer \u732b"}]), ensure_ascii=False
    )
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    (tmp_path / "a.json").write_bytes(mark + text.encode(encoding))
    assert detect_format(tmp_path / "a.json") == "coco"
    (sample,) = read_format(tmp_path / "a.json", "coco")
    assert sample.annotations[0].label == "K\u00e4fer \u732b"
