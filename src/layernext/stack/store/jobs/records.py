"""Jobs, as records."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

JobStatus: TypeAlias = Literal["queued", "in_progress", "completed", "failed"]


class JobRow(Struct, frozen=True):
    """A job as its worker sees it."""

    row_id: int
    id: str
    kind: str
    name: str
    payload: dict[str, Any]


class JobCount(Struct, frozen=True, kw_only=True):
    """How many jobs of a kind have a status.

    Attributes:
        kind, status: of the jobs.
        count: of them.
        oldest_age_s: since the oldest of them was created.
    """

    kind: str
    status: JobStatus
    count: int
    oldest_age_s: float
