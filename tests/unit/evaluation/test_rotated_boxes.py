"""Overlaps of rotated boxes are those of shapely, and their averages pycocotools' with these overlaps."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from shapely import Polygon, affinity, box

from layernext.evaluation import Evaluator, rotated_iou
from layernext.evaluation.similarity import bbox_iou
from layernext.evaluation.similarity.rotated_box import PAIRS_AT_ONCE, shared_areas
from layernext.model import EvaluationSettings, rotated_corners
from tests.unit.evaluation.scenes import IMAGE_WH, encoded, scene
from tests.unit.evaluation.test_coco import NAMES


def polygon(x: float, y: float, width: float, height: float, rotation: float) -> Polygon:
    """The box as shapely turns it: clockwise where y points down is counterclockwise where it points up."""
    return affinity.rotate(box(x, y, x + width, y + height), rotation)


def overlap(first, second) -> float:
    """Intersection over union, by shapely."""
    shapes = polygon(*first), polygon(*second)
    inter = shapes[0].intersection(shapes[1]).area
    return inter / (shapes[0].area + shapes[1].area - inter) if inter else 0.0


def boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Boxes that often touch, some of them thin or turned by quarters."""
    corners, sides = rng.uniform(0, 60, (count, 2)), rng.uniform(0.5, 50, (count, 2))
    rotation = rng.choice([0.0, 90.0, -90.0, 180.0, 45.0, *rng.uniform(-720, 720, 20)], count)
    return np.column_stack([corners, sides, rotation])


def test_like_shapely() -> None:
    """Any two boxes, wherever they are in the image."""
    rng = np.random.default_rng(1)
    first, second = boxes(rng, 40), boxes(rng, 50)
    expected = [[overlap(one, other) for other in second] for one in first]
    assert np.count_nonzero(expected) > 500
    np.testing.assert_allclose(rotated_iou(first, second), expected, rtol=0, atol=1e-12)
    far = np.array([100_000.0, 50_000.0, 0, 0, 0])
    np.testing.assert_allclose(rotated_iou(first + far, second + far), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param((3, 4, 30, 10, 33), (3, 4, 30, 10, 33), 1.0, id="same"),
        pytest.param((3, 4, 30, 10, 33), (3, 4, 30, 10, 33 + 360), 1.0, id="a-turn-more"),
        pytest.param((3, 4, 30, 10, 33), (3, 4, 30, 10, 213), 1.0, id="half-a-turn-more"),
        pytest.param((3, 4, 30, 10, 33), (13, -6, 10, 30, 123), 1.0, id="sides-exchanged"),
        pytest.param((0, 0, 10, 10, 0), (2, 2, 6, 6, 30), 0.36, id="inside"),
        pytest.param((0, 0, 10, 10, 0), (10, 0, 10, 10, 0), 0.0, id="side-by-side"),
        pytest.param((0, 0, 10, 10, 45), (20, 0, 10, 10, 45), 0.0, id="apart"),
        pytest.param((0, 0, 0, 10, 20), (0, 0, 0, 10, 20), 0.0, id="no-area"),
        pytest.param((0, 0, 10, 10, 0), (0, 0, 10, 10, 45), math.sqrt(2) / 2, id="octagon"),
    ],
)
def test_special_pairs(first, second, expected) -> None:
    """Boxes whose sides fall together, in both orders; never more than 1."""
    for pair in ((first, second), (second, first)):
        iou = rotated_iou(*(np.array([side], float) for side in pair))[0, 0]
        assert iou == pytest.approx(expected, abs=1e-12)
        assert iou <= 1


def test_upright_boxes_are_boxes() -> None:
    """Without a rotation the numbers are those of rectangles."""
    rng = np.random.default_rng(2)
    first, second = (boxes(rng, 60) * [1, 1, 1, 1, 0] for _ in range(2))
    expected = bbox_iou(first[:, :4], second[:, :4])
    np.testing.assert_allclose(rotated_iou(first, second), expected, rtol=0, atol=1e-12)
    assert rotated_iou(first[:0], second).shape == (0, 60)


def test_many_pairs_are_taken_in_parts() -> None:
    """More pairs than are computed at once give the same areas."""
    rng = np.random.default_rng(3)
    first, second = boxes(rng, 100), boxes(rng, 100)
    repeats = PAIRS_AT_ONCE // 100 + 2
    areas = shared_areas(np.tile(first, (repeats, 1)), np.tile(second, (repeats, 1)))
    np.testing.assert_array_equal(areas, np.tile(shared_areas(first, second), repeats))


