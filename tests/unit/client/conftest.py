"""Transports for the tests of the client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from layernext.client.transport import Transport
from tests.support.scripted_server import Answer

KEY, SECRET = "key_abc", "s3cr3t-value"
FINE = Answer(body=b'{"fine": true}')


class Opener(Protocol):
    def __call__(
        self, url: str, *, retry_for_s: float = ..., timeout_s: float = ...
    ) -> Transport: ...


@pytest.fixture
def transport() -> Iterator[Opener]:
    """Makes transports and closes them after the test."""
    with ExitStack() as stack:

        def open_one(url: str, *, retry_for_s: float = 5, timeout_s: float = 5) -> Transport:
            made = Transport(url, KEY, SECRET, retry_for_s=retry_for_s, timeout_s=timeout_s)
            stack.callback(made.close)
            return made

        yield open_one
