"""Pascal VOC's averages are those of a slow implementation of the development kit's rules."""

from __future__ import annotations

import numpy as np
import pytest

from layernext.evaluation import Evaluator
from layernext.model import EvaluationSettings
from tests.unit.evaluation.scenes import encoded, scene
from tests.unit.evaluation.slow import area_under, at_recalls, voc_curve


def result(images, **settings):
    evaluator = Evaluator(EvaluationSettings(**settings))
    for name, there, said in images:
        evaluator.add(name, encoded(name, there), encoded(name, said))
    return evaluator.result()


def difficult(images):
    """The scene with the flag under the name that VOC has for it."""
    for _, there, _ in images:
        for one in there:
            if one["metadata"].pop("ignore", False):
                one["metadata"]["difficult"] = 1
    return images


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("protocol", ["voc", "voc2007"])
def test_like_the_development_kit(seed, protocol):
    """Each label's average, and their mean, are the slow ones."""
    images = difficult(scene(seed, ignore=0.15, truths=14))
    found = result(images, protocol=protocol)
    averages = []
    for label in found.labels:
        outcomes, total = voc_curve(images, label.label)
        assert label.truths == total
        slow = (
            area_under(outcomes, total)
            if protocol == "voc"
            else at_recalls(outcomes, total, np.arange(0.0, 1.1, 0.1))
        )
        averages.append(slow)
        assert label.scores["AP"] == pytest.approx(slow, abs=1e-9), label.label
    assert found.summary["AP"] == pytest.approx(np.mean(averages), abs=1e-9)


def test_no_second_choice():
    """An annotation whose best truth is taken is wrong, though another one would do: not so in COCO."""
    there = [
        {"type": "rectangle", "label": "cup", "bbox": [0, 0, 10, 10]},
        {"type": "rectangle", "label": "cup", "bbox": [0, 3, 10, 10]},
    ]
    said = [
        {"type": "rectangle", "label": "cup", "bbox": [0, 0, 10, 10], "confidence": 0.9},
        {"type": "rectangle", "label": "cup", "bbox": [0, 1, 10, 10], "confidence": 0.8},
    ]
    images = [("a.jpg", there, said)]
    assert result(images, protocol="voc").summary["recall"] == 0.5
    assert result(images, protocol="coco").summary["recall"] == 1
