"""The division of a dataset: exact, repeatable, without leakage."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from layernext.stack.store.datasets.splits import SPLITS, Candidate, assign

percents = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(
    lambda pair: {
        "train": min(pair), "validation": max(pair) - min(pair), "test": 100 - max(pair),
    }
)  # fmt: skip


def images(count: int) -> list[Candidate]:
    return [Candidate(n, f"image {n}", f"#{n}") for n in range(count)]


@given(st.integers(0, 300), percents, st.integers(0, 5))
def test_percentages_are_exact(count: int, percent: dict[str, int], seed: int) -> None:
    """No split is a whole image away from its share, and none is lost."""
    found = assign(images(count), percent, seed)
    counts = Counter(found.values())
    assert sum(counts.values()) == count
    for number, name in enumerate(SPLITS):
        assert abs(counts[number] - count * percent[name] / 100) < 1


@given(st.integers(1, 100), percents)
def test_repeatable_and_seeded(count: int, percent: dict[str, int]) -> None:
    """The same seed divides in the same way, in whatever order the images come."""
    first = assign(images(count), percent, 7)
    assert assign(list(reversed(images(count))), percent, 7) == first


def test_another_seed_divides_otherwise() -> None:
    """The seed decides the split."""
    percent = {"train": 50.0, "validation": 25.0, "test": 25.0}
    assert assign(images(200), percent, 1) != assign(images(200), percent, 2)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), percents, st.integers(0, 3))
def test_same_files_stay_together(files: list[int], percent: dict[str, int], seed: int) -> None:
    """Two images with one file are never in different splits."""
    some = [Candidate(n, f"i{n}", f"file {one}") for n, one in enumerate(files)]
    found = assign(some, percent, seed)
    by_file: dict[str, set[int]] = {}
    for one in some:
        by_file.setdefault(one.same_file, set()).add(found[one.image_id])
    assert all(len(splits) == 1 for splits in by_file.values())


@given(st.integers(1, 60), st.integers(1, 60), percents)
def test_images_keep_their_split(old: int, new: int, percent: dict[str, int]) -> None:
    """What was divided once stays where it is when more comes."""
    before = assign(images(old), percent, 0)
    after = assign(images(old + new), percent, 0, before)
    assert {one: after[one] for one in before} == before


@given(st.lists(st.sampled_from("abc"), min_size=30, max_size=200))
def test_strata_are_divided_evenly(labels: list[str]) -> None:
    """Each label is in each split by its share, within two images."""
    percent = {"train": 60.0, "validation": 20.0, "test": 20.0}
    some = [Candidate(n, f"i{n}", f"#{n}", label) for n, label in enumerate(labels)]
    found = assign(some, percent, 3)
    for label in set(labels):
        mine = [one for one in some if one.stratum == label]
        counts = Counter(found[one.image_id] for one in mine)
        for number, name in enumerate(SPLITS):
            assert abs(counts[number] - len(mine) * percent[name] / 100) <= 2
