"""One file, in parts, by the published protocol."""

from __future__ import annotations

import base64
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

import msgspec

from layernext.client.files.in_flight import ByteCount
from layernext.client.files.reading import FileRange, Stopped, checksum_of, range_checksum
from layernext.client.files.sources import LocalFile
from layernext.client.files.state import UploadMemory
from layernext.client.transport import Transport
from layernext.errors import (
    DataError,
    IncompatibleStack,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Problem,
)
from layernext.wire import published
from layernext.wire.published import PART_BYTES, Received, wire_fields

logger = logging.getLogger("layernext.client.files")

STORAGE_TYPES = {"AWS_S3", "GCP", "AZURE"}
SENT_AGAIN = 3
"""Times that a part is sent whose checksum comes back wrong."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Outcome:
    """What became of a file: stored, or there already, or failed for a reason."""

    DIFFERENT: ClassVar[str] = "the collection has another file of this name, which was kept"

    file: LocalFile
    is_stored: bool = False
    reason: str | None = None


@dataclass
class _Part:
    number: int
    range: FileRange
    url: str
    tag: str = ""
    checksum: str = ""

    def told(self, *, is_native: bool) -> dict[str, Any]:
        """What the request to finish the file says of it; the SHA-256 only to our own stack."""
        fields = wire_fields(published.SentPart, number=self.number, tag=self.tag)
        if is_native:
            fields |= wire_fields(published.SentPart, checksum=self.checksum)
        return fields


class FileSender:
    """Sends files one by one; safe to use from many threads.

    Args:
        transport: to the stack.
        target: kind and name of the collection, to know the upload again.
        is_native: whether the stack speaks the native protocol.
        parallel: parts in flight in all.
        count: told of the bytes done, those that need not be sent too.
        sent: told of the bytes sent.
        stop: set when the upload ends early.
    """

    def __init__(
        self,
        transport: Transport,
        target: str,
        *,
        is_native: bool,
        parallel: int,
        count: ByteCount,
        sent: ByteCount,
        stop: threading.Event,
    ) -> None:
        self._transport, self._target, self._is_native = transport, target, is_native
        self._parts = ThreadPoolExecutor(parallel, thread_name_prefix="layernext-parts")
        self._count, self._sent, self._stop = count, sent, stop
        self._upload_id = self._collection = self._storage = ""
        self.resumed_uploads: set[str] = set()

    def open(self, upload_id: str, collection: str, storage: str) -> None:
        """Say where to.

        Raises:
            IncompatibleStack: nobody knows how to send parts to such a storage.
        """
        if storage not in STORAGE_TYPES:
            raise IncompatibleStack(
                f"the stack keeps files in {storage[:40]!r}, which this client cannot send to",
                status=200,
            )
        self._upload_id, self._collection, self._storage = upload_id, collection, storage

    def close(self) -> None:
        """End the threads."""
        self._stop.set()
        self._parts.shutdown(cancel_futures=True)

    def send(self, file: LocalFile) -> Outcome:
        """Send one file, or find that the collection has it.

        Raises:
            LayerNextError, OSError: it could not be sent.
            Stopped: the upload has ended.
        """
        memory = None
        if file.size > PART_BYTES and self._is_native:
            memory = UploadMemory(self._transport.url, self._transport.api_key, self._target, file)
            resumed = self._resume(file, memory)
            if resumed is not None:
                return resumed
        begun = self._begin(file, self._upload_id)
        if begun.is_existing or begun.upload_removed_file:
            return self._existing(file, begun)
        if memory is not None:
            memory.keep(self._upload_id)
        outcome = self._send_parts(file, begun, self._upload_id)
        if memory is not None:
            memory.forget()
        return outcome

    def _resume(self, file: LocalFile, memory: UploadMemory) -> Outcome | None:
        """Go on with an upload of this file that an earlier call began."""
        upload_id = memory.find()
        if upload_id is None:
            return None
        try:
            begun = self._begin(file, upload_id)
            self.resumed_uploads.add(upload_id)
            if begun.is_existing:
                memory.forget()
                return None
            logger.info("%s: continuing upload %s", file.path, upload_id)
            outcome = self._send_parts(file, begun, upload_id)
        except NotFound:  # the stack has forgotten it, or the bucket has
            memory.forget()
            return None
        memory.forget()
        # So that this upload counts the file as its own, too.
        self._begin(file, self._upload_id)
        return outcome

    def _begin(self, file: LocalFile, upload_id: str) -> Received:
        """Begin a file, or hear that the collection has it."""
        if self._stop.is_set():
            raise Stopped
        body = wire_fields(
            published.SentBeginFileRequest,
            file_name=file.name,
            collection_name=self._collection,
            upload_id=upload_id,
            **({"size": file.size} if self._is_native else {}),
        )
        begun = Received(published.OtherBeginFileAnswer, self._ask(published.BEGIN_FILE_PATH, body))
        has_ids = isinstance(begun.file_id, str) and isinstance(begun.file_key, str)
        if not has_ids and not begun.upload_removed_file and not begun.is_existing:
            raise IncompatibleStack("the stack returned no id for the file", status=200)
        return begun

    def _existing(self, file: LocalFile, begun: Received) -> Outcome:
        """What the stack says of a file of this name; without size and checksum the name decides."""
        size, checksum = begun.existing_size, begun.existing_checksum
        is_same = size in {None, file.size}
        if is_same and checksum is not None:
            is_same = checksum == checksum_of(file, self._stop.is_set)
        self._count.add(file.size)
        return Outcome(file, reason=None if is_same else Outcome.DIFFERENT)

    def _send_parts(self, file: LocalFile, begun: Received, upload_id: str) -> Outcome:
        sizes = [
            min(PART_BYTES, file.size - start) for start in range(0, file.size, PART_BYTES)
        ] or [0]
        urls = self._urls(file, begun, len(sizes))
        parts = [
            _Part(
                number,
                FileRange(file, (number - 1) * PART_BYTES, size, self._count, self._stop.is_set),
                urls[number],
            )
            for number, size in enumerate(sizes, 1)
        ]
        stored = self._stored_digests(begun)
        todo = [part for part in parts if not self._is_stored(file, part, stored)]

        def put(part: _Part) -> None:
            self._put(file, part, begun, len(parts))

        try:
            # Parts of a resumable upload to GCS come one behind the other.
            if len(todo) == 1 or self._storage == "GCP":
                for part in todo:
                    put(part)
            else:
                for _ in self._parts.map(put, todo):
                    pass
        except NotFound:
            for part in parts:
                part.range.take_back()
            raise
        body = wire_fields(
            published.SentFinishFileRequest,
            file_id=begun.file_id,
            file_key=begun.file_key,
            upload_id=upload_id,
            parts=[part.told(is_native=self._is_native) for part in parts],
            finalize_url=parts[-1].url,
        )
        answer = Received(published.FinishFileAnswer, self._ask(published.FINISH_FILE_PATH, body))
        return Outcome(file, is_stored=not answer.is_existing)

    def _ask(self, path: str, body: object) -> object:
        content = self._transport.request("POST", path, json=body, should_stop=self._stop.is_set)
        try:
            return msgspec.json.decode(content)
        except msgspec.DecodeError:
            return None  # other stacks answer anything when a file is finished

    def _urls(self, file: LocalFile, begun: Received, count: int) -> dict[int, str]:
        """Where each part goes."""
        body = published.SentPartUrlsRequest(
            file_id=begun.file_id,
            file_key=begun.file_key,
            parts=count,
            content_type=file.media_type,
        )
        answer = Received(published.PartUrlsAnswer, self._ask(published.PART_URLS_PATH, body))
        rows = [
            Received(published.PartUrl, row)
            for row in (answer.parts if isinstance(answer.parts, list) else [])
        ]
        by_number = {row.number: row.signed_url for row in rows}
        urls: dict[int, str] = {}
        for number in range(1, count + 1):
            url = by_number.get(number)
            if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"}:
                raise InvalidRequest(f"the stack returned no URL for part {number}", status=200)
            urls[number] = url
        return urls

    @staticmethod
    def _stored_digests(begun: Received) -> dict[int, tuple[int, str]]:
        rows = begun.stored_parts
        return {
            row["number"]: (row["size"], str(row["checksum"]))
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict) and {"number", "size", "checksum"} <= row.keys()
        }

    def _is_stored(self, file: LocalFile, part: _Part, stored: dict[int, tuple[int, str]]) -> bool:
        """Whether the stack, or the bucket behind it, has a part from before, byte for byte.

        A bucket tells a part by its ETag. Most often that is the MD5; any other never agrees, and the part is sent.
        """
        size, tag = stored.get(part.number, (-1, ""))
        is_md5 = bool(_MD5.fullmatch(tag))
        if size != part.range.size or not (is_md5 or _SHA256.fullmatch(tag)):
            return False
        checksum, md5 = range_checksum(
            file, part.range.start, size, self._stop.is_set, with_md5=is_md5
        )
        if tag != (md5 if is_md5 else checksum):
            return False
        part.tag, part.checksum = tag, checksum
        part.range.skip()
        return True

    def _put(self, file: LocalFile, part: _Part, begun: Received, count: int) -> None:
        """Send a part, again where the checksum comes back wrong or the URL has grown old."""
        for attempt in range(1, SENT_AGAIN + 1):
            if self._stop.is_set():
                raise Stopped
            try:
                tag = self._put_once(file, part)
            except NotAllowed:
                if attempt == SENT_AGAIN:
                    raise
                part.url = self._urls(file, begun, count)[part.number]
                continue
            if not _SHA256.fullmatch(tag) or tag == part.range.digest:
                part.tag, part.checksum = tag, part.range.digest
                self._sent.add(part.range.size)
                return
            logger.warning("part %d of %s arrived damaged", part.number, file.path)
            part.range.take_back()
        raise DataError(Problem(str(file.path), f"part {part.number} arrived damaged every time"))

    def _put_once(self, file: LocalFile, part: _Part) -> str:
        body, url = part.range.pieces(), part.url
        headers = {"Content-Type": file.media_type}
        if self._storage == "GCP":
            if not body.size:
                headers["Content-Range"] = f"bytes */{file.size}"
            else:
                last = part.range.start + body.size - 1
                headers["Content-Range"] = f"bytes {part.range.start}-{last}/{file.size}"
        elif self._storage == "AZURE":
            url = f"{part.url}&comp=block&blockid={quote(_block_id(part.number), safe='')}"
        answer = self._transport.put_signed(url, body, headers, should_stop=self._stop.is_set)
        if self._storage != "AWS_S3":
            return ""
        tag = answer.get("etag", "")
        if not tag:
            raise InvalidRequest("the storage answered without an ETag", status=200)
        return _plain_tag(tag)


def _plain_tag(tag: str) -> str:
    """An ETag without weakness mark and quotes."""
    return tag.removeprefix("W/").strip('"')


def _block_id(number: int) -> str:
    """As the published client has it on the wire: encoded by itself, and by Azure's library again."""
    once = base64.b64encode(f"{number - 1:06d}".encode())
    return base64.b64encode(once).decode()
