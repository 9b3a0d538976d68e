"""The upload engine.

The calling thread reads the source and cuts it into batches: about 4 MiB of lines or 1,000 images,
whichever comes first, so the same source always makes the same batches. A few threads compress and
send them; when that many are under way the calling thread waits, so memory stays at a few batches
however large the source is. Each batch carries its number, and the stack applies each number once:
a request whose answer was lost is simply sent again. The first error stops the reading, lets the
requests under way end without trying them again, and is raised. Running the same call with ``resume=True`` asks the stack
which batches it has, compares their digests with the source's, and sends the rest; if the source
has changed since, everything is sent again. At the end the stack confirms that every batch is there.
"""

from __future__ import annotations

import contextvars
import logging
import re
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import msgspec
import zstandard
from msgspec import Raw, Struct

from layernext.client.annotations.image_names import ImageCount, image_numbers
from layernext.client.annotations.size_watch import SizeWatch
from layernext.client.annotations.sources import Source
from layernext.client.logged_shapes import BoxWatch
from layernext.client.progress import Advance, ProgressChoice, show_progress
from layernext.client.reports import UploadReport
from layernext.client.transport import Transport
from layernext.errors import Conflict, DataError, LayerNextError, Problem, UploadIncomplete
from layernext.model import counted
from layernext.wire import native
from layernext.wire.native import BatchResult, FinishRequest, UploadRequest, UploadState

logger = logging.getLogger("layernext.client.upload")

BATCH_BYTES = 4 << 20
BATCH_IMAGES = 1_000
IN_FLIGHT = 3
"""Batches under way: one that is compressed, one that travels, one that the stack works on."""
COMPRESSION_LEVEL = 1
"""Higher levels cost more time than they save on any network faster than 100 Mbit/s."""

_IMAGE_NUMBER = re.compile(r"^images\[(\d+)\]")


class Batch(Struct, frozen=True):
    """Some images of an upload: its number, their lines, how many, and how many came before."""

    sequence: int
    lines: bytes
    images: int
    images_before: int


class _Outcome(Struct, frozen=True):
    """What became of a batch that was sent."""

    images: int
    numbers: array[int]
    result: BatchResult
    bytes_sent: int


class _SourceChanged(Exception):
    """The stack has other batches than this source makes."""


def iter_batches(lines: Iterable[bytes], offer: native.NativeOffer) -> Iterator[Batch]:
    """Lines gathered into batches.

    Raises:
        DataError: one image alone is larger than the stack takes.
    """
    most_bytes = min(BATCH_BYTES, offer.batch_bytes)
    most_images = min(BATCH_IMAGES, offer.batch_images)
    gathered: list[bytes] = []
    size = sequence = before = 0
    for line in lines:
        if len(line) > offer.batch_bytes:
            raise DataError(
                Problem(
                    f"images[{before + len(gathered)}]",
                    f"has {len(line):,} bytes; the stack takes at most {offer.batch_bytes:,}",
                )
            )
        if gathered and (size + len(line) + 1 > most_bytes or len(gathered) >= most_images):
            yield Batch(sequence, b"\n".join(gathered), len(gathered), before)
            sequence += 1
            before += len(gathered)
            gathered, size = [], 0
        gathered.append(line)
        size += len(line) + 1
    if gathered:
        yield Batch(sequence, b"\n".join(gathered), len(gathered), before)


