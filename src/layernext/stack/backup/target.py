"""Where backups are: a folder or a bucket that holds any number of snapshots, and the objects that they share.

Below ``files`` there are::

    objects/ab/abcd…              the content of an object, under its SHA-256; written once
    snapshots/<id>/manifest.json  written last: without it the snapshot does not count
    snapshots/<id>/table-….zst    the rows of a table
    snapshots/<id>/objects.zst    the objects that rows name
    snapshots/<id>/begun          until when whoever writes the snapshot is taken to be alive
    pruning/begun                 the same of whoever drops snapshots

A backup and a prune exclude each other: each first writes its own note and then looks for the other's.
Two backups at a time do not disturb each other.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
from msgspec import Struct

from layernext.errors import (
    ConfigurationError,
    Conflict,
    DataError,
    LayerNextError,
    NotFound,
    Problem,
)
from layernext.stack.backup.records import Record, RecordFile, checked, unpack
from layernext.stack.backup.transfer import digest_of
from layernext.stack.objects import BucketStore, FolderStore, ObjectStore

log = logging.getLogger(__name__)

FORMAT = 1
MANIFEST = "manifest.json"
NOTE_SECONDS = 900.0
"""Whoever has not renewed its note for so long is dead."""
RENEWAL_SECONDS = 60.0
STAGED_SECONDS = 86400.0
"""What a killed backup left half-written is removed after so long."""
_BUCKET = re.compile(r"[a-z0-9]+://.+")
_ID = re.compile(r"[0-9]{8}T[0-9]{12}Z-[0-9a-f]{8}")
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_CONTENT = re.compile(r"objects/[0-9a-f]{2}/[0-9a-f]{64}")
_SNAPSHOT_FILE = re.compile(rf"snapshots/({_ID.pattern})/([A-Za-z0-9_-][A-Za-z0-9._-]*)")
"""Other files, such as those that a file manager leaves behind, are not ours: they are ignored."""
_PRUNING = "pruning/begun"


class TableDump(Struct, frozen=True):
    """A table in a snapshot."""

    name: str
    columns: list[str]
    file: RecordFile


class Manifest(Struct, frozen=True, kw_only=True):
    """What a snapshot is.

    Attributes:
        format: of the backup.
        id: of the snapshot.
        taken_at: the moment whose state it has, UTC, ISO 8601.
        version: of the program that wrote it.
        database: ``sqlite`` or ``postgresql``: where the rows came from. They go into either.
        revision: of the database's schema.
        stack: identifies the stack.
        tables: in the order in which they are loaded.
        objects: the list of objects.
        size_bytes: of all objects that it has.
        new_objects, new_bytes: those that no earlier snapshot had.
        missing: objects that rows name and the stack did not have.
        damaged: objects whose bytes were not those that were uploaded.
        linked: files that lie elsewhere; only their rows are here.
    """

    format: int
    id: str
    taken_at: str
    version: str
    database: str
    revision: str
    stack: str
    tables: list[TableDump]
    objects: RecordFile
    size_bytes: int
    new_objects: int
    new_bytes: int
    missing: int
    damaged: int
    linked: int = 0


class SnapshotEntry(Struct, frozen=True, array_like=True):
    """An object in a snapshot.

    Attributes:
        path: in the stack.
        size: bytes.
        checksum: SHA-256 of its bytes; None if the stack did not have it.
        is_damaged: whether its bytes were not those that were uploaded.
        table: of the row that names it.
    """

    path: str
    size: int
    checksum: str | None
    is_damaged: bool
    table: str


class Target:
    """A place for backups.

    Args:
        where: a folder, made if it is missing, or the URL of a bucket.
        endpoint: of an S3-compatible store that is not AWS.
        is_new_fine: whether it may be empty.

    Raises:
        ConfigurationError: it cannot be used, or there is no backup in it.
    """

    def __init__(self, where: str, endpoint: str | None = None, *, is_new_fine: bool) -> None:
        self.where = where
        if _BUCKET.fullmatch(where):
            options = {"endpoint": endpoint} if endpoint else {}
            self.store: ObjectStore = BucketStore(where, options)
            return
        folder = Path(where).expanduser().absolute()
        if not is_new_fine and not (folder / "files" / "snapshots").is_dir():
            raise ConfigurationError(f"there is no backup in {folder}")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.store = FolderStore(folder)
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be used: {error.strerror}") from error

    # -- snapshots --------------------------------------------------------------------------

    def list_snapshots(self) -> list[Manifest]:
        """Every whole snapshot whose manifest can be read, oldest first; a warning names the others."""
        return list(self._readable(self.whole_ids()))

    def whole_ids(self) -> list[str]:
        """Ids of all snapshots that have a manifest, oldest first."""
        return sorted(key for key, names in self.list_folders().items() if MANIFEST in names)

    def _readable(self, snapshot_ids: Iterable[str]) -> Iterator[Manifest]:
        for snapshot_id in snapshot_ids:
            try:
                yield self.manifest(snapshot_id)
            except NotFound:  # noqa: PERF203 - dropped since it was listed
                continue
            except (DataError, ConfigurationError) as error:
                log.warning("snapshot %s is skipped: %s", snapshot_id, error)

    def find_newest(self, stack: str) -> Manifest | None:
        """The newest snapshot of a stack that can be read; None if there is none."""
        manifests = self._readable(reversed(self.whole_ids()))
        return next((manifest for manifest in manifests if manifest.stack == stack), None)

    def list_contents(self) -> Iterator[tuple[str, int]]:
        """Path and size in bytes of every content, in no particular order."""
        for info in self.store.list_objects("objects"):
            if _CONTENT.fullmatch(info.path):
                yield info.path, info.size

    def list_folders(self) -> dict[str, set[str]]:
        """Snapshots, also unfinished ones: id, and names of their files."""
        folders: dict[str, set[str]] = {}
        for stored in self.store.list_objects("snapshots"):
            match = _SNAPSHOT_FILE.fullmatch(stored.path)
            if match is not None:
                folders.setdefault(match[1], set()).add(match[2])
        return folders

    def manifest(self, snapshot_id: str) -> Manifest:
        """The manifest of a snapshot.

        Raises:
            NotFound: there is no such snapshot.
            DataError: it cannot be read.
            ConfigurationError: a newer version has written it.
        """
        no_such = f"there is no snapshot {snapshot_id!r} in {self.where}"
        if not _ID.fullmatch(snapshot_id):
            raise NotFound(no_such, status=404)
        path = f"snapshots/{snapshot_id}/{MANIFEST}"
        try:
            raw = b"".join(self.store.read(path))
        except NotFound:
            raise NotFound(no_such, status=404) from None
        try:
            manifest = msgspec.json.decode(raw, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(Problem(path, f"the manifest cannot be read: {error}")) from error
        if manifest.format != FORMAT:
            raise ConfigurationError(
                f"snapshot {snapshot_id} has format {manifest.format}, which this version cannot read",
                hint="install a newer version",
            )
        if manifest.id != snapshot_id:
            text = f"the manifest is that of another snapshot, {manifest.id!r}"
            raise DataError(Problem(path, text))
        return manifest

    def newest(self) -> Manifest:
        """The newest snapshot of the only stack that has backups here.

        Raises:
            ConfigurationError: there is no snapshot, or there are those of several stacks.
        """
        newest = {manifest.stack: manifest for manifest in self.list_snapshots()}
        if not newest:
            raise ConfigurationError(f"there is no backup in {self.where}")
        if len(newest) > 1:
            ids = ", ".join(sorted(manifest.id for manifest in newest.values()))
            raise ConfigurationError(
                f"{self.where} has backups of {len(newest)} stacks; their newest snapshots are {ids}",
                hint="pass --snapshot",
            )
        return newest.popitem()[1]

    def drop_snapshot(self, snapshot_id: str) -> None:
        """Forget a snapshot; its manifest goes first, so that it never counts while it is not whole."""
        names = self.list_folders().get(snapshot_id, set())
        for name in sorted(names, key=lambda name: name != MANIFEST):
            self.store.delete(f"snapshots/{snapshot_id}/{name}")

    def drop_unfinished(self) -> None:
        """Remove what backups that died have left, unless they may still be alive."""
        for snapshot_id, names in self.list_folders().items():
            if (
                MANIFEST not in names
                and self._alive_until(f"snapshots/{snapshot_id}/begun") is None
            ):
                self.drop_snapshot(snapshot_id)
        limit = datetime.now(timezone.utc) - timedelta(seconds=STAGED_SECONDS)
        for upload in self.store.list_uploads():
            if upload.touched_at < limit:
                self.store.drop_upload(upload.path, upload.handle)

    # -- who is at work ---------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[tuple[str, Note]]:
        """The id of a new snapshot and the note of its writer, while the block writes it.

        Raises:
            Conflict: snapshots are being dropped.
        """
        now = datetime.now(timezone.utc)
        snapshot_id = f"{now:%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}"
        with self._at_work(f"snapshots/{snapshot_id}/begun") as note:
            self._refuse_if_alive(_PRUNING, "another process is pruning snapshots")
            yield snapshot_id, note

    @contextmanager
    def pruning(self) -> Iterator[Note]:
        """Nobody else writes here while the block runs; it checks the note before whatever it removes.

        Raises:
            Conflict: a backup is being written, or somebody else drops snapshots.
        """
        self._refuse_if_alive(_PRUNING, "another process is pruning snapshots")
        with self._at_work(_PRUNING) as note:
            for snapshot_id, names in self.list_folders().items():
                if MANIFEST not in names:
                    self._refuse_if_alive(
                        f"snapshots/{snapshot_id}/begun", "a backup is being written"
                    )
            yield note

    def _alive_until(self, note: str) -> str | None:
        """Until when the writer of a note is taken to be alive; None if it is not."""
        try:
            text = b"".join(self.store.read(note)).decode("ascii", "replace")
        except NotFound:
            return None
        return text if text > _time_text(0) else None

    def _refuse_if_alive(self, note: str, what: str) -> None:
        until = self._alive_until(note)
        if until is not None:
            raise Conflict(
                f"{self.where}: {what}; if it was killed, try again after {until}", status=409
            )

    @contextmanager
    def _at_work(self, path: str) -> Iterator[Note]:
        note, ended = Note(self.store, path), threading.Event()

        def renew() -> None:
            while not ended.wait(RENEWAL_SECONDS):
                note.renew()

        note.write()
        thread = threading.Thread(target=renew, name="backup-note", daemon=True)
        thread.start()
        try:
            yield note
        finally:
            ended.set()
            thread.join()
            self.store.delete(path)


class Note:
    """Says in a target that somebody works there, and until when that is true.

    Args:
        store: of the target.
        path: of the note.
        clocks: seconds. The one that advanced most counts: the monotonic clock stands still while the machine
            is suspended, and the wall clock may be set back.
    """

    def __init__(
        self,
        store: ObjectStore,
        path: str,
        clocks: Sequence[Callable[[], float]] = (time.monotonic, time.time),
    ) -> None:
        self._store, self._path, self._clocks = store, path, clocks
        self._written: list[float] | None = None
        self._has_lapsed = False

    def write(self) -> None:
        """Say that the writer is alive."""
        now = [clock() for clock in self._clocks]
        self._store.put([(self._path, _time_text(NOTE_SECONDS).encode())])
        # Judged before the new time counts: a renewal after a gap must not hide the gap.
        self._has_lapsed = self._is_late()
        self._written = now

    def _is_late(self) -> bool:
        if self._has_lapsed or self._written is None:
            return self._has_lapsed
        now = [clock() for clock in self._clocks]
        elapsed = max(end - start for start, end in zip(self._written, now, strict=True))
        return elapsed > NOTE_SECONDS - RENEWAL_SECONDS

    def renew(self) -> None:
        """Say so again; a failure shows in `check`."""
        try:
            self.write()
        except (LayerNextError, OSError) as error:
            log.warning("%s cannot be renewed: %s", self._path, error)

    def check(self) -> None:
        """Whether others have known all the time that somebody works here.

        Raises:
            Conflict: they may have taken the writer for dead.
        """
        if self._is_late():
            raise Conflict(
                "the backup's target did not answer for too long, or this machine was suspended; "
                "run the command again",
                status=409,
            )


def is_whole(target: Target, snapshot_id: str, file: RecordFile) -> bool:
    """Whether a file of a snapshot is what was written."""
    try:
        return digest_of(target.store, f"snapshots/{snapshot_id}/{file.name}") == (
            file.size,
            file.checksum,
        )
    except (NotFound, ValueError):  # a damaged manifest may name a file that cannot exist
        return False


def read_file(
    target: Target, snapshot_id: str, file: RecordFile, kind: type[Record]
) -> Iterator[Record]:
    """The records of a file of a snapshot, as they come.

    Raises:
        DataError: the file is missing or damaged; perhaps only at the end.
    """
    where = f"snapshots/{snapshot_id}/{file.name}"
    try:
        pieces = target.store.read(where)
    except (NotFound, ValueError) as error:
        raise DataError(Problem(where, "the backup's file is missing")) from error
    yield from unpack(checked(pieces, file, where), kind, where)


def content_path(checksum: str) -> str:
    """Where an object's content is in a target.

    Raises:
        DataError: it is not a checksum.
    """
    if not _CHECKSUM.fullmatch(checksum):
        raise DataError(Problem("objects.zst", "the backup's file is damaged: not a checksum"))
    return f"objects/{checksum[:2]}/{checksum}"


def _time_text(seconds: float) -> str:
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
