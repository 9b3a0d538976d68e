"""From an exception to an HTTP answer: one table, one shape, for every route of both protocols."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from layernext.errors import DataError, LayerNextError, StackError

logger = logging.getLogger("layernext.stack")

UNPROCESSABLE = 422
_CODES = {
    400: "invalid-request",
    401: "not-authenticated",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    413: "too-large",
    415: "invalid-request",
    UNPROCESSABLE: "data",
    500: "internal",
    503: "unavailable",
}


class ErrorBody(msgspec.Struct, kw_only=True, rename="camel"):
    """What is wrong. ``details`` of bad data is a list of places and messages."""

    status_code: int
    name: str
    code: str
    message: str
    request_id: str
    details: Any = None


class ErrorEnvelope(msgspec.Struct):
    """Every answer that is not a success has this shape (wire-contract 1.5)."""

    error: ErrorBody


def envelope(
    status: int, message: str, request_id: str, *, code: str | None = None, details: Any = None
) -> ErrorEnvelope:
    """The body of an error answer."""
    return ErrorEnvelope(
        ErrorBody(
            status_code=status,
            name=HTTPStatus(status).phrase,
            code=code or _CODES.get(status, "invalid-request"),
            message=message,
            request_id=request_id,
            details=details,
        )
    )


def request_id_of(scope: Any) -> str:
    """The id that the outermost layer gave the request."""
    return str(scope.get("request_id", ""))


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorEnvelope]:
    """The answer for an exception that a handler raised."""
    request_id = request_id_of(request.scope)
    headers: dict[str, str] = {}
    code, details = None, None
    if isinstance(error, DataError):
        status, code = UNPROCESSABLE, error.code
        message = "; ".join(error.lines()[:3])
        details = [{"where": p.where, "message": p.message} for p in error.problems]
    elif isinstance(error, StackError):
        status, message, code, details = error.status, error.message, error.code, error.detail
    elif isinstance(error, LayerNextError):
        status, message, code = 400, str(error), error.code
    elif isinstance(error, HTTPException):
        status, message = error.status_code, error.detail or HTTPStatus(error.status_code).phrase
        details = _safe(error.extra)
        headers = dict(error.headers or {})
    else:
        logger.error("request %s failed", request_id, exc_info=error)
        status = 500
        message = "something went wrong here; the log of the stack has it under this request id"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and isinstance(error, HTTPException):
        logger.error("request %s failed", request_id, exc_info=error)
    return Response(
        envelope(status, message, request_id, code=code, details=details),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


def _safe(extra: Any) -> Any:
    """`extra` if it can be written as JSON, else nothing."""
    try:
        msgspec.json.encode(extra)
    except (TypeError, ValueError):
        return None
    return extra
