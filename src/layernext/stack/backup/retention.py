"""Drops old snapshots and what only they needed; and reads a backup whole, to see that nothing in it is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from operator import itemgetter

from msgspec import Struct

from layernext.errors import NotFound
from layernext.stack.backup.records import in_order
from layernext.stack.backup.target import (
    Manifest,
    Note,
    SnapshotEntry,
    Target,
    content_path,
    is_whole,
    read_file,
)
from layernext.stack.backup.transfer import Advance, ShowProgress, digest_of, in_batches, in_threads


class Dropped(Struct, frozen=True):
    """What a prune has removed.

    Attributes:
        snapshots: ids.
        kept: ids of those that stay.
        objects: contents that no snapshot needs any more.
        size_bytes: of them.
    """

    snapshots: list[str]
    kept: list[str]
    objects: int
    size_bytes: int


def prune(target: Target, keep: int) -> Dropped:
    """Keep the newest snapshots of each stack, and drop the others with all that only they needed.

    May be repeated after it was killed: what is left then goes the next time.

    Args:
        target: where they are.
        keep: how many of each stack; 1 or more.

    Raises:
        Conflict: a backup is being written there, or another prune is at work.
        DataError, ConfigurationError: a manifest cannot be read, so nothing was removed; or the list of a
            snapshot that stays is damaged, and no object was removed.
    """
    with target.pruning() as note:
        # All of them: what the list of a skipped snapshot names would count as not needed.
        snapshots = [target.manifest(snapshot_id) for snapshot_id in target.whole_ids()]
        stacks = {snapshot.stack for snapshot in snapshots}
        kept_ids = {snapshot.id for stack in stacks for snapshot in _newest(snapshots, stack, keep)}
        remaining = [snapshot for snapshot in snapshots if snapshot.id in kept_ids]
        dropped = [snapshot.id for snapshot in snapshots if snapshot.id not in kept_ids]
        for snapshot_id in dropped:
            note.check()
            target.drop_snapshot(snapshot_id)
        note.check()
        target.drop_unfinished()
        count = size_bytes = 0
        for path, size in _unneeded(target, remaining):
            note.check()
            target.store.delete(path)
            count += 1
            size_bytes += size
    return Dropped(dropped, [snapshot.id for snapshot in remaining], count, size_bytes)


def _newest(snapshots: Sequence[Manifest], stack: str, keep: int) -> list[Manifest]:
    return [snapshot for snapshot in snapshots if snapshot.stack == stack][-keep:]


def _unneeded(target: Target, snapshots: Sequence[Manifest]) -> Iterator[tuple[str, int]]:
    """Path and size of each content in the target that no snapshot has."""

    def needed() -> Iterator[str]:
        for snapshot in snapshots:
            for entry in read_file(target, snapshot.id, snapshot.objects, SnapshotEntry):
                if entry.checksum is not None:
                    yield content_path(entry.checksum)

    with (
        in_order(needed(), str, key=str) as needed_paths,
        in_order(target.list_contents(), tuple[str, int], key=itemgetter(0)) as contents,
    ):
        needed_path = next(needed_paths, None)
        for path, size in contents:
            while needed_path is not None and needed_path < path:
                needed_path = next(needed_paths, None)
            if needed_path != path:
                yield path, size


class Verified(Struct, frozen=True):
    """What reading a snapshot whole has shown.

    Attributes:
        snapshot: its id.
        files: contents that are as they were written.
        size_bytes: of them.
        missing: objects that the stack did not have when it was backed up.
        removed: damaged contents that were removed.
        problems: what is damaged or missing, one sentence each.
    """

    snapshot: str
    files: int
    size_bytes: int
    missing: int
    removed: int
    problems: list[str]


def verify(
    target: Target,
    manifest: Manifest,
    show_progress: ShowProgress,
    *,
    removes_damaged: bool = False,
) -> Verified:
    """Read a snapshot whole and compare every checksum.

    Args:
        target: where it is.
        manifest: of the snapshot.
        show_progress: shows how far it is.
        removes_damaged: remove damaged contents, so that the next backup copies them again. No backup can
            be written meanwhile. Otherwise nothing is written.

    Raises:
        Conflict: contents are to be removed while a backup is being written, or snapshots dropped.
    """
    if not removes_damaged:
        return _verify(target, manifest, show_progress, None)
    with target.pruning() as note:
        return _verify(target, manifest, show_progress, note)


def _verify(
    target: Target, manifest: Manifest, show_progress: ShowProgress, note: Note | None
) -> Verified:
    files = [dump.file for dump in manifest.tables] + [manifest.objects]
    damaged_files = {file for file in files if not is_whole(target, manifest.id, file)}
    problems = [
        f"snapshots/{manifest.id}/{file.name} is damaged or missing"
        for file in files
        if file in damaged_files
    ]
    count = size_bytes = removed = 0
    if manifest.objects not in damaged_files:
        listed = read_file(target, manifest.id, manifest.objects, SnapshotEntry)
        batches = in_batches((entry, entry.size) for entry in listed if entry.checksum)
        with show_progress("files", manifest.size_bytes) as advance:
            look = partial(_damaged, target=target, advance=advance)
            for batch in in_threads(look, batches):
                for entry, is_damaged in batch:
                    if is_damaged:
                        problems.append(f"{entry.path}: its content is damaged or missing")
                        removed += note is not None and _remove_damaged(target, entry, note)
                    else:
                        count += 1
                        size_bytes += entry.size
    return Verified(manifest.id, count, size_bytes, manifest.missing, removed, problems)


def _remove_damaged(target: Target, entry: SnapshotEntry, note: Note) -> bool:
    """Remove a content if it is there and a second look finds it damaged, too."""
    path = content_path(entry.checksum or "")
    try:
        is_damaged = digest_of(target.store, path) != (entry.size, entry.checksum)
    except NotFound:
        return False
    note.check()
    if is_damaged:
        target.store.delete(path)
    return is_damaged


def _damaged(
    batch: list[SnapshotEntry], target: Target, advance: Advance
) -> list[tuple[SnapshotEntry, bool]]:
    results = []
    for entry in batch:
        checksum = entry.checksum or ""
        try:
            is_same = digest_of(target.store, content_path(checksum)) == (entry.size, checksum)
        except NotFound:
            is_same = False
        advance(entry.size)
        results.append((entry, not is_same))
    return results
