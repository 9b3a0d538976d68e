"""Boxes in every usual layout, and what is said about the usual mistakes."""

from __future__ import annotations

import uuid
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from layernext import LayerNextClient, Rectangle
from layernext.client.logged_shapes import BoxFormat
from layernext.errors import ConfigurationError, DataError


def fresh() -> str:
    return f"yard-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize(
    ("box_format", "box"),
    [("xywh", [10, 20, 30, 40]), ("xyxy", [10, 20, 40, 60]), ("cxcywh", [25, 40, 30, 40])],
)
def test_box_formats(client: LayerNextClient, box_format: BoxFormat, box: list[float]) -> None:
    """Whatever the layout, the same box is stored."""
    collection = fresh()
    with client.model_run(collection, "run") as run:
        run.log("lists.jpg", boxes=[box], labels=["cup"], format=box_format)
        run.log("array.jpg", boxes=np.array([box], np.float32), labels=["cup"], format=box_format)
    for image in client.iter_annotations(collection, "run"):
        (annotation,) = image.annotations
        assert isinstance(annotation, Rectangle)
        assert annotation.bbox == (10, 20, 30, 40)


class DataFrame:
    """Looks as that of pandas does."""

    columns = ("x", "y", "w", "h")

    def to_numpy(self) -> Any:
        return np.zeros((1, 4))


BOX = {"boxes": [[1, 2, 3, 4]], "labels": ["cup"]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"boxes": [1, 2, 3, 4]}, "boxes: is a single box, must be a list of boxes"),
        ({"boxes": np.array([1, 2, 3, 4])}, "boxes: is a single box, must be a list of boxes"),
        ({"boxes": DataFrame()}, "boxes: is a DataFrame, .*to_numpy"),
        ({"boxes": SimpleNamespace(xyxy=[])}, "boxes: is a SimpleNamespace, .*format='xyxy'"),
        ({"labels": [7]}, r"labels: has the class id 7, must have class names"),
        ({"labels": np.array([7])}, r"labels: has the class id 7, must have class names"),
        ({"confidences": [87]}, "confidence: is 87, .*divide percentages by 100"),
        ({"image": Path("/data/a.jpg")}, "image: is a path, .*path.name, 'a.jpg'"),
        ({"image": "/data/photos/a.jpg"}, "image: is the full path .*such as 'a.jpg'"),
        ({"image": r"C:\photos\a.jpg"}, "image: is the full path .*such as 'a.jpg'"),
        ({"boxes": [[1, 2, -3, 4]]}, r"images\[0\].*width is -3.*image 'a.jpg'"),
        ({"format": "xyxy", "boxes": [[9, 9, 1, 1]]}, r"boxes: is .*is it xywh\? \(image 'a.jpg'"),
    ],
)
def test_mistakes(client: LayerNextClient, fields: dict[str, Any], said: str) -> None:
    """One sentence each, which says what it is and what to do."""
    with client.model_run(fresh(), "run") as run:
        with pytest.raises(DataError, match=said):
            run.log(**{"image": "a.jpg", **BOX, **fields})
        with pytest.raises(ConfigurationError, match="format is 'yxyx', must be"):
            run.log("a.jpg", **BOX, format="yxyx")  # type: ignore[arg-type]


def test_coco_results_as_source(client: LayerNextClient) -> None:
    """A list of COCO results, whose numbers have no names, is refused with both ways to name them."""
    results = [{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}]
    with pytest.raises(DataError, match=r"COCO results.*names=.*format='coco-results'"):
        client.upload_modelrun(fresh(), "run", results)


class Results:
    """As a detector returns them."""

    boxes = None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"boxes": Results()}, r"is a Results, .*boxes=….boxes.xyxy, format='xyxy'"),
        ({"labels": [3.0]}, r"class id 3, .*names\[3\]"),
        ({"labels": ["a\ud800"]}, r"images\[0\].* character U\+D800, which is half of a pair"),
    ],
)
def test_further_mistakes(client: LayerNextClient, fields: dict[str, Any], said: str) -> None:
    """Results of a detector, class ids as numbers with a point, text that cannot be encoded."""
    with (
        client.model_run(fresh(), "run") as run,
        pytest.raises(DataError, match=said),
    ):
        run.log("a.jpg", **{**BOX, **fields})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, r"is a NoneType, must be a file or an iterable of images"),
        ({"images": []}, r"is a dict, .*data\['images'\]"),
        ({"images": [], "categories": []}, "looks like COCO.*format='coco'"),
        ({"image": "a.jpg", "annotations": []}, r"pass a list of them: \[image\]"),
        (
            [{"image": Path("/data/a.jpg"), "annotations": []}],
            r"images\[0\].image: is a path, .*'a.jpg'",
        ),
        ([{"image": "a\ud800.jpg", "annotations": []}], r"images\[0\]: .* U\+D800"),
    ],
)
def test_sources_of_other_kinds(client: LayerNextClient, source: Any, said: str) -> None:
    """What is not a list of images is refused with what to pass instead."""
    with pytest.raises(DataError, match=said):
        client.upload_modelrun(fresh(), "run", source)


def test_source_names_the_image(client: LayerNextClient) -> None:
    """Problems of a source name the image."""
    images = [{"image": "a.jpg", "annotations": [{"type": "rectangle", "label": "cup"}]}]
    with pytest.raises(DataError, match=r"images\[0\].*bbox.*image 'a.jpg'"):
        client.upload_modelrun(fresh(), "run", images)


@pytest.mark.parametrize("normalized", [False, True])
def test_boxes_outside(client: LayerNextClient, normalized: bool) -> None:
    """Boxes that often leave their images are warned about, once a run; others are not."""
    unit = 1.0 if normalized else 100.0
    size = None if normalized else (100, 100)
    wrong = [[0.5 * unit, 0.5 * unit, 0.9 * unit, 0.9 * unit]]
    with client.model_run(fresh(), "run", normalized=normalized) as run:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for number in range(60):
                run.log(f"{number}.jpg", boxes=wrong, labels=["cup"], size=size)
        assert len(caught) == 1
        assert "boxes leave their images" in str(caught[0].message)
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with client.model_run(fresh(), "run", normalized=normalized) as run:
            for number in range(60):
                run.log(f"{number}.jpg", boxes=wrong, labels=["cup"], format="xyxy", size=size)


def test_boxes_outside_pictures(client: LayerNextClient, tmp_path: Path) -> None:
    """Sizes that the stack knows from pictures count, too: in the report, and as a warning if many leave."""
    collection = fresh()
    names = [f"{number}.png" for number in range(30)]
    for name in names:
        Image.new("RGB", (100, 50)).save(tmp_path / name)
    uploaded = client.upload_files_to_collection(str(tmp_path), "image", collection)
    client.jobs.wait(uploaded.job_id)

    def images(far_side: float) -> list[dict[str, Any]]:
        box = {"label": "cup", "bbox": [40, 20, far_side, 30]}
        return [{"image": name, "annotations": [box]} for name in names]

    with pytest.warns(UserWarning, match="30 of 30 boxes leave their images"):
        report = client.upload_modelrun(collection, "corners", images(90), geometry="rectangle")
    ((what, (count, first)),) = report.warnings.items()
    assert (count, first) == (30, "image '0.png'")
    assert "a box that leaves its image" in what
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = client.upload_modelrun(collection, "sides", images(60), geometry="rectangle")
    assert report.warnings == {}
