"""Many small files in one answer of the stack."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from layernext.client.files.fetch import Fetched
from layernext.client.files.remote import RemoteFile
from layernext.client.transport import Transport
from layernext.errors import ConnectionFailed, IncompatibleStack
from layernext.wire.native import BUNDLES_PATH, BundledFile, FilesRequest

MAX_BREAKS = 5
MAX_LINE_BYTES = 1_000
MAX_FILE_BYTES = 64 << 20
"""Nobody asks for larger ones in a bundle, so a larger one is a mistake."""

_read_line = msgspec.json.Decoder(BundledFile).decode


class _Reader:
    """Lines and bytes from pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = bytearray()

    def _more(self) -> bool:
        piece = next(self._pieces, b"")
        self._rest += piece
        return bool(piece)

    def line(self) -> bytes | None:
        """The next line; None at the end."""
        while True:
            end = self._rest.find(b"\n")
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                return line
            if len(self._rest) > MAX_LINE_BYTES:
                raise IncompatibleStack("malformed file bundle: a line is too long", status=200)
            if not self._more():
                return None

    def bytes(self, size: int) -> bytes | None:
        """So many bytes; None if there are not so many."""
        while len(self._rest) < size:
            if not self._more():
                return None
        content = bytes(self._rest[:size])
        del self._rest[:size]
        return content


class BundleFetcher:
    """Fetches small files, several in one request.

    Args:
        transport: to the stack.
        folder: where files are written until they are whole.
        tell: told of the bytes that come; raises to end it.
    """

    def __init__(self, transport: Transport, folder: Path, tell: Callable[[int], None]) -> None:
        self._transport, self._folder, self._tell = transport, folder, tell

    def fetch(
        self, files: Sequence[RemoteFile]
    ) -> Iterator[tuple[RemoteFile, Path, Fetched] | tuple[RemoteFile, None, str]]:
        """Each file and where it is, flushed to the disk; or why it did not come.

        After a break of the connection the rest is asked for again.

        Raises:
            ConnectionFailed: it broke again and again.
            StackError, OSError: the stack said no, or a file could not be written.
        """
        left = {str(file.id): file for file in files}
        breaks = 0
        while left:
            before = len(left)
            error: Exception = EOFError("the answer ended early")
            arrived: list[tuple[RemoteFile, bytes | str]] = []
            try:
                for file_id, content in self._stream(list(left)):
                    file = left.pop(file_id, None)
                    if file is None:
                        raise IncompatibleStack(
                            "the stack sent a file that was not requested", status=200
                        )
                    arrived.append((file, content))
            except ConnectionFailed as broken:
                error = broken
            yield from self._written(arrived)
            breaks = breaks + 1 if len(left) == before else 0
            if breaks > MAX_BREAKS:
                raise error

    def _stream(self, ids: list[str]) -> Iterator[tuple[str, bytes | str]]:
        """Each id with the file's bytes, or why there are none."""
        transport = self._transport
        request = msgspec.to_builtins(FilesRequest(ids))
        with transport.stream(BUNDLES_PATH, {}, method="POST", json=request) as pieces:
            reader = _Reader(pieces)
            while (line := reader.line()) is not None:
                try:
                    head = _read_line(line)
                except msgspec.MsgspecError as error:
                    raise IncompatibleStack(
                        f"malformed file bundle: {error}", status=200
                    ) from error
                if head.size is None:
                    yield head.id, head.problem or "it is gone"
                    continue
                if not 0 <= head.size <= MAX_FILE_BYTES:
                    raise IncompatibleStack(f"a file in a bundle has {head.size} bytes", status=200)
                content = reader.bytes(head.size)
                if content is None:
                    return
                self._tell(head.size)
                yield head.id, content

    def _written(
        self, arrived: Sequence[tuple[RemoteFile, bytes | str]]
    ) -> Iterator[tuple[RemoteFile, Path, Fetched] | tuple[RemoteFile, None, str]]:
        """Write all, then flush all: the disk's journal is written about once then."""
        written: list[tuple[RemoteFile, Path, Fetched]] = []
        opened: list[int] = []
        try:
            for file, content in arrived:
                if isinstance(content, str):
                    yield file, None, content
                    continue
                checksum = hashlib.sha256(content).hexdigest()
                if file.checksum not in {None, checksum}:
                    yield file, None, "arrives damaged"
                    continue
                path = self._folder / secrets.token_hex(16)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                opened.append(descriptor)
                left = memoryview(content)
                while left:
                    left = left[os.write(descriptor, left) :]
                written.append((file, path, Fetched(checksum, None)))
            for descriptor in opened:
                os.fsync(descriptor)
        finally:
            for descriptor in opened:
                os.close(descriptor)
        yield from written
