"""Which objects and uploads rows refer to: what is in the store of objects besides is an orphan.

Rows come before bytes (a file on its way, an export, a dataset version), so that an object without a row is of no
use to anybody. Only bundles of small files store bytes first; see `hold_bytes`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, timezone

import sqlalchemy as sa

from layernext.errors import StackUnavailable
from layernext.stack.store.database import Database
from layernext.stack.store.objects.dropped import drop
from layernext.stack.store.schema import dataset_version, export, file_item, image, version_picture

THUMBNAIL_SUFFIX = ".webp"
"""A thumbnail is beside its file's object, and belongs to it."""

PICTURES_FOLDER = "versions"
"""Objects of a dataset version are in a folder of its own here, and belong to it."""

ORPHAN_HOURS = 24.0
"""An object that is younger may be about to get its row."""

COMMIT_HOURS = 12.0
"""Bytes that have waited longer for their row do not get it. Far below `ORPHAN_HOURS`, so that clocks may differ."""


class References:
    """What the rows of a database refer to.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_orphans(self, paths: Collection[str]) -> set[str]:
        """Those of some objects that no row refers to at this moment."""
        with self._database.read() as connection:
            return _orphans(connection, paths)

    def drop_orphans(self, paths: Collection[str]) -> int:
        """Note for deletion those of some objects that no row refers to; how many.

        Args:
            paths: some hundreds, all of objects older than `ORPHAN_HOURS`.
        """
        if not self.find_orphans(paths):
            return 0

        def work(connection: sa.Connection) -> int:
            # Until this ends nobody commits a row for bytes that are there already.
            self._database.change_bytes(connection)
            orphans = _orphans(connection, paths)
            drop(self._database, connection, orphans)
            return len(orphans)

        return self._database.write_again(work)

    def unknown_uploads(self, handles: Sequence[str]) -> set[str]:
        """Those of some handles that no file on its way has."""
        query = sa.select(file_item.c.handle).where(
            file_item.c.handle.in_(list(handles)), ~file_item.c.is_stored
        )
        with self._database.read() as connection:
            return set(handles) - set(connection.execute(query).scalars())


def hold_bytes(database: Database, connection: sa.Connection, written_at: datetime) -> None:
    """Make sure that objects written before their rows stay until the transaction has ended.

    Raises:
        StackUnavailable: they are so old that housekeeping may have taken them for orphans.
    """
    database.hold_bytes(connection)
    if datetime.now(timezone.utc) - written_at > timedelta(hours=COMMIT_HOURS):
        raise StackUnavailable("the files took too long to be stored; send them again", status=503)


def _orphans(connection: sa.Connection, paths: Collection[str]) -> set[str]:
    owners = {path: path.removesuffix(THUMBNAIL_SUFFIX) for path in paths}
    # A file may itself be named so.
    candidates = sorted({*owners, *owners.values()})
    existing: set[str] = set()
    for column in (image.c.object_path, export.c.object_path, version_picture.c.object_path):
        existing |= set(
            connection.execute(sa.select(column).where(column.in_(candidates))).scalars()
        )
    begun = sa.select(file_item.c.object_path).where(
        file_item.c.object_path.in_(candidates), ~file_item.c.is_stored
    )
    existing |= set(connection.execute(begun).scalars())
    folders = {path: path.split("/") for path in paths}
    versions = {
        parts[1]
        for parts in folders.values()
        if len(parts) > 2 and parts[0] == PICTURES_FOLDER  # noqa: PLR2004
    }
    current = sa.select(dataset_version.c.public_id).where(
        dataset_version.c.public_id.in_(sorted(versions))
    )
    folders_kept = {
        f"{PICTURES_FOLDER}/{value}/" for value in connection.execute(current).scalars()
    }
    return {
        path
        for path, owner in owners.items()
        if path not in existing
        and owner not in existing
        and not path.startswith(tuple(folders_kept))
    }
