"""Waiting for what a stack does in the background."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from layernext.client.cancellation import go_on_unless_cancelled
from layernext.client.transport import Transport
from layernext.errors import RequestTimeout

State = TypeVar("State")

_FIRST_WAIT_S = 0.1
_GROWTH = 1.4


def poll(
    transport: Transport,
    state: State,
    ask: Callable[[], State],
    is_under_way: Callable[[State], bool],
    *,
    describe: Callable[[State], str],
    timeout_s: float | None = None,
    longest_wait_s: float = 10.0,
) -> State:
    """Ask at growing intervals until something has ended, and return its last state.

    Args:
        transport: to the stack.
        state: as it is now.
        ask: gets the next state.
        is_under_way: whether a state is not the last one.
        describe: what is said of the state at which the time is over, such as ``job 1 is at 5 %``.
        timeout_s: maximum time to wait in seconds; None means no limit.
        longest_wait_s: between two questions.

    Raises:
        RequestTimeout: it has not ended in time; the stack goes on.
    """
    started, wait_s = time.monotonic(), _FIRST_WAIT_S
    while is_under_way(state):
        go_on_unless_cancelled()
        elapsed_s = time.monotonic() - started
        left_s = float("inf") if timeout_s is None else timeout_s - elapsed_s
        if left_s <= 0:
            raise RequestTimeout(
                f"{describe(state)} after {elapsed_s:.0f} s",
                url=transport.url,
                attempts=1,
                elapsed_s=elapsed_s,
            )
        time.sleep(min(wait_s, left_s))
        wait_s = min(wait_s * _GROWTH, longest_wait_s)
        state = ask()
    return state
