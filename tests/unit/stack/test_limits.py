"""Limits of keys, on a clock that is put forward by hand."""

from __future__ import annotations

import pytest

from layernext.cli.serve import read_rate
from layernext.errors import ConfigurationError, RateLimited
from layernext.stack.api import limits
from layernext.stack.api.limits import KeyLimits
from tests.unit.stack.test_lockout import Clock


def taken(key_limits: KeyLimits, key: str = "a", rate: float | None = None) -> int:
    """Requests that pass at this moment."""
    count = 0
    while count < 1_000:
        try:
            key_limits.take(key, rate)
        except RateLimited:
            return count
        count += 1
    return count


def test_rate() -> None:
    """A burst, then as many as time brings; each key for itself, its own rate before the general one."""
    clock = Clock()
    key_limits = KeyLimits(10, 1, clock)
    assert taken(key_limits) == 20
    assert taken(key_limits, "b") == 20
    clock.now += 0.5
    assert taken(key_limits) == 5
    clock.now += 1_000
    assert taken(key_limits) == 20
    assert taken(key_limits, "slow", 0.5) == 1
    assert taken(key_limits, "fast", 100) == 200


def test_the_wait_is_long_enough() -> None:
    """Whoever waits as long as asked gets through."""
    clock = Clock()
    key_limits = KeyLimits(0.25, 1, clock)
    key_limits.take("a", None)
    with pytest.raises(RateLimited, match=r"0\.25 requests a second") as refused:
        key_limits.take("a", None)
    assert refused.value.retry_after_s == 4
    clock.now += 4
    key_limits.take("a", None)


def test_no_limit_by_default() -> None:
    key_limits = KeyLimits(None, 1)
    assert taken(key_limits) == 1_000
    assert len(key_limits) == 0


def test_uploads() -> None:
    """So many at a time; one that ends makes room; nothing is remembered of keys that have none."""
    key_limits = KeyLimits(None, 2)
    key_limits.begin_upload("a")
    key_limits.begin_upload("a")
    with pytest.raises(RateLimited, match="2 uploads at a time"):
        key_limits.begin_upload("a")
    key_limits.begin_upload("b")
    key_limits.end_upload("a")
    key_limits.begin_upload("a")
    for key in "aab":
        key_limits.end_upload(key)
    assert len(key_limits) == 0


def test_transfers() -> None:
    """A file that goes straight to a bucket counts with the uploads, once, until it ends or is given up."""
    clock = Clock()
    key_limits = KeyLimits(None, 2, clock)
    key_limits.begin_transfer("a", "first")
    key_limits.begin_transfer("a", "first")
    key_limits.begin_upload("a")
    for begin in (key_limits.begin_upload, lambda key: key_limits.begin_transfer(key, "second")):
        with pytest.raises(RateLimited, match="2 uploads at a time"):
            begin("a")
    key_limits.begin_transfer("a", "first")
    key_limits.begin_transfer("b", "other")
    key_limits.end_upload("a")
    key_limits.begin_transfer("a", "second")
    key_limits.end_transfer("a", "first")
    key_limits.end_transfer("a", "never begun")
    assert key_limits.transfers("a") == {"second"}
    clock.now += limits.TRANSFER_S
    key_limits.begin_upload("a")
    key_limits.begin_upload("a")
    for key in "aa":
        key_limits.end_upload(key)
    for key in "ab":
        key_limits.keep_transfers(key, ())
    assert len(key_limits) == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 10)
    key_limits = KeyLimits(1, 1, Clock())
    for number in range(100):
        key_limits.take(f"key {number}", None)
    assert len(key_limits) == 10


@pytest.mark.parametrize(
    ("text", "rate"), [("50/s", 50), ("600/min", 10), ("1.5", 1.5), ("36/h", 0.01), (None, None)]
)
def test_rates_as_text(text: str | None, rate: float | None) -> None:
    assert read_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "0/s", "-1/s", "fast", "5/d", "1e3/s"])
def test_what_is_not_a_rate(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a rate"):
        read_rate(text)
