"""Rotated boxes, labels of images and keypoints, evaluated and compared by a stack as they are from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layernext import (
    ImageAnnotations,
    ImageLabel,
    Keypoints,
    LabelClass,
    LayerNextClient,
    RotatedBox,
    Skeleton,
)
from layernext.evaluation import Evaluator
from layernext.model import EvaluatedGeometry, EvaluationSettings
from tests.integration.client.test_round_trip import fresh


def ships(shift: float) -> list[ImageAnnotations]:
    """Turned boxes, moved a little."""
    random = np.random.default_rng(2)
    images = []
    for number in range(6):
        boxes = [
            RotatedBox(
                label="ship",
                bbox=(*(random.uniform(0, 300, 2) + shift).tolist(), 60, 15),
                rotation=float(random.uniform(-180, 180)) + shift,
                confidence=float(random.uniform(0.2, 1)),
            )
            for _ in range(4)
        ]
        images.append(ImageAnnotations(image=f"{number}.jpg", annotations=boxes))
    return images


def weather(sharpness: float) -> list[ImageAnnotations]:
    """A distribution over three labels for each image; the truth is the image's number."""
    random = np.random.default_rng(3)
    images = []
    for number in range(12):
        scores = random.random(3)
        scores[number % 3] += sharpness
        scores /= scores.sum()
        labels = [
            ImageLabel(label=label, confidence=float(score))
            for label, score in zip(("fog", "rain", "sun"), scores, strict=True)
        ]
        images.append(ImageAnnotations(image=f"{number}.jpg", annotations=labels))
    return images


def people(shift: float) -> list[ImageAnnotations]:
    """Poses of four points, moved a little; one point is hidden, one not labeled."""
    random = np.random.default_rng(4)
    images = []
    for number in range(6):
        poses = []
        for _ in range(3):
            corner = random.uniform(0, 300, 2)
            places = corner + random.uniform(0, 60, (4, 2)) + random.normal(0, 1 + shift, (4, 2))
            seen = zip(places.tolist(), (2, 1, 0, 2), strict=True)
            pose = Keypoints(
                label="person",
                keypoints=[(x, y, visibility) for (x, y), visibility in seen],
                bbox=(*corner.tolist(), 60, 60),
                confidence=float(random.uniform(0.2, 1)),
            )
            poses.append(pose)
        images.append(ImageAnnotations(image=f"{number}.jpg", annotations=poses))
    return images


SIGMAS = (0.05, 0.1, 0.2, 0.15)
SKELETON = Skeleton(points=("a", "b", "c", "d"), edges=((0, 1),), sigmas=SIGMAS)


def true_weather() -> list[ImageAnnotations]:
    labels = ("fog", "rain", "sun")
    return [
        ImageAnnotations(image=f"{number}.jpg", annotations=[ImageLabel(label=labels[number % 3])])
        for number in range(12)
    ]


CASES: dict[str, Any] = {
    "rotated_box": (ships(0), ships(3), ships(1), "AP"),
    "keypoints": (people(0), people(8), people(2), "AP"),
    "image_label": (true_weather(), weather(0.3), weather(3.0), "accuracy"),
}


@pytest.mark.parametrize("geometry", CASES)
def test_the_stack_measures_as_files_are(
    client: LayerNextClient, geometry: EvaluatedGeometry, tmp_path: Path
) -> None:
    """The evaluation of a stack is that of this process, number by number; the better run is better."""
    truth, first, second, main = CASES[geometry]
    collection = fresh()
    client.upload_modelrun(collection, "truth", truth, ground_truth=True, progress=False)
    for run, images in (("first", first), ("second", second)):
        client.upload_modelrun(collection, run, images, progress=False)
    sigmas: dict[str, tuple[float, ...]] = {}
    if geometry == "keypoints":  # the stack takes the sigmas of the collection's skeletons
        sigmas = {"person": SIGMAS}
        client.collections.set_classes(collection, [LabelClass(name="person", skeleton=SKELETON)])
    names = {"collection": collection, "ground_truth": "truth", "geometry": geometry}
    result = client.evaluate(run="first", **names)
    local = Evaluator(EvaluationSettings(geometry=geometry, sigmas=sigmas))
    for true, said in zip(truth, first, strict=True):
        local.add(true.image, true, said)
    expected = local.result()
    assert result.summary == pytest.approx(expected.summary)
    assert result.settings.sigmas == sigmas
    assert (result.labels, result.confusion) == (expected.labels, expected.confusion)
    assert main in result.to_markdown()
    assert result.tables()["labels"].rows
    comparison = client.compare(
        run_a="first",
        run_b="second",
        collection=collection,
        ground_truth="truth",
        geometry=geometry,
    )
    delta = next(score for score in comparison.scores if score.name == main)
    assert delta.delta is not None
    assert delta.delta > 0
