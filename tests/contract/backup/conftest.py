"""Fixtures of the tests of backups: empty stacks and a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from layernext.stack.backup import Target
from layernext.stack.objects import BucketStore, FolderStore, ObjectStore
from layernext.stack.store import Database
from tests.contract.backup.stacks import NewParts, Parts
from tests.support.postgres import postgres_database
from tests.support.s3 import S3Server, s3_server

__all__ = ["s3_server"]


@pytest.fixture
def new_parts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewParts]:
    """Makes empty stacks: of a database's kind, with files in a folder or in a bucket."""
    with ExitStack() as opened:
        count = 0

        def make(
            database: str = "sqlite", files: str = "folder", *, migrates: bool = True
        ) -> Parts:
            nonlocal count
            count += 1
            folder = tmp_path / f"stack {count}"
            url = f"sqlite:///{folder / 'stack.sqlite3'}"
            if database == "postgresql":
                server = request.getfixturevalue("postgres_server")
                url = opened.enter_context(postgres_database(server))
            rows = Database(url, migrates=migrates)
            opened.callback(rows.close)
            objects: ObjectStore = FolderStore(folder / "objects")
            if files == "bucket":
                s3: S3Server = request.getfixturevalue("s3_server")
                objects = BucketStore(s3.new_bucket(), s3.options)
            return Parts(rows, objects, folder / "objects")

        yield make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def target(folder: Path) -> Target:
    return Target(str(folder), is_new_fine=True)
