"""`layernext audit`, and what the commands of operators leave in the audit log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from layernext import LayerNextClient
from layernext.cli.audit import read_moment
from layernext.errors import ConfigurationError, DataError
from layernext.stack.app import Settings, open_store
from layernext.stack.store import AuditFilter
from tests.integration.cli.conftest import CommandLine
from tests.support.stack_process import StackProcess


def test_list(connected: CommandLine, stack: StackProcess) -> None:
    """A table for people, a document for machines; every filter reaches the stack."""
    with LayerNextClient(*stack.arguments) as client:
        client.upload_modelrun("audited", "robot", [{"image": "a.jpg", "annotations": []}])
        client.collections.create("audited too")
    shown = connected("audit", "--since", "7d").stdout
    assert "upload annotations" in shown
    assert "127.0.0.1" in shown
    query = ("audit", "--collection", "audited", "--action", "upload annotations", "--json")
    (entry,) = json.loads(connected(*query).stdout)
    assert (entry["subject"], entry["outcome"], entry["count"]) == ("robot", "done", 0)
    assert json.loads(connected(*query, "--actor", "nobody").stdout) == []
    assert json.loads(connected(*query, "--until", "2020-01-01").stdout) == []
    assert len(json.loads(connected("audit", "--limit", "2", "--json").stdout)) == 2
    said = connected("audit", "--since", "yesterday", code=3).stderr
    assert "neither an age such as 7d" in said
    assert "Traceback" not in said


def test_follow(connected: CommandLine, stack: StackProcess) -> None:
    """New entries come as they are made, one JSON object a line; Ctrl-C ends it."""
    with LayerNextClient(*stack.arguments) as client:
        client.collections.create("before")
    command = [sys.executable, "-m", "layernext.cli", "audit", "--follow", "--json", "--limit", "1"]
    environment = {**os.environ, **connected.environment, "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["collection"] == "before"
        with LayerNextClient(*stack.arguments) as client:
            for name in ("first", "second"):
                client.collections.create(name)
        told = [json.loads(running.stdout.readline())["collection"] for _ in range(2)]
        assert told == ["first", "second"]
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
    finally:
        running.kill()
        running.communicate()


def test_the_call(stack: StackProcess) -> None:
    """Pages are put together up to the limit; a limit that is none is refused."""
    with LayerNextClient(*stack.arguments) as client:
        for number in range(4):
            client.collections.create(f"audited {number}")
        everything = client.audit.list(limit=None)
        assert client.audit.list(limit=1) == everything[:1]
        assert client.audit.list(actor=everything[0].actor, limit=3)
        with pytest.raises(DataError):
            client.audit.list(limit=0)


def test_commands_of_operators(cli: CommandLine, tmp_path: Path) -> None:
    """Keys, a restore and a repair, which change the stack's data themselves."""
    data = tmp_path / "stack"
    made = cli("keys", "create", "ci", "--rate", "2.5", "--data", data, "--json")
    key = json.loads(made.stdout)
    assert "2.5/s" in cli("keys", "list", "--data", data).stdout
    cli("keys", "revoke", key["api_key"], "--data", data)
    cli("keys", "revoke", "key_of_nobody", "--data", data, code=5)
    cli("backup", "backups", "--data", data)
    cli("restore", "backups", "--data", "new")
    orphan = tmp_path / "new" / "objects" / "files" / "a" / "orphan"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"12345")
    yesterday = time.time() - 25 * 3600
    os.utime(orphan, (yesterday, yesterday))
    cli("check", "--data", "new", "--repair", "--yes")
    store = open_store(Settings(data=tmp_path / "new"))
    try:
        entries, _ = store.audit.page(AuditFilter(), before=None, limit=9)
    finally:
        store.close()
    assert [(entry.action, entry.count) for entry in reversed(entries)] == [
        ("create key", None),
        ("revoke key", None),
        ("restore backup", None),
        ("repair stack", 1),
    ]
    assert {entry.actor.partition(" (")[0] for entry in entries} == {"command line"}
    assert key["secret"] not in str(entries)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", "2026-03-01T11:58:30+00:00"),
        ("30min", "2026-03-01T11:30:00+00:00"),
        ("2h", "2026-03-01T10:00:00+00:00"),
        ("7d", "2026-02-22T12:00:00+00:00"),
        ("2w", "2026-02-15T12:00:00+00:00"),
        ("2026-01-02", "2026-01-02T00:00:00+00:00"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05+02:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    found = read_moment("--since", text, now)
    assert found is not None
    assert found.isoformat() == moment


@pytest.mark.parametrize("text", ["", "7", "d", "7y", "999999w999", "2026-13-01"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--since"):
        read_moment("--since", text, datetime.now(timezone.utc))
