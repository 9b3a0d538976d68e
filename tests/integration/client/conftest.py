"""Real stacks, each a process of its own: one as it comes, one that speaks only as published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from layernext import LayerNextClient
from tests.support.stack_process import StackProcess, running_stack


@pytest.fixture(scope="session")
def native_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("native")) as stack:
        yield stack


@pytest.fixture(scope="session")
def published_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("published"), native=False) as stack:
        yield stack


@pytest.fixture
def client(native_stack: StackProcess) -> Iterator[LayerNextClient]:
    with LayerNextClient(*native_stack.arguments, retry_for_s=5) as ours:
        yield ours


@dataclass
class Pair:
    """Who writes, and who looks at what the stack then has.

    Attributes:
        writer: speaks the protocol under test.
        protocol: its name.
    """

    writer: LayerNextClient
    protocol: str


@pytest.fixture(params=["native", "published"])
def pair(
    request: pytest.FixtureRequest, native_stack: StackProcess, published_stack: StackProcess
) -> Iterator[Pair]:
    """A client for each protocol, each with a stack that speaks nothing better."""
    stack = native_stack if request.param == "native" else published_stack
    with LayerNextClient(*stack.arguments, retry_for_s=5) as writer:
        yield Pair(writer, request.param)
