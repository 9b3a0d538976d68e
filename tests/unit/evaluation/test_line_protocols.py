"""Whole evaluations of lines: against the benchmarks' rules, followed step by step."""

from __future__ import annotations

from itertools import permutations

import msgspec
import numpy as np
import pytest

from layernext.evaluation import Evaluator, match_image
from layernext.model import EvaluationSettings, ImageAnnotations, Line
from tests.unit.evaluation.slow_lines import chamfer, margin

SIZE = (70, 50)
LANE_WIDTH = 8.0


def scene(seed, images=6):
    """Lines of two labels, some closed or of one point; a run that strays, misses and repeats."""
    random = np.random.default_rng(seed)
    scores = iter(random.permutation(np.linspace(0.05, 0.95, 400)).tolist())
    found = {}
    for number in range(images):
        truths, run = [], []
        for _ in range(random.integers(0, 5)):
            points = random.uniform((0, 0), SIZE, (random.integers(1, 5), 2))
            if random.random() < 0.2:
                points = np.concatenate([points, points[:1]])
            label = str(random.choice(["solid", "dashed"]))
            truths.append(Line(label=label, line=[tuple(point) for point in points.tolist()]))
            for _ in range(random.integers(0, 3)):
                moved = points + random.normal(0, 2.5, 2) + random.normal(0, 0.5, points.shape)
                line = [tuple(point) for point in moved.tolist()]
                run.append(Line(label=label, line=line, confidence=next(scores)))
        found[f"{number}.jpg"] = truths, run
    return found


def evaluator(images, **settings):
    result = Evaluator(EvaluationSettings(geometry="line", line_width=LANE_WIDTH, **settings))
    for name, sides in images.items():
        sets = [ImageAnnotations(image=name, annotations=side) for side in sides]
        result.add(name, *sets, image_wh=SIZE)
    return result


def slow_lane_counts(images, threshold, confidence):
    """True positives, annotations and truths: every one-to-one matching of each image is tried."""
    hits = annotations = total = 0
    for truths, run in images.values():
        for label in ("solid", "dashed"):
            there = [each.line for each in truths if each.label == label]
            said = [
                each.line for each in run if each.label == label and each.confidence >= confidence
            ]
            annotations, total = annotations + len(said), total + len(there)
            few, many = sorted([there, said], key=len)
            if not few:
                continue
            masks = [[margin(each, LANE_WIDTH, SIZE) >= 0 for each in side] for side in (few, many)]
            iou = [[(a & b).sum() / (a | b).sum() for b in masks[1]] for a in masks[0]]
            chosen = max(
                permutations(range(len(many)), len(few)),
                key=lambda columns: sum(row[c] for row, c in zip(iou, columns, strict=True)),
            )
            hits += sum(row[c] >= threshold for row, c in zip(iou, chosen, strict=True))
    return hits, annotations, total


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("confidence", [0.0, 0.5])
def test_lane_f1_is_that_of_the_best_matching(seed, confidence):
    """F1, precision and recall at both thresholds, counted over every possible matching."""
    images = scene(seed)
    found = evaluator(images, confidence=confidence).result().summary
    for threshold in (0.5, 0.3):
        hits, annotations, truths = slow_lane_counts(images, threshold, confidence)
        assert 0 < hits <= annotations
        assert found[f"precision@{threshold}"] == pytest.approx(hits / annotations)
        assert found[f"recall@{threshold}"] == pytest.approx(hits / truths)
        assert found[f"F1@{threshold}"] == pytest.approx(2 * hits / (annotations + truths))


