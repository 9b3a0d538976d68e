"""Errors: the envelope that published clients read, which the native protocol shares."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class ErrorPlace(Struct, frozen=True):
    """One problem of the data that was sent."""

    where: str
    message: str


class ErrorBody(Struct, frozen=True, kw_only=True, rename="camel"):
    """What went wrong."""

    status_code: int
    name: str
    code: str
    message: str
    details: Any = None
    request_id: str | None = None


class ErrorEnvelope(Struct, frozen=True):
    """Every answer that is not a success; for bad data ``details`` is a list of places."""

    error: ErrorBody
