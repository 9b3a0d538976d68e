"""The upload of files.

The caller's thread opens the upload, asks which names are there, and hands out the work; threads do it,
`parallel` at a time. Small files travel in bundles of some megabytes, which a stack with the native
protocol stores and shows as one; larger ones, and all files of other stacks, go one by one in parts
of 100 MiB, streamed from the disk. Each request is repeated by the transport's rules and changes
nothing if it had worked before, so that a second call sends only what the first did not bring
through. Nothing that only one file suffers from ends the upload; what would hit every file does.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from layernext.client.files.download import OnError
from layernext.client.files.in_flight import ByteCount, run_in_flight
from layernext.client.files.parts import FileSender, Outcome
from layernext.client.files.reading import Stopped, checksum_of, read_whole
from layernext.client.files.reports import FailedFile
from layernext.client.files.sources import FileSelection, LocalFile
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.reports import FileUploadReport
from layernext.client.transport import Pieces, Transport
from layernext.errors import (
    ConnectionFailed,
    IncompatibleStack,
    LayerNextError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
    StackUnavailable,
    StorageFull,
    UploadIncomplete,
)
from layernext.model import counted
from layernext.wire import native, published
from layernext.wire.published import Received, wire_fields

logger = logging.getLogger("layernext.client.files")

BUNDLED_BYTES = 2 << 20
"""Larger files go one by one: they gain nothing in a bundle."""

BUNDLE_BYTES = 8 << 20
"""Of a bundle that is full; several are in memory at a time."""
LEAST_BUNDLE_BYTES = 64 << 10
ATTEMPTS_AT_SIZE = 3
"""A bundle that broke so often is divided; a network that breaks by chance lets it through before."""

MAX_LIST_BYTES = 8 << 20
"""Names in one request that opens an upload."""

GO_ON = "repeat the call to send what is missing"

# These would be the same for every other file.
_HOPELESS = (
    ConnectionFailed,
    IncompatibleStack,
    NotAllowed,
    NotAuthenticated,
    RateLimited,
    StackUnavailable,
    StorageFull,
    Stopped,
)


@dataclass(frozen=True)
class UploadWish:
    """What is asked for.

    Attributes:
        collection: the collection's name.
        kind: its object type: 4 videos, 5 images, 7 other files.
        fields: metadata for the files.
        is_override: whether files that are there already get it, too.
        storage_prefix, application_code: of a new collection.
    """

    collection: str
    kind: int
    fields: dict[str, Any]
    is_override: bool = False
    storage_prefix: str | None = None
    application_code: str | None = None


@dataclass
class _Tally:
    uploaded: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)


class FilesUpload:
    """One upload; used once.

    Args:
        transport: to the stack.
        is_native: whether the stack speaks the native protocol.
        wish: what is asked for.
        selection: the files.
        parallel: threads.
        progress: see `show_progress`.
    """

    def __init__(
        self,
        transport: Transport,
        wish: UploadWish,
        selection: FileSelection,
        *,
        is_native: bool,
        parallel: int,
        progress: ProgressChoice,
    ) -> None:
        self._transport = transport
        self._wish, self._selection = wish, selection
        self._parallel, self._progress = parallel, progress
        self._is_native = is_native
        self._count = ByteCount()
        self._sent = ByteCount()
        self._bundle_bytes = BUNDLE_BYTES
        self._stop = threading.Event()
        self._tally = _Tally()
        self._opened = Received(published.OpenFilesAnswer, None)
        self._unique_name: str | None = None
        self._started = time.monotonic()
        self._sender = FileSender(
            transport,
            f"{wish.kind} {wish.collection}",
            is_native=is_native,
            parallel=parallel,
            count=self._count,
            sent=self._sent,
            stop=self._stop,
        )

    def run(self) -> FileUploadReport:
        """Do it.

        Raises:
            UploadIncomplete: it ended early; its report says what is stored.
            LayerNextError: it could not be opened.
        """
        self._open()
        total = sum(file.size for file in self._selection.files)
        what = f"uploading to {self._wish.collection}"
        try:
            with show_progress(self._progress, what, total, unit="bytes") as advance:
                results = run_in_flight(
                    self._tasks(),
                    threads=self._parallel,
                    count=self._count,
                    advance=advance,
                    stop=self._stop,
                )
                for outcomes in results:
                    self._note(outcomes)
            self._finish()
        except LayerNextError as error:
            left = len(self._selection.files) - len(self._tally.uploaded) - len(self._tally.skipped)
            raise UploadIncomplete(
                f"{left:,} of {counted(len(self._selection.files), 'file')} not uploaded: {error}",
                report=self._report(),
                hint=GO_ON,
            ) from error
        finally:
            self._sender.close()
        return self._report()

    # -- the upload as a whole ------------------------------------------------------------------

    def _open(self) -> None:
        wish = self._wish
        code = wish.application_code
        body = wire_fields(
            published.OpenFilesRequest,
            collection_type=wish.kind,
            collection_name=wish.collection,
            meta_data_object=wish.fields,
            is_override_meta_data=wish.is_override,
            storage_prefix_path=wish.storage_prefix,
            **({} if code is None else {"application_code": code}),
        )
        for names in self._name_lists():
            answer = self._transport.request_json(
                "POST",
                published.UPLOAD_METADATA_PATH,
                json=body | wire_fields(published.OpenFilesRequest, object_key_list=names),
            )
            self._opened = Received(published.OpenFilesAnswer, answer)
        opened = self._opened
        ids = [opened.upload_id, opened.collection_id, opened.job_id]
        if not all(isinstance(item, str) and item for item in ids):
            raise IncompatibleStack("the stack did not open the upload", status=200)
        storage = opened.storage_type if opened.has("storage_type") else published.STORAGE_TYPE
        self._sender.open(str(opened.upload_id), wish.collection, str(storage))

    def _name_lists(self) -> Iterator[list[str]]:
        """The names as one list; only metadata for files that are there needs really all of them."""
        names: list[str] = []
        size = 0
        for file in self._selection.files:
            size += len(file.name.encode()) + 3
            if size > MAX_LIST_BYTES:
                if not self._wish.is_override:
                    break
                yield names
                names, size = [], 0
            names.append(file.name)
        yield names

    def _finish(self) -> None:
        for upload_id in self._sender.resumed_uploads:
            self._transport.request("GET", published.finish_upload_path(upload_id))
        flag = "True" if self._selection.is_single else "False"
        path = published.finish_upload_path(self._opened.upload_id)
        query = wire_fields(published.FinishFilesQuery, is_returned_unique_name=flag)
        content = self._transport.request("GET", path, params=query)
        if not self._selection.is_single or not content.strip():
            return
        try:
            answer: Any = msgspec.json.decode(content)
        except msgspec.DecodeError:
            return  # the files are stored; only their names stay unsaid
        names = Received(published.FinishFilesAnswer, answer).uploaded_file_list
        if isinstance(names, list) and names and not self._tally.failed:
            self._unique_name = str(names[0])

    def _note(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            file = outcome.file
            if outcome.is_stored:
                self._tally.uploaded.append(file.name)
            elif outcome.reason is None:
                self._tally.skipped.append(file.name)
            else:
                failed = FailedFile(path=str(file.path), name=file.name, reason=outcome.reason)
                self._tally.failed.append(failed)
                logger.warning("%s was not uploaded: %s", file.path, outcome.reason)

    def _report(self) -> FileUploadReport:
        return FileUploadReport(
            collection=self._wish.collection,
            collection_id=self._opened.collection_id,
            job_id=self._opened.job_id,
            unique_name=self._unique_name,
            uploaded=sorted(self._tally.uploaded),
            skipped=sorted(self._tally.skipped),
            failed=sorted(self._tally.failed, key=lambda item: item.name),
            ignored=self._selection.ignored,
            bytes_sent=self._sent.total,
            seconds=time.monotonic() - self._started,
        )

    # -- the work -------------------------------------------------------------------------------

    def _tasks(self) -> Iterator[Callable[[], list[Outcome]]]:
        bundle: list[LocalFile] = []
        size = 0
        for file, existing in self._with_known():
            if existing is not None:
                yield partial(self._each, [file], partial(self._compare, existing))
            elif not self._is_native or file.size > BUNDLED_BYTES:
                yield partial(self._each, [file], self._sender.send)
            else:
                if size + file.size > self._bundle_bytes or len(bundle) == native.MAX_BUNDLE_FILES:
                    yield partial(self._send_bundle, bundle)
                    bundle, size = [], 0
                bundle.append(file)
                size += file.size
        if bundle:
            yield partial(self._send_bundle, bundle)

    def _with_known(self) -> Iterator[tuple[LocalFile, native.KnownFile | None]]:
        """Each file, with what the collection has under its name if the stack can tell in bulk."""
        files = self._selection.files
        for start in range(0, len(files), native.MAX_ASKED_NAMES):
            batch = files[start : start + native.MAX_ASKED_NAMES]
            existing = self._known(batch) if self._is_native else {}
            for file in batch:
                yield file, existing.get(file.name)

    def _known(self, files: Sequence[LocalFile]) -> dict[str, native.KnownFile]:
        request = native.KnownRequest([file.name for file in files])
        try:
            answer: native.KnownAnswer = self._transport.request_json(
                "POST",
                native.known_path(self._opened.upload_id),
                native.KnownAnswer,
                json=request,
            )
        except NotFound:
            # An older stack, without bundles.
            self._is_native = False
            return {}
        return {file.name: file for file in answer.files}

    def _each(
        self, files: Sequence[LocalFile], work: Callable[[LocalFile], Outcome]
    ) -> list[Outcome]:
        return [self._one(file, work) for file in files]

    @staticmethod
    def _one(file: LocalFile, work: Callable[[LocalFile], Outcome]) -> Outcome:
        try:
            return work(file)
        except _HOPELESS:
            raise
        except (LayerNextError, OSError) as error:
            return Outcome(file, reason=_reason(error))

    def _compare(self, existing: native.KnownFile, file: LocalFile) -> Outcome:
        is_same = existing.size == file.size and existing.checksum in {
            None,
            checksum_of(file, self._stop.is_set),
        }
        self._count.add(file.size)
        if is_same and existing.checksum is None:
            logger.info("%s: the stack has not computed its checksum yet", file.name)
        return Outcome(file, reason=None if is_same else Outcome.DIFFERENT)

    def _send_bundle(self, files: Sequence[LocalFile]) -> list[Outcome]:
        """Send small files in one request, in two if that breaks again and again.

        Those that cannot be read are left out. Files that the stack has stored, though its answer did
        not come, are there already when they come again.
        """
        if self._stop.is_set():
            raise Stopped
        outcomes: list[Outcome] = []
        pieces: list[bytes] = []
        sent: dict[str, LocalFile] = {}
        for file in files:
            try:
                content = read_whole(file)
            except (LayerNextError, OSError) as error:
                outcomes.append(Outcome(file, reason=_reason(error)))
                continue
            digest = hashlib.sha256(content).hexdigest()
            entry = native.BundleEntry(file.name, file.size, digest)
            pieces += (msgspec.json.encode(entry) + b"\n", content)
            sent[file.name] = file
        if not sent:
            return outcomes
        body = Pieces(sum(map(len, pieces)), lambda: iter(pieces))
        try:
            result = self._post_bundle(body, can_divide=len(sent) > 1)
            if result is None:
                self._bundle_bytes = max(LEAST_BUNDLE_BYTES, body.size // 2)
                rest, half = list(sent.values()), len(sent) // 2
                pieces.clear()
                return outcomes + self._send_bundle(rest[:half]) + self._send_bundle(rest[half:])
        except _HOPELESS:
            raise
        except LayerNextError as error:
            # One of them is refused: each on its own, so that it is known which.
            logger.info("a bundle was refused: %s", error)
            return outcomes + self._each(list(sent.values()), self._sender.send)
        answered = {item.name: item.outcome for item in result.files}
        for name, file in sent.items():
            outcomes.append(_bundled(file, answered.get(name)))
            self._count.add(file.size)
            self._sent.add(file.size)
        return outcomes

    def _post_bundle(self, body: Pieces, *, can_divide: bool) -> native.BundleResult | None:
        """Send a bundle; None if it broke so often that it should be divided."""
        failures = 0

        def should_stop() -> bool:
            nonlocal failures
            failures += 1
            return self._stop.is_set() or (can_divide and failures >= ATTEMPTS_AT_SIZE)

        def post(should_stop: Callable[[], bool]) -> native.BundleResult:
            path = native.bundle_path(self._opened.upload_id)
            result: native.BundleResult = self._transport.request_json(
                "POST", path, native.BundleResult, content=body, should_stop=should_stop
            )
            return result

        try:
            result = post(should_stop)
        except (ConnectionFailed, StackUnavailable, RateLimited) as error:
            if self._stop.is_set() or not can_divide or failures < ATTEMPTS_AT_SIZE:
                raise
            if isinstance(error, ConnectionFailed):
                return None
            result = post(self._stop.is_set)  # smaller bundles would not help
        if not failures:
            self._bundle_bytes = min(BUNDLE_BYTES, self._bundle_bytes * 2)
        return result


def check_upload(report: FileUploadReport, count: int, on_error: OnError) -> None:
    """Raise if one of `count` files failed and that is to be raised.

    Raises:
        UploadIncomplete: with the report.
    """
    if report.failed and on_error == "raise":
        first = report.failed[0]
        raise UploadIncomplete(
            f"{len(report.failed):,} of {count:,} files were not uploaded; "
            f"{first.path}: {first.reason}",
            report=report,
            hint=f"{GO_ON}; the report names every file",
        )


def _bundled(file: LocalFile, outcome: str | None) -> Outcome:
    if outcome is None:
        return Outcome(file, reason="the stack did not report on it")
    if outcome == "different":
        return Outcome(file, reason=Outcome.DIFFERENT)
    return Outcome(file, is_stored=outcome == "stored")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, LayerNextError):
        return f"cannot be read: {error.strerror or error}"
    return str(error)
