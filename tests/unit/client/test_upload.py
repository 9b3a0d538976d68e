"""Batches: bounded, complete, and always the same for the same source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layernext.client.annotations.upload import BATCH_BYTES, BATCH_IMAGES, iter_batches
from layernext.errors import DataError
from layernext.wire.native import NativeOffer

lines = st.lists(st.binary(min_size=1, max_size=40).filter(lambda line: b"\n" not in line))


@given(lines=lines, most_bytes=st.integers(40, 200), most_images=st.integers(1, 20))
def test_batches(lines: list[bytes], most_bytes: int, most_images: int) -> None:
    """Every line is in one batch, in order; no batch passes the stack's limits."""
    offer = NativeOffer(batch_bytes=most_bytes, batch_images=most_images)
    batches = list(iter_batches(iter(lines), offer))
    assert [line for batch in batches for line in batch.lines.split(b"\n")] == lines
    assert [batch.sequence for batch in batches] == list(range(len(batches)))
    before = 0
    for batch in batches:
        assert batch.images == batch.lines.count(b"\n") + 1 <= most_images
        assert len(batch.lines) <= most_bytes
        assert batch.images_before == before
        before += batch.images
    assert list(iter_batches(iter(lines), offer)) == batches


def test_own_limits() -> None:
    """However much a stack offers, batches stay small enough to be held a few at a time."""
    offer = NativeOffer(batch_bytes=1 << 40, batch_images=1 << 40)
    assert {b.images for b in iter_batches((b"{}" for _ in range(5_000)), offer)} == {BATCH_IMAGES}
    large = (b" " * 100_000 for _ in range(100))
    assert max(len(b.lines) for b in iter_batches(large, offer)) <= BATCH_BYTES


def test_large_image_has_a_batch_of_its_own() -> None:
    """An image that is larger than a usual batch is sent, as long as the stack takes it."""
    offer = NativeOffer(batch_bytes=3 * BATCH_BYTES)
    sizes = [10, 2 * BATCH_BYTES, 10]
    batches = list(iter_batches((b" " * size for size in sizes), offer))
    assert [len(batch.lines) for batch in batches] == sizes


def test_image_that_is_too_large() -> None:
    """An image that the stack would not take is named."""
    with pytest.raises(DataError, match=r"images\[2\]: has 101 bytes.*at most 100"):
        list(iter_batches(iter([b"a", b"b", b" " * 101]), NativeOffer(batch_bytes=100)))
