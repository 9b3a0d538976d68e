"""Fields of messages by their attributes."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from layernext.wire.published import PathTemplate, Received, wire_fields


class Message(Struct, rename={"number": "PartNumber", "is_success": "isSuccess"}):
    """A message with names of all kinds."""

    number: int
    is_success: bool = True
    plain: str | None = None


def test_only_named_fields_are_sent() -> None:
    """A field that is not named is absent, one that is None is null."""
    assert wire_fields(Message, number=3) == {"PartNumber": 3}
    fields = wire_fields(Message, plain=None, is_success=False)
    assert msgspec.json.encode(fields) == b'{"plain":null,"isSuccess":false}'
    with pytest.raises(KeyError):
        wire_fields(Message, isSuccess=True)


def test_answers_are_read_unchecked() -> None:
    """What is absent is None, whatever type it should have; null is there."""
    answer = Received(Message, {"PartNumber": "three", "plain": None, "more": 1})
    assert (answer.number, answer.is_success, answer.plain) == ("three", None, None)
    assert answer.has("plain")
    assert not answer.has("is_success")
    with pytest.raises(AttributeError, match="no field 'more'"):
        _ = answer.more


@pytest.mark.parametrize("answer", [None, [], "text", 1, True])
def test_an_answer_that_is_no_object_has_no_fields(answer: object) -> None:
    """It is read like an empty one."""
    received = Received(Message, answer)
    assert received.number is None
    assert not received.has("number")


def test_templates() -> None:
    """Names are quoted into a path; the router gets the same path."""
    path = PathTemplate("/a/{first}/b/{second}/")
    assert path("x/y", "..") == "/a/x%2Fy/b/%2E%2E/"
    with pytest.raises(ValueError, match="shorter"):
        path("x")
    assert path.route == "/a/{first:str}/b/{second:str}"
