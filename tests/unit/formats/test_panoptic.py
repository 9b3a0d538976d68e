"""COCO panoptic: things are masks, stuff is semantic masks; Pillow and pycocotools read what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco

from layernext.errors import DataError
from layernext.evaluation import evaluate_files, find_geometry
from layernext.formats import Sample, convert, detect_format, read_format, write_export
from layernext.formats.core.losses import Losses
from layernext.formats.core.painting import visible
from layernext.model import (
    Annotation,
    EvaluationSettings,
    Mask,
    Polygon,
    Rectangle,
    RunLengths,
    SemanticMask,
    masks_of_map,
)

IDS = np.array([[1, 1, 2, 2, 0], [1, 1, 2, 300, 300], [5, 5, 5, 300, 300]])
"""Two kinds of stuff, a thing, a crowd of things, and a void pixel."""


def dataset(folder: Path, segments: list[dict[str, Any]], categories: list[dict[str, Any]]) -> Path:
    """A JSON file and its folder of PNGs, as those of COCO."""
    (folder / "panoptic").mkdir()
    pixels = np.stack([IDS % 256, IDS // 256 % 256, IDS // 65536], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "panoptic" / "a.png")
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 5, "height": 3}],
        "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": segments}],
        "categories": categories,
    }
    (folder / "panoptic.json").write_text(json.dumps(content))
    return folder / "panoptic.json"


SEGMENTS = [
    {"id": 1, "category_id": 1, "area": 4, "bbox": [0, 0, 2, 2], "iscrowd": 0},
    {"id": 2, "category_id": 2, "area": 3, "bbox": [2, 0, 2, 2], "iscrowd": 0},
    {"id": 5, "category_id": 1, "area": 3, "bbox": [0, 2, 3, 1], "iscrowd": 0},
    {"id": 300, "category_id": 3, "area": 4, "bbox": [3, 1, 2, 2], "iscrowd": 1},
]
CATEGORIES = [
    {"id": 1, "name": "grass", "isthing": 0},
    {"id": 2, "name": "dog", "isthing": 1},
    {"id": 3, "name": "person", "isthing": 1},
]


def test_stuff_is_semantic_masks_and_things_are_masks(tmp_path: Path) -> None:
    """Segments of stuff with one label are one semantic mask, which is named; written again they are the same."""
    path = dataset(tmp_path, SEGMENTS, CATEGORIES)
    losses = Losses()
    (sample,) = read_format(path, "coco", losses=losses)
    grass, dog, people = sample.annotations
    assert isinstance(grass, SemanticMask)
    assert isinstance(dog, Mask)
    assert isinstance(people, Mask)
    assert (grass.mask.to_array() == ((IDS == 1) | (IDS == 5))).all()
    assert (dog.mask.to_array() == (IDS == 2)).all()
    assert people.metadata == {"iscrowd": 1}
    assert [*losses.counts] == ["that stuff of a label has several segments"]
    report = convert(path, tmp_path / "out", "coco-panoptic")
    assert [*report.losses] == ["that stuff of a label has several segments"]
    assert detect_format(tmp_path / "out") == "coco"
    for name in ("coco", "coco-panoptic"):
        (again,) = read_format(tmp_path / "out", name)
        assert again.annotations == sample.annotations
    written = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    assert written["categories"] == CATEGORIES


def test_without_a_flag_or_pixels(tmp_path: Path) -> None:
    """Categories that do not say what they are are things; stuff without its PNG is no box, and is named."""
    unknown = [{"id": 1, "name": "grass"}, *CATEGORIES[1:]]
    path = dataset(tmp_path, SEGMENTS, unknown)
    (sample,) = read_format(path, "coco")
    assert {type(one) for one in sample.annotations} == {Mask}
    path.write_text(path.read_text().replace('"name": "grass"', '"name": "grass", "isthing": 0'))
    (tmp_path / "panoptic" / "a.png").unlink()
    losses = Losses()
    (sample,) = read_format(path, "coco", losses=losses)
    assert [type(one) for one in sample.annotations] == [Rectangle, Rectangle]
    assert losses.counts["the pixels of a panoptic segment of stuff"][0] == 2


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever does not overlap comes back; the PNG has each segment's pixels, as many as the JSON says."""
    rows = st.lists(st.integers(0, 5), min_size=6, max_size=6)
    ids = np.array(data.draw(st.lists(rows, min_size=5, max_size=5)))
    confidences = st.none() | st.floats(0, 1)
    annotations: list[Annotation] = []
    for number, mask in masks_of_map(ids).items():
        fields: dict[str, Any] = {"mask": mask, "confidence": data.draw(confidences)}
        if number in {1, 2}:
            annotations.append(SemanticMask(label=f"stuff {number}", **fields))
        elif number:
            annotations.append(Mask(label="thing", metadata={"track": number}, **fields))
    samples = [
        Sample(image=f"{folder}/a.jpg", annotations=annotations, width=6, height=5, id=number)
        for number, folder in enumerate(("cam 1", "cam 2"), 1)
    ]
    target = tmp_path_factory.mktemp("panoptic") / "out"
    report = write_export(samples, target, "coco-panoptic")
    assert not report.losses
    assert list(read_format(target, "coco-panoptic")) == samples
    content = json.loads((target / "panoptic.json").read_text())
    for entry in content["annotations"]:
        with Image.open(target / "panoptic" / entry["file_name"]) as image:
            pixels = np.asarray(image).astype(int) @ [1, 256, 65536]
        for segment, one in zip(entry["segments_info"], annotations, strict=True):
            packed = coco.encode(np.asfortranarray((pixels == segment["id"]).astype(np.uint8)))
            assert packed["counts"].decode() == one.mask.counts  # type: ignore[union-attr]
            assert segment["area"] == coco.area(packed)
            assert segment["bbox"] == coco.toBbox(packed).tolist()


