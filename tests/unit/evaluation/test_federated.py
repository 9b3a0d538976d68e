"""LVIS: what an image was not looked through for does not count."""

from __future__ import annotations

import random

import pytest

from layernext.errors import DataError
from layernext.evaluation import Evaluator
from layernext.model import EvaluationSettings
from tests.unit.evaluation.scenes import encoded, scene


def result(images, metadata, **settings):
    evaluator = Evaluator(EvaluationSettings(**settings))
    for name, there, said in images:
        evaluator.add(name, encoded(name, there), encoded(name, said), metadata=metadata.get(name))
    return evaluator.result()


def box(label, x, confidence=None):
    found = {"type": "rectangle", "label": label, "bbox": [x, 0, 10, 10]}
    return found if confidence is None else found | {"confidence": confidence}


@pytest.mark.parametrize("limit", [300, 6])
def test_like_coco_on_what_is_known(limit):
    """It is COCO's evaluation of the most confident of each image, labels unlooked for taken out."""
    images, rng = scene(7, labels=8), random.Random(1)
    metadata, known = {}, []
    for name, there, said in images:
        labels = {one["label"] for one in there}
        negative = [
            f"label {n}" for n in range(8) if f"label {n}" not in labels and rng.random() < 0.5
        ]
        metadata[name] = {"neg_labels": negative}
        kept = [one for one in said if one["label"] in labels or one["label"] in negative]
        known.append((name, there, sorted(kept, key=lambda one: -one["confidence"])[:limit]))
    found = result(images, metadata, protocol="lvis", max_annotations=(limit,))
    expected = result(known, {}, protocol="coco", max_annotations=(limit,))
    for name, value in expected.summary.items():
        assert found.summary[name] == pytest.approx(value, abs=1e-12), name


def test_labels_that_are_not_exhaustive():
    """Of a label of which not all truths are drawn, annotations that find nothing do not count."""
    images = [("a.jpg", [box("cup", 0)], [box("cup", 50, 0.9), box("cup", 0, 0.8)])]
    strict = result(images, {}, protocol="lvis")
    lenient = result(images, {"a.jpg": {"not_exhaustive_labels": ["cup"]}}, protocol="lvis")
    assert strict.summary["AP"] == pytest.approx(0.5)
    assert lenient.summary["AP"] == pytest.approx(1)
    assert (lenient.counts["ignored_annotations"], lenient.summary["precision"]) == (1, 1)
    assert lenient.errors.background.count == 0


def test_frequencies():
    """Labels are grouped by the number of images that they are in."""
    images = [(f"{number:03d}.jpg", [box("f", 0)], []) for number in range(101)]
    images = [(name, [*there, box("c", 20)], said) for name, there, said in images[:11]] + images[
        11:
    ]
    images[0][1].append(box("r", 40))
    found = result(images, {}, protocol="lvis")
    assert {each.label: each.frequency for each in found.labels} == {"c": "c", "f": "f", "r": "r"}
    assert (found.summary["APr"], found.summary["APf"]) == (0, 0)


def test_metadata_that_is_no_list():
    """What should be a list of labels and is none is said with the image's name."""
    with pytest.raises(DataError, match=r"a\.jpg: metadata\.neg_labels: must be a list"):
        result([("a.jpg", [], [])], {"a.jpg": {"neg_labels": "cup"}}, protocol="lvis")
