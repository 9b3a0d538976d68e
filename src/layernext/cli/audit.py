"""`layernext audit`: who did what to which collection, and when."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec
import typer

from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.output import print_json, print_table, tell
from layernext.errors import ConfigurationError
from layernext.model import AuditEntry

POLL_SECONDS = 2.0
FOLLOWED = 1_000
"""Newest entries that are asked for at each look. Of more that came since, the oldest are not shown."""

_AGE = re.compile(r"(\d{1,6})(s|min|m|h|d|w)")
_UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def audit(
    collection: Annotated[
        str | None, typer.Option("--collection", help="Only of this collection, by name.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--actor", help="Only of this key or person, by name or key.")
    ] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="Only this action, such as 'delete run'.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="From then on: 7d, 12h, 30min or ISO 8601."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Before then, likewise.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Entries at most.")] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Then show new entries as they come.")
    ] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Show who did what to which collection, and when; for administrators.

    Newest first; with --follow oldest first, one line each, with --json one JSON object a line.

    Examples:

        layernext audit --since 7d

        layernext audit --collection path1/path2 --action "delete run" --json

        layernext audit --follow
    """
    now = datetime.now(timezone.utc)
    wanted: dict[str, Any] = {
        "collection": collection,
        "actor": actor,
        "action": action,
        "since": read_moment("--since", since, now),
        "until": read_moment("--until", until, now),
    }
    with connect(api_key, secret, url, config) as client:
        if follow:
            for entry in _followed(client, wanted, limit):
                _tell(entry, as_json=as_json)
            return
        entries = client.audit.list(**wanted, limit=limit)
    if as_json:
        print_json([entry.to_dict() for entry in entries])
        return
    print_table(
        ["Time (UTC)", "Who", "Action", "Collection", "Subject", "Count", "Outcome", "From"],
        [
            [
                entry.at[:19].replace("T", " "),
                entry.actor or "(unknown)",
                entry.action,
                entry.collection or "",
                entry.subject or "",
                "" if entry.count is None else f"{entry.count:,}",
                entry.outcome,
                entry.address or "",
            ]
            for entry in entries
        ],
        "no entries",
    )


def read_moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """A moment: an age such as ``7d``, or ISO 8601, UTC unless it says otherwise.

    Raises:
        ConfigurationError: it is neither.
    """
    if text is None:
        return None
    found = _AGE.fullmatch(text.strip())
    try:
        if found:
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option} {text!r} is neither an age such as 7d or 12h nor a time in ISO 8601"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _followed(client: Any, wanted: dict[str, Any], limit: int) -> Iterator[AuditEntry]:
    """Entries, oldest first, and those that come later, until Ctrl-C."""
    newest = client.audit.list(**wanted, limit=limit)
    oldest = min((int(entry.id) for entry in newest), default=0)
    shown: set[str] = set()
    while True:
        for entry in reversed(newest):
            if entry.id not in shown and int(entry.id) >= oldest:
                yield entry
        # A transaction that took long may bring an entry that is older than one that was shown.
        shown = {entry.id for entry in newest}
        time.sleep(POLL_SECONDS)
        newest = client.audit.list(**wanted, limit=FOLLOWED)


def _tell(entry: AuditEntry, *, as_json: bool) -> None:
    if as_json:
        tell(msgspec.json.encode(entry.to_dict()).decode())
        return
    parts = [entry.at[:19].replace("T", " "), entry.actor or "(unknown)", entry.action]
    if entry.outcome != "done":
        parts.append(entry.outcome)
    parts += [f"{entry.count:,}" if entry.count is not None else "", entry.subject or ""]
    if entry.collection:
        parts.append(f"in {entry.collection}")
    if entry.address:
        parts.append(f"from {entry.address}")
    tell("  ".join(part for part in parts if part))
