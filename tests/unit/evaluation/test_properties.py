"""What must hold of any evaluation, whatever is evaluated."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layernext.evaluation import Evaluator
from layernext.model import ALL_AREAS, EvaluationSettings
from tests.unit.evaluation.scenes import encoded

LABELS = ["cup", "fork", "knife"]
FAR = 10_000.0
"""Where no other box is."""

sides = st.integers(1, 12).map(float)
corners = st.integers(0, 16).map(float)
boxes = st.tuples(corners, corners, sides, sides)
truths = st.builds(
    lambda label, bbox: {"type": "rectangle", "label": label, "bbox": bbox},
    st.sampled_from(LABELS),
    boxes,
)
annotations = st.builds(
    lambda truth, tenths: truth | {"confidence": tenths / 10}, truths, st.integers(0, 10)
)
images = st.lists(
    st.tuples(st.lists(truths, max_size=5), st.lists(annotations, max_size=7)),
    min_size=1,
    max_size=4,
).map(lambda found: [(string.ascii_lowercase[i], *each) for i, each in enumerate(found)])

many = settings(max_examples=30, deadline=None)


def evaluator(data, **options):
    found = Evaluator(EvaluationSettings(**options))
    for name, there, said in data:
        found.add(name, encoded(name, there), encoded(name, said))
    return found


def result(data, **options):
    return evaluator(data, **options).result()


def no_more(after, before):
    """Whether a number did not rise; what was or is undefined did not."""
    return before is None or after is None or after <= before + 1e-12


@many
@given(images, annotations)
def test_a_false_positive_never_helps(data, one):
    """An annotation where nothing is raises neither precision nor any average."""
    before = result(data, confidence=0.3)
    false = one | {"bbox": (FAR, FAR, 5.0, 5.0)}
    (name, there, said), *others = data
    after = result([(name, there, [*said, false]), *others], confidence=0.3)
    assert no_more(after.summary["precision"], before.summary["precision"])
    assert after.summary["recall"] == before.summary["recall"]
    for number in ("AP", "AP50", "AP75"):
        assert no_more(after.summary[number], before.summary[number])
    assert sum(after.confusion.counts[-1]) == sum(before.confusion.counts[-1]) + (
        false["confidence"] >= 0.3
    )


@many
@given(images, st.permutations(LABELS))
def test_relabelling_permutes_the_matrix(data, others):
    """Other names for the labels give the same numbers under other names."""
    names = dict(zip(LABELS, others, strict=True))
    renamed = [
        (image, *([one | {"label": names[one["label"]]} for one in side] for side in both))
        for image, *both in data
    ]
    before, after = result(data, confidence=0.3), result(renamed, confidence=0.3)
    assert after.summary == pytest.approx(before.summary, abs=1e-12)
    place = {label: number for number, label in enumerate(after.confusion.labels)}
    where = [*(place[names[label]] for label in before.confusion.labels), -1]
    # Which of several equally confident annotations is the mislabelled one goes by label.
    totals = lambda counts: [sum(row) for row in counts]  # noqa: E731
    rows = totals(after.confusion.counts)
    assert [rows[number] for number in where[:-1]] == totals(before.confusion.counts)[:-1]
    diagonal = [after.confusion.counts[number][number] for number in where[:-1]]
    assert diagonal == [row[i] for i, row in enumerate(before.confusion.counts[:-1])]


@many
@given(images, st.randoms(use_true_random=False), st.integers(0, 3))
def test_order_and_division_do_not_matter(data, random, cut):
    """Images in any order, and in any two parts, give the same to the last digit."""
    shuffled = random.sample(data, len(data))
    merged = evaluator(shuffled[:cut])
    merged.merge(evaluator(shuffled[cut:]))
    whole = evaluator(data)
    assert merged.result() == whole.result()
    assert list(merged.iter_tallies(0.4)) == list(whole.iter_tallies(0.4))


@many
@given(images, st.data())
def test_a_duplicate_never_helps(data, draw):
    """Saying the same once more raises no average, where there is no second choice."""
    name, there, said = data[0]
    if not said:
        return
    again = draw.draw(st.sampled_from(said))
    before = result(data, protocol="voc")
    after = result([(name, there, [*said, again]), *data[1:]], protocol="voc")
    assert no_more(after.summary["AP"], before.summary["AP"])


@many
@given(images, st.sampled_from([0.25, 2.0, 64.0]))
def test_scale_does_not_matter(data, factor):
    """Larger images with larger boxes give the same, if sizes are not told apart."""
    scaled = [
        (image, *([one | {"bbox": [v * factor for v in one["bbox"]]} for one in s] for s in both))
        for image, *both in data
    ]
    options = {"areas": (ALL_AREAS,), "confidence": 0.3}
    assert result(scaled, **options) == result(data, **options)


@many
@given(images)
def test_the_truth_is_perfect(data):
    """A run that says exactly the truth has an AP of 1, finds all and makes no error."""
    same = [
        (image, there, [one | {"confidence": 0.5} for one in there]) for image, there, _ in data
    ]
    found = result(same)
    if not any(there for _, there, _ in data):
        assert found.summary["AP"] is None
        return
    for number in ("AP", "AR100", "precision", "recall", "f1"):
        assert found.summary[number] == pytest.approx(1)
    assert found.errors.false_positives.count == found.errors.missed.count == 0


@many
@given(images)
def test_counts_add_up(data):
    """Every truth and every annotation is in the matrix once, in the labels once, in an image once."""
    found = evaluator(data, confidence=0.3)
    whole, tallies = found.result(), list(found.iter_tallies())
    counts = whole.confusion.counts
    said = sum(one["confidence"] >= 0.3 for _, _, each in data for one in each)
    assert sum(map(sum, counts[:-1])) == sum(each.truths for each in tallies)
    assert sum(map(sum, counts)) - sum(row[-1] for row in counts) == said
    assert sum(each.annotations for each in tallies) == said
    assert sum(each.true_positives for each in tallies) == sum(
        counts[i][i] for i in range(len(counts) - 1)
    )
    assert sum(each.false_positives for each in whole.labels) == sum(
        each.false_positives for each in tallies
    )
    for each in tallies:
        assert each.true_positives + each.missed == each.truths
        assert each.mislabelled <= min(each.missed, each.false_positives)