def slow_chamfer_ap(images, threshold, label):
    """MapTR's rule: each line claims the nearest truth, the most confident first; area of the curve."""
    claims, total = [], 0
    for name, (truths, run) in images.items():
        there = [each.line for each in truths if each.label == label]
        total += len(there)
        for each in run:
            if each.label == label:
                apart = [chamfer(each.line, line) for line in there]
                nearest = int(np.argmin(apart)) if apart else None
                is_near = nearest is not None and apart[nearest] <= threshold
                claims.append((each.confidence, (name, nearest) if is_near else None))
    taken, precisions = set(), []
    hits = 0
    for place, (_, claim) in enumerate(sorted(claims, key=lambda each: -each[0])):
        if claim is not None and claim not in taken:
            taken.add(claim)
            hits += 1
            precisions.append((hits, hits / (place + 1)))
    best = [max(p for h, p in precisions if h >= hit) for hit, _ in precisions]
    return sum(best) / total


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_chamfer_ap_is_that_of_the_rule(seed):
    """AP at each distance, averaged over labels, and over distances."""
    images = scene(seed)
    settings = {"protocol": "chamfer", "thresholds": (1.0, 2.0, 4.0), "match_threshold": 2.0}
    result = evaluator(images, **settings).result()
    expected = {}
    for threshold in (1.0, 2.0, 4.0):
        by_label = [slow_chamfer_ap(images, threshold, label) for label in ("dashed", "solid")]
        expected[threshold] = np.mean(by_label)
        assert result.summary[f"AP@{threshold:g}"] == pytest.approx(expected[threshold])
        found = [each.scores[f"AP@{threshold:g}"] for each in result.labels]
        assert found == pytest.approx(by_label)
    assert result.summary["AP"] == pytest.approx(np.mean(list(expected.values())))
    assert 0 < expected[1.0] < expected[4.0] < 1


@pytest.mark.parametrize("protocol", ["lane-f1", "chamfer"])
def test_everything_else_is_there_for_lines(protocol):
    """Curves, confusion, calibration, error kinds, tallies and the matches of an image agree."""
    images = scene(3, images=10)
    settings = {"match_threshold": 3.0} if protocol == "chamfer" else {}
    counted = evaluator(images, protocol=protocol, confidence=0.3, **settings)
    found = counted.result()
    assert len(found.curves) == 3
    assert found.calibration.expected_error is not None
    assert found.errors.missed.count > 0
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
    hits = 0
    for tally in counted.iter_tallies():
        truths, run = images[tally.image]
        sides = [ImageAnnotations(image=tally.image, annotations=side) for side in (truths, run)]
        matches = match_image(*sides, found.settings, 0.3, image_wh=SIZE)
        outcomes = [each.outcome for each in matches.annotations]
        assert outcomes.count("matched") == tally.true_positives
        assert [each.outcome for each in matches.truths].count("found") == tally.true_positives
        hits += tally.true_positives
    assert sum(each.true_positives for each in found.labels) == hits
    assert sum(map(sum, found.confusion.counts)) >= hits > 0
    assert found.summary["precision"] == hits / sum(
        each.annotations for each in counted.iter_tallies()
    )


@pytest.mark.parametrize("protocol", ["lane-f1", "chamfer"])
def test_what_a_change_does(protocol):
    """Another wrong line never raises precision; exchanging labels exchanges the matrix."""
    images = scene(4, images=8)
    before = evaluator(images, protocol=protocol, confidence=0.2).result()
    wrong = Line(label="solid", line=[(-300.0, -300.0), (-290.0, -250.0)], confidence=0.99)
    worse = images | {"0.jpg": (images["0.jpg"][0], [wrong, *images["0.jpg"][1]])}
    after = evaluator(worse, protocol=protocol, confidence=0.2).result()
    assert after.summary["AP"] <= before.summary["AP"]
    assert after.summary["precision"] < before.summary["precision"]
    assert after.summary["recall"] == before.summary["recall"]
    other = {"solid": "dashed", "dashed": "solid"}
    exchanged = {
        name: tuple(
            [msgspec.structs.replace(each, label=other[each.label]) for each in side]
            for side in sides
        )
        for name, sides in images.items()
    }
    mirrored = evaluator(exchanged, protocol=protocol, confidence=0.2).result()
    order = [1, 0, 2]
    counts = np.array(before.confusion.counts)[np.ix_(order, order)]
    assert mirrored.confusion.counts == counts.tolist()
    assert mirrored.summary == pytest.approx(before.summary)
