"""When the transport repeats a request, how long it waits, and what it logs."""

from __future__ import annotations

import email.utils
import logging
import re
import subprocess
import sys
import time

import httpx
import pytest
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from layernext import LayerNextClient
from layernext.client.published.datasets import create_dataset
from layernext.client.transport import Transport
from layernext.errors import (
    Conflict,
    ConnectionFailed,
    NotFound,
    RateLimited,
    RequestTimeout,
    StackError,
    StackUnavailable,
)
from tests.support.scripted_server import Answer, ScriptedServer, refusal, silent_port
from tests.support.stack_process import free_port
from tests.unit.client.conftest import FINE, KEY, SECRET, Opener


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(refusal(408, "nothing came"), id="408"),
        pytest.param(refusal(429, "slow down"), id="429"),
        pytest.param(refusal(502, "bad gateway"), id="502"),
        pytest.param(refusal(503, "busy"), id="503"),
        pytest.param(Answer(504, b"<html>gateway timeout</html>"), id="504-html"),
        pytest.param(Answer(hang_up=True), id="hang-up"),
        pytest.param(Answer(body=b'{"fine": true}', cut_after=5), id="cut-answer"),
        pytest.param(Answer(headers={"Content-Encoding": "gzip"}), id="bad-gzip"),
        pytest.param(Answer(503, headers={"Content-Encoding": "gzip"}), id="503-bad-gzip"),
    ],
)
def test_passing_faults_are_tried_again(transport: Opener, fault: Answer) -> None:
    """A fault that passes is not seen by the caller, and the same body is sent again."""
    with ScriptedServer(fault, fault, FINE) as server:
        answer = transport(server.url).request_json("POST", "/x", json={"a": [1, 2.5]})
    assert answer == {"fine": True}
    assert [request.body for request in server.requests] == [b'{"a":[1,2.5]}'] * 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500, 501])
def test_final_refusals_are_not_repeated(transport: Opener, status: int) -> None:
    """What will not pass by waiting is said at once."""
    with ScriptedServer(refusal(status, "no")) as server, pytest.raises(StackError):
        transport(server.url).request("GET", "/x")
    assert len(server.requests) == 1


def retry_date(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("asked", "at_least"),
    [
        pytest.param("1", 1.0, id="seconds"),
        pytest.param("date", 0.9, id="date"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, id="past"),
        pytest.param("nonsense", 0.0, id="nonsense"),
        pytest.param("-5", 0.0, id="negative"),
    ],
)
def test_retry_after_is_obeyed(transport: Opener, asked: str, at_least: float) -> None:
    """The stack's own wait is kept, as seconds and as a date; odd ones do no harm."""
    started = time.monotonic()
    text = retry_date(2) if asked == "date" else asked
    with ScriptedServer(refusal(429, "wait", **{"retry-after": text}), FINE) as server:
        transport(server.url).request("GET", "/x")
        elapsed = time.monotonic() - started
    assert at_least <= elapsed < at_least + 60


def test_long_retry_after_does_not_hold_the_caller(transport: Opener) -> None:
    """A wait longer than there is time for ends the attempts, and the error says how long it is."""
    with ScriptedServer(refusal(429, "come back", **{"retry-after": 3600})) as server:
        started = time.monotonic()
        with pytest.raises(RateLimited) as caught:
            transport(server.url, retry_for_s=2).request("GET", "/x")
    assert time.monotonic() - started < 60
    assert caught.value.retry_after_s == 3600


def test_giving_up_is_bounded(transport: Opener) -> None:
    """A fault that stays ends in an error when the time for retries is over."""
    with ScriptedServer(refusal(503, "still starting")) as server:
        started = time.monotonic()
        with pytest.raises(StackUnavailable, match="still starting"):
            transport(server.url, retry_for_s=1).request("GET", "/x")
    assert 0.5 < time.monotonic() - started < 60
    assert len(server.requests) > 1


def test_nobody_listens(transport: Opener) -> None:
    """A refused connection says what was tried, how often and for how long."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ConnectionFailed) as caught:
        transport(url, retry_for_s=1).request("GET", "/x")
    error = caught.value
    assert not isinstance(error, RequestTimeout)
    assert isinstance(error, OSError)
    assert error.url == url
    assert error.attempts > 1
    assert error.elapsed_s > 0
    assert isinstance(error.__cause__, httpx.ConnectError)


def test_first_contact_is_bounded(transport: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing ever answered the time for that is used, and no wait goes beyond it."""
    # Two waits of at most 0.4 and 0.6 s fit in; a third whole one would end after 1.4 s or later.
    monkeypatch.setattr("layernext.client.transport._FIRST_CONTACT_S", 1.0)
    started = time.monotonic()
    with pytest.raises(ConnectionFailed):
        transport(f"http://127.0.0.1:{free_port()}", retry_for_s=60).request("GET", "/x")
    assert 0.75 < time.monotonic() - started < 50


@pytest.mark.parametrize("limit_s", [1.0, 2.2])
def test_waits_end_in_time(transport: Opener, limit_s: float) -> None:
    """With a stack that answers, too, no wait goes beyond the time for retries."""
    with ScriptedServer(refusal(503, "still starting")) as server:
        started = time.monotonic()
        with pytest.raises(StackUnavailable):
            transport(server.url, retry_for_s=limit_s).request("GET", "/x")
        # Far below the waits that it would come to without the limit, on a busy machine, too.
        assert limit_s - 0.25 < time.monotonic() - started < limit_s + 60


