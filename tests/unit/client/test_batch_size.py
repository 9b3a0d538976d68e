"""How much goes into one request of an upload."""

from __future__ import annotations

from layernext.client.annotations.batch_size import FIRST_BYTES, LEAST_BYTES, MOST_BYTES, BatchSize


def test_a_good_network_soon_gets_the_largest() -> None:
    """It doubles until something breaks."""
    size = BatchSize()
    for _ in range(5):
        size.request_passed()
    assert size.bytes == MOST_BYTES
    size.request_passed()
    assert size.bytes == MOST_BYTES


def test_one_failure_is_chance_and_a_second_is_not() -> None:
    """The size stays after a request's first failure, and is halved with each further one."""
    size = BatchSize()
    size.request_broke(1)
    assert size.bytes == FIRST_BYTES
    size.request_broke(2)
    size.request_broke(3)
    assert size.bytes == FIRST_BYTES // 4
    for failures in range(4, 20):
        size.request_broke(failures)
    assert size.bytes == LEAST_BYTES


def test_it_grows_slowly_where_requests_have_broken() -> None:
    """By an eighth, so that few requests are too large; the largest size is reached all the same."""
    size = BatchSize()
    size.request_broke(1)
    size.request_passed()
    assert size.bytes == FIRST_BYTES * 9 // 8
    for _ in range(100):
        size.request_passed()
    assert size.bytes == MOST_BYTES
