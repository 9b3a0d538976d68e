"""Two runs against one ground truth: every number by counting, every draw by evaluating again."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest

from layernext.errors import ConfigurationError, DataError
from layernext.evaluation import (
    Evaluator,
    RunPairing,
    bootstrap,
    cohen_kappa,
    compare_evaluations,
    iter_image_differences,
)
from layernext.evaluation.bootstrap import WeightedScores, draw
from layernext.model import EvaluationSettings
from tests.unit.evaluation.test_line_protocols import evaluator as line_evaluator
from tests.unit.evaluation.test_line_protocols import scene


def box(label, *bbox, confidence=None, **more):
    found = {"type": "rectangle", "label": label, "bbox": [float(v) for v in bbox], **more}
    return found if confidence is None else found | {"confidence": confidence}


def packed(annotations):
    return msgspec.json.encode({"image": "any", "annotations": list(annotations)})


def evaluator(truths, run, **settings):
    result = Evaluator(EvaluationSettings(**settings))
    for image, found in truths.items():
        result.add(image, packed(found), packed(run.get(image, [])))
    return result


def random_scene(seed, images=12):
    """Truths and a run of some labels and sizes; no two annotations have the same confidence."""
    random = np.random.default_rng(seed)
    scores = iter(random.permutation(np.linspace(0.01, 0.99, 2000)).tolist())
    truths, run = {}, {}
    for number in range(images):
        there, found = [], []
        for _ in range(random.integers(0, 6)):
            x, y = random.uniform(0, 500, 2)
            w, h = random.uniform(8, 150, 2)
            label = str(random.choice(["cup", "fork", "knife"]))
            metadata = {"ignore": 1} if random.random() < 0.1 else {}
            there.append(box(label, x, y, w, h, metadata=metadata))
            for _ in range(random.integers(0, 3)):
                dx, dy = random.normal(0, 0.12, 2)
                said = label if random.random() < 0.8 else "cup"
                found.append(box(said, x + dx * w, y + dy * h, w, h, confidence=next(scores)))
        if random.random() < 0.5:
            found.append(box("fork", *random.uniform(10, 90, 4), confidence=next(scores)))
        truths[f"{number}.jpg"], run[f"{number}.jpg"] = there, found
    return truths, run


def weighted(found):
    part, _, labels = found.matched()
    return WeightedScores(part, found.settings, len(labels), found.result().confidence)


@pytest.mark.parametrize("protocol", ["coco", "voc", "voc2007"])
@pytest.mark.parametrize("seed", [1, 2])
def test_drawing_every_image_once_gives_the_summary(seed, protocol):
    """With every weight 1, the weighted numbers are those of the evaluation."""
    found = evaluator(*random_scene(seed), protocol=protocol)
    scores = pickle.loads(pickle.dumps(weighted(found)))(np.ones(12))
    summary = found.result().summary
    assert scores.keys() == summary.keys()
    for name, value in summary.items():
        expected = math.nan if value is None else value
        assert scores[name] == pytest.approx(expected, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("seed", [1, 2])
def test_a_draw_is_an_evaluation_of_the_images_drawn(seed):
    """An image with weight k counts as k images with the same sets would."""
    truths, run = random_scene(seed)
    found = evaluator(truths, run)
    confidence = found.result().confidence
    names = sorted(truths)
    score = weighted(found)
    for weights in np.random.default_rng(seed).integers(0, 4, (6, len(names))):
        copies = [
            (f"{name}-{copy}", name)
            for name, k in zip(names, weights, strict=True)
            for copy in range(k)
        ]
        again = evaluator(
            {copy: truths[name] for copy, name in copies},
            {copy: run[name] for copy, name in copies},
            confidence=confidence,
        )
        scores = score(weights.astype(float))
        for name, value in again.result().summary.items():
            expected = math.nan if value is None else value
            assert scores[name] == pytest.approx(expected, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("protocol", ["lane-f1", "chamfer"])
def test_lines_are_drawn_anew_as_well(protocol):
    """The numbers of lines are in the draws: exact with weight 1, and with intervals."""
    images = scene(3, images=10)
    a, b = (line_evaluator(images, protocol=protocol, confidence=each) for each in (0.3, 0.3))
    scores = weighted(a)(np.ones(10))
    assert scores == pytest.approx(a.result().summary, abs=1e-12)
    found = compare_evaluations(a, b, resamples=10)
    assert all(each.delta == each.low == each.high == 0 for each in found.scores)


@pytest.mark.parametrize("weights", [None, 7])
def test_many_true_positives_are_sampled(monkeypatch, weights):
    """With fewer segments than true positives the averages are close, not exact."""
    truths, run = random_scene(5, images=200)
    found = evaluator(truths, run)
    drawn = np.ones(200) if weights is None else draw(200, weights, 0)
    exact = weighted(found)(drawn)
    monkeypatch.setattr(bootstrap, "SEGMENTS", 40)
    sampled = weighted(found)(drawn)
    assert sampled["AP"] != exact["AP"]
    assert sampled == pytest.approx(exact, abs=0.02)
    assert sampled["AR100"] == exact["AR100"]


def test_draws():
    """Each draw has as many images as there are; a seed gives the same draws."""
    first, second = (np.array([draw(9, 5, number) for number in range(70)]) for _ in range(2))
    assert first.shape == (70, 9)
    assert (first.sum(axis=1) == 9).all()
    assert (first == second).all()
    assert (first[0] != draw(9, 6, 0)).any()
    # The variance of a weight is that of 9 draws with a chance of 1 in 9 each.
    assert first.var() == pytest.approx(8 / 9, abs=0.15)


TRUTHS = {
    "a.jpg": [box("cup", 0, 0, 10, 10), box("fork", 50, 50, 10, 10)],
    "b.jpg": [box("cup", 0, 0, 10, 10)],
    "c.jpg": [],
}
RUN_A = {
    "a.jpg": [box("cup", 0, 0, 10, 10, confidence=0.9), box("cup", 50, 50, 10, 10, confidence=0.8)],
    "b.jpg": [box("cup", 0, 0, 10, 10, confidence=0.7)],
    "c.jpg": [box("cup", 0, 0, 5, 5, confidence=0.6)],
}
RUN_B = {
    "a.jpg": [
        box("cup", 0, 0, 10, 9, confidence=0.9),
        box("fork", 50, 50, 10, 10, confidence=0.8),
        box("fork", 80, 80, 5, 5, confidence=0.8),
    ],
    "b.jpg": [box("cup", 30, 30, 10, 10, confidence=0.7)],
    "c.jpg": [box("cup", 0, 0, 5, 5, confidence=0.9)],
}


def both(**settings):
    return evaluator(TRUTHS, RUN_A, **settings), evaluator(TRUTHS, RUN_B, **settings)


def pairing(**arguments):
    result = RunPairing(**arguments)
    for image in TRUTHS:
        result.add(image, packed(RUN_A[image]), packed(RUN_B[image]))
    return result


def test_gained_and_lost():
    """A truth that only one run finds is gained or lost, in all, by label and by image."""
    found = compare_evaluations(*both(confidence=0.5), pairing=pairing(), resamples=50)
    assert (found.found_by_both, found.gained, found.lost, found.found_by_neither) == (1, 1, 1, 0)
    by_label = {each.label: each for each in found.labels}
    assert (by_label["cup"].gained, by_label["cup"].lost, by_label["cup"].truths) == (0, 1, 2)
    assert (by_label["fork"].gained, by_label["fork"].lost, by_label["fork"].truths) == (1, 0, 1)
    assert (by_label["cup"].false_positives_a, by_label["cup"].false_positives_b) == (2, 2)
    assert by_label["fork"].delta == pytest.approx(1)
    assert [each.image for each in found.different_images] == ["b.jpg", "a.jpg"]
    first, second = found.different_images
    assert (first.gained, first.lost, first.f1_a, first.f1_b) == (0, 1, 1.0, 0.0)
    assert (first.added, first.removed) == (1, 1)
    assert (second.gained, second.lost, second.relabelled, second.moved) == (1, 0, 1, 1)
    assert second.f1_a == pytest.approx(0.5)
    assert second.f1_b == pytest.approx(0.8)
    assert found.different_image_count == 2
    assert msgspec.json.encode(found)


def test_run_changes():
    """Without truth: pairs by place, whatever the label; what has no counterpart came or went."""
    found = pairing().result()
    assert (found.a, found.b, found.paired) == (4, 5, 3)
    assert (found.added, found.removed) == (2, 1)
    assert (found.moved, found.relabelled, found.confidence_changed) == (1, 1, 1)
    assert found.unchanged == 0
    assert found.mean_similarity == pytest.approx((0.9 + 1 + 1) / 3)
    assert found.mean_confidence_change == pytest.approx(0.1)
    assert found.labels == ["cup", "fork"]
    assert found.counts == [[2, 1, 1], [0, 0, 0], [1, 1, 0]]


def test_of_equally_similar_ones_the_same_label_is_paired():
    """Two labels on one box, listed in another order, are no change at all."""
    both_labels = [box("cup", 0, 0, 10, 10), box("fork", 0, 0, 10, 10)]
    found = RunPairing()
    found.add("a.jpg", packed(both_labels), packed(both_labels[::-1]))
    assert (found.result().unchanged, found.result().relabelled) == (2, 0)


RINGS = [[[0, 0], [20, 0], [20, 20], [0, 20]], [[5, 5], [5, 9], [9, 9], [9, 5]]]
ISLAND = [[[30, 30], [40, 30], [40, 40]]]


@pytest.mark.parametrize(
    ("geometry", "shape", "other"),
    [
        pytest.param("polygon", {"polygon": RINGS[0]}, {"polygon": [*RINGS[0][:3], [0, 21]]}, id="polygon"),
        pytest.param("polygon", {"parts": [RINGS, ISLAND]}, {"parts": [RINGS]}, id="parts"),
        pytest.param("polygon", {"parts": [RINGS]}, {"polygon": RINGS[0]}, id="parts-and-polygon"),
        pytest.param(
            "mask",
            {"mask": {"size": [50, 50], "counts": [9, 45, 2446]}},
            {"mask": {"size": [50, 50], "counts": [9, 36, 2455]}},
            id="mask",
        ),
        pytest.param(
            "rotated_box",
            {"bbox": [0, 0, 20, 10], "rotation": 30},
            {"bbox": [0, 0, 20, 10], "rotation": 31},
            id="rotated-box",
        ),
    ],
)  # fmt: skip
def test_changes_of_every_kind(geometry, shape, other):
    """A shape of any kind is told from one with other numbers."""
    fields = {"type": geometry, "label": "cup", "confidence": 0.5}
    for second, counts in ((shape, (1, 0)), (other, (0, 1))):
        pairs = RunPairing(EvaluationSettings(geometry=geometry))
        pairs.add(
            "a.jpg",
            packed([{**fields, **shape}]),
            packed([{**fields, **second}]),
            image_wh=(50, 50),
        )
        changes = pairs.result()
        assert (changes.unchanged, changes.moved) == counts


def test_pairings_of_parts_are_merged():
    """Images that were paired elsewhere count as if they had been paired here."""
    whole, merged = pairing(), RunPairing()
    for image in TRUTHS:
        part = merged.empty()
        part.add(image, packed(RUN_A[image]), packed(RUN_B[image]))
        merged.merge(pickle.loads(pickle.dumps(part)))
    assert merged.result() == whole.result()
    assert merged.image_counts("a.jpg") == whole.image_counts("a.jpg")
    with pytest.raises(ValueError, match="different settings"):
        merged.merge(RunPairing(confidence_a=0.5))


def test_a_run_against_itself():
    """Nothing differs, every interval is 0, and labels agree."""
    same = RunPairing()
    for image, found in RUN_B.items():
        same.add(image, packed(found), packed(found))
    a, b = evaluator(TRUTHS, RUN_B), evaluator(TRUTHS, RUN_B)
    found = compare_evaluations(a, b, pairing=same, resamples=100)
    assert found.gained == found.lost == found.different_image_count == 0
    assert {each.delta for each in found.scores} <= {0.0, None}
    assert {each.low for each in found.scores} | {each.high for each in found.scores} <= {0.0, None}
    assert not any(each.is_clear for each in found.scores)
    assert found.changes.unchanged == found.changes.paired == 5
    assert found.changes.kappa == 1


def test_confidence_leaves_out():
    """Annotations below each run's own confidence are not there."""
    found = pairing(confidence_a=0.85, confidence_b=0.75).result()
    assert (found.a, found.b, found.paired) == (1, 4, 1)


