"""Wrong secrets: who has to wait, for how long, and who never does."""

from __future__ import annotations

import pytest

from layernext.stack.api import lockout
from layernext.stack.api.lockout import (
    FREE_OF_ADDRESS,
    FREE_OF_KEY,
    LONGEST_WAIT_S,
    MEMORY_S,
    SUSPICIOUS_FAILURES,
    Lockout,
)

HERE, THERE = "203.0.113.9", "198.51.100.1"


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def doors(clock: Clock) -> Lockout:
    return Lockout(clock)


def fail(doors: Lockout, times: int, address: str = HERE, key: str = "key_a") -> None:
    for _ in range(times):
        doors.note_failure(address, key)


def test_waits_double(doors: Lockout, clock: Clock) -> None:
    """From the fifth failure on, up to a limit; whoever waited may try once."""
    fail(doors, FREE_OF_KEY - 1)
    assert doors.wait_s(HERE, "key_a", "wrong") == 0
    waits = []
    for _ in range(12):
        doors.note_failure(HERE, "key_a")
        wait_s = doors.wait_s(HERE, "key_a", "wrong")
        waits.append(wait_s)
        clock.now += wait_s - 0.5
        assert doors.wait_s(HERE, "key_a", "wrong") == 0.5
        clock.now += 0.5
        assert doors.wait_s(HERE, "key_a", "wrong") == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, *[LONGEST_WAIT_S] * 3]


def test_the_key_elsewhere_goes_on_working(doors: Lockout) -> None:
    """Whatever strangers fail at, the rightful owner at another address does not wait."""
    doors.note_success(THERE, "key_a", "right")
    for number in range(2 * SUSPICIOUS_FAILURES):
        fail(doors, 3, address=f"2001:db8:0:{number:x}::1")
    fail(doors, 100)
    assert doors.wait_s(HERE, "key_a", "wrong") > 0
    assert doors.wait_s(THERE, "key_a", "wrong") == 0
    # Nor does one who comes from an address that was never seen.
    assert doors.wait_s("192.0.2.1", "key_a", "wrong") == 0


def test_many_addresses_guess_less(doors: Lockout) -> None:
    """Of a key that is guessed at from everywhere, an address has one attempt; its owner's has five."""
    doors.note_success(THERE, "key_a", "right")
    for number in range(SUSPICIOUS_FAILURES):
        doors.note_failure(f"2001:db8:0:{number:x}::1", "key_a")
    doors.note_failure("192.0.2.1", "key_a")
    assert doors.wait_s("192.0.2.1", "key_a", "wrong") > 0
    fail(doors, FREE_OF_KEY - 1, address=THERE)
    assert doors.wait_s(THERE, "key_a", "wrong") == 0
    assert doors.wait_s("192.0.2.1", "key_b", "wrong") == 0


def test_an_address_that_tries_many_keys(doors: Lockout) -> None:
    """It waits with every key that never worked from there; keys that did go on working."""
    doors.note_success(HERE, "key_of_a_colleague", "right")
    for number in range(FREE_OF_ADDRESS):
        doors.note_failure(HERE, f"key_{number}")
    assert doors.wait_s(HERE, "key_of_nobody", "wrong") == 1
    assert doors.wait_s(HERE, "key_of_a_colleague", "wrong") == 0
    assert doors.wait_s(THERE, "key_of_nobody", "wrong") == 0


def test_success_and_time_forgive(doors: Lockout, clock: Clock) -> None:
    fail(doors, 50)
    doors.note_success(HERE, "key_a", "right")
    assert doors.wait_s(HERE, "key_a", "wrong") == 0
    fail(doors, 50, address=THERE)
    clock.now += MEMORY_S + 1
    assert doors.wait_s(THERE, "key_a", "wrong") == 0
    fail(doors, FREE_OF_KEY - 1, address=THERE)
    assert doors.wait_s(THERE, "key_a", "wrong") == 0


def test_a_neighbor_locks_nobody_out(doors: Lockout) -> None:
    """Who shows the secret that was right here before does not wait, whatever others fail at from there."""
    doors.note_success(HERE, "key_a", "right")
    fail(doors, 100)
    assert doors.wait_s(HERE, "key_a", "right") == 0
    assert doors.wait_s(HERE, "key_a", "wrong") > 0
    # Nor do the owner's requests give a neighbor more attempts.
    doors.note_success(HERE, "key_a", "right")
    assert doors.wait_s(HERE, "key_a", "wrong") > 0
    assert doors.wait_s(HERE, "key_b", "right") > 0


def test_a_network_of_ipv6_is_one_address(doors: Lockout) -> None:
    """Its 64 bits buy no further attempts."""
    for number in range(FREE_OF_KEY):
        doors.note_failure(f"2001:db8::{number:x}", "key_a")
    assert doors.wait_s("2001:db8::ffff", "key_a", "wrong") > 0
    assert doors.wait_s("2001:db8:0:1::1", "key_a", "wrong") == 0
    fail(doors, FREE_OF_KEY, address=f"::ffff:{THERE}", key="key_b")
    assert doors.wait_s(THERE, "key_b", "wrong") > 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, doors: Lockout) -> None:
    """However many addresses and keys there are, and however long the keys."""
    monkeypatch.setattr(lockout, "MAX_REMEMBERED", 50)
    for number in range(1_000):
        doors.note_failure(f"address {number}", f"{number} " + "k" * 50_000)
        doors.note_success(f"address {number}", f"{number}", "right")
    assert len(doors) == 4 * 50
    kept = [key for _, key in doors._pairs._rows]
    assert max(map(len, kept)) <= lockout.MAX_KEY_LENGTH
