"""Requests and answers of the transport, against a real server on loopback."""

from __future__ import annotations

import base64
import logging
import threading

import httpx
import pytest

from layernext import __version__
from layernext.errors import (
    Conflict,
    ConnectionFailed,
    DataError,
    IncompatibleStack,
    InvalidRequest,
    LayerNextError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
    StackError,
    StackUnavailable,
    TooLarge,
)
from tests.support.scripted_server import Answer, ScriptedServer, refusal
from tests.support.stack_process import free_port
from tests.unit.client.conftest import FINE, KEY, SECRET, Opener


def test_request_headers(transport: Opener) -> None:
    """A request says who sends it, and carries key and secret as Basic authentication."""
    with ScriptedServer(FINE) as server:
        assert transport(server.url).request_json("GET", "/a%2Fb?c=d") == {"fine": True}
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/a%2Fb?c=d")
    assert request.headers["User-Agent"].startswith(f"layernext-sdk/{__version__} python/3.")
    expected = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert request.headers["Authorization"] == f"Basic {expected}"


def test_query(transport: Opener) -> None:
    """None is left out, lists repeat, and every character of a name survives."""
    with ScriptedServer(FINE) as server:
        params = {"run": ["a/b?c#d", "ü %41&+"], "mode": None}
        transport(server.url).request("GET", "/x", params=params)
    path = httpx.URL(server.url + server.requests[0].path)
    assert path.params.multi_items() == [("run", "a/b?c#d"), ("run", "ü %41&+")]


def test_connections_are_kept(transport: Opener) -> None:
    """Requests that follow one another use one connection."""
    with ScriptedServer(FINE) as server:
        ours = transport(server.url)
        for _ in range(5):
            ours.request("GET", "/")
        assert server.connections == 1
        ours.close()
        ours.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, NotAuthenticated),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (415, InvalidRequest),
        (422, InvalidRequest),
        (429, RateLimited),
        (500, StackUnavailable),
        (503, StackUnavailable),
    ],
)
def test_refusals_become_the_most_specific_error(
    transport: Opener, status: int, kind: type[StackError]
) -> None:
    """Each status has its class, with the stack's own words, request id and details."""
    answer = refusal(status, "no, because", requestId="r-17", details={"a": 1})
    with ScriptedServer(answer) as server, pytest.raises(StackError) as caught:
        transport(server.url, retry_for_s=0).request("GET", "/x")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.message, error.request_id) == (status, "no, because", "r-17")
    assert error.detail == {"a": 1}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>\xff</html>", id="html"),
        pytest.param(b'{"error": "text"}', id="error-is-text"),
        pytest.param(b'["error"]', id="list"),
        pytest.param(
            b'{"error": {"code": "data", "details": [{"no": "where"}]}}', id="odd-details"
        ),
        pytest.param(b'{"error": {"code": "data", "details": 7}}', id="details-is-a-number"),
        pytest.param(b'{"error": {"message": null, "code": "data", "details": []}}', id="nulls"),
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_any_error_body_is_survived(transport: Opener, status: int, body: bytes) -> None:
    """Whatever an error answer contains, an error of ours with the status comes out."""
    with ScriptedServer(Answer(status, body)) as server, pytest.raises(StackError) as caught:
        transport(server.url, retry_for_s=0).request("GET", "/some/path")
    assert caught.value.status == status
    assert caught.value.message


def test_problems_of_the_data_are_a_data_error(transport: Opener) -> None:
    """A stack that finds problems in the data names the places, and so do we."""
    rows = [{"where": "images[1].bbox", "message": "is odd"}, {"where": "b", "message": "too"}]
    answer = refusal(422, "bad data", code="data", details=rows)
    with ScriptedServer(answer) as server, pytest.raises(DataError) as caught:
        transport(server.url).request("PUT", "/x", content=b"lines")
    assert [(p.where, p.message) for p in caught.value.problems] == [
        ("images[1].bbox", "is odd"),
        ("b", "too"),
    ]


def test_redirects_are_not_followed(transport: Opener) -> None:
    """Credentials go to the given address only; the error says where the stack points."""
    elsewhere = Answer(301, b"", {"Location": "https://example.com/x"})
    with ScriptedServer(elsewhere) as server, pytest.raises(StackError) as caught:
        transport(server.url).request("GET", "/x")
    assert "https://example.com/x" in str(caught.value)
    assert len(server.requests) == 1


def test_answer_that_is_no_json(transport: Opener) -> None:
    """A page of something else is told apart from a stack."""
    page = Answer(body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"})
    with ScriptedServer(page) as server, pytest.raises(IncompatibleStack, match="as a stack does"):
        transport(server.url).request_json("GET", "/x")


def test_answer_that_cannot_be_decompressed(transport: Opener) -> None:
    """An answer that stays broken is an error of ours, streamed or not."""
    with ScriptedServer(Answer(headers={"Content-Encoding": "gzip"})) as server:
        ours = transport(server.url, retry_for_s=0)
        with pytest.raises(ConnectionFailed, match="no readable answer from"):
            ours.request("GET", "/x")
        with ours.stream("/x", {}) as chunks, pytest.raises(ConnectionFailed, match="readable"):
            list(chunks)


def test_secrets_stay_inside(transport: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a log line at any level, nor an error, nor a repr shows the secret."""
    encoded = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    seen: list[str] = []
    with caplog.at_level(logging.DEBUG), ScriptedServer(refusal(503, "x"), FINE) as server:
        ours = transport(server.url)
        ours.request("GET", "/x")
        seen += [repr(ours), str(ours)]
    try:
        transport(f"http://127.0.0.1:{free_port()}", retry_for_s=0).request("GET", "/x")
    except LayerNextError as error:
        seen += [repr(error), str(error), repr(error.__dict__)]
    seen += [record.getMessage() + repr(record.args) for record in caplog.records]
    assert len(seen) > 5
    assert not [text for text in seen if SECRET in text or encoded in text]


def test_threads_share_a_transport(transport: Opener) -> None:
    """Requests of several threads run at the same time and do not disturb one another."""
    meeting = threading.Barrier(4)
    with ScriptedServer(Answer(body=b"[1]", before=lambda: meeting.wait(180))) as server:
        ours = transport(server.url)
        answers: list[object] = []
        threads = [
            threading.Thread(target=lambda: answers.append(ours.request_json("GET", "/")))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [[1]] * 4
