"""Counting images that may come more than once."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from layernext.client.annotations.image_names import ImageCount, image_number, image_numbers


@given(st.lists(st.lists(st.integers(1, 50) | st.integers(1, 2**64 - 1))))
def test_count(batches: list[list[int]]) -> None:
    """It counts what a set would."""
    count, seen = ImageCount(), set[int]()
    for batch in batches:
        repeated = len(batch) - len(set(batch) - seen)
        seen.update(batch)
        assert count.add(batch) == repeated
        assert count.total == len(seen)


def test_growth() -> None:
    """The table grows with the images and forgets none of them."""
    count = ImageCount()
    numbers = [image_number(f"{n}.jpg", None) for n in range(50_000)]
    assert count.add(numbers) == 0
    assert count.add(numbers) == count.total == 50_000


def test_names_of_lines() -> None:
    """An image is its name and its storage; escapes do not matter, nor do other fields."""
    lines = [
        b'{"image": "a\\u00e9.jpg", "annotations": [{"bbox": [1, 2, 3, 4]}]}',
        msgspec.json.encode({"annotations": [], "image": "a\u00e9.jpg"}),
        b'{"image": "a\\u00e9.jpg", "storageName": "bucket"}',
    ]
    first, second, third = image_numbers(b"\n".join(lines))
    assert first == second != third
    assert len(image_numbers(b"")) == 0
