"""What a check of rows against objects reads of the database, and what a repair writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import sqlalchemy as sa

from layernext.stack.store.backup.dump import NamedObject, open_snapshot
from layernext.stack.store.database import Database
from layernext.stack.store.files.states import CONTENT_IS_MISSING
from layernext.stack.store.schema import image

PATHS_AT_ONCE = 500
MAX_PROBLEMS = 100


def find_damage(database: Database) -> list[str]:
    """What is wrong with the file of an SQLite database, one sentence each.

    PostgreSQL checks its pages by its own means: nothing is looked at there.
    """
    if not database.is_sqlite:
        return []
    try:
        with database.stream() as connection:
            messages = connection.exec_driver_sql(
                f"PRAGMA integrity_check({MAX_PROBLEMS})"
            ).scalars()
            return [text for text in messages if text != "ok"]
    except sa.exc.DatabaseError as error:
        return [str(error.orig)]


def find_broken_references(database: Database) -> list[str]:
    """Rows that refer to rows that are not there, one sentence each. PostgreSQL admits none."""
    if not database.is_sqlite:
        return []
    with database.stream() as connection:
        broken = islice(connection.exec_driver_sql("PRAGMA foreign_key_check"), MAX_PROBLEMS)
        return [f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}" for row in broken]


def other_named(database: Database, paths: Iterable[str]) -> set[str]:
    """Those of some paths that uploads or exports on their way name, or that are to be deleted."""
    searched = set(paths)
    with open_snapshot(database) as snapshot:
        return {named.path for named in snapshot.other_objects() if named.path in searched}


def known_lost(database: Database, paths: Iterable[str]) -> set[str]:
    """Those of some files that are marked as missing."""
    marked: set[str] = set()
    with database.read() as connection:
        for batch in _chunks(paths):
            query = sa.select(image.c.object_path).where(
                image.c.object_path.in_(batch), image.c.state == "missing"
            )
            marked |= set(connection.execute(query).scalars())
    return marked


def mark_lost(database: Database, missing: Sequence[NamedObject]) -> int:
    """Mark files as missing, and let missing thumbnails be made again; how many rows changed.

    A file that was uploaded again meanwhile has another path and stays as it is. Exports and pictures of
    dataset versions have no such mark.
    """
    files = [named.path for named in missing if named.table == image.name]
    thumbnails = [named.path for named in missing if named.table == "thumbnail"]

    def work(connection: sa.Connection) -> int:
        count = 0
        for batch in _chunks(files):
            lost = sa.update(image).where(image.c.object_path.in_(batch))
            marked = lost.values(state="missing", failure=CONTENT_IS_MISSING)
            count += connection.execute(marked).rowcount
        for batch in _chunks(thumbnails):
            bare = sa.update(image).where(image.c.thumbnail_path.in_(batch))
            count += connection.execute(bare.values(state="pending", thumbnail_path=None)).rowcount
        return count

    return database.write_again(work)


def _chunks(paths: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(paths)
    while batch := list(islice(remaining, PATHS_AT_ONCE)):
        yield batch
