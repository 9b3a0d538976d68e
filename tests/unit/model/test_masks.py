"""Masks: read and measured as pycocotools does it, checked, and kept as they were written."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from layernext.errors import DataError
from layernext.formats.core.outlines import mask_of_rows, rows_of_mask
from layernext.model import KINDS, ImageDecoder, Mask, RunLengths, decode_trusted, kind_of
from layernext.model.geometry.run_lengths import compressed, counts_of, sampled
from tests.support.strategies import run_lengths

MASK = KINDS["mask"]
Pixels = NDArray[np.bool_]


@st.composite
def arrays(draw: st.DrawFn) -> Pixels:
    """Small masks, some of them empty or full, with runs of all lengths."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rows = st.lists(st.booleans(), min_size=width, max_size=width)
    return np.array(draw(st.lists(rows, min_size=height, max_size=height)), bool)


def coco_mask(array: Pixels) -> dict[str, Any]:
    """What pycocotools makes of an array."""
    encoded: dict[str, Any] = coco.encode(np.asfortranarray(array.astype(np.uint8)))
    return encoded


def image_with(mask: Any, **fields: Any) -> bytes:
    """The JSON of an image with a mask."""
    annotation = {"type": "mask", "label": "cup", "mask": mask, **fields}
    return json.dumps({"image": "a.jpg", "annotations": [annotation]}).encode()


@given(arrays())
def test_encoding_is_that_of_pycocotools(array: Pixels) -> None:
    """Size, string, area and bounds are the reference's, to the character."""
    theirs = coco_mask(array)
    ours = RunLengths.from_array(array)
    assert ours == RunLengths(tuple(theirs["size"]), theirs["counts"].decode())
    assert RunLengths.from_array(array.tolist()) == ours
    assert MASK.area(ours) == coco.area(theirs)
    assert [*MASK.box(ours)] == coco.toBbox(theirs).tolist()
    assert (ours.to_array() == array).all()


@given(st.lists(st.integers(0, 1 << 31), min_size=1, max_size=20))
def test_compression_goes_both_ways(counts: list[int]) -> None:
    """Whatever the counts: differences may be negative, and many groups of bits long."""
    text = compressed(counts)
    assert counts_of(RunLengths((1, 1), text)) == counts


@given(run_lengths)
def test_counts_and_string_are_the_same_mask(mask: RunLengths) -> None:
    """A list of counts and the string of it have the same area and bounds, those of pycocotools."""
    counts = counts_of(mask)
    height, width = mask.size
    theirs = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    assert MASK.area(mask) == coco.area(theirs)
    if 0 not in counts[1::2]:  # pycocotools takes the bounds of an empty run, too
        assert [*MASK.box(mask)] == coco.toBbox(theirs).tolist()


def test_it_comes_back_as_written() -> None:
    """A list stays a list, a string a string, with every character."""
    for counts in ([5, 1, 0, 0, 0], compressed([1, 2, 3]), compressed([0, 6])):
        raw = image_with({"size": [2, 3], "counts": counts}, confidence=0.5)
        ImageDecoder(None).decode(raw)
        image = decode_trusted(raw, None)
        assert json.loads(msgspec.json.encode(image)) == json.loads(raw)


@pytest.mark.parametrize(
    ("mask", "where", "message"),
    [
        (7, "mask", 'is 7, must be {"size": [height, width], "counts": …}'),
        ({"counts": [6]}, "mask.size", "is missing"),
        ({"size": [2, 3]}, "mask.counts", "is missing"),
        ({"size": [2, 3], "counts": [6], "rle": 1}, "mask", 'unknown key "rle"; known are counts and size'),
        ({"size": [2, 0], "counts": [0]}, "mask.size", "is [2, 0], must be [height, width], whole numbers from 1"),
        ({"size": [2, 3, 4], "counts": [6]}, "mask.size", "is [2, 3, 4], must be [height, width], whole numbers from 1"),
        ({"size": [2.0, 3], "counts": [6]}, "mask.size", "is [2.0, 3], must be [height, width], whole numbers from 1"),
        ({"size": [100000, 100000], "counts": [10000000000]}, "mask.size", "has 100000 x 100000 pixels, must have at most 500,000,000"),
        ({"size": [2, 3], "counts": [7, -1]}, "mask.counts[1]", "is -1, must be a whole number from 0"),
        ({"size": [2, 3], "counts": [5.5]}, "mask.counts[0]", "is 5.5, must be a whole number from 0"),
        ({"size": [2, 3], "counts": None}, "mask.counts", "is null, must be a list of run lengths, or a string of them"),
        ({"size": [2, 3], "counts": [4, 1]}, "mask.counts", "sums to 5 pixels, must be height x width: 2 x 3 = 6"),
        ({"size": [2, 3], "counts": "7"}, "mask.counts", "sums to 7 pixels, must be height x width: 2 x 3 = 6"),
        ({"size": [2, 3], "counts": ""}, "mask.counts", "sums to 0 pixels, must be height x width: 2 x 3 = 6"),
        ({"size": [2, 3], "counts": "4~2"}, "mask.counts", "is not a compressed run-length string: it is wrong from character 2"),
        ({"size": [2, 3], "counts": "4P"}, "mask.counts", "is not a compressed run-length string: it is wrong from character 2"),
        ({"size": [2, 3], "counts": "O7"}, "mask.counts", "has the run length -1, must have none below 0"),
    ],
)  # fmt: skip
def test_wrong_masks_are_refused_with_their_place(mask: Any, where: str, message: str) -> None:
    """Each mistake in a sentence, where it is."""
    with pytest.raises(DataError) as refusal:
        ImageDecoder(None).decode(image_with(mask))
    found = {problem.where: problem.message for problem in refusal.value.problems}
    assert found == {f"images[0].annotations[0].{where}": message}


