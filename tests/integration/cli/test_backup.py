"""`layernext backup`, `restore`, `backups` and `check`, as an operator runs them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.integration.cli.conftest import CommandLine
from tests.support.stack_process import create_key


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a stack with an orphan of yesterday."""
    folder = tmp_path / "stack"
    create_key(folder)
    (folder / "objects" / "files" / "a").mkdir(parents=True)
    orphan = folder / "objects" / "files" / "a" / "orphan"
    orphan.write_bytes(b"12345")
    yesterday = time.time() - 25 * 3600
    os.utime(orphan, (yesterday, yesterday))
    return folder


def error_of(cli: CommandLine, *arguments: object, code: int) -> str:
    done = cli(*arguments, code=code)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def test_backup_and_restore(cli: CommandLine, data: Path) -> None:
    """A line for people each, a document for machines each; a second restore is refused."""
    assert cli("backup", "backups", "--data", data).stdout.startswith("snapshot 2")
    taken = json.loads(cli("backup", "backups", "--data", data, "--json").stdout)
    listed = json.loads(cli("backups", "list", "backups", "--json").stdout)
    assert (len(listed), listed[-1]) == (2, taken)
    assert "0 problems" in cli("backups", "verify", "backups").stdout
    restored = json.loads(cli("restore", "backups", "--data", "new", "--json").stdout)
    assert (restored["snapshot"], restored["tables"]["api_key"]) == (taken["snapshot"], 1)
    first = json.loads(cli("keys", "list", "--data", data, "--json").stdout)
    assert json.loads(cli("keys", "list", "--data", "new", "--json").stdout) == first
    said = error_of(cli, "restore", "backups", "--data", "new", code=5)
    assert said.startswith("error: the database is not empty (restore into a new data folder")
    assert "restored snapshot" in cli(
        "restore", "backups", "--snapshot", listed[0]["snapshot"], "--data", "older"
    ).stdout  # fmt: skip
    assert cli("backups", "prune", "backups", "--keep", 1).stdout.startswith(
        "1 snapshot deleted, 1 kept"
    )


def test_check_and_repair(cli: CommandLine, data: Path) -> None:
    """Problems are named and end with 4; a repair says what it will do, and asks before it does it."""
    old = ("--data", data)
    assert "0 problems" in cli("check", "--orphans-after", "48", *old).stdout
    young = ("check", "--orphans-after", "1", "--repair", "--yes", *old)
    assert "--repair needs --orphans-after 24 or more" in error_of(cli, *young, code=3)
    assert "not referenced: a/orphan" in cli("check", *old, code=4).stdout
    done = cli("check", *old, "--repair", code=2)
    assert "to repair: remove 1 object without a reference" in done.stderr
    assert "cannot prompt: stdin is not a terminal; pass --yes" in done.stderr
    report = json.loads(cli("check", *old, "--json", code=4).stdout)
    assert (report["problems"], report["checked"]["orphans"]) == (1, ["a/orphan"])
    done = cli("check", *old, "--repair", "--yes")
    assert "to repair: remove 1 object without a reference" in done.stderr
    assert "repaired: 1 object removed, 0 rows marked" in done.stdout
    assert "0 problems" in cli("check", *old).stdout


def test_a_damaged_backup_is_named(cli: CommandLine, data: Path) -> None:
    """A backup that was damaged ends with 4, and the file is named."""
    cli("backup", "backups", "--data", data)
    rows = next(Path(cli.folder, "backups", "files", "snapshots").glob("*/table-api_key.zst"))
    rows.write_bytes(rows.read_bytes()[:-1] + b"x")
    assert "table-api_key.zst is damaged" in cli("backups", "verify", "backups", code=4).stderr
    healing = cli("backups", "verify", "backups", "--remove-damaged", code=4)
    assert "0 damaged files removed; run the backup again" in healing.stderr
    said = error_of(cli, "restore", "backups", "--data", "new", code=4)
    assert said.startswith("error: snapshots/")
    assert "the backup's file is damaged" in said


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        pytest.param(["backup", "backups", "--data", "no"], 3, "no stack found in", id="no stack"),
        pytest.param(["check", "--data", "no"], 3, "no stack found in", id="no stack to check"),
        pytest.param(
            ["restore", "no", "--data", "new"], 3, "there is no backup in", id="no backup"
        ),
        pytest.param(["backups", "list", "no"], 3, "there is no backup in", id="nothing to list"),
        pytest.param(
            ["backup", "stack/objects", "--data", "stack"],
            3,
            "contains the stack's files or is inside their folder",
            id="among the files",
        ),
        pytest.param(
            ["backup", "stack", "--data", "stack"],
            3,
            "contains the stack's files or is inside their folder",
            id="the data folder",
        ),
        pytest.param(
            ["backup", ".", "--data", "stack"],
            3,
            "contains the stack's files or is inside their folder",
            id="above the files",
        ),
        pytest.param(
            ["restore", "stack/objects/b", "--data", "stack"],
            3,
            "contains the stack's files or is inside their folder",
            id="restored into the backup",
        ),
        pytest.param(
            ["backup", "b", "--database", "postgresql://me:sesame@127.0.0.1:1/x"],
            3,
            "the database cannot be opened",
            id="no database",
        ),
        pytest.param(
            ["backups", "prune", "b", "--keep", "0"],
            2,
            "greater than or equal to 1",
            id="keep none",
        ),
    ],
)
def test_sentences(
    arguments: list[str], code: int, sentence: str, cli: CommandLine, data: Path
) -> None:
    """What cannot be done is one sentence, without a traceback, without the database's password."""
    del data
    said = error_of(cli, *arguments, code=code)
    assert sentence in said
    assert "sesame" not in said
    assert len(said.splitlines()) == 1
