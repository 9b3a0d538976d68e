"""Brings a snapshot into an empty stack.

Objects come first, then all rows in one transaction: until that has ended the database is empty, so a
restore that was killed is begun again and finds the objects that it has copied. An object in the store,
`MARKER`, tells such a restore from a store in use. Rows are loaded into the schema that they are of, which
is then migrated.
"""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from layernext.errors import Conflict, DataError, NotFound, Problem
from layernext.stack.backup.target import Manifest, SnapshotEntry, Target, content_path, read_file
from layernext.stack.backup.transfer import (
    SMALL_BYTES,
    Advance,
    OtherContent,
    ShowProgress,
    content_of,
    copy_large,
    in_batches,
    in_threads,
)
from layernext.stack.objects import ObjectStore
from layernext.stack.store import (
    Database,
    NewAuditEntry,
    check_backup,
    find_stack,
    is_empty,
    loading,
)

MARKER = "restoring/snapshot"
NAMED_AT_MOST = 1000
"""Lost files that a report names."""


class Restored(Struct, frozen=True, kw_only=True):
    """What a restore has brought back.

    Attributes:
        snapshot: its id.
        taken_at: the moment whose state the stack has now.
        tables: rows by table.
        files: objects that are there now: files, thumbnails, exports.
        size_bytes: of all of them.
        lost: objects that the stack did not have when it was backed up, or that the backup has lost since.
        lost_paths: some of them.
        replaced: values in which U+0000 was replaced by U+FFFD, because PostgreSQL cannot store it, by
            ``table.column``.
    """

    snapshot: str
    taken_at: str
    tables: dict[str, int]
    files: int
    size_bytes: int
    lost: int
    lost_paths: list[str]
    replaced: dict[str, int]


def restore(
    target: Target,
    manifest: Manifest,
    database: Database,
    objects: ObjectStore,
    show_progress: ShowProgress,
    entry: NewAuditEntry | None = None,
) -> Restored:
    """Fill an empty stack; every checksum of the backup is compared.

    May be repeated after it was killed. A file whose content is lost does not stop it.

    Args:
        target: where the backup is.
        manifest: of the snapshot.
        database: opened without migration.
        objects: of the stack that is filled.
        show_progress: shows how far it is.
        entry: for the audit log.

    Raises:
        Conflict: the stack is not empty.
        ConfigurationError: a newer version has made the backup.
        DataError: rows or the list of objects are damaged; the database stays empty.
        StorageFull: there is no room.
    """
    check_backup(manifest.revision)
    tables = {dump.name: dump.file.count for dump in manifest.tables}
    is_loaded = _begin(manifest, database, objects)
    copied = _Objects(target, manifest, objects)
    with show_progress("files", manifest.size_bytes) as advance:
        copied.copy(advance)
    replaced: dict[str, int] = {}
    if not is_loaded:
        with show_progress("database", sum(dump.file.size for dump in manifest.tables)) as advance:
            replaced = _load(target, manifest, database, advance, entry)
    objects.delete(MARKER)
    return Restored(
        snapshot=manifest.id,
        taken_at=manifest.taken_at,
        tables=tables,
        files=copied.count,
        size_bytes=copied.size_bytes,
        lost=copied.lost,
        lost_paths=copied.lost_paths,
        replaced=replaced,
    )


def _begin(manifest: Manifest, database: Database, objects: ObjectStore) -> bool:
    """Mark the store of objects as being restored; whether the rows were loaded before.

    Raises:
        Conflict: the stack is not empty.
    """
    hint = "restore into a new data folder, a new database and an empty bucket or prefix"
    try:
        marked = b"".join(objects.read(MARKER)).decode("ascii", "replace")
    except NotFound:
        marked = None
    if marked is not None and marked != manifest.id:
        raise Conflict(
            f"another restore, of snapshot {marked}, was started here; finish it, or empty its folders",
            status=409,
        )
    if not is_empty(database):
        if marked is not None and find_stack(database) == manifest.stack:
            return True  # it was killed after the rows were there
        raise Conflict("the database is not empty", status=409, hint=hint)
    if marked is not None:
        return False
    stored = next(objects.list_objects(), None)
    if stored is not None:
        raise Conflict(
            f"the store of objects is not empty: it has {stored.path}", status=409, hint=hint
        )
    objects.put([(MARKER, manifest.id.encode())])
    return False


def _load(
    target: Target,
    manifest: Manifest,
    database: Database,
    advance: Advance,
    entry: NewAuditEntry | None,
) -> dict[str, int]:
    """Load all rows; where U+0000 was replaced, and in how many values."""
    with loading(database, manifest.revision, entry) as loader:
        for dump in manifest.tables:
            rows = read_file(target, manifest.id, dump.file, list)
            count = loader.load(dump.name, dump.columns, rows)
            if count != dump.file.count:
                where = f"table {dump.name}"
                raise DataError(Problem(where, "the backup's file has the wrong number of rows"))
            advance(dump.file.size)
    return loader.replaced


class _Objects:
    """Copies objects from a backup into a stack."""

    def __init__(self, target: Target, manifest: Manifest, objects: ObjectStore) -> None:
        self._target, self._manifest, self._objects = target, manifest, objects
        self.count = self.size_bytes = self.lost = 0
        self.lost_paths: list[str] = []

    def copy(self, advance: Advance) -> None:
        """Copy those that are not there."""
        listed = read_file(self._target, self._manifest.id, self._manifest.objects, SnapshotEntry)
        batches = in_batches((entry, entry.size) for entry in listed)
        for batch in in_threads(partial(self._copy_batch, advance=advance), batches):
            for entry, is_there in batch:
                if is_there:
                    self.count += 1
                    self.size_bytes += entry.size
                    continue
                self.lost += 1
                if len(self.lost_paths) < NAMED_AT_MOST:
                    self.lost_paths.append(entry.path)

    def _copy_batch(
        self, batch: list[SnapshotEntry], advance: Advance
    ) -> list[tuple[SnapshotEntry, bool]]:
        contents: list[tuple[str, bytes | memoryview]] = []
        results = [(entry, self._copy(entry, contents, advance)) for entry in batch]
        self._objects.put(contents)
        return results

    def _copy(
        self, entry: SnapshotEntry, contents: list[tuple[str, bytes | memoryview]], advance: Advance
    ) -> bool:
        """Copy an object, or add it to those that are stored together; False if the backup lacks it."""
        if entry.checksum is None:
            return False
        try:
            stored = self._objects.find(entry.path)
            if stored is not None and stored.size == entry.size:
                advance(entry.size)  # a restore that was killed has copied it
                return True
        except ValueError as error:
            raise DataError(
                Problem("objects.zst", f"the backup's file is damaged: {error}")
            ) from error
        source_path = content_path(entry.checksum)
        try:
            if entry.size <= SMALL_BYTES:
                contents.append(
                    (entry.path, content_of(self._target.store, source_path, entry.checksum))
                )
                advance(entry.size)
            else:
                copy_large(
                    self._target.store,
                    source_path,
                    self._objects,
                    entry.path,
                    entry.checksum,
                    advance,
                )
        except (NotFound, OtherContent):
            return False
        return True
