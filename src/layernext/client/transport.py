"""The one place that knows HTTP: credentials, timeouts, retries, and errors in our own words.

Every request that this client makes is safe to repeat: each call has an id, under which the stack does
the work once. So connection faults and the answers 408, 429, 502, 503 and 504 are tried again, with
growing waits and jitter, for a bounded time after the first failure. Other refusals are final, and so
are certificates that cannot be trusted.
"""

from __future__ import annotations

import logging
import os
import platform
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import httpcore
import httpx
import msgspec

from layernext.client.addresses import (
    bad_certificates,
    bad_proxy,
    check_credentials,
    hint_about_path,
    tidy_url,
)
from layernext.client.cancellation import is_cancelled_here
from layernext.client.faults import is_final, may_have_run, no_answer, trouble_of
from layernext.client.forks import abandon, refresh_after_fork
from layernext.client.refusals import RETRIED_SIGNED, TryAgain, refusal_of
from layernext.errors import (
    ConnectionFailed,
    IncompatibleStack,
    LayerNextError,
    StackError,
)
from layernext.version import __version__

logger = logging.getLogger("layernext.client")

USER_AGENT = f"layernext-sdk/{__version__} python/{platform.python_version()}"

DEFAULT_TIMEOUT_S = 60.0
"""For any single step of a request: connecting, sending, waiting for the next bytes."""
DEFAULT_RETRY_FOR_S = 60.0
"""For all further attempts at one request together, once the stack has answered at all. It counts from
the first failure, so that a request which took long before it broke is tried again, too."""

_CONNECT_TIMEOUT_S = 10.0
_FIRST_CONTACT_S = 10.0
"""For all attempts at the first contact: where nothing has ever answered, the URL may be wrong."""
_FIRST_WAIT_S = 0.2
_BROKEN_WAIT_S = 0.02
"""Before the second attempt where a connection broke that the stack had accepted: as a rule another
one works at once."""
_LONGEST_WAIT_S = 10.0
_RESUME_INCOMPLETE = 308
_NOT_A_BODY = {304, 416}
_LARGE_BODY = 4 << 20
_PIECE_BYTES = 1 << 20
_REFUSAL_BYTES = 64 << 10
"""Read of a refusal; the rest is not for people."""
_BROKEN_CONNECTIONS = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


@dataclass(frozen=True)
class Pieces:
    """The body of a request as a stream, which is read again for another attempt.

    Attributes:
        size: bytes in all.
        open: begins to read them, from the start.
    """

    size: int
    open: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Incoming:
    """An answer whose body is still to come.

    Attributes:
        status: HTTP status code.
        headers: of the answer.
        pieces: the body as it is on the wire; raises `ConnectionFailed` where it breaks off.
    """

    status: int
    headers: httpx.Headers
    pieces: Iterator[bytes]


