"""The download of files into a folder, which a second call brings up to date.

The caller's thread walks through the stack's list, gives each file a path, and hands out the work; threads
compare, fetch and write, `parallel` at a time. Whatever comes is written below ``.layernext/parts``,
flushed, verified by its checksum, and only then renamed to its place; a large file that broke off goes
on where it stopped, in this call or the next. What came is noted in ``.layernext/files.json``.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from layernext.client.files.bundles import BundleFetcher
from layernext.client.files.fetch import Fetched, Fetcher, Unchanged
from layernext.client.files.in_flight import ByteCount, run_in_flight
from layernext.client.files.index import FileIndex, IndexEntry
from layernext.client.files.local_names import PRIVATE_FOLDER, Folder, LocalNames
from layernext.client.files.reading import Stopped
from layernext.client.files.remote import RemoteFile
from layernext.client.files.reports import FailedFile, FileDownloadReport
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.transport import Transport
from layernext.errors import (
    ConnectionFailed,
    DownloadIncomplete,
    IncompatibleStack,
    LayerNextError,
    NotAuthenticated,
    NotFound,
    RateLimited,
    StackUnavailable,
)
from layernext.model import counted

logger = logging.getLogger("layernext.client.files")

DEFAULT_PARALLEL = 8

OnError: TypeAlias = Literal["raise", "report"]

BUNDLED_BYTES = 2 << 20
"""Larger files are fetched one by one."""

BUNDLE_BYTES = 8 << 20
BUNDLE_FILES = 500
STALE_S = 7 * 24 * 3600
"""Parts that nobody wrote to for so long belong to no download any more."""

GO_ON = "repeat the call to fetch what is missing"

_HOPELESS = (
    ConnectionFailed, IncompatibleStack, NotAuthenticated, RateLimited, StackUnavailable, Stopped,
)  # fmt: skip
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


@dataclass(frozen=True)
class Done:
    """What became of a file."""

    path: str
    name: str
    is_new: bool = False
    entry: IndexEntry | None = None
    reason: str | None = None


@dataclass
class _Tally:
    downloaded: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    changed_here: list[str] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)


@dataclass(frozen=True)
class _Target:
    """A file with its path here."""

    remote: RemoteFile
    path: str


class FilesDownload:
    """One download; used once.

    Args:
        transport: to the stack.
        folder: target folder; created if missing.
        source: what is downloaded, such as a collection's id; only files that came from the same
            source are ever deleted.
        remote: the files.
        delete: remove files that came earlier and are not among `remote` any more.
        parallel: threads.
        progress: see `show_progress`.
    """

    def __init__(
        self,
        transport: Transport,
        folder: Path,
        source: str,
        remote: Iterable[RemoteFile],
        *,
        delete: bool,
        parallel: int,
        progress: ProgressChoice,
    ) -> None:
        self._transport, self._source, self._remote = transport, source, remote
        self._delete, self._parallel, self._progress = delete, parallel, progress
        self._folder = Folder(folder)
        self._parts = self._folder.place(f"{PRIVATE_FOLDER}/parts/-").parent
        self._index = FileIndex(self._folder)
        self._seen: set[str] = set()
        self._tally = _Tally()
        self._count = ByteCount()
        self._stop = threading.Event()
        self._fetcher = Fetcher(transport, self._count, self._stop)
        self._bundles = BundleFetcher(transport, self._parts, self._fetcher.tell)
        self._started = time.monotonic()

    def run(self) -> FileDownloadReport:
        """Do it.

        Raises:
            DownloadIncomplete: it ended early; its report says what is there.
        """
        what = f"downloading to {self._folder.root.name or self._folder.root}"
        try:
            with show_progress(self._progress, what, None, unit="bytes") as advance:
                results = run_in_flight(
                    self._tasks(),
                    threads=self._parallel,
                    count=self._count,
                    advance=advance,
                    stop=self._stop,
                )
                for done in results:
                    self._note(done)
            if self._delete:
                self._delete_gone()
        except NotFound:
            raise  # the collection itself
        except (LayerNextError, OSError) as error:
            raise DownloadIncomplete(
                f"the download ended early: {error}", report=self.report(), hint=GO_ON
            ) from error
        finally:
            self._index.save()
        self._sweep()
        return self.report()

    def report(self) -> FileDownloadReport:
        """What is done so far."""
        tally = self._tally
        ready = len(tally.downloaded) + len(tally.unchanged)
        message = f"{counted(ready, 'file')} downloaded or unchanged, {len(tally.failed):,} failed"
        return FileDownloadReport(
            folder=self._folder.root,
            downloaded=sorted(tally.downloaded),
            unchanged=sorted(tally.unchanged),
            deleted=sorted(tally.deleted),
            kept=sorted(tally.changed_here),
            failed=sorted(tally.failed, key=lambda outcome: outcome.name),
            bytes_received=self._count.total,
            seconds=time.monotonic() - self._started,
            message=message if ready or tally.failed else "there is no file to download",
        )

    # -- what is to be done -----------------------------------------------------------------------

    def _tasks(self) -> Iterator[Callable[[], list[Done]]]:
        names = LocalNames()
        bundle: list[_Target] = []
        size = 0
        for remote in self._remote:
            path = names.of(remote.name)
            self._seen.add(path)
            target = _Target(remote, path)
            if self._is_current(target):
                self._tally.unchanged.append(path)
                continue
            if remote.id is None or remote.size is None or remote.size > BUNDLED_BYTES:
                yield partial(self._single, target)
                continue
            if (self._folder.root / path).exists():
                yield partial(self._compared, target)
                continue
            if size + remote.size > BUNDLE_BYTES or len(bundle) == BUNDLE_FILES:
                yield partial(self._bundle, bundle)
                bundle, size = [], 0
            bundle.append(target)
            size += remote.size
        if bundle:
            yield partial(self._bundle, bundle)

    def _is_current(self, target: _Target) -> bool:
        """Whether the file here is what came and what the stack has, without reading it."""
        entry, remote = self._index.find(target.path), target.remote
        if entry is None or remote.checksum is None or entry.checksum != remote.checksum:
            return False
        return self._is_untouched(target.path, entry)

    def _is_untouched(self, path: str, entry: IndexEntry) -> bool:
        try:
            now = (self._folder.root / path).lstat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (entry.size, entry.mtime_ns)

    # -- in threads -------------------------------------------------------------------------------

    def _compared(self, target: _Target) -> list[Done]:
        """A small file of which there is one here that nobody knows."""
        if self._checksum_here(target) == target.remote.checksum is not None:
            return [self._unchanged(target, str(target.remote.checksum), None)]
        return self._bundle([target])

    def _bundle(self, targets: list[_Target]) -> list[Done]:
        by_id = {target.remote.id: target for target in targets}
        done: list[Done] = []
        for remote, part, result in self._bundles.fetch([target.remote for target in targets]):
            target = by_id[remote.id]
            if part is None or isinstance(result, str):
                done.append(Done(target.path, remote.name, reason=str(result)))
            else:
                done.append(self._guarded(target, partial(self._place, target, part, result)))
        return done

    def _single(self, target: _Target) -> list[Done]:
        return [self._guarded(target, partial(self._fetch, target))]

    @staticmethod
    def _guarded(target: _Target, work: Callable[[], Done]) -> Done:
        """What only this file suffers from is noted of it; what all would suffer from is raised."""
        try:
            return work()
        except _HOPELESS:
            raise
        except LayerNextError as error:
            return Done(target.path, target.remote.name, reason=str(error))
        except OSError as error:
            if error.errno in _DISK_TROUBLE:
                raise
            reason = f"cannot be written: {error.strerror or error}"
            return Done(target.path, target.remote.name, reason=reason)

    def _fetch(self, target: _Target) -> Done:
        remote, earlier = target.remote, self._known_here(target)
        if earlier is not None and earlier.checksum == remote.checksum:
            return self._unchanged(target, earlier.checksum, earlier.tag)
        what = f"{target.path}\0{remote.checksum}".encode(errors="surrogateescape")
        part = self._parts / hashlib.sha256(what).hexdigest()[:32]
        tag = None
        if earlier is not None and remote.checksum is None:
            tag = earlier.tag or earlier.checksum
        try:
            fetched = self._fetcher.fetch(remote, part, tag)
        except Unchanged:
            part.unlink(missing_ok=True)
            assert earlier is not None  # noqa: S101 - its tag was sent
            return self._unchanged(target, earlier.checksum, earlier.tag)
        return self._place(target, part, fetched)

    def _known_here(self, target: _Target) -> Fetched | None:
        """Content of the file here: from the index if it is untouched, else by reading it."""
        entry = self._index.find(target.path)
        if entry is not None and self._is_untouched(target.path, entry):
            return Fetched(entry.checksum, entry.tag)
        checksum = self._checksum_here(target)
        return None if checksum is None else Fetched(checksum, None)

    def _checksum_here(self, target: _Target) -> str | None:
        """SHA-256 of the file here; None if there is none, or one of another size."""
        path = self._folder.place(target.path)
        try:
            if path.is_symlink() or not path.is_file():
                return None
            if target.remote.size not in {None, path.stat().st_size}:
                return None
            digest = hashlib.sha256()
            with path.open("rb", buffering=0) as file:
                while piece := file.read(1 << 20):
                    self._fetcher.tell(0)
                    digest.update(piece)
        except FileNotFoundError:
            return None
        return digest.hexdigest()

    def _unchanged(self, target: _Target, checksum: str, tag: str | None) -> Done:
        entry = self._entry(self._folder.root / target.path, checksum, tag)
        return Done(target.path, target.remote.name, entry=entry)

    def _place(self, target: _Target, part: Path, fetched: Fetched) -> Done:
        """Give a whole file its name, over whatever had it."""
        try:
            local_path = self._folder.place(target.path)
            entry = self._entry(part, fetched.checksum, fetched.tag)
            part.replace(local_path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return Done(target.path, target.remote.name, is_new=True, entry=entry)

    def _entry(self, path: Path, checksum: str, tag: str | None) -> IndexEntry:
        now = path.stat()
        return IndexEntry(self._source, now.st_size, now.st_mtime_ns, checksum, tag)

    # -- afterwards -------------------------------------------------------------------------------

    def _note(self, done: list[Done]) -> None:
        for outcome in done:
            if outcome.reason is not None:
                failed = FailedFile(path=outcome.path, name=outcome.name, reason=outcome.reason)
                self._tally.failed.append(failed)
                logger.warning("%s was not downloaded: %s", outcome.name, outcome.reason)
                continue
            if outcome.entry is not None:
                self._index.note(outcome.path, outcome.entry)
            (self._tally.downloaded if outcome.is_new else self._tally.unchanged).append(
                outcome.path
            )

    def _delete_gone(self) -> None:
        """Remove what came from here earlier and is gone there, unless it was changed here."""
        for path, entry in self._index.of_source(self._source).items():
            if path in self._seen:
                continue
            local_path = self._folder.place(path)
            if self._is_untouched(path, entry):
                local_path.unlink()
                self._tally.deleted.append(path)
                self._remove_empty(local_path.parent)
            elif local_path.exists():
                self._tally.changed_here.append(path)
                continue
            self._index.forget(path)

    def _remove_empty(self, folder: Path) -> None:
        with suppress(OSError):  # something is in it
            while folder != self._folder.root:
                folder.rmdir()
                folder = folder.parent

    def _sweep(self) -> None:
        """Remove parts that belong to no download any more."""
        limit = time.time() - STALE_S
        for part in self._parts.iterdir():
            with suppress(OSError):
                if part.stat().st_mtime < limit:
                    part.unlink()


def check_download(report: FileDownloadReport, on_error: OnError) -> FileDownloadReport:
    """The report, unless a file failed and that is to be raised.

    Raises:
        DownloadIncomplete: with the report.
    """
    if report.failed and on_error == "raise":
        first = report.failed[0]
        raise DownloadIncomplete(
            f"{counted(len(report.failed), 'file')} not downloaded; {first.name}: {first.reason}",
            report=report,
            hint="repeat the call to fetch them; the report names every file",
        )
    return report