def test_no_answer_in_time(transport: Opener) -> None:
    """A stack that stalls does not hold the caller for ever."""
    with silent_port() as url, pytest.raises(RequestTimeout) as caught:
        transport(url, retry_for_s=0, timeout_s=0.3).request("GET", "/x")
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.attempts == 1


RETRYING = """
import layernext
from layernext.client.transport import Transport
Transport("http://stack.example.com", "k", "s").close()
try:
    Transport({url!r}, "k", "s", retry_for_s=1).request("GET", "/x")
except layernext.ConnectionFailed:
    print("given up")
"""


def run_script(code: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=180
    )
    return done.stdout, done.stderr


def test_silent_without_logging() -> None:
    """A script that did not set up logging sees nothing on its terminal."""
    url = f"http://127.0.0.1:{free_port()}"
    assert run_script(RETRYING.format(url=url)) == ("given up\n", "")


def test_logs_of_retries() -> None:
    """A script that did sees one sentence of ours an attempt, and nothing of other libraries."""
    url = f"http://127.0.0.1:{free_port()}"
    code = "import logging; logging.basicConfig()" + RETRYING.format(url=url)
    _, logged = run_script(code)
    lines = [line for line in logged.splitlines() if "not encrypted" not in line]
    assert len(lines) >= 2
    start = f"WARNING:layernext.client:nothing answers at {url} ("
    for line in lines:
        assert line.startswith(start)
        assert re.search(r"; trying again in \d\.\d s$", line)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(refusal(503, "x"), "the stack is temporarily unavailable", id="503"),
        pytest.param(refusal(429, "x"), "the stack is limiting requests", id="429"),
        pytest.param(Answer(hang_up=True), "the connection to http", id="hang-up"),
        pytest.param(Answer(before=lambda: time.sleep(1)), "no answer from http", id="stall"),
        pytest.param(
            Answer(headers={"Content-Encoding": "gzip"}), "an answer from http", id="bad-gzip"
        ),
    ],
)
def test_words_for_trouble(
    transport: Opener, caplog: pytest.LogCaptureFixture, fault: Answer, words: str
) -> None:
    """Each kind of trouble is logged for what it is."""
    with (
        caplog.at_level(logging.WARNING, logger="layernext"),
        ScriptedServer(fault, FINE) as server,
    ):
        transport(server.url, timeout_s=0.5).request("GET", "/x")
    (record,) = caplog.records
    assert record.getMessage().startswith(words)
    assert record.name == "layernext.client"


def test_other_retries_keep_their_hooks(transport: Opener) -> None:
    """A program that uses stamina itself goes on hearing of its own retries, not of ours."""
    heard: list[str] = []

    def hook(details: RetryDetails) -> None:
        heard.append(repr(details.caused_by))

    def retry_our_own() -> None:
        with ScriptedServer(refusal(503, "x"), FINE) as server:
            transport(server.url).request("GET", "/x")

    @stamina.retry(on=KeyError, wait_initial=0.01, wait_jitter=0)
    def of_the_program() -> None:
        if len(heard) % 2 == 0:
            raise KeyError

    try:
        set_on_retry_hooks([hook])
        retry_our_own()
        assert heard == []
        of_the_program()
        set_on_retry_hooks([hook, hook])
        retry_our_own()
        assert heard == ["KeyError()"]
    finally:
        set_on_retry_hooks(None)


def test_attempts_at_a_call_share_an_id(transport: Opener) -> None:
    """By which the stack knows them again; another call has another id."""
    with ScriptedServer(Answer(hang_up=True), refusal(503, "busy"), FINE) as server:
        ours = transport(server.url)
        ours.request("POST", "/x", json={})
        ours.request("POST", "/x", json={})
    ids = [request.headers["Idempotency-Key"] for request in server.requests]
    assert len(ids) == 4
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]


def test_a_long_attempt_is_tried_again(transport: Opener) -> None:
    """The time for retries counts from the first failure, not from the beginning of a long upload."""
    slow = Answer(hang_up=True, before=lambda: time.sleep(1.2))
    with ScriptedServer(FINE, slow, FINE) as server:
        ours = transport(server.url, retry_for_s=1)
        ours.request("GET", "/x")
        assert ours.request("PUT", "/x", content=b"large") == FINE.body


def test_tls_faults_are_final(transport: Opener) -> None:
    """A server without TLS, or a certificate that is not trusted, is the same a minute later."""
    with ScriptedServer(FINE) as server, pytest.raises(ConnectionFailed) as caught:
        transport(server.url.replace("http:", "https:")).request("GET", "/x")
    assert caught.value.attempts == 1
    assert "is it http://" in str(caught.value.hint)


@pytest.mark.parametrize("is_lost", [True, False])
def test_deleting_by_the_published_protocol(is_lost: bool) -> None:
    """After a lost answer, that nothing is there is taken for success."""
    handshake = Answer(body=b'{"isCompatible": true}')
    lost = [Answer(hang_up=True)] if is_lost else []
    with ScriptedServer(*lost, refusal(404, "gone"), handshake) as server:
        client = LayerNextClient(KEY, SECRET, server.url)
        if is_lost:
            assert client.delete_dataset_version("0" * 24)
        else:
            with pytest.raises(NotFound):
                client.delete_dataset_version("0" * 24)
        client.close()


def test_a_name_taken_after_a_lost_answer() -> None:
    with ScriptedServer(Answer(hang_up=True), refusal(409, "taken")) as server:
        transport = Transport(server.url, KEY, SECRET)
        with pytest.raises(Conflict) as caught:
            create_dataset(transport, "a selection", {})
        transport.close()
    assert caught.value.after_lost_answer
    assert "earlier attempt" in str(caught.value.hint)
