"""Semantic masks and panoptic quality: the numbers of scikit-learn, and of panopticapi's formula on maps of ids."""

from __future__ import annotations

import pickle
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from layernext.errors import ConfigurationError
from layernext.evaluation import Evaluator, RunPairing, compare_evaluations, match_image
from layernext.evaluation.similarity.semantic_mask import overlay
from layernext.model import (
    Annotation,
    EvaluationSettings,
    ImageAnnotations,
    Mask,
    Polygon,
    RunLengths,
    SemanticMask,
    counts_of,
    masks_of_map,
)

HEIGHT, WIDTH = 24, 40
LABELS = ["road", "sky", "tree", "wall"]
VOID = 255
THINGS = ["car", "person"]
Map = Any


def label_map(rng: np.random.Generator, labels: int = len(LABELS)) -> Map:
    """Rectangles of class numbers on each other, some of them void."""
    pixels = np.full((HEIGHT, WIDTH), rng.choice([0, VOID]), np.uint8)
    for _ in range(8):
        (top, bottom), (left, right) = (
            np.sort(rng.integers(0, side, 2)) for side in (HEIGHT, WIDTH)
        )
        pixels[top : bottom + 1, left : right + 1] = rng.choice([*range(labels), VOID])
    return pixels


def semantic(pixels: Map, **fields: Any) -> list[Annotation]:
    """The semantic masks of a label map."""
    return [
        SemanticMask(label=LABELS[number], mask=mask, **fields)
        for number, mask in masks_of_map(pixels).items()
        if number != VOID
    ]


def image(name: str, annotations: list[Annotation]) -> ImageAnnotations:
    return ImageAnnotations(image=name, annotations=annotations)


def worse(rng: np.random.Generator, pixels: Map) -> Map:
    """The map with a moved part, some pixels of another class, and some void ones."""
    moved = np.roll(pixels, rng.integers(-2, 3), axis=rng.integers(0, 2))
    noise = rng.random(pixels.shape)
    moved[noise < 0.08] = rng.integers(0, len(LABELS))
    moved[noise > 0.97] = VOID
    return moved


def maps(seed: int, count: int = 12) -> list[tuple[Map, Map]]:
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        truth = label_map(rng)
        pairs.append((truth, worse(rng, truth)))
    return pairs


def evaluator(pairs: list[tuple[Map, Map]], **settings: Any) -> Evaluator:
    whole = Evaluator(EvaluationSettings(geometry="semantic_mask", **settings))
    for number, (truth, run) in enumerate(pairs):
        name = f"{number:03}"
        whole.add(name, image(name, semantic(truth)), image(name, semantic(run)))
    return whole


