"""The time as the database keeps it."""

from __future__ import annotations

from datetime import datetime, timezone


def now_text() -> str:
    """Now, UTC, ISO 8601 with milliseconds: sorts as text."""
    return text_of(datetime.now(timezone.utc))


def text_of(moment: datetime) -> str:
    """A moment in UTC as `now_text` writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_since(text: str) -> float:
    """Seconds from a time of `now_text` to now."""
    then = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (datetime.now(timezone.utc) - then).total_seconds()
