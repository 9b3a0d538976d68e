"""Numbers of labels of images are those of scikit-learn, to nine digits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from layernext.evaluation import Evaluator, compare_evaluations, match_image
from layernext.evaluation.bootstrap import WeightedScores
from layernext.model import Evaluation, EvaluationSettings, ImageAnnotations, ImageLabel
from tests.unit.evaluation.scenes import encoded

LABELS = [f"label {number}" for number in range(7)]
NEAR = {"rel": 0, "abs": 1e-9}


def label(name: str, confidence: float | None = None) -> dict:
    score = {} if confidence is None else {"confidence": confidence}
    return {"type": "image_label", "label": name, **score}


def evaluator(truths, said, images=None, **settings) -> Evaluator:
    """Of sets of labels, and of label and confidence, image by image."""
    made = Evaluator(EvaluationSettings(geometry="image_label", **settings))
    for number, (names, scores) in enumerate(zip(truths, said, strict=True)):
        image = f"{number:04}.jpg"
        truth = encoded(image, [label(name) for name in names])
        run = encoded(image, [label(name, score) for name, score in scores])
        metadata = None if images is None else images[number]
        made.add(image, truth, run, metadata=metadata)
    return made


def single(seed: int, images: int = 200, ties: bool = False):
    """Truth and a whole distribution for each image; one label is never true, one never the best."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(LABELS) - 1, images)
    logits = rng.normal(0, 1.5, (images, len(LABELS)))
    logits[np.arange(images), truth] += 1.5
    logits[:, 2] -= 10
    scores = np.exp(logits)
    scores /= scores.sum(axis=1, keepdims=True)
    return truth, np.round(scores, 1) if ties else scores


def from_matrix(truth, scores):
    truths = [[LABELS[code]] for code in truth]
    said = [list(zip(LABELS, row.tolist(), strict=True)) for row in scores]
    return truths, said


def shuffled(said, seed: int = 5):
    """The order within an image says nothing."""
    rng = np.random.default_rng(seed)
    return [[row[at] for at in rng.permutation(len(row))] for row in said]


@pytest.mark.parametrize("ties", [False, True])
def test_one_label_of_each_image(ties: bool) -> None:
    """Accuracy, top-k, F1, AUC and average precision of a classifier that gives every label a confidence."""
    truth, scores = single(1, ties=ties)
    truths, said = from_matrix(truth, scores)
    result = evaluator(truths, shuffled(said), max_annotations=(2, 5)).result()
    best = scores.argmax(axis=1)
    codes = np.arange(len(LABELS))
    one_hot = truth[:, None] == codes
    ranked = [code for code in codes if one_hot[:, code].any()]
    f1 = {kind: metrics.f1_score(truth, best, average=kind) for kind in ("macro", "micro")}
    expected = {
        "accuracy": metrics.accuracy_score(truth, best),
        "top2": metrics.top_k_accuracy_score(truth, scores, k=2, labels=codes),
        "top5": metrics.top_k_accuracy_score(truth, scores, k=5, labels=codes),
        "macro_f1": f1["macro"],
        "macro_precision": metrics.precision_score(truth, best, average="macro", zero_division=0),
        "macro_recall": metrics.recall_score(truth, best, average="macro", zero_division=0),
        "AP": metrics.average_precision_score(one_hot[:, ranked], scores[:, ranked]),
        "AUC": metrics.roc_auc_score(one_hot[:, ranked], scores[:, ranked]),
        "precision": f1["micro"],
        "recall": f1["micro"],
        "f1": f1["micro"],
    }
    assert result.summary == pytest.approx(expected, **NEAR)
    counts = np.array(result.confusion.counts)
    assert counts[:-1, :-1].tolist() == metrics.confusion_matrix(truth, best, labels=codes).tolist()
    assert counts.sum() == len(truth)
    check_labels(result, one_hot, scores, np.eye(len(LABELS), dtype=bool)[best])
    check_calibration(result, best == truth, scores.max(axis=1))
    assert (result.confidence, result.errors) == (0.0, None)


def check_labels(result: Evaluation, true, scores, answers) -> None:
    """Each label against the rest."""
    f1 = metrics.f1_score(true, answers, average=None, zero_division=0)
    for code, row in enumerate(result.labels):
        assert row.label == LABELS[code]
        assert row.truths == true[:, code].sum()
        assert (row.f1 or 0.0) == pytest.approx(f1[code], **NEAR)
        if not true[:, code].any():
            assert row.scores == {"AP": None, "AUC": None}
            continue
        area = metrics.roc_auc_score(true[:, code], scores[:, code])
        average = metrics.average_precision_score(true[:, code], scores[:, code])
        assert row.scores == pytest.approx({"AP": average, "AUC": area}, **NEAR)


def check_calibration(result: Evaluation, is_right, confidence) -> None:
    """Brier score, and the bins that have answers."""
    calibration = result.calibration
    assert calibration is not None
    assert calibration.brier == pytest.approx(
        metrics.brier_score_loss(is_right, confidence), **NEAR
    )
    precision, mean = calibration_curve(is_right, confidence, n_bins=15)
    used = [each for each in calibration.bins if each.annotations]
    assert [each.precision for each in used] == pytest.approx(precision.tolist(), **NEAR)
    assert [each.confidence for each in used] == pytest.approx(mean.tolist(), **NEAR)
    shares = np.array([each.annotations for each in used]) / len(confidence)
    assert calibration.expected_error == pytest.approx(shares @ abs(precision - mean), **NEAR)


