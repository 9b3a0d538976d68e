"""The transport against a real server on loopback: retries, waits, errors, secrets."""

from __future__ import annotations

import base64
import email.utils
import logging
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import httpx
import pytest
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from layernext import LayerNextClient, __version__
from layernext.client.connection import Connection
from layernext.client.published.datasets import create_dataset
from layernext.client.transport import Transport
from layernext.errors import (
    ConfigurationError,
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
    RequestTimeout,
    StackError,
    StackUnavailable,
    TooLarge,
)
from tests.scripted_server import Answer, ScriptedServer, refusal, silent_port
from tests.stack_process import free_port

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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500, 501])
def test_final_refusals_are_not_repeated(transport: Opener, status: int) -> None:
    """What will not pass by waiting is said at once."""
    with ScriptedServer(refusal(status, "no")) as server, pytest.raises(StackError):
        transport(server.url).request("GET", "/x")
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


@pytest.mark.parametrize(
    ("url", "tidy"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        (" https://api.example.com//\n", "https://api.example.com"),
        ("https://api.example.com:8443/lake/", "https://api.example.com:8443/lake"),
        ("http://[::1]:8750/", "http://[::1]:8750"),
        ("HTTP://LOCALHOST:8750", "http://localhost:8750"),
    ],
)
def test_urls_are_tidied(transport: Opener, url: str, tidy: str) -> None:
    """A slash at the end and blanks around a URL do no harm."""
    assert transport(url).url == tidy


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("   ", id="blank"),
        pytest.param(None, id="none"),
        pytest.param("api.example.com", id="no-scheme"),
        pytest.param("localhost:8750", id="no-scheme-port"),
        pytest.param("ftp://example.com", id="ftp"),
        pytest.param("https://", id="no-host"),
        pytest.param("https://user:pass@example.com", id="credentials"),
        pytest.param("ftp://user:pass@example.com/", id="ftp-credentials"),
        pytest.param("user:pass@example.com", id="no-scheme-credentials"),
        pytest.param("https://user:pass@example.com:port", id="odd-port-credentials"),
        pytest.param("https://user:pass/@word@example.com", id="odd-credentials"),
        pytest.param("https://example.com:port", id="odd-port"),
        pytest.param("https://exa mple.com\x00", id="control-character"),
    ],
)
def test_impossible_urls(transport: Opener, url: str) -> None:
    """A URL that cannot be one is named before anything is sent."""
    with pytest.raises(ConfigurationError) as caught:
        transport(url)
    shown = "".join(traceback.format_exception(caught.value))
    assert "user" not in str(caught.value)
    assert ":pass" not in shown
    assert "'pass" not in shown


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        pytest.param("", SECRET, id="no-key"),
        pytest.param(KEY, "", id="no-secret"),
        pytest.param(None, SECRET, id="key-none"),
        pytest.param("key:abc", SECRET, id="colon"),
        pytest.param("schlüssel", SECRET, id="key-not-ascii"),
        pytest.param(KEY, "geheim-ß", id="secret-not-ascii"),
        pytest.param(KEY, "line\nbreak", id="line-break"),
        pytest.param(f" {KEY}", SECRET, id="space-before-key"),
        pytest.param(f"{KEY}\n", SECRET, id="line-break-after-key"),
        pytest.param(KEY, f"{SECRET} ", id="space-after-secret"),
    ],
)
def test_impossible_credentials(key: str, secret: str) -> None:
    """Credentials that cannot be right are named before anything is sent, without their value."""
    with pytest.raises(ConfigurationError) as caught:
        Transport("https://example.com", key, secret)
    assert not secret or secret not in str(caught.value)


ENVIRONMENT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without any proxy or certificates of the machine that runs the tests."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        pytest.param("ALL_PROXY", "socks5://me:s3cr3t@h:1", "SOCKS", id="socks"),
        pytest.param("HTTP_PROXY", "foo://me:s3cr3t@h", "cannot be used", id="scheme"),
        pytest.param("https_proxy", "http://me:s3cr3t/x@h", "cannot be used", id="slash"),
        pytest.param("NO_PROXY", "fe80::/10", "cannot be used", id="exceptions"),
    ],
)
def test_impossible_proxies(
    transport: Opener, environment: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """A proxy setting that cannot be used is named, without its credentials."""
    if words == "SOCKS":
        environment.setitem(sys.modules, "socksio", None)
    else:
        environment.setenv("ALL_PROXY", "proxy.example.com:3128")
    environment.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        transport("https://a.b")
    text = str(caught.value)
    assert f"the proxy setting {name} " in text
    assert words in text
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cr3t" not in shown
    assert "me:" not in text


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY}\n", f"\t{KEY}"])
def test_spaces_around_credentials(key: str) -> None:
    """Spaces that came along with a copied key are told, not sent."""
    with pytest.raises(ConfigurationError, match="spaces or line breaks around it"):
        Transport("https://example.com", key, SECRET)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_dead_proxy(
    transport: Opener, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A proxy that does not answer is named, with its variable and without its credentials."""
    environment.setenv(name, "http://me:s3cr3t@127.0.0.1:1")
    with caplog.at_level(logging.WARNING), pytest.raises(ConnectionFailed) as caught:
        transport("http://stack.example.com", retry_for_s=0.5).request("GET", "/")
    assert f"the proxy 127.0.0.1:1 of {name}; is it running?" in str(caught.value)
    assert f"no connection through the proxy 127.0.0.1:1 of {name}" in caplog.text
    assert "s3cr3t" not in f"{caught.value} {caplog.text}"


def test_proxy_that_is_not_used(transport: Opener, environment: pytest.MonkeyPatch) -> None:
    """A proxy for other hosts is not blamed."""
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    environment.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ConnectionFailed) as caught:
        transport("http://127.0.0.1:1", retry_for_s=0).request("GET", "/")
    assert "proxy" not in str(caught.value)


def test_https_to_an_http_port(transport: Opener, environment: pytest.MonkeyPatch) -> None:
    """TLS where plain HTTP is spoken is told at once, with the URL that may be right."""
    del environment
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(ConnectionFailed, match=f"is it http://127.0.0.1:{port}") as caught:
            transport(f"https://127.0.0.1:{port}").request("GET", "/")
        thread.join()
    assert caught.value.attempts == 1


def test_url_with_a_path() -> None:
    """Where a URL with a path leads to no stack, the path is named, and nothing is tried again."""
    with ScriptedServer(refusal(404, "no")) as server:
        transport = Transport(f"{server.url}/app/data", KEY, SECRET)
        with pytest.raises(IncompatibleStack, match=f"the path '/app/data'; is it {server.url}"):
            _ = Connection(transport).protocol
        transport.close()
        assert len(server.requests) == 1


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_impossible_certificates(
    transport: Opener, environment: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    """Certificates that are not there, or are none, are named with the variable that asks."""
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    environment.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigurationError, match=r"ca\.pem, which SSL_CERT_FILE names"):
        transport("https://a.b")


def test_plain_http_is_warned_of(transport: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """Secrets over an open network are worth a warning; on this machine they are not."""
    with caplog.at_level(logging.WARNING, logger="layernext"):
        for url in ("http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1", "https://a.b"):
            transport(url)
        assert not caplog.records
        transport("http://stack.example.com")
    (record,) = caplog.records
    assert "not encrypted" in record.getMessage()


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
