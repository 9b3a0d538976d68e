"""The upload engine.

The calling thread reads the source and cuts it into batches: about 4 MiB of lines or 1,000 images,
whichever comes first, so the same source always makes the same batches. A few threads compress and
send them; when that many are under way the calling thread waits, so memory stays at a few batches
however large the source is. Each batch carries its number, and the stack applies each number once:
a request whose answer was lost is simply sent again. The first error stops the reading, lets the
requests under way end, and is raised. Running the same call with ``resume=True`` asks the stack
which batches it has, compares their digests with the source's, and sends the rest; if the source
has changed since, everything is sent anew. At the end the stack confirms that every batch is there.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import zstandard
from msgspec import Struct

from layernext.client.connection import Connection
from layernext.client.progress import Advance, ProgressChoice, show_progress
from layernext.client.published_upload import upload_published
from layernext.client.reports import UploadReport
from layernext.client.sources import FileSource, Source
from layernext.errors import Conflict, DataError, LayerNextError, UploadIncomplete
from layernext.wire import native
from layernext.wire.native import BatchResult, FinishRequest, UploadRequest, UploadState

logger = logging.getLogger("layernext.client.upload")

BATCH_BYTES = 4 << 20
BATCH_IMAGES = 1_000
IN_FLIGHT = 3
"""Batches under way: one that is compressed, one that travels, one that the stack works on."""
COMPRESSION_LEVEL = 1
"""Higher levels cost more time than they save on any network faster than 100 Mbit/s."""


class Batch(Struct, frozen=True):
    """Some images of an upload."""

    sequence: int
    lines: bytes
    images: int


class _SourceChanged(Exception):  # noqa: N818 - never leaves this module
    """The stack has other batches than this source makes."""


def iter_batches(lines: Iterable[bytes], offer: native.NativeOffer) -> Iterator[Batch]:
    """Lines gathered into batches.

    Raises:
        DataError: one image alone is larger than the stack takes.
    """
    most_bytes = min(BATCH_BYTES, offer.batch_bytes)
    most_images = min(BATCH_IMAGES, offer.batch_images)
    gathered: list[bytes] = []
    size = sequence = 0
    for line in lines:
        if len(line) > offer.batch_bytes:
            raise DataError(
                f"one image has {len(line):,} bytes of annotations; "
                f"the stack takes at most {offer.batch_bytes:,}"
            )
        if gathered and (size + len(line) + 1 > most_bytes or len(gathered) >= most_images):
            yield Batch(sequence, b"\n".join(gathered), len(gathered))
            sequence += 1
            gathered, size = [], 0
        gathered.append(line)
        size += len(line) + 1
    if gathered:
        yield Batch(sequence, b"\n".join(gathered), len(gathered))


class _Session:
    """One open upload: sends its batches."""

    def __init__(self, connection: Connection, state: UploadState) -> None:
        self._transport = connection.transport
        self.id = state.id
        self._received = {batch.sequence: batch.digest for batch in state.received}
        self.resumed_batches = 0

    def send(self, batch: Batch) -> BatchResult | None:
        """Compress and send a batch; None if the stack has it already."""
        digest = self._received.get(batch.sequence)
        if digest is not None:
            if digest != native.batch_digest(batch.lines):
                raise _SourceChanged
            return None
        answer: BatchResult = self._transport.request_json(
            "PUT",
            native.batch_path(self.id, batch.sequence),
            BatchResult,
            content=zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(batch.lines),
            headers={"Content-Encoding": "zstd", "Content-Type": native.NDJSON},
        )
        return answer

    def send_all(self, batches: Iterator[Batch], advance: Advance) -> int:
        """Send every batch, a few at a time; how many there were."""
        pending: deque[tuple[Batch, Future[BatchResult | None]]] = deque()
        count = 0

        def settle() -> None:
            batch, future = pending.popleft()
            if future.result() is None:
                self.resumed_batches += 1
            advance(batch.images)

        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="layernext-upload") as pool:
            try:
                for batch in batches:
                    count += 1
                    pending.append((batch, pool.submit(self.send, batch)))
                    if len(pending) >= IN_FLIGHT:
                        settle()
                while pending:
                    settle()
            finally:
                for _, future in pending:
                    future.cancel()
        if self._received and max(self._received) >= count:
            raise _SourceChanged  # the source has become shorter
        return count


def upload(
    connection: Connection,
    request: UploadRequest,
    source: Source,
    *,
    resume: bool,
    progress: ProgressChoice,
) -> UploadReport:
    """Upload a source; see the module.

    Raises:
        DataError: the source is not valid; nothing of the batch with the problem was sent.
        UploadIncomplete: it ended early; what the stack acknowledged is stored.
        NotAuthenticated, NotAllowed: before anything was sent.
    """
    started = time.monotonic()
    if isinstance(source, FileSource):
        source.prepare(progress)
    offer = connection.native
    if offer is None:
        return upload_published(connection, request, source, progress=progress)
    sent_before = connection.transport.bytes_sent
    state = _open(connection, request, resume=resume)
    session = _Session(connection, state)
    what = f"uploading {request.run}"
    try:
        with show_progress(progress, what, source.total) as advance:
            count = session.send_all(iter_batches(source.lines(), offer), advance)
    except _SourceChanged:
        if not source.is_repeatable:
            raise Conflict(
                "the data differs from the upload that was interrupted",
                status=409,
                hint="upload it without resume=True",
            ) from None
        logger.info("the source has changed since the interrupted upload; sending all of it")
        session = _Session(connection, _open(connection, request, resume=False))
        with show_progress(progress, what, source.total) as advance:
            count = session.send_all(iter_batches(source.lines(), offer), advance)
    except DataError:
        raise
    except LayerNextError as error:
        raise _incomplete(connection, request, session, error, started, sent_before) from error
    finished: UploadState = connection.transport.request_json(
        "POST",
        native.finish_path(session.id),
        UploadState,
        json=FinishRequest(batches=count),
    )
    return _report(connection, request, session, finished, started, sent_before)


def _open(connection: Connection, request: UploadRequest, *, resume: bool) -> UploadState:
    wanted = msgspec.structs.replace(request, resume=resume)
    state: UploadState = connection.transport.request_json(
        "POST", native.uploads_path(), UploadState, json=wanted
    )
    return state


def _report(
    connection: Connection,
    request: UploadRequest,
    session: _Session,
    state: UploadState,
    started: float,
    sent_before: int,
) -> UploadReport:
    return UploadReport(
        collection=request.collection,
        run=request.run,
        mode=request.mode,
        images=state.images,
        annotations=state.annotations,
        batches=len(state.received),
        resumed_batches=session.resumed_batches,
        new_labels=state.new_labels,
        unmatched_images=state.unmatched,
        bytes_sent=connection.transport.bytes_sent - sent_before,
        seconds=time.monotonic() - started,
        job_id=state.id,
    )


def _incomplete(
    connection: Connection,
    request: UploadRequest,
    session: _Session,
    error: LayerNextError,
    started: float,
    sent_before: int,
) -> UploadIncomplete:
    """The error that says how far the upload came, as far as the stack can still be asked."""
    empty = UploadState(
        id=session.id, finished=False, images=0, annotations=0, unmatched=0, new_labels=[],
        received=[],
    )  # fmt: skip
    try:
        state = connection.transport.request_json(
            "GET", native.upload_path(session.id), UploadState
        )
    except LayerNextError:
        state = empty
    report = _report(connection, request, session, state, started, sent_before)
    return UploadIncomplete(
        f"the upload of {request.run!r} ended early: {error.message}",
        report=report,
        hint="call it again with resume=True to send only the rest",
    )
