"""The LayerNext JSON file: ``{"images": [{"image": …, "annotations": […]}, …]}``, read as a stream.

The reader cuts the file into the bytes of its single images without building them, so that memory
stays at one window however large the file is, and callers can forward an image's own bytes.
It never judges an image: `layernext.model.ImageDecoder` does.
"""

from __future__ import annotations

import io
import itertools
import os
import re
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from msgspec import Struct

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.compression import create_compressed, open_decompressed
from layernext.model import GEOMETRIES, GEOMETRY_KEYS, CheckedImage, Geometry, ImageDecoder

WINDOW_BYTES = 1 << 20
"""Bytes read at a time; the window grows when one image is larger than it."""

MAX_IMAGE_BYTES = 64 << 20
"""JSON of one image: what stacks take in one batch, and more than 300,000 boxes."""

DEFAULT_PROBLEM_LIMIT = 100

_TOKEN_BYTES = 1024  # longer than any sensible number or escape

_BLANKS = b" \t\r\n"
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_BYTE = re.compile(r"\(byte (\d+)\)")
_NOT_FINITE = re.compile(rb"NaN|Infinity")
_skip = msgspec.json.Decoder(msgspec.Raw).decode


class FileSummary(Struct, frozen=True, kw_only=True):
    """What a file holds, after a check without a problem.

    Attributes:
        images: entries in ``images``.
        annotations: annotations in all of them.
        geometry: that of annotations without a ``type``; None for form v2.
    """

    images: int
    annotations: int
    geometry: Geometry | None


class Spans:
    """Where each image of a file stands: its first byte and its length, 12 bytes an image.

    Found while a file is checked, so that reading it again needs no look at its structure.
    """

    def __init__(self) -> None:
        self._starts = array("Q")
        self._lengths = array("I")

    def add(self, start: int, length: int) -> None:
        """Append one image."""
        self._starts.append(start)
        self._lengths.append(length)

    def place(self, index: int) -> tuple[int, int]:
        """First byte and length of one image, in the decompressed file."""
        return self._starts[index], self._lengths[index]

    def read(self, path: str | os.PathLike[str]) -> Iterator[bytes]:
        """The bytes of each image, from the file that was checked.

        Raises:
            FormatError: the file has become shorter.
        """
        position = 0
        with open_decompressed(path) as plain:
            stream = io.BufferedReader(cast("io.RawIOBase", plain), WINDOW_BYTES)
            for start, length in zip(self._starts, self._lengths, strict=True):
                stream.read(start - position)
                raw = stream.read(length)
                if len(raw) != length:
                    raise FormatError("was changed while it was read", file=Path(path).name)
                position = start + length
                yield raw


