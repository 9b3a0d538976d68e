"""Opening files that may be compressed: plain, gzip or zstd, recognized by their first bytes."""

from __future__ import annotations

import codecs
import errno
import gzip
import io
import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from layernext.errors import FormatError

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_UTF8_BOM = b"\xef\xbb\xbf"
_BUFFER_BYTES = 1 << 20
# A zstd frame may ask for a window of up to 2 GiB; 128 MiB is what `zstd` itself accepts.
_MAX_ZSTD_WINDOW_BYTES = 128 << 20
# Whatever is read at once is decompressed at once, and 4 bytes may hold a block of 128 KiB: so this
# bounds the memory that a hostile file can ask for to about 128 MiB, too.
_ZSTD_READ_BYTES = 4 << 10


@contextmanager
def open_decompressed(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file's content, decompressed as it is read, without a byte order mark; UTF-16 as UTF-8.

    Raises:
        FormatError: the file is missing, unreadable, or its compressed data is broken; the last
            two also while reading.
    """
    try:
        plain = Path(path).open("rb")  # noqa: SIM115 - closed below, where no error is translated
    except OSError as error:
        raise _unreadable(error, path) from error
    with plain:
        yield cast("BinaryIO", _Translated(plain, path))


MAX_TEXT_BYTES = 256 << 20
"""The limit of a list of names, which is read as a whole."""


def read_text(path: Path) -> str:
    """The text of a list of names: UTF-8, UTF-16 with a byte order mark, or else Windows' Latin-1.

    Raises:
        FormatError: it cannot be read, or is too large.
    """
    with open_decompressed(path) as stream:
        raw = b""
        while piece := stream.read(_BUFFER_BYTES):
            raw += piece
            if len(raw) > MAX_TEXT_BYTES:
                raise FormatError(f"is larger than {MAX_TEXT_BYTES:,} bytes", file=str(path))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _unreadable(error: OSError, path: str | os.PathLike[str]) -> FormatError:
    return FormatError(f"cannot be read: {error.strerror or error}", file=str(path))


def _decompressed(plain: BinaryIO) -> BinaryIO:
    head = plain.read(4)
    plain.seek(0)
    stream: BinaryIO
    if head.startswith(_GZIP_MAGIC):
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=plain))
    elif head == _ZSTD_MAGIC:
        stream = cast("BinaryIO", io.BufferedReader(_ZstdReader(plain), _BUFFER_BYTES))
    else:
        stream = plain
    return stream


class _ZstdReader(io.RawIOBase):
    """Reads zstd frames, one or several, and notices if the last one is truncated.

    zstandard's own reader returns what a truncated frame holds and then ends as if that were all.
    """

    def __init__(self, plain: BinaryIO) -> None:
        self._plain = plain
        self._options = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES)
        self._frame: Any = None  # the frame that is being read, None between two frames
        self._packed = b""  # read from the file, not yet decompressed
        self._ready = memoryview(b"")  # decompressed, not yet returned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            self._packed = self._packed or self._plain.read(_ZSTD_READ_BYTES)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("it ended before the end of its last zstd frame")
                return 0
            if self._frame is None:
                self._frame = self._options.decompressobj()
            self._ready = memoryview(self._frame.decompress(self._packed))
            self._packed = b""
            if self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, None
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


class _Recoded(io.RawIOBase):
    """Reads UTF-16, as PowerShell writes it, as UTF-8."""

    def __init__(self, stream: BinaryIO, first: bytes) -> None:
        self._stream, self._first = stream, first
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        is_end = False
        while not self._ready and not is_end:
            raw = self._stream.read(size)
            is_end = not raw
            text = self._decoder.decode(self._first + raw, final=is_end)
            self._first = b""
            self._ready = text.encode("utf-8", "surrogatepass")
        count = len(self._ready) if size < 0 else size
        ready, self._ready = self._ready[:count], self._ready[count:]
        return ready


class _Translated(io.RawIOBase):
    """Reads a stream, skips a byte order mark, and raises one class for all decompression errors."""

    def __init__(self, plain: BinaryIO, path: str | os.PathLike[str]) -> None:
        self._plain = plain
        self._path = path
        self._stream: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        try:
            if self._stream is None:
                self._stream = _decompressed(self._plain)
                first = self._stream.read(len(_UTF8_BOM))
                if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    self._stream = cast("BinaryIO", _Recoded(self._stream, first))
                elif first not in {b"", _UTF8_BOM}:
                    return first
            return self._stream.read(size)
        except UnicodeDecodeError as error:
            name = Path(self._path).name
            raise FormatError(f"cannot be read as UTF-16: {error.reason}", file=name) from error
        except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
            name = Path(self._path).name
            raise FormatError(f"the compressed data is broken: {error}", file=name) from error
        except OSError as error:
            raise _unreadable(error, self._path) from error


@contextmanager
def create_compressed(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file to write to, compressed if its name ends in ``.gz`` or ``.zst``.

    The content goes to a temporary file next to it, which durably takes the final name only when the block
    ends without an exception: nobody ever sees half a file. A symbolic link stays, and
    its target is replaced. A device or a pipe is written to directly.

    Raises:
        OSError: the file cannot be created or written; raised at once if it is a folder.
    """
    kind = Path(path).suffix
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        # The name must keep pointing to the device; what is written to it is visible at once.
        with Path(path).open("wb") as plain, _packed(plain, kind) as stream:
            yield stream
        return
    target = Path(path).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    # The name is unique, and short enough however long the target's name is.
    temporary = target.with_name(f".layernext-{secrets.token_hex(8)}.partial")
    try:
        with temporary.open("xb") as plain:
            with _packed(plain, kind) as stream:
                yield stream
            plain.flush()
            os.fsync(plain.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def open_output(path: Path) -> BinaryIO:
    """A new file to write to, compressed if its name ends in ``.gz`` or ``.zst``; no temporary file."""
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "wb", compresslevel=6))
    if path.suffix == ".zst":
        return cast("BinaryIO", zstandard.open(path, "wb"))
    return path.open("wb")


@contextmanager
def _packed(plain: BinaryIO, kind: str) -> Iterator[BinaryIO]:
    """A stream that compresses into `plain` as the extension `kind` says; `plain` stays open."""
    if kind == ".gz":
        with gzip.GzipFile(filename="", fileobj=plain, mode="wb", compresslevel=6) as packed:
            yield cast("BinaryIO", packed)
    elif kind == ".zst":
        with zstandard.ZstdCompressor(level=3).stream_writer(plain, closefd=False) as writer:
            yield cast("BinaryIO", writer)
    else:
        yield plain


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable, where that takes a separate step."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # the folder may be written to but not opened; there is no other way
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # a file system without this step
            raise
    finally:
        os.close(descriptor)
