"""Errors do not show where things are on the server."""

from __future__ import annotations

import logging
import tempfile

import obstore
import pytest

from layernext.errors import StackUnavailable
from layernext.stack.objects import bucket
from layernext.wire.native import ANNOTATION_FILES_PATH
from tests.integration.stack.conftest import Stack

ADDRESS = "http://minio.internal:9000/bucket/prefix/files/a"


@pytest.mark.parametrize("kind", [obstore.exceptions.BaseError, OSError])
def test_bucket_errors(kind: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    """A bucket that fails is not named to clients; the log has what it said."""
    with (
        caplog.at_level(logging.WARNING, "layernext.stack.objects"),
        pytest.raises(StackUnavailable) as caught,
        bucket.explained(),
    ):
        raise kind(f"error sending request for url ({ADDRESS})")
    assert str(caught.value) == (
        "the store of objects does not answer as it should; the stack's log says why"
    )
    assert ADDRESS in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"nothing", id="text"),
        pytest.param(b"\x1f\x8b\x08broken", id="gzip"),
        pytest.param(b"\x28\xb5\x2f\xfdbroken", id="zstandard"),
        pytest.param(b'{"images": [{"image": 1}]}', id="wrong type"),
        pytest.param(b'{"images": []', id="cut off"),
    ],
)
def test_files_of_annotations(shared: Stack, content: bytes) -> None:
    """A file that cannot be read is refused without the name of its temporary copy."""
    query = {"run": "run", "collection": "yard", "name": "mine.json"}
    answer = shared.ask("POST", ANNOTATION_FILES_PATH, params=query, content=content)
    assert answer.status_code == 422
    assert tempfile.gettempdir() not in answer.text
    assert "layernext-" not in answer.text