def test_overlay_is_that_of_pixels() -> None:
    """Masks that overlap and masks that do not, some without pixels, by an array of every pixel."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        sides = [
            [rng.random((7, 9)) < rng.choice([0, 0.1, 0.5, 1]) for _ in range(rng.integers(0, 4))]
            for _ in range(2)
        ]
        at = []
        for side in sides:
            owners = np.full((7, 9), len(side))
            for number, mask in enumerate(side):
                owners[mask] = number
            at.append(owners.ravel())
        counts = [[counts_of(RunLengths.from_array(mask)) for mask in side] for side in sides]
        rows, columns = len(sides[0]) + 1, len(sides[1]) + 1
        result = overlay(*counts)
        expected = np.array(
            [[np.sum((at[0] == i) & (at[1] == j)) for j in range(columns)] for i in range(rows)]
        )
        # What neither side covers may lie behind the last run.
        result[-1, -1] = expected[-1, -1]
        assert (result == expected).all()


def test_the_numbers_are_those_of_scikit_learn() -> None:
    """Confusion over pixels, IoU of each label and its mean, accuracies, weights by frequency; void is left out."""
    pairs = maps(2)
    result = evaluator(pairs).result()
    truth, run = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    truth, run = truth[truth != VOID], run[truth != VOID]
    classes = [*range(len(LABELS)), VOID]
    confusion = confusion_matrix(truth, run, labels=classes)
    assert result.confusion.labels == LABELS
    assert result.confusion.counts == confusion.tolist()
    iou = jaccard_score(truth, run, labels=classes[:-1], average=None)
    by_label = {label.label: label.scores for label in result.labels}
    assert [by_label[label]["IoU"] for label in LABELS] == pytest.approx([*iou], abs=1e-9)
    accuracies = np.diag(confusion)[:-1] / confusion.sum(axis=1)[:-1]
    shares = confusion.sum(axis=1)[:-1] / confusion.sum()
    assert [by_label[label]["accuracy"] for label in LABELS] == pytest.approx(
        [*accuracies], abs=1e-9
    )
    expected = {
        "mIoU": iou.mean(),
        "pixel_accuracy": np.mean(truth == run),
        "mean_accuracy": accuracies.mean(),
        "fwIoU": shares @ iou,
    }
    for name, value in expected.items():
        assert result.summary[name] == pytest.approx(value, abs=1e-9), name
    assert 0.2 < result.summary["mIoU"] < 0.95
    assert result.errors is None
    tallies = [*evaluator(pairs).iter_tallies()]
    sums: dict[Any, int] = defaultdict(int)
    for tally in tallies:
        for row, column, count in tally.confusion:
            sums[row, column] += count
    names = [*LABELS, None]
    assert sums == {
        (names[i], names[j]): confusion[i, j]
        for i in range(len(LABELS)) for j in range(len(names)) if confusion[i, j]
    }  # fmt: skip
    alone = evaluator(pairs[3:4]).result()
    assert tallies[3].mean_similarity == pytest.approx(alone.summary["mIoU"], abs=1e-12)


def test_a_label_only_in_the_run_counts_as_wrong() -> None:
    """Its IoU is 0, as in the tools of the data sets; a label in neither is no label."""
    truth, run = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    run[:2] = 1
    result = evaluator([(truth, run)]).result()
    assert {label.label: label.scores["IoU"] for label in result.labels} == {"road": 0.5, "sky": 0}
    assert result.summary["mIoU"] == 0.25
    assert result.summary["mean_accuracy"] == 0.5
    everything = evaluator([(np.full((4, 4), VOID), run)]).result()
    assert everything.summary["mIoU"] is None
    assert everything.counts["ignored_annotations"] == 2


def test_order_division_and_empty_images_change_nothing() -> None:
    """Also pickled in between; an image without a set of the run has only missed pixels."""
    pairs = maps(4, 9)
    expected = evaluator(pairs).result()
    settings = EvaluationSettings(geometry="semantic_mask")
    parts = [Evaluator(settings) for _ in range(3)]
    for number in [5, 2, 8, 0, 1, 7, 3, 6, 4]:
        truth, run = pairs[number]
        name = f"{number:03}"
        parts[number % 3].add(name, image(name, semantic(truth)), image(name, semantic(run)))
    whole = Evaluator(settings)
    for part in parts:
        whole.merge(pickle.loads(pickle.dumps(part)))
    assert whole.result() == expected
    missing = Evaluator(settings)
    missing.add("a", image("a", semantic(pairs[0][0])), None)
    assert missing.result().summary["mIoU"] == 0


Segment = tuple[str, bool, Map]
"""Label, whether it is a crowd, and its pixels."""


def segments(rng: np.random.Generator) -> list[Segment]:
    """Some pixels of two kinds of stuff, and things on them that do not overlap."""
    pixels = label_map(rng, 2)
    taken = np.zeros(pixels.shape, bool)
    things: list[Segment] = []
    for _ in range(rng.integers(0, 7)):
        shape = np.zeros(pixels.shape, bool)
        top, left = rng.integers(0, HEIGHT - 5), rng.integers(0, WIDTH - 5)
        shape[top : top + rng.integers(3, 9), left : left + rng.integers(3, 9)] = True
        shape &= ~taken
        if shape.any():
            taken |= shape
            is_crowd = rng.random() < 0.2 and not any(crowd for _, crowd, _ in things)
            things.append((str(rng.choice(THINGS)), bool(is_crowd), shape))
    stuff: list[Segment] = [
        (LABELS[number], False, (pixels == number) & ~taken)
        for number in (0, 1)
        if ((pixels == number) & ~taken).any()
    ]
    return stuff + things


def found(rng: np.random.Generator, truths: list[Segment]) -> list[Segment]:
    """Most of the segments a little moved, some under another label, one that is not there."""
    run: list[Segment] = []
    taken = np.zeros((HEIGHT, WIDTH), bool)
    merged: dict[str, int] = {}
    extra = np.zeros((HEIGHT, WIDTH), bool)
    extra[3:9, 20:30] = True
    for label, _, shape in [*truths, ("car", False, extra)]:
        moved = np.roll(shape, rng.integers(-1, 2), axis=rng.integers(0, 2)) & ~taken
        if rng.random() < 0.15 or not moved.any():
            continue
        taken |= moved
        if label in THINGS:
            run.append((str(rng.choice(THINGS)) if rng.random() < 0.1 else label, False, moved))
        else:
            merged[label] = len(run)
            run.append((label, False, moved))
    return run


def annotations(of_image: list[Segment], confidence: float | None = None) -> list[Annotation]:
    return [
        Mask(
            label=label, mask=RunLengths.from_array(shape), confidence=confidence,
            metadata={"iscrowd": 1} if is_crowd else {},
        )
        if label in THINGS
        else SemanticMask(label=label, mask=RunLengths.from_array(shape), confidence=confidence)
        for label, is_crowd, shape in of_image
    ]  # fmt: skip


def pixels_shared(truths: list[Segment], run: list[Segment]) -> Any:
    """How many pixels each segment of the truth has in each of the run, 0 being void, by maps of ids."""
    ids = [np.zeros((HEIGHT, WIDTH), int) for _ in range(2)]
    for side, of_image in enumerate((truths, run)):
        for number, (_, _, shape) in enumerate(of_image, 1):
            ids[side][shape] = number
    shared = np.zeros((len(truths) + 1, len(run) + 1), int)
    np.add.at(shared, (ids[0].ravel(), ids[1].ravel()), 1)
    return shared


def add_reference(sums: dict[str, list[float]], truths: list[Segment], run: list[Segment]) -> None:
    """Add overlap, hits, false and missed segments of an image by label: panopticapi's rules, written down again."""
    shared = pixels_shared(truths, run)
    crowds = [i for i, (_, is_crowd, _) in enumerate(truths, 1) if is_crowd]
    missed = {i: label for i, (label, is_crowd, _) in enumerate(truths, 1) if not is_crowd}
    for j, (label, _, _) in enumerate(run, 1):
        area = shared[:, j].sum()
        hits = []
        for i in [i for i, other in missed.items() if other == label]:
            union = shared[i].sum() + area - shared[i, j] - shared[0, j]
            if shared[i, j] / union > 0.5:
                hits.append((i, shared[i, j] / union))
        free = shared[0, j] + sum(shared[i, j] for i in crowds if truths[i - 1][0] == label)
        if hits:
            ((hit, iou),) = hits
            del missed[hit]
            sums[label][0] += iou
            sums[label][1] += 1
        elif free / area <= 0.5:
            sums[label][2] += 1
    for label in missed.values():
        sums[label][3] += 1


