"""The matches of one image: what each annotation and each truth turned out to be."""

from __future__ import annotations

import msgspec
import pytest

from layernext.evaluation import Evaluator, match_image
from layernext.model import EvaluationSettings, ImageAnnotations, Polygon, Rectangle
from tests.unit.evaluation.scenes import encoded, scene


def a_set(*annotations):
    return ImageAnnotations(image="a.jpg", annotations=list(annotations))


def typed(name, side):
    return msgspec.json.decode(encoded(name, side), type=ImageAnnotations)


def box(label, *bbox, confidence=None, **metadata):
    return Rectangle(label=label, bbox=bbox, confidence=confidence, metadata=metadata)


TRUTH = a_set(
    Polygon(label="cup", polygon=[(0, 0), (9, 0), (9, 9)]),
    box("cup", 0, 0, 10, 10),
    box("fork", 20, 0, 10, 10),
    box("knife", 40, 0, 10, 10),
    box("crowd", 60, 0, 10, 10, iscrowd=1),
)
RUN = a_set(
    box("cup", 0, 0, 10, 9, confidence=0.6),
    box("cup", 0, 0, 10, 10, confidence=0.5),
    box("cup", 20, 0, 10, 10, confidence=0.4),
    box("cup", 200, 0, 10, 10, confidence=0.3),
    box("crowd", 61, 1, 2, 2, confidence=0.9),
    box("knife", 40, 0, 10, 10, confidence=0.1),
)


def test_every_outcome():
    """Each annotation and truth says what it is, with the other one's place in its set."""
    found = match_image(TRUTH, RUN, confidence=0.2)
    assert [(each.outcome, each.truth) for each in found.annotations] == [
        ("matched", 1),
        ("duplicate", 1),
        ("mislabelled", 2),
        ("false_positive", None),
        ("ignored", None),
        ("left_out", None),
    ]
    assert found.annotations[0].similarity == pytest.approx(0.9)
    assert [(each.outcome, each.annotation) for each in found.truths] == [
        ("left_out", None),
        ("found", 0),
        ("mislabelled", 2),
        ("missed", None),
        ("ignored", None),
    ]


def test_nothing_there():
    """Without a truth everything is false, without a run everything is missed."""
    assert {each.outcome for each in match_image(None, RUN).annotations} == {"false_positive"}
    assert [each.outcome for each in match_image(TRUTH, None).truths[1:4]] == ["missed"] * 3


@pytest.mark.parametrize("confidence", [0.0, 0.4, 0.8])
def test_agrees_with_the_tally(confidence):
    """The outcomes of an image are those that its tally counts."""
    settings = EvaluationSettings(confidence=confidence)
    evaluator = Evaluator(settings)
    images = scene(3, crowd=0.1, ignore=0.1, ties=True)
    for name, *sides in images:
        evaluator.add(name, *(encoded(name, side) for side in sides))
    for tally, (name, *sides) in zip(evaluator.iter_tallies(), images, strict=True):
        found = match_image(*(typed(name, side) for side in sides), settings, confidence)
        outcomes = [each.outcome for each in found.annotations]
        assert outcomes.count("matched") == tally.true_positives
        assert outcomes.count("mislabelled") == tally.mislabelled
        wrong = [each for each in outcomes if each not in ("matched", "ignored", "left_out")]
        assert len(wrong) == tally.false_positives
        said = [each.outcome for each in found.truths]
        assert said.count("found") == tally.true_positives
        assert said.count("missed") + said.count("mislabelled") == tally.missed
        for place, each in enumerate(found.truths):
            if each.annotation is not None:
                assert found.annotations[each.annotation].truth == place
