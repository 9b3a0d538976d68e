"""What we write is read by others: Datumaro, supervision, pandas; and what they write by us. pycocotools is in test_convert.

A reader counts if it is another's code, so a mistake that our reader and writer share is found.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layernext.formats import ExportOptions, Sample, detect_format, read_format, write_export
from layernext.formats.core.classes import Classes
from layernext.formats.core.sample import points_of
from layernext.model import (
    AttributeValue,
    ImageLabel,
    Keypoint,
    Keypoints,
    Line,
    Mask,
    Points,
    Polygon,
    Rectangle,
    RotatedBox,
    RunLengths,
    Skeleton,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours

SPLITS = ["train", "validation", "test"]
COLORS = {"color": [AttributeValue(value="red")]}


def some_of(photos: Path) -> list[Sample]:
    """Three images with files, one in each split."""
    from PIL import Image

    photos.mkdir(parents=True)
    found = []
    for number, split in enumerate(SPLITS):
        Image.new("RGB", (640, 480)).save(photos / f"img{number}.jpg")
        shapes = [
            Rectangle(label="cup", bbox=(10.5 + number, 20.25, 30, 40), attributes=COLORS),
            Polygon(label="plate", polygon=[(0, 0), (64, 0), (64, 48 + number)]),
            Line(label="edge", line=[(1, 2), (3, 4)]),
            Points(label="dot", points=[(5, 6)]),
        ]
        found.append(
            Sample(image=f"img{number}.jpg", annotations=shapes, width=640, height=480, split=split)
        )
    return found


def read_by_datumaro(root: Path, name: str) -> dict[str, tuple[str, list[tuple[Any, ...]]]]:
    """Subset and shapes of each image: kind, label, rounded coordinates."""
    import datumaro

    data = datumaro.Dataset.import_from(str(root), name)
    labels = data.categories()[datumaro.AnnotationType.label]
    found = {}
    for item in data:
        shapes = []
        for one in item.annotations:
            kind = one.type.name
            given = one.get_bbox() if kind == "bbox" else one.points
            shapes.append((kind, labels[one.label].name, [round(float(x), 3) for x in given]))
        found[item.id] = (item.subset, shapes)
    return found


def test_cvat_is_read_by_datumaro(tmp_path: Path) -> None:
    """All shapes, labels and attributes, split by split."""
    import datumaro

    some = some_of(tmp_path / "cvat" / "images")
    write_export(some, tmp_path / "cvat" / "annotations.xml", "cvat")
    found = read_by_datumaro(tmp_path / "cvat", "cvat")
    assert found["img1"] == ("val", [
        ("bbox", "cup", [11.5, 20.25, 30, 40]),
        ("polygon", "plate", [0, 0, 64, 0, 64, 49]),
        ("polyline", "edge", [1, 2, 3, 4]),
        ("points", "dot", [5, 6]),
    ])  # fmt: skip
    (item,) = datumaro.Dataset.import_from(str(tmp_path / "cvat"), "cvat").get_subset("train")
    assert item.annotations[0].attributes["color"] == "red"


def test_yolo_is_read_by_datumaro(tmp_path: Path) -> None:
    """With the images beside the labels, as `copy_images` lays them."""
    photos = tmp_path / "photos"
    write_export(some_of(photos), tmp_path / "yolo", "yolo", ExportOptions(copy_images=photos))
    found = read_by_datumaro(tmp_path / "yolo", "yolo")
    assert {name: subset for name, (subset, _) in found.items()} == {
        "img0": "train", "img1": "val", "img2": "test",
    }  # fmt: skip
    for number in range(3):
        (box, outline) = found[f"img{number}"][1]
        assert box[:2] == ("bbox", "cup")
        assert box[2] == pytest.approx([10.5 + number, 20.25, 30, 40], abs=2e-3)
        assert outline[2] == pytest.approx([0, 0, 64, 48 + number], abs=2e-3)


def test_voc_is_read_by_datumaro_and_supervision(tmp_path: Path) -> None:
    """VOC counts pixels from 1; its last pixel is in the box, where others see an edge.

    supervision reads it so, as we do; Datumaro takes the corners as they stand.
    """
    import supervision

    photos = tmp_path / "photos"
    write_export(some_of(photos), tmp_path / "voc", "voc", ExportOptions(copy_images=photos))
    found = read_by_datumaro(tmp_path / "voc", "voc_detection")
    assert found["img0"] == ("train", [
        ("bbox", "cup", [11.5, 21.25, 29, 39]), ("bbox", "plate", [1, 1, 63, 47]),
    ])  # fmt: skip
    data = supervision.DetectionDataset.from_pascal_voc(
        str(tmp_path / "voc" / "JPEGImages"), str(tmp_path / "voc" / "Annotations")
    )
    boxes = data.annotations[str(tmp_path / "voc" / "JPEGImages" / "img0.jpg")]
    assert [data.classes[each] for each in boxes.class_id] == ["cup", "plate"]
    assert boxes.xyxy.tolist() == [[10.5, 20.25, 40.5, 60.25], [0, 0, 64, 48]]


def test_coco_is_read_by_datumaro_and_supervision(tmp_path: Path) -> None:
    """Boxes as boxes, outlines as outlines."""
    import supervision

    photos = tmp_path / "coco" / "images" / "train"
    target = tmp_path / "coco" / "annotations" / "instances_train.json"
    write_export(some_of(photos), target, "coco")
    subset, shapes = read_by_datumaro(tmp_path / "coco", "coco_instances")["img2"]
    assert subset == "train"
    assert sorted(shapes) == [
        ("bbox", "cup", [12.5, 20.25, 30, 40]),
        ("bbox", "plate", [0, 0, 64, 50]),
        ("polygon", "plate", [0, 0, 64, 0, 64, 50]),
    ]
    data = supervision.DetectionDataset.from_coco(str(photos), str(target))
    boxes = data.annotations[str(photos / "img2.jpg")]
    assert boxes.xyxy.tolist()[0] == pytest.approx([12.5, 20.25, 42.5, 60.25])


def test_keypoints_go_through_datumaro(tmp_path: Path) -> None:
    """It reads those of our COCO file, with the skeleton, and we read what it makes of them."""
    import datumaro
    from PIL import Image

    (tmp_path / "in" / "images" / "train").mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "in" / "images" / "train" / "a.jpg")
    points: list[Keypoint] = [(1.5, 2, 2), (3, 4, 1), (0, 0, 0)]
    pose = Keypoints(label="person", keypoints=points, bbox=(0, 1, 9, 8))
    skeleton = Skeleton(points=("nose", "eye", "ear"), edges=((0, 1), (0, 2)))
    sample = Sample(image="a.jpg", annotations=[pose], width=64, height=48)
    options = ExportOptions(skeletons={"person": skeleton})
    target = tmp_path / "in" / "annotations" / "person_keypoints_train.json"
    write_export([sample], target, "coco", options)
    data = datumaro.Dataset.import_from(str(tmp_path / "in"), "coco_person_keypoints")
    (item,) = data
    (shape,) = (entry for entry in item.annotations if entry.type.name == "points")
    assert (shape.points, [seen.value for seen in shape.visibility]) == (
        [1.5, 2, 3, 4, 0, 0],
        [2, 1, 0],
    )
    data.export(str(tmp_path / "out"), "datumaro")
    classes = Classes()
    (again,) = read_format(tmp_path / "out", "datumaro", classes=classes)
    poses = [entry for entry in again.annotations if isinstance(entry, Keypoints)]
    assert [entry.keypoints for entry in poses] == [points]
    assert classes.skeletons["person"].points == skeleton.points
    edges = {tuple(sorted(edge)) for edge in classes.skeletons["person"].edges}
    assert edges == set(skeleton.edges)


def masks_with_holes() -> list[Any]:
    """Masks as large as the image: a ring, two parts one of which has a hole, and one up to the edges."""
    import numpy as np

    ring, parts, edges = np.zeros((3, 48, 64), bool)
    ring[5:30, 8:40] = True
    ring[10:20, 15:30] = False
    parts[2:12, 2:12] = parts[30:45, 40:62] = True
    parts[5:7, 5:9] = False
    edges[:] = True
    edges[20:22, 30:31] = False
    return [ring, parts, edges]


def test_masks_of_coco_are_read_alike(tmp_path: Path) -> None:
    """pycocotools, Datumaro and supervision see the pixels that we wrote, holes and parts included."""
    import datumaro
    import numpy as np
    import supervision
    from PIL import Image
    from pycocotools.coco import COCO

    masks = masks_with_holes()
    photos = tmp_path / "coco" / "images" / "train"
    photos.mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(photos / "a.jpg")
    shapes = [Mask(label="cup", mask=RunLengths.from_array(mask)) for mask in masks]
    sample = Sample(image="a.jpg", annotations=[*shapes], width=64, height=48, split="train")
    target = tmp_path / "coco" / "annotations" / "instances_train.json"
    write_export([sample], target, "coco")

    coco = COCO(str(target))
    by_pycocotools = [coco.annToMask(row).astype(bool) for row in coco.loadAnns(coco.getAnnIds())]
    assert np.array_equal(by_pycocotools, masks)
    (item,) = datumaro.Dataset.import_from(str(tmp_path / "coco"), "coco_instances")
    in_order = sorted(item.annotations, key=lambda row: row.id)
    by_datumaro = [row.image for row in in_order if row.type.name == "mask"]
    assert np.array_equal(np.array(by_datumaro, bool), masks)
    data = supervision.DetectionDataset.from_coco(str(photos), str(target), force_masks=True)
    assert np.array_equal(data.annotations[str(photos / "a.jpg")].mask, masks)


def test_yolo_segmentation_is_read_by_supervision(tmp_path: Path) -> None:
    """Outlines become masks of the right place and area."""
    import supervision

    photos, target = tmp_path / "photos", tmp_path / "yolo"
    options = ExportOptions(copy_images=photos)
    write_export(some_of(photos), target, "yolo-segmentation", options)
    data = supervision.DetectionDataset.from_yolo(
        str(target / "images" / "train"),
        str(target / "labels" / "train"),
        str(target / "data.yaml"),
        force_masks=True,
    )
    (found,) = data.annotations.values()
    assert [data.classes[each] for each in found.class_id] == ["cup", "plate"]
    cup, plate = (mask.sum() for mask in found.mask)
    assert cup == pytest.approx(30 * 40, rel=0.1)
    assert plate == pytest.approx(64 * 48 / 2, rel=0.1)


def turned_ships(photos: Path) -> list[Sample]:
    """An image with rotated boxes and a label of its own."""
    from PIL import Image

    photos.mkdir(parents=True)
    Image.new("RGB", (640, 480)).save(photos / "a.jpg")
    shapes = [
        RotatedBox(label="ship", bbox=(100, 200, 80, 20), rotation=30),
        RotatedBox(label="boat", bbox=(300, 100, 40, 10), rotation=100),
        ImageLabel(label="harbor"),
    ]
    return [Sample(image="a.jpg", annotations=shapes, width=640, height=480, split="train")]


def test_yolo_obb_is_read_by_supervision(tmp_path: Path) -> None:
    """The corners of rotated boxes are where we have them."""
    import supervision

    samples = turned_ships(tmp_path / "photos")
    options = ExportOptions(copy_images=tmp_path / "photos")
    write_export(samples, tmp_path / "out", "yolo-obb", options)
    data = supervision.DetectionDataset.from_yolo(
        str(tmp_path / "out/images/train"),
        str(tmp_path / "out/labels/train"),
        str(tmp_path / "out/data.yaml"),
        is_obb=True,
    )
    ((_, _, detections),) = list(data)
    corners = detections.data["xyxyxyxy"].reshape(2, 4, 2)
    for read, shape in zip(corners, samples[0].annotations, strict=False):
        expected = [pytest.approx(point, abs=1) for point in points_of(shape)]
        assert [tuple(map(float, point)) for point in read] == expected
    assert data.classes == ["ship", "boat"]


def test_rotated_boxes_and_tags_of_cvat_are_read_by_datumaro(tmp_path: Path) -> None:
    """The rotation is that of CVAT, and a tag is a label of the image."""
    import datumaro

    samples = turned_ships(tmp_path / "cvat" / "images")
    write_export(samples, tmp_path / "cvat" / "annotations.xml", "cvat")
    data = datumaro.Dataset.import_from(str(tmp_path / "cvat"), "cvat")
    labels = data.categories()[datumaro.AnnotationType.label]
    (item,) = list(data)
    # Center, size and degrees, clockwise.
    boxes = [one.points for one in item.annotations if one.type.name == "rotated_bbox"]
    assert boxes == [[140, 210, 80, 20, 30], [320, 105, 40, 10, 100]]
    tags = [labels[one.label].name for one in item.annotations if one.type.name == "label"]
    assert tags == ["harbor"]


@pytest.mark.parametrize("name", ["parquet", "csv"])
def test_tables_are_read_by_pandas(tmp_path: Path, name: str) -> None:
    """A row for each annotation, numbers as numbers."""
    import pandas as pd

    write_export(some_of(tmp_path / "photos"), tmp_path / f"out.{name}", name)
    table = getattr(pd, f"read_{name}")(tmp_path / f"out.{name}")
    assert table.groupby("split").size().to_dict() == dict.fromkeys(SPLITS, 4)
    boxes = table[table["type"] == "rectangle"]
    assert boxes["x"].tolist() == [10.5, 11.5, 12.5]
    assert boxes["box_height"].sum() == 120


CAT, DOG = (1.0, 2.0, 30.0, 40.0), (0.0, 0.0, 5.0, 6.0)


def written_by_datumaro(root: Path, name: str) -> None:
    """A dataset of two images, one of them without annotations, in two subsets."""
    import datumaro
    import numpy as np

    image = datumaro.Image.from_numpy(np.zeros((80, 100, 3), np.uint8))
    boxes = [
        datumaro.Bbox(*CAT, label=0, id=1, group=1, attributes={"occluded": False}),
        datumaro.Bbox(*DOG, label=1, id=2, group=2),
    ]
    items = [
        datumaro.DatasetItem(id="a", subset="train", media=image, annotations=boxes),
        datumaro.DatasetItem(id="b", subset="val", media=image, annotations=[]),
    ]
    data = datumaro.Dataset.from_iterable(items, categories=["cat", "dog"])
    data.export(str(root), name, save_media=True)


@pytest.mark.parametrize(
    ("name", "detected", "image"),
    [
        ("datumaro", "datumaro", "a.jpg"),
        ("coco_instances", "coco", "a.jpg"),
        ("coco", "coco", "a.jpg"),
        ("voc_detection", "voc", "a.jpg"),
        ("yolo", "yolo", "a.jpg"),
        ("yolo_ultralytics", "yolo", "a.jpg"),
        ("cvat", "cvat", "a.jpg"),
        ("label_me", "voc", "train/a.jpg"),
        ("mot_seq_gt", "mot", "000001.jpg"),
        ("kitti_detection", "kitti", "a.png"),
    ],
)
def test_what_datumaro_writes(tmp_path: Path, name: str, detected: str, image: str) -> None:
    """Every format that Datumaro writes and we read has the same boxes, names and splits."""
    written_by_datumaro(tmp_path / "out", name)
    assert detect_format(tmp_path / "out") == detected
    samples = list(read_format(tmp_path / "out", detected))
    first = next(sample for sample in samples if sample.annotations)
    assert first.image == image
    boxes = [(each.label, each.bbox) for each in first.annotations if isinstance(each, Rectangle)]
    assert boxes == [("cat", pytest.approx(CAT)), ("dog", pytest.approx(DOG))]
    if name not in {"label_me", "mot_seq_gt"}:
        assert first.split == "train"
    if name not in {"mot_seq_gt", "kitti_detection", "coco"}:
        (empty,) = (sample for sample in samples if not sample.annotations)
        assert empty.image == image.replace("a.", "b.").replace("train", "val")
