"""Paths as they come, and as the router and the handlers see them."""

from __future__ import annotations

import contextlib
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layernext.errors import InvalidRequest
from layernext.stack.api.routing import path_text, routed_path
from layernext.wire import native, published
from layernext.wire.paths import segment
from tests.support import strategies

DATA = "/datalake/api/metadata/operationdata"
CLIENT = "/datalake/api/client"


def route(raw: bytes) -> str:
    """The routed path, decoded once to be readable."""
    return unquote(routed_path({"raw_path": raw, "path": "unused"}))


@pytest.mark.parametrize(
    ("raw", "routed"),
    [
        (b"/", "/"),
        (b"//", "/"),
        (b"/health/", "/health"),
        (b"//datalake//api///client/labels/list", f"{CLIENT}/labels/list"),
        (b"/%61pi/v1", "/api/v1"),
        (b"//datalake/api/metadata/operationdata/1/2/a%20b/update", f"{DATA}/1/2/a b/update"),
        (b"/health?x=1", "/health"),
        (b"/api/client/labels/list", f"{CLIENT}/labels/list"),
        (b"//api//client/jobs/a/b/getStatus", f"{CLIENT}/jobs/a/b/getStatus"),
        (b"/api/metadata/operationdata/a%20b/c/update", f"{DATA}/a b/c/update"),
        (b"/api/job/updateJob/basicAuthRequest", "/datalake/api/job/updateJob/basicAuthRequest"),
        (b"/api/quickbooks/get_auth_uri", "/datalake/api/quickbooks/get_auth_uri"),
        (b"/api/v1/jobs", "/api/v1/jobs"),
    ],
)
def test_paths(raw: bytes, routed: str) -> None:
    """Slashes are collapsed where they mean nothing."""
    assert route(raw) == routed


@pytest.mark.parametrize(
    ("tail", "segments"),
    [
        (b"run/update", ["run"]),
        (b"a/b/update", ["a/b"]),
        (b"update/update", ["update"]),
        (b"1/2/run/update", ["1", "2", "run"]),
        (b"1/2/a/b/update/update", ["1", "2", "a/b/update"]),
        (b"1/2/a//b/update", ["1", "2", "a//b"]),
        (b"1/2//a/update/", ["1", "2", "/a"]),
        (b"1/run/update", ["1/run"]),
        (b"1/2/update", ["1/2"]),
        (b"%31/2/run/update", ["1/2/run"]),
        (b"a%2Fb%252F/update", ["a/b%2F"]),
        (b"\xc3\xa9/update", ["é"]),
    ],
)
def test_operation_ids(tail: bytes, segments: list[str]) -> None:
    """An operation id is everything up to the last /update, decoded once."""
    routed = routed_path({"raw_path": DATA.encode() + b"/" + tail, "path": ""})
    head, _, rest = routed.partition(f"{DATA}/")
    assert head == ""
    *found, last = rest.split("/")
    assert last == "update"
    assert [path_text({"x": one}, "x") for one in found] == segments


@given(name=strategies.names)
def test_names_in_our_own_paths(name: str) -> None:
    """Any name that our SDK puts into a path is found again in one segment."""
    for path in (
        f"{published.CLIENT}/{segment(name)}/getObjectTypeById",
        published.job_path(name),
        published.annotations_path(name),
        published.operation_path_v2(name),
        native.upload_path(name),
    ):
        routed = routed_path({"raw_path": path.encode(), "path": ""})
        assert name in [path_text({"x": part}, "x") for part in routed.split("/")]
        assert routed.count("/") == path.count("/")


@given(raw=st.binary())
def test_any_bytes(raw: bytes) -> None:
    """No path is too odd to be routed to something."""
    routed = routed_path({"raw_path": b"/" + raw, "path": ""})
    assert routed.startswith("/")
    assert routed.isascii()
    for part in routed.split("/"):
        # A part is readable text, or refused as the sender's mistake.
        with contextlib.suppress(InvalidRequest):
            assert isinstance(path_text({"x": part}, "x"), str)