def panoptic_reference(pairs: list[tuple[list[Segment], list[Segment]]]) -> dict[str, Any]:
    """PQ, SQ and RQ of each label."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0, 0, 0])
    for truths, run in pairs:
        add_reference(sums, truths, run)
    labels = {}
    for label, (overlap, hits, false, missed) in sums.items():
        involved = hits + false / 2 + missed / 2
        if involved:
            labels[label] = (overlap / involved, overlap / hits if hits else 0.0, hits / involved)
    return labels


def scenes(seed: int, count: int = 15) -> list[tuple[list[Segment], list[Segment]]]:
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        truths = segments(rng)
        pairs.append((truths, found(rng, truths)))
    return pairs


def panoptic(pairs: list[tuple[list[Segment], list[Segment]]]) -> Evaluator:
    whole = Evaluator(EvaluationSettings(geometry="semantic_mask", protocol="panoptic"))
    for number, (truths, run) in enumerate(pairs):
        name = f"{number:03}"
        whole.add(
            name, image(name, annotations(truths)), image(name, annotations(run, 0.5)),
            image_wh=(WIDTH, HEIGHT),
        )  # fmt: skip
    return whole


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_panoptic_quality_is_that_of_the_reference(seed: int) -> None:
    """Overall, of things and of stuff, and of each label; with crowds and void pixels."""
    pairs = scenes(seed)
    result = panoptic(pairs).result()
    expected = panoptic_reference(pairs)
    names = ("PQ", "SQ", "RQ")
    by_label = {
        label.label: tuple(label.scores[name] for name in names)
        for label in result.labels
        if label.scores["PQ"] is not None
    }
    assert by_label.keys() == expected.keys()
    for label, values in expected.items():
        assert by_label[label] == pytest.approx(values, abs=1e-9), label
    for suffix, members in (("", expected), ("_things", THINGS), ("_stuff", LABELS)):
        for place, name in enumerate(names):
            values = [expected[label][place] for label in members if label in expected]
            assert result.summary[name + suffix] == pytest.approx(np.mean(values), abs=1e-9)
    assert 0.2 < result.summary["PQ"] < 0.95


def test_masks_that_overlap_cover_each_other_by_confidence() -> None:
    """The more confident is on top, semantic masks lie below; what is left counts. Outlines are drawn."""
    left, right = np.zeros((4, 8), bool), np.zeros((4, 8), bool)
    left[:, :5], right[:, 3:] = True, True
    truth = [
        Polygon(label="car", polygon=[(0, 0), (3, 0), (3, 4), (0, 4)]),
        Polygon(label="car", polygon=[(3, 0), (8, 0), (8, 4), (3, 4)]),
    ]
    run = [
        Mask(label="car", confidence=0.9, mask=RunLengths.from_array(right)),
        Mask(label="car", confidence=0.5, mask=RunLengths.from_array(left)),
        SemanticMask(label="road", mask=RunLengths.from_array(left | right)),
    ]
    settings = EvaluationSettings(geometry="semantic_mask", protocol="panoptic")
    whole = Evaluator(settings)
    whole.add("a", image("a", [*truth]), image("a", [*run]), image_wh=(8, 4))
    result = whole.result()
    assert result.summary["PQ_things"] == 1
    # The semantic mask is covered: nothing is left of it that could be wrong.
    assert result.summary["PQ"] == 1
    matches = match_image(image("a", [*truth]), image("a", [*run]), settings, image_wh=(8, 4))
    assert [match.outcome for match in matches.annotations] == ["matched", "matched", "ignored"]
    assert [match.annotation for match in matches.truths] == [1, 0]


def test_half_is_not_enough() -> None:
    """Segments with an IoU of exactly one half do not match; a lower threshold is refused."""
    whole, half = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    half[:2] = True
    evaluated = Evaluator(EvaluationSettings(geometry="semantic_mask", protocol="panoptic"))
    truth, run = (
        image("a", [Mask(label="car", mask=RunLengths.from_array(shape))])
        for shape in (whole, half)
    )
    evaluated.add("a", truth, run)
    assert evaluated.result().summary["PQ"] == 0
    with pytest.raises(ConfigurationError, match=r"must be at least 0\.5 for panoptic quality"):
        EvaluationSettings(
            geometry="semantic_mask", protocol="panoptic", match_threshold=0.4
        ).complete()


def test_runs_are_compared() -> None:
    """With intervals around the difference of every number; a run with itself differs in nothing."""
    pairs = maps(8)
    better = [(truth, truth) for truth, _ in pairs]
    a, b = evaluator(pairs), evaluator(better)
    pairing = RunPairing(EvaluationSettings(geometry="semantic_mask"))
    for number, ((_, run), (_, best)) in enumerate(zip(pairs, better, strict=True)):
        pairing.add(f"{number:03}", image("", semantic(run)), image("", semantic(best)))
    result = compare_evaluations(a, b, pairing=pairing, resamples=20)
    scores = {score.name: score for score in result.scores}
    assert scores["mIoU"].b == 1
    assert scores["mIoU"].low <= scores["mIoU"].delta <= scores["mIoU"].high
    assert result.changes is not None
    assert result.changes.moved > 0
    same = compare_evaluations(evaluator(pairs), evaluator(pairs), resamples=5)
    assert all(not score.delta for score in same.scores)
    scenes_ = scenes(9)
    different = compare_evaluations(
        panoptic(scenes_), panoptic([(truth, truth) for truth, _ in scenes_]), resamples=5
    )
    assert {score.name: score.b for score in different.scores}["SQ"] == 1