@pytest.mark.parametrize("seed", [1, 2])
def test_several_labels_of_an_image(seed: int) -> None:
    """Labels from a confidence on are the answers; what is not given has the confidence 0."""
    rng = np.random.default_rng(seed)
    true = rng.random((150, len(LABELS))) < 0.3
    scores = np.clip(np.round(0.4 * true + rng.random(true.shape) * 0.7, 2), 0, 1)
    scores[rng.random(true.shape) < 0.4] = 0.0
    truths = [[LABELS[code] for code in np.flatnonzero(row)] for row in true]
    said = [[(LABELS[code], row[code]) for code in np.flatnonzero(row)] for row in scores]
    result = evaluator(truths, shuffled(said), confidence=0.5).result()
    answers = scores >= 0.5
    expected = {
        "accuracy": metrics.accuracy_score(true, answers),
        "macro_f1": metrics.f1_score(true, answers, average="macro"),
        "macro_precision": metrics.precision_score(true, answers, average="macro"),
        "macro_recall": metrics.recall_score(true, answers, average="macro"),
        "AP": metrics.average_precision_score(true, scores),
        "AUC": metrics.roc_auc_score(true, scores),
        "precision": metrics.precision_score(true, answers, average="micro"),
        "recall": metrics.recall_score(true, answers, average="micro"),
        "f1": metrics.f1_score(true, answers, average="micro"),
    }
    assert result.summary == pytest.approx(expected, **NEAR)
    check_labels(result, true, scores, answers)


def test_parts_can_be_merged_in_any_order() -> None:
    """Images evaluated elsewhere give the same numbers."""
    truths, said = from_matrix(*single(3))
    whole = evaluator(truths, said).result()
    for order in itertools.permutations(range(2)):
        made = [Evaluator(EvaluationSettings(geometry="image_label")) for _ in range(2)]
        for number, (names, scores) in enumerate(zip(truths, said, strict=True)):
            image = f"{number:04}.jpg"
            run = encoded(image, [label(*pair) for pair in scores])
            made[number % 2].add(image, encoded(image, [label(name) for name in names]), run)
        first, second = (made[at] for at in order)
        first.merge(second)
        assert first.result() == whole


def test_images_without_an_answer_and_repeated_labels() -> None:
    """No answer is a wrong one; a label that comes twice counts once, with its highest confidence."""
    truths = [["cat"], ["dog"], ["dog", "dog"], []]
    said = [[("cat", 0.2), ("dog", 0.6), ("cat", 0.9)], [], [("cat", 0.4), ("cat", 0.7)], []]
    result = evaluator(truths, said).result()
    assert result.summary["accuracy"] == pytest.approx(1 / 3)
    assert result.counts["truths"] == 3
    assert result.confusion.labels == ["cat", "dog"]
    assert result.confusion.counts == [[1, 0, 0], [1, 0, 1], [0, 0, 0]]
    tallies = {tally.image: tally for tally in evaluator(truths, said).iter_tallies()}
    assert (tallies["0000.jpg"].true_positives, tallies["0000.jpg"].false_positives) == (1, 0)
    assert (tallies["0002.jpg"].mislabelled, tallies["0001.jpg"].missed) == (1, 1)
    assert evaluator([[]], [[]]).result().summary["accuracy"] is None


def test_tables_by_metadata() -> None:
    """The numbers of a part are those of an evaluation of this part."""
    truth, scores = single(4)
    truths, said = from_matrix(truth, scores)
    images = [{"site": "north" if number % 3 else "south"} for number in range(len(truths))]
    result = evaluator(truths, said, images, slices=("site",)).result()
    south = {row.value: row for row in result.slices}["south"]
    alone = evaluator(truths[::3], said[::3]).result()
    names = ("accuracy", "top5", "macro_f1", "AP", "AUC")
    assert [south.scores[name] for name in names] == pytest.approx(
        [alone.summary[name] for name in names], **NEAR
    )


def test_comparison_with_intervals() -> None:
    """The better run is better, and the summary is what resampling computes with equal weights."""
    truth, scores = single(5, images=120)
    sharper = scores.copy()
    sharper[np.arange(len(truth)), truth] += 0.2
    sides = [evaluator(*from_matrix(truth, each / each.max())) for each in (scores, sharper)]
    part, images, labels = sides[0].matched()
    summary = sides[0].result().summary
    weighted = WeightedScores(part, sides[0].settings, len(labels), 0.0)(np.ones(len(images)))
    assert {name: weighted[name] for name in summary} == pytest.approx(summary, **NEAR)
    comparison = compare_evaluations(*sides, resamples=60)
    accuracy = next(score for score in comparison.scores if score.name == "accuracy")
    assert accuracy.low is not None
    assert accuracy.delta is not None
    assert accuracy.delta > 0
    assert accuracy.low <= accuracy.delta


def test_matches_of_one_image() -> None:
    """The answer is right or took the truth's place; other labels of the classifier are left out."""
    truth = ImageAnnotations(image="a", annotations=[ImageLabel(label="cat")])
    said = [ImageLabel(label="dog", confidence=0.6), ImageLabel(label="cat", confidence=0.4)]
    settings = EvaluationSettings(geometry="image_label")
    matches = match_image(truth, ImageAnnotations(image="a", annotations=said), settings)
    assert [each.outcome for each in matches.annotations] == ["mislabelled", "left_out"]
    assert [each.outcome for each in matches.truths] == ["mislabelled"]
    matches = match_image(truth, ImageAnnotations(image="a", annotations=said[1:]), settings)
    assert [each.outcome for each in matches.annotations] == ["matched"]
    assert [each.outcome for each in matches.truths] == ["found"]
