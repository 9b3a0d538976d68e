"""Semantic masks: one of a label in an image, without overlap, kept as they were written."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from layernext.errors import DataError
from layernext.model import (
    ImageDecoder,
    RunLengths,
    SemanticMask,
    decode_trusted,
    find_problems_of_merged,
    masks_of_map,
)


def mask(label: str, counts: Any, size: tuple[int, int] = (2, 4)) -> dict[str, Any]:
    return {
        "type": "semantic_mask", "label": label, "mask": {"size": [*size], "counts": counts},
    }  # fmt: skip


def encoded(*annotations: dict[str, Any]) -> bytes:
    return json.dumps({"image": "a", "annotations": annotations}).encode()


ROAD = mask("road", [0, 2, 6])
SKY = mask("sky", [2, 0, 0, 3, 3])
"""Two pixels further, with a run without pixels where the road is."""


def test_they_are_read_and_kept() -> None:
    """Beside each other, and with runs that touch or are empty: valid, and no slow check is needed."""
    raw = encoded(ROAD, SKY, mask("void", [8]))
    assert ImageDecoder(None).try_decode(raw) is not None
    first, second, _ = decode_trusted(raw, None).annotations
    assert first == SemanticMask(label="road", mask=RunLengths((2, 4), [0, 2, 6]))
    assert isinstance(second, SemanticMask)
    assert second.mask.counts == [2, 0, 0, 3, 3]
    masks = [ROAD | {"type": "mask"}, ROAD | {"type": "mask"}]
    assert ImageDecoder(None).try_decode(encoded(*masks)) is not None, "masks may overlap"


@pytest.mark.parametrize(
    ("annotations", "problem"),
    [
        (
            [ROAD, mask("road", [3, 5])],
            r'annotations\[1\]\.label: is "road", as in images\[0\]\.annotations\[0\]; an image has one',
        ),
        (
            [SKY, ROAD, mask("tree", [1, 1, 5, 1])],
            r"annotations\[2\]\.mask: overlaps that of images\[0\]\.annotations\[1\] at x 0, y 1",
        ),
        (
            [ROAD, mask("tree", [2, 2], (2, 2))],
            r"annotations\[1\]\.mask\.size: is \[2, 2\], that of images\[0\]\.annotations\[0\] is \[2, 4\]",
        ),
        ([ROAD, mask("tree", [2, 2])], r"annotations\[1\]\.mask\.counts: sums to 4 pixels"),
    ],
    ids=["label", "overlap", "size", "counts"],
)
def test_contradictions_are_refused_with_their_place(
    annotations: list[dict[str, Any]], problem: str
) -> None:
    """Of the later one, naming the earlier one."""
    with pytest.raises(DataError, match=problem):
        ImageDecoder(None).decode(encoded(*annotations))


def test_sets_that_become_one_are_checked() -> None:
    """What is logged twice for an image is one set in the end."""
    raws = [json.dumps(annotation).encode() for annotation in (ROAD, mask("road", [8]))]
    assert find_problems_of_merged(raws[:1], None, "image 'a'") == []
    (problem,) = find_problems_of_merged(raws, None, "image 'a'")
    assert str(problem).startswith("image 'a'.annotations[1].label: is \"road\"")


@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint16", "list"])
def test_label_maps_become_masks(dtype: str) -> None:
    """By class number, from arrays of any whole numbers and from lists."""
    numbers = [[0, 7, 7], [7, 255, 0]]
    values: Any = numbers if dtype == "list" else np.array(numbers, dtype)
    masks = masks_of_map(values)
    array = np.array(numbers)
    assert [*masks] == [0, 7, 255]
    for number, ours in masks.items():
        assert (ours.to_array() == (array == number)).all()
    if dtype == "int64":
        assert [*masks_of_map(np.array([[-1, 300]]))] == [-1, 300]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (np.zeros((2, 2)), "has the type float64, must be whole numbers"),
        (np.zeros((1, 2, 2), int), r"has the shape \(1, 2, 2\), must be \(height, width\)"),
        ([[1.5]], "has values that are not whole numbers"),
    ],
    ids=["floats", "three-axes", "list"],
)
def test_what_is_no_label_map_is_refused(values: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        masks_of_map(values)
