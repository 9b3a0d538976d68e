"""Finds and removes objects and parts of uploads that no row refers to, such as those that a crash leaves.

Nothing here may take the files of a stack whose rows this process cannot see. A store of objects therefore has a
marker that names its database, and a scan that would remove a large share of the objects removes none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TypeVar

from layernext.stack.objects import ObjectStore, read_marker, write_marker
from layernext.stack.store import ORPHAN_HOURS, Store

Thing = TypeVar("Thing")

log = logging.getLogger(__name__)

PATHS_AT_ONCE = 500

FEW_ORPHANS = 100
"""Crashes leave fewer than these between two scans."""

LARGEST_SHARE = 0.1
"""Of all objects. If more have no row, it is rather the rows that are missing: those of an older copy of the
database, for one."""


class OrphanScan:
    """One walk through a store of objects of any size.

    Args:
        store, objects: of one stack.
        check: called often; what it raises ends the scan.
    """

    def __init__(self, store: Store, objects: ObjectStore, check: Callable[[], None]) -> None:
        self._store, self._objects, self._check = store, objects, check
        self._limit = datetime.now(timezone.utc) - timedelta(hours=ORPHAN_HOURS)

    def remove(self) -> int:
        """Drop what nothing refers to and is older than `ORPHAN_HOURS`; how many.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        if not self._owns_objects() or not self._is_small_share():
            return 0
        count = 0
        for paths in self._old_paths():
            count += self._store.references.drop_orphans(paths)
        return count + self._drop_uploads()

    def _owns_objects(self) -> bool:
        """Whether the objects belong to this database; a store without a marker gets it if that fits."""
        digest, marker = self._store.identity.location_digest(), read_marker(self._objects)
        if marker is None:
            paths = [info.path for info in islice(self._objects.list_objects(), PATHS_AT_ONCE)]
            if 2 * len(self._store.references.find_orphans(paths)) > len(paths):
                log.warning(
                    "the store of objects has files that this database does not know; objects that "
                    "nothing refers to are not removed. `layernext check` shows them"
                )
                return False
            write_marker(self._objects, digest)
        elif marker != digest:
            log.warning(
                "the store of objects belongs to another database; objects that nothing refers to "
                "are not removed. If the database was moved here, run `layernext check --repair`"
            )
            return False
        return True

    def _is_small_share(self) -> bool:
        total = orphans = 0
        for paths in self._old_paths():
            total += len(paths)
            orphans += len(self._store.references.find_orphans(paths))
        is_small = orphans <= max(FEW_ORPHANS, LARGEST_SHARE * total)
        if not is_small:
            log.warning(
                "%d of %d objects have no row in this database; none is removed. "
                "`layernext check` shows them, and `layernext check --repair` removes them",
                orphans,
                total,
            )
        return is_small

    def _old_paths(self) -> Iterator[list[str]]:
        listed = self._objects.list_objects()
        for paths in _batches(info.path for info in listed if info.modified_at < self._limit):
            self._check()
            yield paths

    def _drop_uploads(self) -> int:
        references, count = self._store.references, 0
        uploads = self._objects.list_uploads()
        for stale in _batches(upload for upload in uploads if upload.touched_at < self._limit):
            unknown = references.unknown_uploads([upload.handle for upload in stale])
            # An object that is being written whole has a path that is referred to, and no known handle.
            unused = references.find_orphans({upload.path for upload in stale if upload.path})
            for upload in stale:
                self._check()
                if upload.handle in unknown and (not upload.path or upload.path in unused):
                    self._objects.drop_upload(upload.path, upload.handle)
                    count += 1
        return count


def _batches(things: Iterator[Thing]) -> Iterator[list[Thing]]:
    while batch := list(islice(things, PATHS_AT_ONCE)):
        yield batch