def turned(images):
    """A scene of rectangles, each turned somehow; a run's boxes as nearly as its truth's."""
    angles = np.random.default_rng(4)
    for _, truths, said in images:
        by_place = [(one["bbox"], float(angles.uniform(-180, 180))) for one in truths]
        for one in (*truths, *said):
            x, y, w, h = one["bbox"]
            near = min(
                by_place,
                key=lambda entry: math.dist(entry[0], (x, y, w, h)),
                default=(None, 0.0),
            )[1]
            one |= {"type": "rotated_box", "rotation": near + float(angles.normal(0, 4))}
    return images


class Reference(COCOeval):
    """pycocotools, with the overlaps of rotated boxes by shapely."""

    def computeIoU(self, image, category):  # noqa: N802 - pycocotools' name
        truths, said = self._gts[image, category], self._dts[image, category]
        if not truths or not said:
            return []
        order = np.argsort([-one["score"] for one in said], kind="mergesort")
        said = [said[index] for index in order[: self.params.maxDets[-1]]]
        return np.array([[_share(one, truth) for truth in truths] for one in said])


def _share(one, truth) -> float:
    if not truth["iscrowd"]:
        return overlap(one["rotated"], truth["rotated"])
    shape = polygon(*one["rotated"])
    return shape.intersection(polygon(*truth["rotated"])).area / shape.area


def reference(images) -> list[float]:
    """The twelve numbers of pycocotools."""
    labels = sorted({one["label"] for _, *sides in images for side in sides for one in side})
    codes = {label: number for number, label in enumerate(labels, 1)}

    def row(one, image):
        return {
            "image_id": image,
            "category_id": codes[one["label"]],
            "bbox": one["bbox"],
            "rotated": (*one["bbox"], one["rotation"]),
            "area": one["bbox"][2] * one["bbox"][3],
            "iscrowd": one.get("metadata", {}).get("iscrowd", 0),
        }

    truths, said = [], []
    for number, (_, truths_of_image, said_of_image) in enumerate(images, 1):
        truths += [row(one, number) for one in truths_of_image]
        said += [row(one, number) | {"score": one["confidence"]} for one in said_of_image]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(1, len(images) + 1)],
            "categories": [{"id": code, "name": label} for label, code in codes.items()],
            "annotations": [one | {"id": number} for number, one in enumerate(truths, 1)],
        }
        coco.createIndex()
        evaluation = Reference(coco, coco.loadRes(said), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return list(evaluation.stats)


@pytest.mark.parametrize("options", [{"seed": 1}, {"seed": 2, "crowd": 0.2, "ties": True}])
def test_averages_like_pycocotools(options) -> None:
    """AP and AR, overall and by size, with crowds, in one batch and in several."""
    images = turned(scene(images=25, labels=3, **options))
    evaluator = Evaluator(EvaluationSettings(geometry="rotated_box"))
    for name, truths, said in images:
        evaluator.add(name, encoded(name, truths), encoded(name, said), image_wh=IMAGE_WH)
    summary = evaluator.result().summary
    expected = [None if number == -1 else number for number in reference(images)]
    assert summary["AP"] is not None
    assert summary["AP"] > 0.1
    assert [summary[name] for name in NAMES] == pytest.approx(expected, abs=1e-9)


def test_fractions_are_turned_in_pixels() -> None:
    """A box in fractions of an image that is not square overlaps as it does in pixels."""
    pixels = {"type": "rotated_box", "label": "a", "bbox": [100, 100, 200, 50], "rotation": 30}
    fractions = pixels | {"bbox": [0.25, 0.5, 0.5, 0.25]}
    evaluator = Evaluator(EvaluationSettings(geometry="rotated_box"))
    truth = encoded("a", [pixels])
    run = encoded("a", [fractions]).replace(b'{"image"', b'{"isNormalized": true, "image"')
    evaluator.add("a", truth, run, image_wh=(400, 200))
    assert evaluator.result().summary["mean_similarity"] == pytest.approx(1.0, abs=1e-12)


def test_other_kinds_are_left_out_and_counted() -> None:
    """A rectangle is no rotated box; one without its rotation is named."""
    evaluator = Evaluator(EvaluationSettings(geometry="rotated_box"))
    turned_box = {"type": "rotated_box", "label": "a", "bbox": [0, 0, 9, 3], "rotation": 5}
    upright = {"type": "rectangle", "label": "a", "bbox": [0, 0, 9, 3]}
    evaluator.add("a", encoded("a", [turned_box, upright]), encoded("a", [turned_box]))
    result = evaluator.result()
    assert (result.counts["other_geometry"], result.summary["AP"]) == (1, pytest.approx(1.0))
    corners = rotated_corners((0, 0, 9, 3), 5)
    assert polygon(0, 0, 9, 3, 5).exterior.hausdorff_distance(Polygon(corners).exterior) < 1e-12