class _Window:
    """The part of the stream that is being looked at, with its place for error texts."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self.stream = stream
        self.file = file
        self.buffer = b""
        self.position = 0
        self.ended = False
        self.offset = 0  # of the buffer's first byte in the stream
        self.lines = 1  # line number of the buffer's first byte
        self.line_start = 0  # stream offset at which that line begins
        self.image: int | None = None  # the entry of `images` that is being read

    def fill(self) -> bool:
        """Read more behind what is left; False at the end of the stream."""
        if self.ended:
            return False
        # Grows with what is left over, so that a large image is not scanned again and again.
        more = self.stream.read(max(WINDOW_BYTES, len(self.buffer) - self.position))
        if not more:
            self.ended = True
            return False
        gone = self.buffer[: self.position]
        newlines = gone.count(b"\n")
        if newlines:
            self.lines += newlines
            self.line_start = self.offset + gone.rindex(b"\n") + 1
        self.offset += self.position
        self.buffer = self.buffer[self.position :] + more
        self.position = 0
        return True

    def peek(self) -> bytes:
        """The next byte that is not blank, unread; empty at the end."""
        while True:
            buffer, position = self.buffer, self.position
            end = len(buffer)
            while position < end and buffer[position] in _BLANKS:
                position += 1
            self.position = position
            if position < end:
                return buffer[position : position + 1]
            if not self.fill():
                return b""

    def expect(self, wanted: bytes, what: str) -> None:
        """Read the one byte `wanted`, or say what stands there instead."""
        found = self.peek()
        if found != wanted:
            raise self.error(f"expected {what}", found)
        self.position += 1

    @property
    def place(self) -> int:
        """Offset in the stream of what comes next."""
        return self.offset + self.position

    def guess(self, beginning: bytes) -> bytes | None:
        """What is one whole value if the next `beginning` starts another; nothing is read.

        Only decoding tells whether the guess is right: a value cut short is never valid JSON.
        """
        following = self.buffer.find(beginning, self.position + 1)
        if following < 0:
            return None
        text = self.buffer[self.position : following].rstrip(_BLANKS)
        return text[:-1].rstrip(_BLANKS) if text.endswith(b",") else None

    def value(self) -> bytes:
        """Read one whole JSON value and return its bytes."""
        self.peek()
        while True:
            end = self._end_of_value()
            if end is not None:
                value = self.buffer[self.position : end]
                self.position = end
                return value.rstrip(_BLANKS)
            if len(self.buffer) - self.position > MAX_IMAGE_BYTES:
                raise self.error(f"one value is larger than {MAX_IMAGE_BYTES >> 20} MiB")
            if not self.fill() and self._end_of_value() is None:
                raise self.error("the file ends in the middle of a value")

    def _end_of_value(self) -> int | None:
        """Where the value that starts here ends in the buffer; None if that takes more of it.

        msgspec skips over one value at the speed of C and then complains of what follows it: the
        place it names in that complaint is the end of the value.
        """
        try:
            with memoryview(self.buffer) as view, view[self.position :] as rest:
                _skip(rest)
        except RecursionError:
            raise self.error("a value is nested too deeply") from None
        except msgspec.DecodeError as error:
            text = str(error)
            found = _TRAILING.search(text)
            if found:
                return self.position + int(found[1]) - 1  # counted behind the character
            if "truncated" in text:
                return None
            at = _BYTE.search(text)
            place = self.position + int(at[1]) if at else self.position
            # A number or an escape that the window cuts in two looks broken, too.
            if len(self.buffer) - place < _TOKEN_BYTES and not self.ended:
                return None
            self.position = place
            foreign = _NOT_FINITE.match(self.buffer, place)
            if foreign:
                raise self.error(
                    f"{foreign[0].decode()} is no JSON number; write a finite one, or leave it out"
                ) from None
            text = _BYTE.sub("", text).replace("JSON is malformed: ", "").strip()
            raise self.error(text) from None
        # A number could go on behind the window; anything else that decodes is complete.
        if self.buffer[self.position] in b"-0123456789" and not self.ended:
            return None
        return len(self.buffer)

    def error(self, text: str, found: bytes | None = None) -> FormatError:
        """`text` with the current line and column."""
        before = self.buffer[: self.position]
        line = self.lines + before.count(b"\n")
        start = self.offset + before.rindex(b"\n") + 1 if b"\n" in before else self.line_start
        column = self.offset + self.position - start + 1
        if found is not None:
            text += (
                f", found {found.decode('latin-1')!r}" if found else ", found the end of the file"
            )
        where = f"line {line}, column {column}"
        if self.image is not None:
            where += f", in images[{self.image}]"
        return FormatError(Problem(where, f"not JSON as it should be: {text}"), file=self.file)


Judge = Callable[[bytes], bool]
"""Says whether the bytes are a whole image that is valid."""


def iter_raw_images(
    stream: BinaryIO, *, file: str, judge: Judge | None = None, spans: Spans | None = None
) -> Iterator[bytes]:
    """The bytes of each entry of ``images``, one after the other, as they stand in the file.

    Args:
        stream: UTF-8 JSON text without a byte order mark.
        file: the file's name, for error texts.
        judge: decodes an image for the caller. With it most images need not be looked through for
            their end first: where the next one seems to begin is where this one ends, if it decodes.
        spans: where to note each image's place.

    Raises:
        FormatError: the JSON is broken, is no object, or has no list ``images``; with line and
            column. Other keys beside ``images`` are permitted and skipped.
    """
    window = _Window(stream, file)
    window.expect(b"{", "an object with `images`")
    seen_images = False
    if window.peek() == b"}":
        window.position += 1
    else:
        while True:
            if window.peek() != b'"':
                raise window.error("expected a key in double quotes", window.peek())
            key = window.value()
            window.expect(b":", "a colon")
            if key == b'"images"':
                if seen_images:
                    raise FormatError("has the key `images` twice", file=file)
                seen_images = True
                yield from _iter_list(window, judge, spans)
            else:
                window.value()
            if window.peek() == b",":
                window.position += 1
                continue
            window.expect(b"}", "a comma or the end of the object")
            break
    if window.peek():
        raise window.error("expected the end of the file", window.peek())
    if not seen_images:
        raise FormatError(
            'has no list `images`; expected {"images": [{"image": …, "annotations": […]}]}',
            file=file,
        )


def _iter_list(window: _Window, judge: Judge | None, spans: Spans | None) -> Iterator[bytes]:
    window.expect(b"[", "the list of images")
    if window.peek() == b"]":
        window.position += 1
        return
    beginning = b""
    for number in itertools.count():
        window.image = number
        window.peek()
        start = window.place
        raw = window.guess(beginning) if beginning and judge else None
        if raw is not None and judge and judge(raw):
            window.position += len(raw)
        else:
            raw = window.value()
            if judge and not beginning:
                beginning = _beginning(raw)
        if len(raw) > MAX_IMAGE_BYTES:
            raise window.error(f"one value is larger than {MAX_IMAGE_BYTES >> 20} MiB")
        if spans:
            spans.add(start, len(raw))
        yield raw
        if window.peek() == b",":
            window.position += 1
            continue
        window.image = None
        window.expect(b"]", "a comma or the end of the list `images`")
        return


def _beginning(raw: bytes) -> bytes:
    """How an image begins in this file, up to its first colon: the others will do the same."""
    colon = raw.find(b":", 0, _TOKEN_BYTES)
    return raw[: colon + 1] if raw.startswith(b"{") and colon > 0 else b""


def iter_file(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """The bytes of each image of a plain, ``.gz`` or ``.zst`` file; see `iter_raw_images`."""
    with open_decompressed(path) as stream:
        yield from iter_raw_images(stream, file=Path(path).name)


def detect_geometry(path: str | os.PathLike[str]) -> Geometry | None:
    """The geometry of a form v1 file, told by its first annotation; None if it is form v2.

    A file without any annotation counts as form v2.

    Raises:
        FormatError: as `iter_raw_images`.
        DataError: the first annotation has neither ``type`` nor exactly one geometry.
    """
    for index, raw in enumerate(iter_file(path)):
        try:
            image = msgspec.json.decode(raw, type=_AnyImage)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # the check that follows names the problem
        if image.annotations:
            first = image.annotations[0]
            if "type" in first:
                return None
            present = [name for name in GEOMETRIES if GEOMETRY_KEYS[name] in first]
            if len(present) != 1:
                raise DataError(
                    Problem(
                        f"images[{index}].annotations[0]",
                        "the geometry is not clear: give each annotation a `type`, or say which "
                        "geometry the file has",
                    ),
                    file=Path(path).name,
                )
            return present[0]
    return None


class _AnyImage(Struct):
    annotations: list[dict[str, msgspec.Raw]]


def check_file(
    path: str | os.PathLike[str],
    geometry: Geometry | None,
    *,
    limit: int = DEFAULT_PROBLEM_LIMIT,
    on_image: Callable[[], None] | None = None,
    spans: Spans | None = None,
) -> FileSummary:
    """Read the whole file once and check every image.

    Args:
        path: plain, ``.gz`` or ``.zst``.
        geometry: that of annotations without a ``type`` (form v1), or None for form v2.
        limit: stop looking after this many problems.
        on_image: called after each image, for progress.
        spans: where to note each image's place, to read the file again without looking.

    Returns:
        What the file holds.

    Raises:
        FormatError: broken JSON or compression.
        DataError: with every problem found, in file order.
    """
    name = Path(path).name
    decoder = ImageDecoder(geometry)
    problems: list[Problem] = []
    images = annotations = 0
    decoded: CheckedImage | None = None

    def judge(raw: bytes) -> bool:
        nonlocal decoded
        decoded = decoder.try_decode(raw)
        return decoded is not None

    with open_decompressed(path) as stream:
        for raw in iter_raw_images(stream, file=name, judge=judge, spans=spans):
            try:
                image = decoded or decoder.decode(raw, index=images)
                annotations += len(image.annotations)
            except DataError as error:
                problems += error.problems
                if len(problems) >= limit:
                    raise DataError(problems[:limit], file=name, more=True) from None
            decoded = None
            images += 1
            if on_image:
                on_image()
    if problems:
        raise DataError(problems, file=name)
    return FileSummary(images=images, annotations=annotations, geometry=geometry)


class FileWriter:
    """Writes a LayerNext JSON file image by image; see `create_compressed` for what is guaranteed.

    Made by `create_file`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._separator = b'{"images": [\n'
        self.images = 0

    def write(self, raw: bytes) -> None:
        """Append one image, given as the bytes of a JSON object."""
        self._stream.write(self._separator + raw)
        self._separator = b",\n"
        self.images += 1

    def close(self) -> None:
        """Write what ends the file."""
        self._stream.write(b'{"images": []}\n' if not self.images else b"\n]}\n")


@contextmanager
def create_file(path: str | os.PathLike[str]) -> Iterator[FileWriter]:
    """A file under construction: enter it for a writer.

    Nothing is visible under `path` until the block ends without an exception.
    """
    with create_compressed(path) as stream:
        writer = FileWriter(stream)
        yield writer
        writer.close()