def test_what_overlaps_and_what_has_no_pixels(tmp_path: Path) -> None:
    """Confident masks cover others, and masks semantic masks; boxes are refused, outlines drawn; all is named."""
    left, right = np.zeros((4, 8), bool), np.zeros((4, 8), bool)
    left[:, :5], right[:, 3:] = True, True
    annotations: list[Annotation] = [
        Mask(label="car", confidence=0.9, mask=RunLengths.from_array(right)),
        Mask(label="car", confidence=0.5, mask=RunLengths.from_array(left)),
        SemanticMask(label="road", mask=RunLengths.from_array(left | right)),
        Rectangle(label="car", bbox=(0, 0, 1, 1)),
        Polygon(label="dot", confidence=1, polygon=[(0, 0), (2, 0), (2, 2), (0, 2)]),
    ]
    sample = Sample(image="a.jpg", annotations=annotations, width=8, height=4)
    report = write_export([sample], tmp_path / "out", "coco-panoptic")
    assert {what: count for what, (count, _) in report.losses.items()} == {
        "pixels of a segment that another one covers": 2,
        "a segment without pixels": 1,
        "the geometry rectangle": 1,
        "the outline of a polygon; its pixels are": 1,
    }
    (back,) = read_format(tmp_path / "out", "coco-panoptic")
    areas = {
        (one.label, one.confidence): int(one.mask.to_array().sum())
        for one in back.annotations
        if isinstance(one, Mask)
    }
    assert areas == {("car", 0.9): 20, ("car", 0.5): 8, ("dot", 1): 4}
    wrong = Mask(label="car", mask=RunLengths((1, 1), [1]))
    with pytest.raises(DataError, match="its mask has 1 x 1 pixels, its image 8 x 4"):
        write_export(
            [Sample(image="a", annotations=[wrong], width=8, height=4)],
            tmp_path / "wrong",
            "coco-panoptic",
        )


@given(st.lists(st.booleans(), max_size=30), st.lists(st.booleans(), max_size=30))
def test_visible_runs(first: list[bool], second: list[bool]) -> None:
    """By single pixels."""

    def runs(pixels: list[bool]) -> list[tuple[int, int]]:
        starts = [i for i, value in enumerate(pixels) if value and not (i and pixels[i - 1])]
        ends = [
            i + 1
            for i, value in enumerate(pixels)
            if value and (i + 1 == len(pixels) or not pixels[i + 1])
        ]
        return list(zip(starts, ends, strict=True))

    covered = {i for i, value in enumerate(second) if value}
    expected = [value and i not in covered for i, value in enumerate(first)]
    assert visible(runs(first), runs(second)) == runs(expected)


def test_quality_of_files(tmp_path: Path) -> None:
    """A file measured against itself is perfect, crowds and stuff included; another label is not."""
    path = dataset(tmp_path, SEGMENTS, CATEGORIES)
    panoptic = EvaluationSettings(geometry="semantic_mask", protocol="panoptic")
    result = evaluate_files(path, path, panoptic)
    assert (result.summary["PQ"], result.summary["PQ_stuff"]) == (1, 1)
    assert result.counts["ignored_truths"] == 1
    other = tmp_path / "panoptic" / "other.json"
    (tmp_path / "panoptic" / "other").mkdir()
    (tmp_path / "panoptic" / "a.png").rename(tmp_path / "panoptic" / "other" / "a.png")
    (tmp_path / "panoptic" / "a.png").write_bytes(
        (tmp_path / "panoptic" / "other" / "a.png").read_bytes()
    )
    other.write_text(path.read_text().replace('"name": "dog"', '"name": "cat"'))
    changed = evaluate_files(path, other, panoptic)
    assert changed.summary["PQ_stuff"] == 1
    assert changed.summary["PQ_things"] == 0
    semantic = evaluate_files(path, other, EvaluationSettings(geometry="semantic_mask"))
    assert semantic.summary["mIoU"] == 1


def test_panoptic_quality_needs_no_geometry(tmp_path: Path) -> None:
    """It takes masks, so a ground truth whose first annotation is one is measured as label maps are."""
    path = dataset(tmp_path, SEGMENTS[1:], CATEGORIES)
    assert find_geometry(path) == "mask"
    assert find_geometry(path, protocol="panoptic") == "semantic_mask"
    assert find_geometry(path, protocol="semantic") == "mask", "which is then refused by name"
