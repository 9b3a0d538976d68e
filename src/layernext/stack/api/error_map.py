"""From an exception to an answer: one table and one shape, for every route of both protocols.

The envelope is the one that the published clients read (docs/protocol.md), with our code and the
request's id added.
"""

from __future__ import annotations

import errno
import logging
from http import HTTPStatus
from math import ceil
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from layernext.errors import DataError, RateLimited, StackError
from layernext.stack.api.browser import shows_no_dialog
from layernext.wire.published import ErrorBody, ErrorEnvelope, ErrorPlace

logger = logging.getLogger("layernext.stack")

JSON = "application/json"
DATA_STATUS = 422
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
MAX_SHOWN_PROBLEMS = 100

_NAMES: dict[int, tuple[str, str]] = {
    400: ("InvalidRequest", "invalid-request"),
    401: ("NotAuthenticated", "not-authenticated"),
    403: ("NotAllowed", "not-allowed"),
    404: ("NotFound", "not-found"),
    405: ("MethodNotAllowed", "method-not-allowed"),
    406: ("InvalidRequest", "invalid-request"),
    408: ("RequestTimeout", "timeout"),
    409: ("Conflict", "conflict"),
    413: ("TooLarge", "too-large"),
    415: ("InvalidRequest", "invalid-request"),
    DATA_STATUS: ("DataError", "data"),
    429: ("RateLimited", "rate-limited"),
    500: ("InternalError", "internal"),
    501: ("NotSupported", "not-supported"),
    503: ("StackUnavailable", "unavailable"),
    507: ("StorageFull", "storage-full"),
}
"""Status to the envelope's ``name`` and ``code``."""


class ClientGone(Exception):
    """The client hung up before its request was complete; nobody reads the answer."""


def envelope(
    status: int,
    message: str,
    request_id: str | None,
    *,
    code: str | None = None,
    details: Any = None,
) -> bytes:
    """The JSON of an error answer."""
    name, usual_code = _NAMES.get(status, ("InvalidRequest", "invalid-request"))
    body = ErrorBody(
        status_code=status,
        name=name,
        code=code or usual_code,
        message=message,
        details=details,
        request_id=request_id,
    )
    return msgspec.json.encode(ErrorEnvelope(body))


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer for an exception that came out of routing or of a handler."""
    request_id: str | None = request.scope["state"].get("request_id")
    status, message, code, details = _described(error, request_id)
    headers = dict(getattr(error, "headers", None) or {})
    if status == HTTPStatus.UNAUTHORIZED and not shows_no_dialog(request):
        headers["WWW-Authenticate"] = 'Basic realm="layernext", charset="UTF-8"'
    if isinstance(error, RateLimited) and error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, ceil(error.retry_after_s)))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    return Response(
        envelope(status, message, request_id, code=code, details=details),
        status_code=status,
        headers=headers,
        media_type=JSON,
    )


def _described(error: Exception, request_id: str | None) -> tuple[int, str, str | None, Any]:
    if isinstance(error, DataError):
        first_problems = error.problems[:MAX_SHOWN_PROBLEMS]
        error_places = [ErrorPlace(problem.where, problem.message) for problem in first_problems]
        return DATA_STATUS, error.message, error.code, error_places
    if isinstance(error, StackError):
        return error.status, str(error), error.code, error.detail
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status = error.status_code
        return status, _plain_text(status, error), None, None
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return 507, "there is no room left on the stack's disk", None, None
    if isinstance(error, ClientGone):
        return 400, "the request was cut off", None, None
    logger.error("request %s failed", request_id, exc_info=error)
    text = "something went wrong in the stack; its log has the reason under this request's id"
    return 500, text, None, None


def _plain_text(status: int, error: HTTPException) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return "there is no such route"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"this route takes {(error.headers or {}).get('allow', 'another method')}"
    return error.detail or HTTPStatus(status).phrase
