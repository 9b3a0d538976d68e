"""Requests that change something and come twice, because the first answer got lost on the way.

A client sends an `Idempotency-Key` with each attempt at a call. The handler makes its change
through `change_once`, which records the answer in the same transaction; the hook `replay` gives it again
without calling the handler, and `repeatable` to one that came while the first was at work. docs/protocol.md has the rules for clients.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, Response

from layernext.errors import InvalidRequest, LayerNextError, StackUnavailable
from layernext.stack.api.audit import changing, entry_of
from layernext.stack.api.body import received
from layernext.stack.api.error_map import JSON
from layernext.stack.api.services import services_of
from layernext.stack.store import Caller, CallId, RecordedAnswer

CALL_ID_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
MAX_REQUEST_BYTES = 16 << 20
"""Of a request whose answer is recorded."""
_CALL_ID = re.compile(r"[!-~]{1,200}")

Call = Request[Any, Caller, Any]
Handler = Callable[..., Awaitable[Response[Any]]]


async def replay(request: Call) -> Response[bytes] | None:
    """The recorded answer to an earlier attempt, or None to call the handler.

    Raises:
        InvalidRequest: the id is malformed, or belongs to another request.
        Conflict: the work is done, but its answer was too large to keep, or had a secret.
    """
    call_id = _call_id(request)
    if call_id is None:
        return None
    if not _CALL_ID.fullmatch(call_id):
        message = f"{CALL_ID_HEADER} must be 1 to 200 printable ASCII characters without spaces"
        raise InvalidRequest(message, status=400)
    head = (
        str(request.method),
        request.scope["path"],
        request.scope["query_string"].decode("latin-1"),
    )
    # `received` adds the body to it.
    request.scope["state"]["request_hash"] = hashlib.sha256("\0".join((*head, "")).encode())
    services = services_of(request)
    answers = services.store.answers
    if not await services.call(answers.has, str(request.auth.api_key), call_id):
        return None
    if request.route_handler.opt["operation"].body is not None:
        async with received(request, MAX_REQUEST_BYTES):
            pass
    recorded = await services.call(answers.get, _call_of(request, call_id))
    if recorded is None:  # it expired a moment ago
        raise StackUnavailable("try this request again", status=503)
    return _response(recorded)


def repeatable(handler: Handler, *, has_body: bool) -> Handler:
    """A handler whose refusals look once more for an answer to an earlier attempt.

    That attempt may have been at work when `replay` looked, and have changed what the handler then
    checked: it deleted the collection that the request names, for example.

    Args:
        handler: checks, and makes its change through `change_once`.
        has_body: the id belongs to a request with a body, so nothing can be found before that is read.
    """

    async def handle(request: Call) -> Response[Any]:
        try:
            return await handler(request)
        except LayerNextError:
            state, call_id = request.scope["state"], request.headers.get(CALL_ID_HEADER)
            if call_id is None or (has_body and not state.get("is_body_received")):
                raise
            services, call = services_of(request), _call_of(request, call_id)
            recorded = await services.call(services.store.answers.get, call)
            if recorded is None:
                raise
            return _response(recorded)

    handle.__doc__, handle.__name__ = handler.__doc__, handler.__name__
    handle.__module__ = handler.__module__
    return handle


def change_once(
    request: Call,
    work: Callable[[], Response[bytes]],
    refusal: Callable[[bytes], str] | None = None,
) -> Response[bytes]:
    """Carry out a change once for all attempts at a call. To be run in a thread.

    Args:
        request: its body has been read.
        work: makes the change, with nothing but the store, and its answer. All of it is one transaction,
            with the entry of the audit log, and may be repeated; what it raises changes nothing.
        refusal: for an answer with a secret: makes of it the sentence that is stored in its place,
            and that whoever repeats the request gets.
    """
    call_id = _call_id(request)
    if call_id is None:
        return changing(request, work)()
    store = services_of(request).store

    def recorded() -> RecordedAnswer:
        response = work()
        entry = entry_of(request)
        if entry is not None:
            store.audit.add(entry)
        sentence = None if refusal is None else refusal(response.content)
        return RecordedAnswer(response.status_code or 200, response.content, refusal=sentence)

    return _response(store.answers.once(_call_of(request, call_id), recorded))


def _call_of(request: Call, call_id: str) -> CallId:
    digest = request.scope["state"]["request_hash"].digest()
    return CallId(str(request.auth.api_key), call_id, digest)


def _call_id(request: Call) -> str | None:
    """The client's id of the call. Answers are recorded by API key, so browsers without one have none."""
    return None if request.auth.api_key is None else request.headers.get(CALL_ID_HEADER)


def _response(answer: RecordedAnswer) -> Response[bytes]:
    headers = {REPLAYED_HEADER: "true"} if answer.is_replayed else {}
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=JSON)