def test_intervals():
    """A clear improvement has an interval above 0; the interval holds the difference."""
    truths, run = random_scene(4, images=60)
    better = {
        image: [each | {"confidence": 0.9} for each in found] for image, found in truths.items()
    }
    found = compare_evaluations(evaluator(truths, run), evaluator(truths, better), resamples=200)
    score = found.scores[0]
    assert score.name == "AP"
    assert score.b == pytest.approx(1, abs=1e-9)
    assert 0 < score.low < score.delta < score.high < 1
    assert score.is_clear
    again = compare_evaluations(evaluator(truths, run), evaluator(truths, better), resamples=200)
    assert again == found
    wide = compare_evaluations(
        evaluator(truths, run), evaluator(truths, better), resamples=200, level=0.99
    )
    assert wide.scores[0].low < score.low
    with ThreadPoolExecutor(2) as executor:
        elsewhere = compare_evaluations(
            evaluator(truths, run), evaluator(truths, better), resamples=200, executor=executor
        )
    assert elsewhere == found
    none = compare_evaluations(evaluator(truths, run), evaluator(truths, better), resamples=0)
    assert none.scores[0].low is None
    assert none.scores[0].delta == score.delta


def test_kappa_by_hand():
    """Cohen's own arithmetic: 35 of 50 agreed, 0.5 expected by chance."""
    assert cohen_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)
    assert cohen_kappa([[7, 0], [0, 0]]) is None
    assert cohen_kappa([[0, 0], [0, 0]]) is None
    assert cohen_kappa([[0, 5], [5, 0]]) == pytest.approx(-1)


def test_what_cannot_be_compared():
    """Other settings, images or truths are refused, with what differs."""
    a, b = both()
    with pytest.raises(ConfigurationError, match="different settings"):
        compare_evaluations(a, evaluator(TRUTHS, RUN_B, confidence=0.5))
    fewer = {name: TRUTHS[name] for name in ("a.jpg", "b.jpg")}
    with pytest.raises(DataError, match=r"only one has 'c\.jpg'"):
        compare_evaluations(a, evaluator(fewer, RUN_B))
    other = TRUTHS | {"b.jpg": [box("fork", 0, 0, 10, 10)]}
    with pytest.raises(DataError, match=r"b\.jpg: .* different truths"):
        compare_evaluations(a, evaluator(other, RUN_B))
    with pytest.raises(ConfigurationError, match="level is 1"):
        compare_evaluations(a, b, level=1)


def test_every_image():
    """The stream names every image, with the same numbers."""
    found = list(iter_image_differences(*both(confidence=0.5)))
    assert [each.image for each in found] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [each.difference for each in found] == [1, 2, 0]