class _Session:
    """One open upload: sends its batches, and counts what the stack has of it."""

    def __init__(self, transport: Transport, request: UploadRequest, state: UploadState) -> None:
        self._transport = transport
        self._request = request
        self._state = state
        self._received = {batch.sequence: batch.digest for batch in state.received}
        self._has_failed = threading.Event()
        self._results: list[BatchResult] = []
        self._resumed_batches = 0
        self._bytes_sent = 0
        self._image_count = ImageCount()
        self._repeated_images = 0
        self._box_watch = BoxWatch()
        self._sizes = SizeWatch()

    def send_all(
        self, batches: Iterator[Batch], advance: Advance, file_keys: Callable[[], dict[str, bytes]]
    ) -> None:
        """Send every batch, a few at a time, and end the upload with the keys of the file."""
        pending: deque[Future[_Outcome]] = deque()
        count = 0
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="layernext-upload") as pool:
            try:
                for batch in batches:
                    count += 1
                    if self._has(batch):
                        self._resumed_batches += 1
                        self._count_images(image_numbers(batch.lines))
                        advance(batch.images)
                        continue
                    context = contextvars.copy_context()  # knows of a cancellation
                    pending.append(pool.submit(context.run, self._send, batch))
                    if len(pending) >= IN_FLIGHT:
                        self._settle(pending.popleft(), advance)
                while pending:
                    self._settle(pending.popleft(), advance)
            except BaseException:
                # Nothing new is begun and nothing is tried again; what is under way is counted.
                self._has_failed.set()
                for future in pending:
                    if not future.cancel() and future.exception() is None:
                        self._settle(future, advance)
                raise
        if self._received and max(self._received) >= count:
            raise _SourceChanged  # the source has become shorter
        self._state = self._transport.request_json(
            "POST",
            native.finish_path(self._state.id),
            UploadState,
            json=FinishRequest(
                batches=count, file_keys={key: Raw(raw) for key, raw in file_keys().items()}
            ),
        )

    def _has(self, batch: Batch) -> bool:
        """Whether the stack has the batch from before.

        Raises:
            _SourceChanged: it has another one under that number.
        """
        digest = self._received.get(batch.sequence)
        if digest is not None and digest != native.batch_digest(batch.lines):
            raise _SourceChanged
        return digest is not None

    def _send(self, batch: Batch) -> _Outcome:
        """Compress and send a batch. Runs in a thread."""
        content = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(batch.lines)
        try:
            result = self._transport.request_json(
                "PUT",
                native.batch_path(self._state.id, batch.sequence),
                BatchResult,
                content=content,
                headers={"Content-Encoding": "zstd", "Content-Type": native.NDJSON},
                should_stop=self._has_failed.is_set,
            )
        except DataError as error:
            raise _in_whole_source(error, batch) from error
        return _Outcome(batch.images, image_numbers(batch.lines), result, len(content))

    def _settle(self, future: Future[_Outcome], advance: Advance) -> None:
        outcome = future.result()
        result = outcome.result
        self._results.append(result)
        self._box_watch.count(result.measured_boxes, result.outside_boxes, result.outside_image)
        self._sizes.count(result)
        self._bytes_sent += outcome.bytes_sent
        self._count_images(outcome.numbers)
        advance(outcome.images)

    def _count_images(self, numbers: array[int]) -> None:
        self._repeated_images += self._image_count.add(numbers)

    @property
    def run(self) -> str:
        """The run's name."""
        return self._request.run

    def report(self, started: float) -> UploadReport:
        """What the stack has: as it said at the end, or else as far as it has answered."""
        state, results = self._state, self._results
        boxes = self._box_watch.describe()
        if state.finished:
            results = []
        new_labels = {
            *state.new_labels,
            *(name for result in results for name in result.new_labels),
        }
        # The stack counts annotation sets; sets of the same image are one there.
        images = state.images + sum(result.images for result in results) - self._repeated_images
        unmatched = state.unmatched + sum(result.unmatched for result in results)
        return UploadReport(
            collection=self._request.collection,
            run=self._request.run,
            mode=self._request.mode,
            images=images,
            annotations=state.annotations + sum(result.annotations for result in results),
            batches=len(state.received) + len(results),
            resumed_batches=self._resumed_batches,
            new_labels=sorted(new_labels),
            unmatched_images=min(unmatched, images),
            bytes_sent=self._bytes_sent,
            seconds=time.monotonic() - started,
            job_id=state.id,
            warnings=boxes | self._sizes.warnings,
        )


def _in_whole_source(error: DataError, batch: Batch) -> DataError:
    """Problems that the stack found in a batch, with the images numbered as in the source."""

    def moved(match: re.Match[str]) -> str:
        return f"images[{int(match[1]) + batch.images_before}]"

    return DataError(
        [
            Problem(_IMAGE_NUMBER.sub(moved, p.where, count=1), p.message, p.expected, p.got)
            for p in error.problems
        ],
        more=error.more,
        hint=error.hint,
    )


def upload_native(
    transport: Transport,
    offer: native.NativeOffer,
    request: UploadRequest,
    source: Source,
    *,
    resume: bool,
    progress: ProgressChoice,
    started: float,
) -> UploadReport:
    """Upload a prepared source; see the module.

    Args:
        transport: to the stack.
        offer: what the stack takes.
        request: what is uploaded, and whereto.
        source: the images.
        resume: send only what an interrupted call did not.
        progress: see `show_progress`.
        started: when the call began, by `time.monotonic`.

    Raises:
        DataError: the source is not valid; nothing of the batch with the problem was sent.
        UploadIncomplete: it ended early; what the stack acknowledged is stored.
        NotAuthenticated, NotAllowed: before anything was sent.
    """
    session = _open(transport, request, resume=resume)
    try:
        return _send_source(session, source, offer, progress, started)
    except _SourceChanged:
        if not source.is_repeatable:
            raise Conflict(
                "the data differs from that of the upload that was interrupted",
                status=409,
                hint="upload it without resume=True",
            ) from None
    logger.info("the source has changed since the interrupted upload; sending all of it")
    session = _open(transport, request, resume=False)
    return _send_source(session, source, offer, progress, started)


def _open(transport: Transport, request: UploadRequest, *, resume: bool) -> _Session:
    state: UploadState = transport.request_json(
        "POST",
        native.uploads_path(),
        UploadState,
        json=msgspec.structs.replace(request, resume=resume),
    )
    return _Session(transport, request, state)


def _send_source(
    session: _Session,
    source: Source,
    offer: native.NativeOffer,
    progress: ProgressChoice,
    started: float,
) -> UploadReport:
    report = partial(session.report, started)
    with (
        early_end_explained(
            session.run, report, "call it again with resume=True to send only the rest"
        ),
        show_progress(progress, f"uploading {session.run}", source.total) as advance,
    ):
        session.send_all(iter_batches(source.lines(), offer), advance, lambda: source.file_keys)
    return report()


@contextmanager
def early_end_explained(run: str, report: Callable[[], UploadReport], hint: str) -> Iterator[None]:
    """Say of an error that ends an upload what is stored already.

    Args:
        run: that is uploaded.
        report: of the upload as it is now.
        hint: how to go on.

    Raises:
        DataError: as it was raised, with a hint.
        UploadIncomplete: in place of another error.
    """
    try:
        yield
    except DataError as error:
        stored = report().images
        if stored and error.hint is None:
            error.hint = f"already stored before it: {counted(stored, 'image')}"
        raise
    except LayerNextError as error:
        raise UploadIncomplete(
            f"the upload of {run!r} ended early: {error.message}", report=report(), hint=hint
        ) from error
