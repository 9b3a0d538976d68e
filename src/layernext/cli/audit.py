"""`layernext audit`: who did what to which collection, and when."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec
import typer

from layernext.cli.connection import Connection
from layernext.cli.option_groups import OptionGroup
from layernext.cli.options import AsJson, Limit
from layernext.cli.output import print_rows, tell, time_text
from layernext.errors import ConfigurationError
from layernext.model import AuditEntry

POLL_SECONDS = 2.0
FOLLOWED_LIMIT = 1_000
"""Newest entries requested at each poll. If more arrived since the last one, the oldest are not shown."""

_AGE = re.compile(r"(\d{1,6})(s|min|m|h|d|w)")
_UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Filters(OptionGroup):
    """Which entries to show."""

    collection: Annotated[
        str | None,
        typer.Option("--collection", help="Only entries about this collection, by name."),
    ] = None
    actor: Annotated[
        str | None, typer.Option("--actor", help="Only entries of this user or API key.")
    ] = None
    action: Annotated[
        str | None,
        typer.Option("--action", help="Only entries of this action, such as 'delete run'."),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only entries since this time: an age such as 7d, 12h or 30min, or ISO 8601.",
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="Only entries before this time; see --since."),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """The filters as arguments of `client.audit.list`.

        Raises:
            ConfigurationError: a time is neither an age nor ISO 8601.
        """
        now = datetime.now(timezone.utc)
        return {
            "collection": self.collection,
            "actor": self.actor,
            "action": self.action,
            "since": read_moment("--since", self.since, now),
            "until": read_moment("--until", self.until, now),
        }


def audit(
    *,
    filters: Filters,
    limit: Limit = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep showing new entries as they arrive.")
    ] = False,
    as_json: AsJson = False,
    connection: Connection,
) -> None:
    """Show who did what to which collection, and when; for administrators.

    Newest entries first. With --follow, oldest first and one line per entry; with --follow --json,
    one JSON object per line.

    Examples:

        layernext audit --since 7d

        layernext audit --collection path1/path2 --action "delete run" --json

        layernext audit --follow
    """
    arguments = filters.arguments()
    with connection.open() as client:
        if follow:
            for entry in _followed(client, arguments, limit):
                _tell(entry, as_json=as_json)
            return
        rows = client.audit.list(**arguments, limit=limit)
    print_rows(
        rows,
        ["Time (UTC)", "Who", "Action", "Collection", "Subject", "Count", "Outcome", "From"],
        lambda row: [
            time_text(row.at),
            row.actor or "(unknown)",
            row.action,
            row.collection or "",
            row.subject or "",
            "" if row.count is None else f"{row.count:,}",
            row.outcome,
            row.address or "",
        ],
        "no entries",
        as_json=as_json,
    )


def read_moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """A time: an age such as ``7d``, or ISO 8601, in UTC unless it has an offset.

    Raises:
        ConfigurationError: it is neither.
    """
    if text is None:
        return None
    match = _AGE.fullmatch(text.strip())
    try:
        if match:
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option} {text!r} is neither an age such as 7d or 12h nor a time in ISO 8601"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _followed(client: Any, filters: dict[str, Any], limit: int) -> Iterator[AuditEntry]:
    """Entries, oldest first, and later ones as they arrive, until Ctrl-C."""
    newest = client.audit.list(**filters, limit=limit)
    oldest = min((int(entry.id) for entry in newest), default=0)
    shown_ids: set[str] = set()
    while True:
        for entry in reversed(newest):
            if entry.id not in shown_ids and int(entry.id) >= oldest:
                yield entry
        # A long transaction may add an entry that is older than one already shown.
        shown_ids = {entry.id for entry in newest}
        time.sleep(POLL_SECONDS)
        newest = client.audit.list(**filters, limit=FOLLOWED_LIMIT)


def _tell(entry: AuditEntry, *, as_json: bool) -> None:
    if as_json:
        tell(msgspec.json.encode(entry.to_dict()).decode())
        return
    parts = [time_text(entry.at), entry.actor or "(unknown)", entry.action]
    if entry.outcome != "done":
        parts.append(entry.outcome)
    parts += [f"{entry.count:,}" if entry.count is not None else "", entry.subject or ""]
    if entry.collection:
        parts.append(f"in {entry.collection}")
    if entry.address:
        parts.append(f"from {entry.address}")
    tell("  ".join(part for part in parts if part))
