"""Writes a snapshot of a stack, while it serves, into a target.

First a hold keeps the stack from deleting objects. Then the rows are read as they are at one moment, and
with them the list of all objects that they name. Then those objects are copied that the target does not
have. The manifest comes last. An object that is gone although a row still names it is noted as missing; if
the row is gone, too, the hold was not respected, and all begins again with newer rows.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from operator import attrgetter, itemgetter

import msgspec
from msgspec import Struct

from layernext import __version__
from layernext.errors import NotFound, StackUnavailable
from layernext.stack.backup.records import Packing, RecordFile, in_order
from layernext.stack.backup.target import (
    FORMAT,
    MANIFEST,
    Manifest,
    Note,
    SnapshotEntry,
    TableDump,
    Target,
    content_path,
    is_whole,
    read_file,
)
from layernext.stack.backup.transfer import (
    SMALL_BYTES,
    Advance,
    OtherContent,
    ShowProgress,
    copy_large,
    digest_of,
    in_batches,
    in_threads,
    read_small,
)
from layernext.stack.objects import ObjectStore, linked_location
from layernext.stack.store import (
    Database,
    NamedObject,
    Snapshot,
    hold_objects,
    open_snapshot,
    still_named,
)

log = logging.getLogger(__name__)

ATTEMPTS = 3
UNKNOWN_BYTES = 64 << 10
"""What an object weighs whose row does not say its size: a thumbnail."""
OBJECTS = "objects.zst"
_by_path = attrgetter("path")


def _by_checksum(entry: SnapshotEntry) -> str:
    return entry.checksum or ""


class Rows(Struct, frozen=True):
    """The rows of a snapshot, written, and the moment that they are of."""

    taken_at: str
    revision: str
    stack: str
    tables: list[TableDump]


class _PurgedMeanwhile(Exception):
    """Objects are gone whose rows are gone, too."""


def back_up(
    database: Database, objects: ObjectStore, target: Target, show_progress: ShowProgress
) -> Manifest:
    """Write a snapshot; what the target has already is not copied again.

    May be repeated at any time; a backup that was killed left nothing that counts, and what it
    copied is not copied again.

    Args:
        database: opened without migration.
        objects: of the same stack.
        target: where to.
        show_progress: shows how far it is.

    Raises:
        Conflict: snapshots are being dropped from the target.
        StorageFull: the target has no room.
        StackUnavailable: objects were purged again and again while they were being copied.
    """
    for _ in range(ATTEMPTS):
        with (
            target.writing() as (snapshot_id, note),
            hold_objects(database, f"{snapshot_id}-{secrets.token_hex(4)}"),
        ):
            try:
                manifest = _Writer(database, objects, target, snapshot_id, note).write(
                    show_progress
                )
                target.drop_unfinished()
            except _PurgedMeanwhile:
                target.drop_snapshot(snapshot_id)
            else:
                return manifest
    raise StackUnavailable(
        "files were purged while they were backed up; try again later", status=503
    )


class _Writer:
    """Writes one snapshot."""

    def __init__(
        self, database: Database, objects: ObjectStore, target: Target, snapshot_id: str, note: Note
    ) -> None:
        self._database, self._objects, self._target = database, objects, target
        self._store = target.store
        self._id, self._note = snapshot_id, note
        self._missing: list[str] = []
        self._named_bytes = 0
        self._linked = 0
        self._new_objects = self._new_bytes = self._size_bytes = self._damaged = 0

    def write(self, show_progress: ShowProgress) -> Manifest:
        """Write it, and give its manifest, which is in the target then."""
        with ExitStack() as opened:
            with open_snapshot(self._database) as snapshot:
                rows = self._write_rows(snapshot, show_progress)
                # Kept in order here: the rows' moment need not be held open while the objects are copied.
                counted = self._counted(snapshot.objects())
                named = opened.enter_context(in_order(counted, NamedObject, _by_path))
            base = self._base(rows.stack, opened)
            with show_progress("files", self._named_bytes) as advance:
                packing = Packing(self._copied(named, base, advance))
                self._store.put_stream(self._path(OBJECTS), packing.pieces())
        purged = set(self._missing) - still_named(self._database, self._missing)
        if purged:
            raise _PurgedMeanwhile
        return self._write_manifest(rows, packing.described(OBJECTS))

    def _path(self, name: str) -> str:
        return f"snapshots/{self._id}/{name}"

    # -- rows -------------------------------------------------------------------------------

    def _write_rows(self, snapshot: Snapshot, show_progress: ShowProgress) -> Rows:
        taken_at = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        with show_progress("database", None) as advance:
            tables = [self._write_table(snapshot, table, advance) for table in snapshot.tables]
        return Rows(taken_at, snapshot.revision, snapshot.stack, tables)

    def _write_table(self, snapshot: Snapshot, table: str, advance: Advance) -> TableDump:
        packing = Packing(snapshot.rows(table))

        def pieces() -> Iterator[bytes]:
            for piece in packing.pieces():
                advance(len(piece))
                yield piece

        name = f"table-{table}.zst"
        self._store.put_stream(self._path(name), pieces())
        return TableDump(table, snapshot.columns(table), packing.described(name))

    # -- objects ----------------------------------------------------------------------------

    def _counted(self, objects: Iterable[NamedObject]) -> Iterator[NamedObject]:
        for named in objects:
            if linked_location(named.path) is not None:
                self._linked += 1
                continue  # it lies elsewhere, and is backed up there
            self._named_bytes += named.size or 0
            yield named

    def _base(self, stack: str, opened: ExitStack) -> Iterator[SnapshotEntry]:
        """The objects of the newest snapshot of the same stack whose contents the target still has, by path."""
        newest = self._target.find_newest(stack)
        if newest is None:
            return iter(())
        if not is_whole(self._target, newest.id, newest.objects):
            log.warning("snapshot %s is damaged; every file is compared again", newest.id)
            return iter(())
        listed = read_file(self._target, newest.id, newest.objects, SnapshotEntry)
        stored = self._target.list_contents()
        with (
            in_order(listed, SnapshotEntry, _by_checksum) as entries,
            in_order(stored, tuple[str, int], itemgetter(0)) as contents,
        ):
            present = _with_content(entries, contents)
            return opened.enter_context(in_order(present, SnapshotEntry, _by_path))

    def _copied(
        self, objects: Iterable[NamedObject], base: Iterator[SnapshotEntry], advance: Advance
    ) -> Iterator[SnapshotEntry]:
        """Copy what the target does not have, and give what the snapshot has, by path."""

        def copy(
            batch: list[tuple[NamedObject, SnapshotEntry | None]],
        ) -> list[tuple[SnapshotEntry, bool]]:
            return self._copy_batch(batch, advance)

        weighted = (
            ((named, earlier), 0 if earlier else named.size or UNKNOWN_BYTES)
            for named, earlier in _with_earlier(objects, base)
        )
        for batch in in_threads(copy, in_batches(weighted)):
            for entry, is_new in batch:
                self._count(entry, is_new)
                yield entry
            self._note.check()

    def _count(self, entry: SnapshotEntry, is_new: bool) -> None:
        if entry.checksum is None:
            self._missing.append(entry.path)
            return
        self._size_bytes += entry.size
        self._damaged += entry.is_damaged
        if is_new:
            self._new_objects += 1
            self._new_bytes += entry.size

    def _copy_batch(
        self, batch: list[tuple[NamedObject, SnapshotEntry | None]], advance: Advance
    ) -> list[tuple[SnapshotEntry, bool]]:
        """Copy some objects; for each what the snapshot has, and whether it is new in the target."""
        results: list[tuple[SnapshotEntry, bool]] = []
        contents: list[tuple[str, bytes | memoryview]] = []
        for named, earlier in batch:
            if earlier is not None:
                advance(earlier.size)
                results.append((earlier, False))
            else:
                results.append(self._copy(named, contents, advance))
        self._store.put(contents)
        return results

    def _copy(
        self, named: NamedObject, contents: list[tuple[str, bytes | memoryview]], advance: Advance
    ) -> tuple[SnapshotEntry, bool]:
        """Copy an object, or add it to those that are stored together."""
        if (
            named.checksum is not None
            and named.size is not None
            and self._has(named.checksum, named.size)
        ):
            advance(named.size)
            return _entry(named, named.size, named.checksum), False
        try:
            content = None
            if (named.size or 0) <= SMALL_BYTES:
                content = read_small(self._objects, named.path)
            if content is None:
                return self._copy_large(named, advance)
        except NotFound:
            return SnapshotEntry(named.path, named.size or 0, None, False, named.table), False
        advance(len(content))
        checksum = hashlib.sha256(content).hexdigest()
        is_new = not self._has(checksum, len(content))
        if is_new:
            contents.append((content_path(checksum), content))
        return _entry(named, len(content), checksum), is_new

    def _copy_large(self, named: NamedObject, advance: Advance) -> tuple[SnapshotEntry, bool]:
        checksum = named.checksum or digest_of(self._objects, named.path)[1]
        try:
            size = self._stream(named.path, checksum, advance)
        except OtherContent:
            _, checksum = digest_of(self._objects, named.path)
            size = self._stream(named.path, checksum, advance)
        return _entry(named, size, checksum), True

    def _stream(self, path: str, checksum: str, advance: Advance) -> int:
        target_path = content_path(checksum)
        return copy_large(self._objects, path, self._store, target_path, checksum, advance)

    def _has(self, checksum: str, size: int) -> bool:
        stored = self._store.find(content_path(checksum))
        return stored is not None and stored.size == size

    def _write_manifest(self, rows: Rows, objects: RecordFile) -> Manifest:
        manifest = Manifest(
            format=FORMAT,
            id=self._id,
            taken_at=rows.taken_at,
            version=__version__,
            database="sqlite" if self._database.is_sqlite else "postgresql",
            revision=rows.revision,
            stack=rows.stack,
            tables=rows.tables,
            objects=objects,
            size_bytes=self._size_bytes,
            new_objects=self._new_objects,
            new_bytes=self._new_bytes,
            missing=len(self._missing),
            damaged=self._damaged,
            linked=self._linked,
        )
        self._note.check()
        raw = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        self._store.put([(self._path(MANIFEST), raw)])
        return manifest


def _with_content(
    entries: Iterable[SnapshotEntry], contents: Iterator[tuple[str, int]]
) -> Iterator[SnapshotEntry]:
    """Those of some entries, by checksum, whose content is among some contents, by path."""
    content = next(contents, None)
    for entry in entries:
        if entry.checksum is None:
            continue
        path = content_path(entry.checksum)
        while content is not None and content[0] < path:
            content = next(contents, None)
        if content == (path, entry.size):
            yield entry


def _with_earlier(
    objects: Iterable[NamedObject], base: Iterator[SnapshotEntry]
) -> Iterator[tuple[NamedObject, SnapshotEntry | None]]:
    """Each object with what an earlier snapshot has of it; both are in the order of their paths."""
    entry = next(base, None)
    for named in objects:
        while entry is not None and entry.path < named.path:
            entry = next(base, None)
        yield named, entry if entry is not None and _is_same(named, entry) else None


def _is_same(named: NamedObject, entry: SnapshotEntry) -> bool:
    """Whether an earlier snapshot has an object.

    Objects are written once, so an equal path is enough where the row says neither size nor checksum.
    """
    return (
        entry.path == named.path
        and entry.checksum is not None
        and not entry.is_damaged
        and named.checksum in {None, entry.checksum}
        and named.size in {None, entry.size}
    )


def _entry(named: NamedObject, size: int, checksum: str) -> SnapshotEntry:
    is_damaged = named.checksum not in {None, checksum} or named.size not in {None, size}
    return SnapshotEntry(named.path, size, checksum, is_damaged, named.table)
