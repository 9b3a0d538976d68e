"""Answers that are not a success, as exceptions in our own words."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Collection

import httpx
import msgspec

from layernext.errors import (
    Conflict,
    DataError,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotSupported,
    Problem,
    RateLimited,
    StackError,
    StackUnavailable,
    StorageFull,
    TooLarge,
)
from layernext.wire.published import ErrorBody, ErrorEnvelope, Received

# 408: the stack waited in vain for the rest of a body, which a stalled connection can cause.
RETRIED = {408, 429, 502, 503, 504}
# Stores of objects say 500 for what passes; a part or a file can always be asked for again.
RETRIED_SIGNED = RETRIED | {500}
_UNPROCESSABLE = 422
_ERRORS: dict[int, type[StackError]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    501: NotSupported,
    507: StorageFull,
}


class TryAgain(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, error: Exception, wait_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


def refusal_of(
    url: str, response: httpx.Response, content: bytes, *, retried: Collection[int] = RETRIED
) -> Exception:
    """The exception for an answer that is not a success."""
    status = response.status_code
    body = _error_of(content)
    message = str(body.message or f"{url}{response.request.url.path} answered {status}")
    if response.has_redirect_location:
        # Not followed: key and secret go to the address that the user gave, and no other.
        return InvalidRequest(
            f"{url} points to {response.headers['location']}",
            status=status,
            hint="if that is your stack, give its address as the URL",
        )
    rest = {
        "status": status,
        "request_id": body.request_id or response.headers.get("x-request-id"),
        "detail": body.details,
    }
    problems = _problems_of(body) if status == _UNPROCESSABLE else []
    if problems:
        return DataError(problems)
    if status in retried:
        wait_s = _retry_after_s(response.headers.get("retry-after"))
        if status == 429:  # noqa: PLR2004 - the status itself
            return TryAgain(RateLimited(message, retry_after_s=wait_s, **rest), wait_s)
        return TryAgain(StackUnavailable(message, **rest), wait_s)
    if status == 401:  # noqa: PLR2004
        return NotAuthenticated(message, **rest)
    default = StackUnavailable if status >= 500 else InvalidRequest  # noqa: PLR2004
    return _ERRORS.get(status, default)(message, **rest)


def _retry_after_s(text: str | None) -> float | None:
    """Seconds of a Retry-After header: a number, or a date (RFC 9110, section 10.2.3)."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _error_of(content: bytes) -> Received:
    """The `error` object of an answer, or an empty one."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        body = None
    return Received(ErrorBody, Received(ErrorEnvelope, body).error)


def _problems_of(error: Received) -> list[Problem]:
    """The problems that a stack found in the data; none if the error is about something else."""
    rows = error.details
    if error.code != DataError.code or not isinstance(rows, list):
        return []
    return [
        Problem(str(row["where"]), str(row["message"]))
        for row in rows
        if isinstance(row, dict) and "where" in row and "message" in row
    ]