def test_repeated_keys_are_found() -> None:
    """In a mask's object, too, also where its string has colons."""
    colons = RunLengths((1, 1000), compressed([10, 990]))
    assert ":" in str(colons.counts)
    good = image_with({"size": [1, 1000], "counts": colons.counts})
    assert ImageDecoder(None).try_decode(good) is not None
    twice = good.replace(b'"size"', b'"size": [1, 1], "size"')
    assert ImageDecoder(None).try_decode(twice) is None
    with pytest.raises(DataError, match='key "size" appears twice'):
        ImageDecoder(None).decode(twice)


TURNS = {
    "horizontal": (lambda w, h: lambda x, y: (w - x, y), np.fliplr),
    "vertical": (lambda w, h: lambda x, y: (x, h - y), np.flipud),
    "clockwise": (lambda w, h: lambda x, y: (h - y, x), lambda a: np.rot90(a, -1)),
    "counter-clockwise": (lambda w, h: lambda x, y: (y, w - x), np.rot90),
    "upside-down": (lambda w, h: lambda x, y: (w - x, h - y), lambda a: np.rot90(a, 2)),
}


@given(arrays())
def test_turns_and_mirrors(array: Pixels) -> None:
    """As numpy turns the array."""
    height, width = array.shape
    for move_of, turned in TURNS.values():
        moved = MASK.move(RunLengths.from_array(array), move_of(width, height))
        assert (moved.to_array() == turned(array)).all()
    assert MASK.move(RunLengths.from_array(array), lambda x, y: (99 - x, y)) is None


@given(
    arrays(),
    st.tuples(st.integers(-3, 12), st.integers(-3, 12), st.integers(1, 9), st.integers(1, 9)),
)
def test_crop(array: Pixels, window: tuple[int, int, int, int]) -> None:
    """As numpy cuts the array; what is outside of the image is outside of the mask."""
    left, top, width, height = window
    around = np.pad(array, 30)
    cut = around[top + 30 : top + 30 + height, left + 30 : left + 30 + width]
    pieces = MASK.crop(RunLengths.from_array(array), tuple(map(float, window)))
    assert len(pieces) == cut.any()
    for piece in pieces:
        assert (piece.to_array() == cut).all()


@given(arrays())
def test_rows(array: Pixels) -> None:
    """Runs of rows are the transposed ones of columns, and make the same mask again."""
    mask = RunLengths.from_array(array)
    rows = rows_of_mask(mask)
    pixels = np.zeros(array.shape, bool)
    for row, runs in rows.items():
        for start, stop in runs:
            assert not pixels[row, start:stop].any()
            pixels[row, start:stop] = True
    assert (pixels == array).all()
    assert mask_of_rows(rows, array.shape) == mask
    around = mask_of_rows(rows, (array.shape[0] + 3, array.shape[1] + 2), (2, 1))
    assert (around.to_array() == np.pad(array, ((1, 2), (2, 0)))).all()
    height, width = array.shape
    cut = mask_of_rows(rows, (height, width), (-1, -1)).to_array()
    assert (cut == np.pad(array[1:, 1:], ((0, 1), (0, 1)))).all()


@given(arrays(), st.integers(2, 4))
def test_what_is_drawn_small(array: Pixels, step: int) -> None:
    """Every second, fourth … row and column of a mask with many runs."""
    counts, size = sampled(counts_of(RunLengths.from_array(array)), array.shape, step)
    assert (RunLengths(size, counts).to_array() == array[::step, ::step]).all()


def test_drawing_of_noise_is_bounded() -> None:
    """A mask of noise is drawn coarser, not left out."""
    noise = np.random.default_rng(1).random((300, 400)) > 0.5
    code, (step, height, width, *counts) = MASK.drawing(RunLengths.from_array(noise))
    assert code == 5
    assert len(counts) <= 1000
    assert (RunLengths((height, width), counts).to_array() == noise[::step, ::step]).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3)), "has the type float64, must be bool: pass masks > 0.5"),
        (np.full((2, 3), 7), "has values other than 0 and 1"),
        (np.full((2, 3), 256), "has values other than 0 and 1"),
        (np.full((2, 3), -255), "has values other than 0 and 1"),
        (np.zeros((1, 2, 3), bool), "has the shape (1, 2, 3), must be (height, width)"),
        (np.zeros((0, 3), bool), "has no pixels"),
        ([[True], [True, False]], "has rows of different lengths"),
        ([[0.5]], "has values that are not bool"),
        ([[2]], "has values other than 0 and 1"),
    ],
)
def test_arrays_that_are_not_masks(array: Any, message: str) -> None:
    """Refused with what they are."""
    with pytest.raises(DataError) as refusal:
        RunLengths.from_array(array)
    assert refusal.value.problems[0].message == message


def test_a_mask_is_its_own_kind() -> None:
    """Its coordinates are its run lengths, in pixels even in a normalized set."""
    mask = Mask(label="cup", mask=RunLengths((2, 2), [1, 3]))
    assert kind_of(mask) is MASK
    assert MASK.scale(mask.mask, 10, 10) == mask.mask
    assert MASK.box(RunLengths((2, 2), [4])) == (0, 0, 0, 0)
