"""Compares the rows of a stack with its objects, both ways, while it serves; and repairs what can be repaired.

Objects are listed before the rows are read, and whatever looks wrong is looked at again: an upload or a purge
that is under way is not a problem.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import chain
from operator import attrgetter

from msgspec import Struct

from layernext.errors import NotFound
from layernext.stack.backup.records import in_order
from layernext.stack.backup.transfer import Advance, ShowProgress, digest_of, in_batches, in_threads
from layernext.stack.objects import (
    LinkedObjects,
    ObjectInfo,
    ObjectStore,
    read_marker,
    write_marker,
)
from layernext.stack.store import (
    AuditLog,
    Database,
    NamedObject,
    NewAuditEntry,
    find_broken_references,
    find_damage,
    hold_objects,
    known_lost,
    location_digest,
    mark_lost,
    open_snapshot,
    other_named,
    still_named,
)

_path = attrgetter("path")
_OTHERS = {"file_item", "export", "dropped_object"}


class Checked(Struct, kw_only=True):
    """What a check has shown. Paths are those of objects.

    Attributes:
        files: objects that rows name: files, thumbnails, exports.
        size_bytes: of all objects that were listed.
        missing: objects that are not there, with the table that names each.
        wrong_size: objects of another size than their row says.
        wrong_content: objects whose SHA-256 is another than their row says; looked at only on request.
        marked: files that are missing and marked so: no problem any more.
        orphans: objects that nothing refers to, old enough to be no upload that is under way.
        orphan_bytes: their size.
        database: what is wrong with the database itself.
        unchecked: linked files below folders that are not allowed here, so that nobody can look.
        is_of_other_database: the objects are marked as those of another database, or of this one at another
            address; housekeeping removes no orphans then. No problem by itself.
    """

    files: int = 0
    size_bytes: int = 0
    missing: list[NamedObject] = []
    wrong_size: list[NamedObject] = []
    wrong_content: list[NamedObject] = []
    marked: list[str] = []
    orphans: list[str] = []
    orphan_bytes: int = 0
    database: list[str] = []
    unchecked: int = 0
    is_of_other_database: bool = False

    @property
    def problem_count(self) -> int:
        """How many problems there are."""
        named = len(self.missing) + len(self.wrong_size) + len(self.wrong_content)
        return named + len(self.orphans) + len(self.database)


def check(
    database: Database,
    objects: ObjectStore,
    show_progress: ShowProgress,
    *,
    with_checksums: bool = False,
    orphan_age_s: float,
) -> Checked:
    """Compare rows and objects; writes nothing but a hold on the deletion of objects while it reads.

    Args:
        database: of the stack, opened without migration.
        objects: of the same stack.
        show_progress: shows how far it is.
        with_checksums: also read every file, and compare its SHA-256.
        orphan_age_s: objects younger than so many seconds are no orphans.
    """
    damage = find_damage(database)
    if damage:
        return Checked(database=damage)  # its rows cannot be relied on
    result = Checked(
        database=find_broken_references(database),
        is_of_other_database=read_marker(objects) not in {None, location_digest(database)},
    )
    with hold_objects(database, f"check-{secrets.token_hex(8)}"):
        with show_progress("listing", None):
            _compare(database, objects, result, orphan_age_s)
        if with_checksums:
            _compare_contents(database, objects, result, show_progress)
    return result


def _compare(
    database: Database, objects: ObjectStore, result: Checked, orphan_age_s: float
) -> None:
    oldest = datetime.now(timezone.utc) - timedelta(seconds=orphan_age_s)
    with ExitStack() as entered:
        # In this order: an object that comes meanwhile is not listed, and looked for again below.
        listed = in_order(objects.list_objects(), ObjectInfo, key=_path)
        stored = entered.enter_context(listed)
        with open_snapshot(database) as snapshot:
            rows = chain(snapshot.objects(), snapshot.other_objects())
            named = entered.enter_context(in_order(rows, NamedObject, key=_path))
        suspects = list(_mismatches(named, stored, result, oldest))
    missing = [named_object for named_object in suspects if isinstance(named_object, NamedObject)]
    orphans = [named_object for named_object in suspects if isinstance(named_object, ObjectInfo)]
    _look_again(database, objects, missing, result)
    paths = [named_object.path for named_object in orphans]
    named_now = still_named(database, paths) | (other_named(database, paths) if paths else set())
    for orphan in orphans:
        if orphan.path not in named_now and objects.find(orphan.path) is not None:
            result.orphans.append(orphan.path)
            result.orphan_bytes += orphan.size


def _mismatches(
    named: Iterator[NamedObject], stored: Iterator[ObjectInfo], result: Checked, oldest: datetime
) -> Iterator[NamedObject | ObjectInfo]:
    """Objects that are missing or of another size, and objects that no row names, from two sorted lists."""
    stored_object = next(stored, None)
    is_named = False
    for named_object in named:
        result.files += named_object.table not in _OTHERS
        while stored_object is not None and stored_object.path < named_object.path:
            if not is_named and stored_object.modified_at < oldest:
                yield stored_object
            result.size_bytes += stored_object.size
            stored_object, is_named = next(stored, None), False
        if stored_object is None or stored_object.path != named_object.path:
            if named_object.table not in _OTHERS:
                yield named_object
            continue
        is_named = True
        if named_object.size not in {None, stored_object.size}:
            yield named_object
    while stored_object is not None:
        if not is_named and stored_object.modified_at < oldest:
            yield stored_object
        result.size_bytes += stored_object.size
        stored_object, is_named = next(stored, None), False


def _look_again(
    database: Database, objects: ObjectStore, suspects: list[NamedObject], result: Checked
) -> None:
    """Sort suspects into those that are missing and those of another size, and leave out those that are fine."""
    named_now = still_named(database, (named_object.path for named_object in suspects))
    marked = known_lost(database, (named_object.path for named_object in suspects))
    for named_object in suspects:
        if isinstance(objects, LinkedObjects) and not objects.allows(named_object.path):
            result.unchecked += 1
            continue
        stored = objects.find(named_object.path)
        size = None if stored is None else stored.size
        if named_object.path not in named_now or (
            size is not None and named_object.size in {None, size}
        ):
            continue  # purged or finished meanwhile
        if size is not None:
            result.wrong_size.append(named_object)
        elif named_object.path in marked:
            result.marked.append(named_object.path)
        else:
            result.missing.append(named_object)


def _compare_contents(
    database: Database, objects: ObjectStore, result: Checked, show_progress: ShowProgress
) -> None:
    named_paths = {
        named_object.path for named_object in (*result.missing, *result.wrong_size)
    } | set(result.marked)
    total = 0

    def with_checksum(named: Iterable[NamedObject]) -> Iterator[NamedObject]:
        nonlocal total
        for named_object in named:
            if named_object.checksum is not None and named_object.path not in named_paths:
                total += named_object.size or 0
                yield named_object

    with ExitStack() as entered:
        with open_snapshot(database) as snapshot:
            # Kept in order here: the rows' moment need not be held open while the files are read.
            listed = in_order(
                with_checksum(snapshot.objects()),
                NamedObject,
                _path,
            )
            named = entered.enter_context(listed)
        advance = entered.enter_context(show_progress("files", total))
        batches = in_batches((named_object, named_object.size or 0) for named_object in named)
        look = partial(_damaged, objects=objects, advance=advance)
        damaged = [named_object for batch in in_threads(look, batches) for named_object in batch]
    named_now = still_named(database, (named_object.path for named_object in damaged))
    result.wrong_content += [
        named_object for named_object in damaged if named_object.path in named_now
    ]


def _damaged(batch: list[NamedObject], objects: ObjectStore, advance: Advance) -> list[NamedObject]:
    damaged = []
    for named_object in batch:
        try:
            is_damaged = digest_of(objects, named_object.path)[1] != named_object.checksum
        except NotFound:
            is_damaged = True
        advance(named_object.size or 0)
        if is_damaged:
            damaged.append(named_object)
    return damaged


class Repaired(Struct, frozen=True):
    """What a repair has done.

    Attributes:
        removed: orphans that are gone.
        marked: files that are marked as missing, and thumbnails that are made again.
    """

    removed: int
    marked: int


def repair(
    database: Database, objects: ObjectStore, checked: Checked, entry: NewAuditEntry | None = None
) -> Repaired:
    """Remove orphans, mark files that are missing, and have missing thumbnails made again; repeatable.

    From then on housekeeping removes orphans by itself, also if the objects belonged to another database before.
    What a file's content was cannot be repaired: upload it again, or restore a backup elsewhere.

    Args:
        database: of the stack, with this version's tables.
        objects: of the same stack.
        checked: from `check`, with orphans of a day or more: younger ones may be about to get their row.
        entry: for the audit log; written first, as objects are removed outside of any transaction.
    """
    if entry is not None:
        AuditLog(database).add(entry)
    named = still_named(database, checked.orphans) | other_named(database, checked.orphans)
    removed = 0
    for path in checked.orphans:
        if path not in named:
            objects.delete(path)
            removed += 1
    # Whoever asked for the repair has seen what the database does not know, and takes it for the right one.
    write_marker(objects, location_digest(database))
    return Repaired(removed, mark_lost(database, checked.missing))