class Transport:
    """Sends requests to one stack, over connections that stay open. Safe to share by threads.

    Args:
        url: the stack's origin, such as ``https://api.example.com``.
        api_key, secret: the credentials.
        timeout_s: see `DEFAULT_TIMEOUT_S`.
        retry_for_s: see `DEFAULT_RETRY_FOR_S`; 0 means one attempt.
        http: another httpx transport, for tests; the network by default.

    Raises:
        ConfigurationError: the URL, the credentials, or what the environment says of proxies and
            certificates cannot be right.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        secret: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retry_for_s: float = DEFAULT_RETRY_FOR_S,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = tidy_url(url)
        check_credentials(api_key, secret)
        self.api_key = api_key
        self._arguments = {
            "url": url,
            "api_key": api_key,
            "secret": secret,
            "timeout_s": timeout_s,
            "retry_for_s": retry_for_s,
            "http": http,
        }
        self._retry_for_s = retry_for_s
        self._has_answered = False
        self._auth = httpx.BasicAuth(api_key.encode(), secret.encode())
        self._timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
        self._http = http
        self._lock = threading.Lock()
        self._open_client: httpx.Client | None = self._new_client()
        refresh_after_fork(self)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to connect by itself, the secret included."""
        return self._arguments

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Create the transport again, with connections of its own."""
        Transport.__init__(self, **state)

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    def after_fork(self) -> None:
        """Leave the connections to the parent process; the next request opens new ones."""
        self._lock = threading.Lock()
        client = self._open_client
        if client is not None and not client.is_closed:
            abandon(client)
            self._open_client = None

    @property
    def _client(self) -> httpx.Client:
        with self._lock:
            if self._open_client is None:
                if isinstance(self._http, httpx.HTTPTransport):
                    raise LayerNextError(
                        "this client was created before the process was forked, with an httpx "
                        "transport whose connections belong to the parent process",
                        hint="create the client in the process that uses it",
                    )
                self._open_client = self._new_client()
            return self._open_client

    def _new_client(self) -> httpx.Client:
        try:
            return httpx.Client(
                auth=self._auth,
                headers={"User-Agent": USER_AGENT},
                timeout=self._timeout,
                follow_redirects=False,
                transport=self._http,
            )
        except OSError as error:
            raise bad_certificates(error) from error
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            # Without the cause, whose text may have a part of the proxy's credentials.
            raise bad_proxy(error) from None

    def close(self) -> None:
        """Close the connections. May be called twice."""
        with self._lock:
            if self._open_client is None:  # after a fork: the parent's are not ours to close
                self._open_client = self._new_client()
            self._open_client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | Pieces | None = None,
        headers: Mapping[str, str] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> bytes:
        """Send a request, again if needed, and return the body of the answer.

        Args:
            method: HTTP method.
            path: below the stack's URL, its parts percent-encoded already.
            params: query; None values are left out, lists repeat.
            json: what to send as JSON.
            content: or the bytes to send, or a stream of them.
            headers: more headers.
            should_stop: asked before another attempt; if it says yes there is none.

        Raises:
            ConnectionFailed, RequestTimeout: no answer, after all attempts.
            StackError: the stack said no; one of its subclasses where one fits.
            DataError: the stack found the data wrong.
        """
        # The same in every attempt: the stack does the work once and repeats its answer. Sent with
        # each method, as some GET requests of the published protocol change something, too.
        fixed = {"Idempotency-Key": uuid.uuid4().hex, **(headers or {})}
        if json is not None:
            content = msgspec.json.encode(json)
            fixed["Content-Type"] = "application/json"
        # None rather than an empty query, which httpx would put in place of the path's own.
        query = {key: value for key, value in (params or {}).items() if value is not None} or None

        def attempt() -> bytes:
            sent, more = _to_send(content)
            response = self._client.request(
                method, self.url + path, params=query, content=sent, headers={**fixed, **more}
            )
            if response.is_success:
                return response.content
            raise refusal_of(self.url, response, response.content)

        answer: bytes = self._repeat(attempt, f"{method} {path}", should_stop)
        return answer

    def request_json(self, method: str, path: str, kind: Any = Any, **rest: Any) -> Any:
        """As `request`; the answer decoded as `kind`.

        Raises:
            IncompatibleStack: the answer is not what a stack says; else as `request`.
        """
        answer = self.request(method, path, **rest)
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise IncompatibleStack(
                f"{self.url}{path.partition('?')[0]} did not answer as a stack does: {error}",
                status=200,
                hint=hint_about_path(self.url) or "is this the URL of a LayerNext stack?",
            ) from error

    def put_signed(
        self,
        url: str,
        content: Pieces,
        headers: Mapping[str, str],
        *,
        should_stop: Callable[[], bool] | None = None,
    ) -> httpx.Headers:
        """PUT to a URL that authorizes itself, so that key and secret are not sent.

        Args:
            url: as the stack returned it.
            content: the bytes.
            headers: of the request.
            should_stop: as in `request`.

        Returns:
            The headers of the answer.

        Raises:
            As `request`; `NotAllowed` if the URL is not good any more.
        """

        def attempt() -> httpx.Headers:
            sent, more = _to_send(content)
            response = self._client.request(
                "PUT", url, content=sent, headers={**headers, **more}, auth=None
            )
            # 308 is how a resumable upload to GCS says that it waits for the next part.
            if response.is_success or response.status_code == _RESUME_INCOMPLETE:
                return response.headers
            raise refusal_of(self.url, response, response.content, retried=RETRIED_SIGNED)

        answer: httpx.Headers = self._repeat(attempt, "PUT of a part", should_stop)
        return answer

    @contextmanager
    def get_signed(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        should_stop: Callable[[], bool] | None = None,
    ) -> Iterator[Incoming]:
        """GET from a URL that authorizes itself; the beginning is tried again.

        The bytes come as they are on the wire: none are decompressed, whatever the answer says.

        Raises:
            As `request`, but not for 304 and 416, which `Incoming.status` tells.
        """

        def attempt() -> httpx.Response:
            request = self._client.build_request(
                "GET", url, headers={"Accept-Encoding": "identity", **headers}
            )
            # Files may be kept elsewhere. No key goes there, nor has it come so far.
            response = self._client.send(request, stream=True, auth=None, follow_redirects=True)
            if response.is_success or response.status_code in _NOT_A_BODY:
                return response
            try:
                raise refusal_of(
                    self.url, response, _beginning_of(response), retried=RETRIED_SIGNED
                )
            finally:
                response.close()

        response: httpx.Response = self._repeat(attempt, "GET of a file", should_stop)
        with self._reading(response, _raw_pieces(response)) as pieces:
            yield Incoming(response.status_code, response.headers, pieces)

    @contextmanager
    def stream(
        self, path: str, params: Mapping[str, Any], *, method: str = "GET", json: Any = None
    ) -> Iterator[Iterator[bytes]]:
        """Ask for a large answer: its decompressed bytes as they come.

        Only the beginning is tried again; who reads decides how to go on after a break.

        Raises:
            As `request`; while reading only `ConnectionFailed` and `RequestTimeout`.
        """
        query = {key: value for key, value in params.items() if value is not None} or None

        def attempt() -> httpx.Response:
            request = self._client.build_request(method, self.url + path, params=query, json=json)
            response = self._client.send(request, stream=True)
            if response.is_success:
                return response
            try:
                raise refusal_of(self.url, response, response.read())
            finally:
                response.close()

        response = self._repeat(attempt, f"{method} {path}")
        with self._reading(response, response.iter_bytes()) as pieces:
            yield pieces

    @contextmanager
    def _reading(
        self, response: httpx.Response, pieces: Iterator[bytes]
    ) -> Iterator[Iterator[bytes]]:
        process = os.getpid()
        started = time.monotonic()

        def read() -> Iterator[bytes]:
            # Not `yield from`, which would close `pieces` in a forked process, too.
            while True:
                if os.getpid() != process:
                    raise ConnectionFailed(
                        f"the connection to {self.url} belongs to the parent process",
                        url=self.url,
                        attempts=1,
                        elapsed_s=time.monotonic() - started,
                    )
                try:
                    piece = next(pieces, None)
                except (
                    httpx.RequestError,
                    httpcore.NetworkError,
                    httpcore.TimeoutException,
                ) as error:
                    raise no_answer(self.url, error, 1, time.monotonic() - started) from error
                if piece is None:
                    return
                yield piece

        try:
            yield read()
        finally:
            if os.getpid() == process:
                response.close()
            else:
                abandon(response, pieces)

    def _repeat(
        self, attempt: Any, what: str, should_stop: Callable[[], bool] | None = None
    ) -> Any:
        started, tries = time.monotonic(), 0
        first_failure: float | None = None
        may_be_done = False
        while True:
            tries += 1
            if tries > 1:
                logger.info("%s: attempt %d", what, tries)
            try:
                answer = self._once(attempt, tries, started, may_be_done)
            except TryAgain as failure:
                now = time.monotonic()
                first_failure = now if first_failure is None else first_failure
                may_be_done = may_be_done or may_have_run(failure.error)
                is_wanted = not (is_cancelled_here() or (should_stop is not None and should_stop()))
                wait_s = self._next_wait_s(failure, tries, now - first_failure)
                if wait_s is None or not is_wanted:
                    self._give_up(failure, tries, now - started)
                trouble = trouble_of(self.url, failure.error)
            else:
                self._has_answered = True
                return answer
            logger.warning("%s; trying again in %.1f s", trouble, wait_s)
            time.sleep(wait_s)

    def _give_up(self, failure: TryAgain, tries: int, elapsed_s: float) -> NoReturn:
        """Raise what is to be said after the last attempt."""
        if isinstance(failure.error, StackError):
            raise failure.error from None
        raise no_answer(self.url, failure.error, tries, elapsed_s) from failure.error

    def _once(self, attempt: Any, tries: int, started: float, may_be_done: bool) -> Any:
        try:
            return attempt()
        except httpx.RequestError as error:
            if is_final(error):
                raise no_answer(self.url, error, tries, time.monotonic() - started) from error
            raise TryAgain(error) from error
        except StackError as error:
            error.after_lost_answer = may_be_done
            raise

    def _next_wait_s(self, failure: TryAgain, tries: int, elapsed_s: float) -> float | None:
        """How long to wait before another attempt; None if the time for attempts is over."""
        limit_s = self._retry_for_s
        if not self._has_answered and not isinstance(failure.error, StackError):
            limit_s = min(limit_s, _FIRST_CONTACT_S)
        left_s = limit_s - elapsed_s
        if left_s < _FIRST_WAIT_S:
            return None
        if failure.wait_s is not None:
            # The time for retries bounds this wait, too: a stack may ask for an hour, or for none.
            return max(failure.wait_s, _FIRST_WAIT_S) if failure.wait_s <= left_s else None
        if tries == 1 and self._has_answered and isinstance(failure.error, _BROKEN_CONNECTIONS):
            return _BROKEN_WAIT_S + random.uniform(0, _BROKEN_WAIT_S)  # noqa: S311
        # No wait ends behind the limit: the last one is cut short, for a last attempt.
        return min(_growing_wait_s(tries), left_s)


def _to_send(
    content: bytes | Pieces | None,
) -> tuple[bytes | Iterator[bytes] | None, dict[str, str]]:
    """A body for one attempt, and the headers that belong to it."""
    if isinstance(content, Pieces):
        return content.open(), {"Content-Length": str(content.size)}
    return content, {}


def _raw_pieces(response: httpx.Response) -> Iterator[bytes]:
    """The body as it is on the wire; a large one from the socket in large pieces.

    httpx takes a body apart in pieces of 64 KiB, which costs more than all else that is done with
    them. What it has not read yet of a body of known length is the connection's next bytes, and
    nothing else; the connection is closed afterwards, as httpx does not know that it was read.
    """
    pieces = response.iter_raw()
    headers = response.headers
    stream = response.extensions.get("network_stream")
    length = headers.get("content-length", "")
    is_plain = length.isdecimal() and "transfer-encoding" not in headers
    if (
        stream is None
        or not is_plain
        or int(length) < _LARGE_BODY
        or response.http_version != "HTTP/1.1"
    ):
        yield from pieces
        return
    left = int(length)
    first = next(pieces, b"")
    left -= len(first)
    yield first
    timeout_s = response.request.extensions.get("timeout", {}).get("read")
    while left > 0:
        piece = stream.read(min(left, _PIECE_BYTES), timeout_s)
        if not piece:
            raise httpx.RemoteProtocolError("the answer ended early", request=response.request)
        left -= len(piece)
        yield piece


def _beginning_of(response: httpx.Response) -> bytes:
    gathered = bytearray()
    for piece in response.iter_bytes():
        gathered += piece
        if len(gathered) > _REFUSAL_BYTES:
            break
    return bytes(gathered[:_REFUSAL_BYTES])


def _growing_wait_s(tries: int) -> float:
    """How long to wait after so many attempts: longer each time, and not all clients alike."""
    doubled_s = _FIRST_WAIT_S * 2.0 ** min(tries - 1, 10)
    return min(_LONGEST_WAIT_S, doubled_s + random.uniform(0, _FIRST_WAIT_S))  # noqa: S311
