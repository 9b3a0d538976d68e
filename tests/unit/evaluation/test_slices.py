"""Tables of parts: by attributes of the truth, by metadata of the images."""

from __future__ import annotations

import json
import pickle

import pytest

from layernext.evaluation import Evaluator, Source
from layernext.model import EvaluationSettings
from tests.unit.evaluation.scenes import encoded, scene


def box(x, *, confidence=None, **attributes):
    found = {"type": "rectangle", "label": "cup", "bbox": [x, 0, 10, 10]}
    if confidence is not None:
        found["confidence"] = confidence
    values = {name: [{"value": value}] for name, value in attributes.items()}
    return found | ({"attributes": values} if values else {})


def row(result, name, value):
    (found,) = [each for each in result.slices if (each.name, each.value) == (name, value)]
    return found


TRUTHS = [box(0, color="red"), box(20, color="red"), box(40, color="blue"), box(60)]
SAID = [
    box(0, confidence=0.9, color="red"),
    box(20, confidence=0.8, color="blue"),
    box(40, confidence=0.7),
]


def test_attributes():
    """Of the truths with a value: how many, how many found, and whether the run agrees."""
    evaluator = Evaluator(EvaluationSettings(slices=("color",), confidence=0.1))
    evaluator.add("a.jpg", encoded("a.jpg", TRUTHS), encoded("a.jpg", SAID))
    result = evaluator.result()
    assert [(each.kind, each.value) for each in result.slices] == [
        ("attribute", "blue"),
        ("attribute", "red"),
    ]
    red = row(result, "color", "red")
    assert (red.images, red.truths, red.true_positives, red.recall) == (1, 2, 2, 1)
    assert (red.agreement, red.precision) == (0.5, None)
    blue = row(result, "color", "blue")
    assert (blue.truths, blue.recall, blue.agreement) == (1, 1, None)


def test_attributes_of_form_v1():
    """In form v1 attributes stand under ``metadata``; all of them are wanted with ``*``."""
    one = {"label": "cup", "bbox": [0, 0, 10, 10], "metadata": {"color": "red", "count": 2}}
    raw = json.dumps({"image": "a.jpg", "annotations": [one]}).encode()
    v1 = Source("rectangle")
    evaluator = Evaluator(EvaluationSettings(slices=("*",)), truth=v1, run=v1)
    evaluator.add("a.jpg", raw, raw)
    result = evaluator.result()
    assert [(each.name, each.value, each.agreement) for each in result.slices] == [
        ("color", "red", 1.0),
        ("count", "2", 1.0),
    ]


def test_metadata_is_the_evaluation_of_these_images():
    """The row of a value has the numbers that the images with it have alone."""
    images = scene(1)
    settings = EvaluationSettings(slices=("weather",), confidence=0.3)
    whole, sunny = Evaluator(settings), Evaluator(EvaluationSettings(confidence=0.3))
    for number, (name, *sides) in enumerate(images):
        raw = [encoded(name, side) for side in sides]
        weather = "sun" if number % 3 else "rain"
        whole.add(name, *raw, metadata={"weather": weather, "other": number})
        if weather == "sun":
            sunny.add(name, *raw)
    alone, part = sunny.result(), row(whole.result(), "weather", "sun")
    assert part.scores["AP"] == pytest.approx(alone.summary["AP"])
    assert part.scores["AP50"] == pytest.approx(alone.summary["AP50"])
    for name in ("precision", "recall", "f1", "mean_similarity"):
        assert getattr(part, name) == pytest.approx(alone.summary[name])
    assert part.images == alone.counts["images"]
    assert [each.value for each in whole.result().slices] == ["rain", "sun"]


def test_parts_in_any_order():
    """Pickled and merged in any order, tables are the same."""
    settings = EvaluationSettings(slices=("color", "weather"))

    def evaluator(*names):
        found = Evaluator(settings)
        for name in names:
            raw = encoded(name, TRUTHS[: 2 + len(name) % 2])
            found.add(name, raw, encoded(name, SAID), metadata={"weather": name[0]})
        return pickle.loads(pickle.dumps(found))

    merged = evaluator("cc", "b")
    merged.merge(evaluator("a"))
    assert merged.result() == evaluator("a", "b", "cc").result()
    assert len(merged.result().slices) == 5


def test_flags_count_with_slices():
    """What does not count does not count either when tables are wanted."""
    flagged = box(0, color="red") | {"metadata": {"iscrowd": 1}}
    evaluator = Evaluator(EvaluationSettings(slices=("*",)))
    evaluator.add("a.jpg", encoded("a.jpg", [flagged]), encoded("a.jpg", SAID[:1]))
    result = evaluator.result()
    assert (result.counts["ignored_truths"], row(result, "color", "red").truths) == (1, 0)
