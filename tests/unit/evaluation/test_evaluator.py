"""The accumulator: sets in, an evaluation out, whatever the order and division of images."""

from __future__ import annotations

import pickle

import msgspec
import pytest

from layernext.errors import ConfigurationError, DataError
from layernext.evaluation import Evaluator
from layernext.model import AreaRange, EvaluationSettings


def box(label, *bbox, confidence=None, **metadata):
    """An annotation as it stands in a file."""
    found = {"type": "rectangle", "label": label, "bbox": bbox, "metadata": metadata}
    return found if confidence is None else found | {"confidence": confidence}


def packed(*annotations):
    """A set of annotations as JSON."""
    return msgspec.json.encode({"image": "any", "annotations": annotations})


def evaluator(images, **settings):
    """An evaluator that was given (truths, annotations) of each image."""
    result = Evaluator(EvaluationSettings(**settings))
    for name, (truths, found) in images.items():
        result.add(name, packed(*truths), packed(*found))
    return result


CUP = box("cup", 0, 0, 10, 10)
FORK = box("fork", 20, 20, 10, 10)
SCENE = {
    # A cup found, a fork taken for a cup, and a cup where nothing is.
    "a.jpg": (
        [CUP, FORK],
        [
            box("cup", 0, 0, 10, 9, confidence=0.9),
            box("cup", 20, 20, 10, 10, confidence=0.8),
            box("cup", 50, 50, 5, 5, confidence=0.7),
        ],
    ),
    # A fork that is missed.
    "b.jpg": ([FORK], []),
}


def test_tallies():
    """Each image's annotations and truths are counted once each, as what they are."""
    first, second = evaluator(SCENE, confidence=0.5).iter_tallies()
    assert first.image == "a.jpg"
    assert (first.truths, first.annotations) == (2, 3)
    assert (first.true_positives, first.false_positives, first.missed) == (1, 2, 1)
    assert first.mislabelled == 1
    assert first.mean_similarity == pytest.approx(0.9)
    assert first.f1 == pytest.approx(0.4)
    assert sorted(first.confusion, key=str) == [
        ("cup", "cup", 1),
        ("fork", "cup", 1),
        (None, "cup", 1),
    ]
    assert (second.truths, second.missed, second.confusion) == (1, 1, [("fork", None, 1)])


def test_confusion_matrix():
    """Rows are the truth's labels, columns the run's, the background comes last."""
    found = evaluator(SCENE, confidence=0.5).result().confusion
    assert found.labels == ["cup", "fork"]
    assert found.counts == [[1, 0, 0], [1, 0, 1], [1, 0, 0]]


def test_less_confident_annotations_are_left_out():
    """Above the confidence of the mislabelled one, its truth is missed and nothing else."""
    found = evaluator(SCENE, confidence=0.85).result().confusion
    assert found.counts == [[1, 0, 0], [0, 0, 2], [0, 0, 0]]


def test_best_confidence_is_found():
    """Without a wanted confidence the one with the best F1 is taken."""
    found = evaluator(SCENE).result()
    assert found.confidence == 0.9
    assert found.summary["precision"] == 1


def test_undefined_numbers_are_none():
    """An evaluation of nothing says so in every number."""
    found = Evaluator().result()
    assert set(found.summary.values()) == {None}
    assert found.confidence is None
    assert found.counts["images"] == 0
    assert msgspec.json.encode(found)


def test_ignored_truths_do_not_count():
    """Finding or missing what is flagged changes nothing."""
    images = {"a.jpg": ([CUP, box("fork", 20, 20, 10, 10, ignore=1)], SCENE["a.jpg"][1][:1])}
    found = evaluator(images).result()
    assert found.summary["AP"] == pytest.approx(0.9)
    assert found.counts["ignored_truths"] == 1


def test_an_image_given_twice_is_refused():
    """Two sets for one image cannot both be its annotation set."""
    found = evaluator(SCENE)
    found.add("a.jpg", packed(), packed())
    with pytest.raises(DataError, match=r"a\.jpg: was given twice"):
        found.result()


def test_problems_name_image_and_place():
    """What is wrong in a set is said with the image's name and the place in its set."""
    broken = packed(box("cup", 0, 0, 10))
    with pytest.raises(DataError, match=r"a\.jpg: .*annotations\[0\]\.bbox.*must have 4"):
        Evaluator().add("a.jpg", broken, packed())


def test_fractions_need_the_size():
    """Fractions become pixels with the image's size; without it they are refused."""
    small = msgspec.json.encode(
        {"image": "a.jpg", "isNormalized": True, "annotations": [box("cup", 0, 0, 0.1, 0.1)]}
    )
    found = Evaluator()
    found.add("a.jpg", packed(CUP), small, image_wh=(100, 100))
    assert found.result().summary["AP"] == pytest.approx(1)
    with pytest.raises(DataError, match="size is not known"):
        Evaluator().add("a.jpg", packed(CUP), small)


def test_merged_evaluators_are_as_one():
    """Evaluators of parts, pickled and merged in any order, give what one of all gives."""
    whole = evaluator(SCENE)
    parts = [evaluator({name: SCENE[name]}) for name in ("b.jpg", "a.jpg")]
    merged = pickle.loads(pickle.dumps(parts[0]))
    merged.merge(pickle.loads(pickle.dumps(parts[1])))
    assert merged.result() == whole.result()
    assert list(merged.iter_tallies()) == list(whole.iter_tallies())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        pytest.param({"protocol": "chamfer"}, "not for the geometry", id="protocol"),
        pytest.param({"thresholds": (1.5,)}, "threshold is 1.5", id="threshold"),
        pytest.param({"confidence": 2}, "confidence is 2", id="confidence"),
        pytest.param({"areas": (AreaRange("", 9, 1),)}, "area range", id="area"),
        pytest.param({"bins": 10**9}, "bins is 1000000000", id="bins"),
        pytest.param({"line_width": -1.0}, "line_width is -1", id="line width"),
        pytest.param({"slices": ("a",) * 101}, "slices are 101", id="slices"),
        pytest.param({"max_annotations": (10**30,)}, "max_annotations", id="annotations"),
    ],
)
def test_settings_that_cannot_be(settings, text):
    """Settings that contradict each other are refused before any work."""
    with pytest.raises(ConfigurationError, match=text):
        Evaluator(EvaluationSettings(**settings))
