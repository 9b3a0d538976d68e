"""Pages of listings."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

MAX_PAGE = 1_000
"""Records in one page of a listing."""

_Record = TypeVar("_Record")


class PageOf(Struct, Generic[_Record], frozen=True):
    """Some records of a listing, and the cursor that brings the next ones; None at the end."""

    items: list[_Record]
    next: str | None = None
