"""Error kinds and their costs are those of a slow implementation of TIDE's paper."""

from __future__ import annotations

import pytest

from layernext.evaluation import Evaluator
from tests.unit.evaluation.scenes import encoded, scene
from tests.unit.evaluation.slow import Tide

CLOSE = 1e-9


def box(label, *bbox, confidence=None):
    found = {"type": "rectangle", "label": label, "bbox": bbox}
    return found if confidence is None else found | {"confidence": confidence}


def errors(images):
    evaluator = Evaluator()
    for name, there, said in images:
        evaluator.add(name, encoded(name, there), encoded(name, said))
    return evaluator.result().errors


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"seed": 1, "images": 15}, id="few"),
        pytest.param({"seed": 2, "images": 10, "truths": 20, "labels": 3}, id="dense"),
        pytest.param({"seed": 3, "images": 25, "truths": 4, "labels": 6}, id="sparse"),
    ],
)
def test_like_the_paper(options):
    """Counts and costs are equal."""
    images = scene(**options)
    found, slow = errors(images), Tide(images)
    assert found.ap == pytest.approx(slow.ap(), abs=CLOSE)
    for kind in ("classification", "localisation", "both", "duplicate", "background"):
        ours = getattr(found, kind)
        assert ours.count == slow.count(kind), kind
        assert ours.ap_cost == pytest.approx(max(0, slow.ap(kind) - slow.ap()), abs=CLOSE), kind
    missed = slow.missed()
    assert found.missed.count == len(missed)
    assert found.missed.ap_cost == pytest.approx(slow.ap(gone=missed) - slow.ap(), abs=CLOSE)
    unfound = [number for number in range(len(slow.truths)) if number not in slow.found]
    assert found.false_negatives.count == len(unfound)
    expected = slow.ap(gone=unfound) - slow.ap()
    assert found.false_negatives.ap_cost == pytest.approx(expected, abs=CLOSE)
    assert found.false_positives.count == len(slow.kinds)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        pytest.param(box("fork", 0, 0, 10, 10, confidence=0.5), "classification", id="label"),
        pytest.param(box("cup", 0, 0, 10, 4, confidence=0.5), "localisation", id="place"),
        pytest.param(box("fork", 0, 0, 10, 4, confidence=0.5), "both", id="both"),
        pytest.param(box("cup", 50, 0, 10, 10, confidence=0.5), "background", id="nowhere"),
        pytest.param(box("cup", 0, 0, 10, 9, confidence=0.1), "duplicate", id="again"),
    ],
)
def test_single_errors(said, kind):
    """One wrong annotation is of one kind, and without it nothing would be missing."""
    first = [box("cup", 0, 0, 10, 10, confidence=0.2)] if kind == "duplicate" else []
    found = errors([("a.jpg", [box("cup", 0, 0, 10, 10)], [*first, said])])
    kinds = ("classification", "localisation", "both", "duplicate", "background")
    assert {name: getattr(found, name).count for name in kinds if getattr(found, name).count} == {
        kind: 1
    }
    assert found.missed.count == (kind in ("both", "background"))
    if kind in ("classification", "localisation"):
        assert (found.ap, getattr(found, kind).ap_cost) == (0, pytest.approx(1))
