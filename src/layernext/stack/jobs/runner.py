"""Claims jobs from the store and runs them in threads of this process.

Any number of processes may do so on one database; each job has one worker at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from functools import partial
from typing import Any, TypeAlias

from layernext.errors import LayerNextError
from layernext.stack.jobs.owner import is_dead, new_owner
from layernext.stack.store import DatabaseUnavailable, JobRow, Jobs

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Between looks for jobs that other processes have queued; this one's own are seen at once."""

REPORT_SECONDS = 1.0
"""Between two reports of a job's progress to the database."""

HEARTBEAT_SECONDS = 5.0

PROCESS_LOST = "a process that worked on it was killed, perhaps for lack of memory"


class Stopped(Exception):
    """The job must end now: the stack stops, or somebody else has the job."""


class JobContext:
    """What a job's handler works with.

    Args:
        jobs: where progress is reported.
        row: the job.
        owner: the worker.
        stop: set when the stack stops.
    """

    def __init__(self, jobs: Jobs, row: JobRow, owner: str, stop: threading.Event) -> None:
        self._jobs, self._row, self._owner, self._stop = jobs, row, owner, stop
        self._reported = time.monotonic()
        self._progress = 0.0
        self._is_lost = threading.Event()
        self.payload: dict[str, Any] = row.payload
        self.job_id, self.kind = row.id, row.kind

    def note_step(self) -> None:
        """Note that the job has done something that lasts: attempts before this count no more."""
        self._jobs.note_step(self.job_id)

    def progress(self, percent: float, message: str = "") -> None:
        """Say how far the job is, as often as one likes; the database hears it once a second.

        Raises:
            Stopped: end here; the job is queued again.
        """
        self._progress = min(max(percent, 0.0), 100.0)
        if self._stop.is_set() or self._is_lost.is_set():
            raise Stopped
        if time.monotonic() - self._reported >= REPORT_SECONDS:
            self._reported = time.monotonic()
            self._beat(message)

    def _beat(self, message: str = "") -> None:
        try:
            is_ours = self._jobs.report(self._row.row_id, self._owner, self._progress, message)
        except DatabaseUnavailable:  # the store has logged it; the next beat may get through
            return
        if not is_ours:
            self._is_lost.set()

    def beat_until(self, ended: threading.Event) -> None:
        """Keep the claim alive while a handler works for long without a word."""
        while not ended.wait(HEARTBEAT_SECONDS) and not self._is_lost.is_set():
            self._beat()


Handler: TypeAlias = Callable[[JobContext], Mapping[str, Any] | None]
"""Does a job; gives what came of it. It may run again from the start after a crash."""


class JobRunner:
    """Threads that do the jobs of a store.

    Args:
        jobs: of the store.
        handlers: by kind of job; jobs of other kinds are left alone.
        workers: jobs at a time.
        holds_folder: whether no other server can be alive on this database.
    """

    def __init__(
        self,
        jobs: Jobs,
        handlers: Mapping[str, Handler],
        workers: int = 2,
        *,
        holds_folder: bool = False,
    ) -> None:
        self._jobs, self._handlers, self._workers = jobs, dict(handlers), workers
        self._stop = threading.Event()
        self._wake = threading.Condition()
        self._owner = new_owner(holds_folder=holds_folder)
        self._is_dead = partial(is_dead, holds_folder=holds_folder)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to look for jobs."""
        if not self._handlers or self._threads:
            return
        for number in range(self._workers):
            thread = threading.Thread(target=self._work, name=f"job-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End what runs at its next word, queue it again, and return when no thread is left."""
        self._stop.set()
        self.wake()
        for thread in self._threads:
            thread.join()
        if self._threads:
            try:
                self._jobs.give_back(self._owner)
            except DatabaseUnavailable as error:
                log.warning(
                    "running jobs cannot be queued again before their lease ends: %s", error
                )
        self._threads = []

    def wake(self) -> None:
        """Look for jobs now: one has been queued."""
        with self._wake:
            self._wake.notify_all()

    def _work(self) -> None:
        kinds = list(self._handlers)
        while not self._stop.is_set():
            row = self._claim(kinds)
            if row is not None:
                self._run(row)
            else:
                self._pause()

    def _claim(self, kinds: list[str]) -> JobRow | None:
        try:
            return self._jobs.claim(kinds, self._owner, self._is_dead)
        except DatabaseUnavailable:  # the store has logged it, once
            return None
        except Exception:
            log.exception("no job can be claimed")
            return None

    def _pause(self) -> None:
        with self._wake:
            if not self._stop.is_set():
                self._wake.wait(POLL_SECONDS)

    def _run(self, row: JobRow) -> None:
        context = JobContext(self._jobs, row, self._owner, self._stop)
        ended = threading.Event()
        heart = threading.Thread(target=context.beat_until, args=(ended,), daemon=True)
        heart.start()
        try:
            self._do(row, context)
        finally:
            ended.set()
            heart.join()

    def _do(self, row: JobRow, context: JobContext) -> None:
        try:
            result = self._handlers[row.kind](context)
        except Stopped:
            pass
        except DatabaseUnavailable as error:
            log.warning("job %s (%s) is queued again: %s", row.id, row.kind, error)
            self._store(row, partial(self._jobs.queue_again, row.row_id, self._owner))
        except LayerNextError as error:
            self._end(row, "failed", str(error))
        except BrokenExecutor as error:
            log.warning("job %s (%s) lost a process: %s", row.id, row.kind, error)
            self._end(row, "failed", PROCESS_LOST)
        except Exception:
            log.exception("job %s (%s) failed", row.id, row.kind)
            self._end(row, "failed", "the stack failed at it; its log says how")
        else:
            message = str((result or {}).get("message", ""))
            self._end(row, "completed", message, result)

    def _end(
        self, row: JobRow, status: Any, message: str, result: Mapping[str, Any] | None = None
    ) -> None:
        end = partial(self._jobs.end, row.row_id, self._owner, status)
        self._store(row, partial(end, message=message, result=result))

    def _store(self, row: JobRow, note: Callable[[], object]) -> None:
        """Note what became of a job, as soon as the database answers."""
        while True:
            try:
                note()
            except DatabaseUnavailable:  # noqa: PERF203 - waiting is what this loop is for
                if self._stop.is_set():
                    log.warning("the end of job %s cannot be stored; it is done again", row.id)
                    return
                self._pause()
            except Exception:
                # Its claim runs out, and it is done again.
                log.exception("the end of job %s cannot be stored", row.id)
                return
            else:
                return
