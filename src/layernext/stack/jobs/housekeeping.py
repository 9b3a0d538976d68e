"""What a stack does by itself every hour, and when it starts.

It deletes exports whose time has come, parts of uploads that nobody ended, objects that nothing refers to
(once a day it looks through all of them for those that a crash left), and selections, recorded answers and entries of the audit log whose
time is over; queues an inspection of files that were left (by a crash, or a store of
objects that did not answer); and queues a purge of the trash, if its settings say after how many days.
Several processes of one stack may do so at the same time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from layernext.errors import LayerNextError
from layernext.stack.jobs.orphans import OrphanScan
from layernext.stack.jobs.purge import PURGE_JOB, delete_dropped
from layernext.stack.jobs.runner import JobRunner, Stopped
from layernext.stack.objects import ObjectStore
from layernext.stack.search import Search, before_days
from layernext.stack.store import LOOK_JOB, DatabaseUnavailable, NewAuditEntry, Store

log = logging.getLogger(__name__)

PERIOD_SECONDS = 3600.0
SCAN_SECONDS = 24 * 3600.0
"""Between two walks through the whole store of objects, which costs a bucket of millions some money."""

RETRY_SECONDS = 60.0
"""Until the next attempt, after the database did not answer."""

UPLOAD_LIFE_DAYS = 7.0
"""An upload of a file that gets nothing for so long can not be resumed any more. Its parts' URLs live for a day."""


class Housekeeping:
    """Tidies up.

    Args:
        store, objects: what it tidies.
        jobs: woken when something was queued.
        purge_trash_after_days: None never purges.
        audit_days: entries of the audit log that are older are deleted; None keeps all.
    """

    def __init__(
        self,
        store: Store,
        objects: ObjectStore,
        jobs: JobRunner,
        purge_trash_after_days: float | None,
        audit_days: float | None = None,
    ) -> None:
        self._store, self._objects, self._jobs = store, objects, jobs
        self._purge = Search(store).purge
        self._purge_days, self._audit_days = purge_trash_after_days, audit_days
        self._scanned_at: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Tidy up now, and every hour from now on, in a thread.

        Objects that nothing refers to are looked for an hour later: whoever starts a stack by mistake on
        another database can stop it in time.
        """
        self._scanned_at = time.monotonic() - SCAN_SECONDS + PERIOD_SECONDS
        self._thread.start()

    def stop(self) -> None:
        """End soon: what is left to do is done another time."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            is_done = self.tidy()
            self._stop.wait(PERIOD_SECONDS if is_done else RETRY_SECONDS)

    def tidy(self) -> bool:
        """Do all of it once; a step that fails is logged, and done with the next ones.

        Returns:
            False if the database did not answer: it is to be done soon.
        """
        steps: list[Callable[[], None]] = [
            self._queue_looks,
            self._queue_purge,
            self._drop_abandoned,
            self._store.selections.forget_expired,
            self._expire_exports,
            self._store.answers.forget_old,
            self._forget_entries,
            self._drop_orphans,
            lambda: delete_dropped(self._store, self._objects, self._check),
        ]
        for step in steps:
            if self._stop.is_set():
                return True
            try:
                step()
            except Stopped:
                return True
            except DatabaseUnavailable as error:
                log.warning("housekeeping is put off: %s", error)
                return False
            except LayerNextError as error:
                log.warning("housekeeping: %s", error)
            except Exception:
                log.exception("housekeeping failed")
        return True

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _queue_looks(self) -> None:
        if self._store.file_states.has_pending():
            self._store.jobs.ensure_queued(LOOK_JOB, "Inspect new files")
            self._jobs.wake()

    def _queue_purge(self) -> None:
        if self._purge_days is None:
            return
        before = before_days(self._purge_days)
        if self._purge.is_due(before):
            payload = {"trashed_before": before}
            entry = NewAuditEntry(
                actor="housekeeping",
                action="purge trash",
                subject=f"in the trash for {self._purge_days:g} days",
            )
            self._store.audit.together(
                lambda: entry,
                lambda: self._store.jobs.create(PURGE_JOB, "Purge the trash", payload),
            )
            self._jobs.wake()

    def _forget_entries(self) -> None:
        if self._audit_days is not None:
            self._store.audit.forget_old(self._audit_days)

    def _expire_exports(self) -> None:
        self._store.exports.expire()

    def _drop_abandoned(self) -> None:
        while abandoned := self._purge.list_abandoned(UPLOAD_LIFE_DAYS):
            for _, path, handle in abandoned:
                self._check()
                if handle:
                    self._objects.drop_upload(path, handle)
            self._purge.forget_abandoned([row_id for row_id, _, _ in abandoned])

    def _drop_orphans(self) -> None:
        if self._scanned_at is not None and time.monotonic() - self._scanned_at < SCAN_SECONDS:
            return
        count = OrphanScan(self._store, self._objects, self._check).remove()
        self._scanned_at = time.monotonic()
        if count:
            log.info("housekeeping: %d objects or parts that nothing refers to were removed", count)
