"""JSON read as a stream: one value after another, none of them decoded.

Lists and objects are read through a window on the file, so that memory stays at one window, or one value, however
large the file is. What a value means, and whether it is valid, is for the readers to decide.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_decompressed
from layernext.model import refuse_repeated_keys

WINDOW_BYTES = 1 << 20
"""Bytes read at a time; the window grows when one image is larger than it."""

MAX_IMAGE_BYTES = 64 << 20
"""JSON of one image: what stacks take in one batch, and more than 300,000 boxes."""

MAX_KEYS = 10_000
"""Keys of the object around the lists, which are remembered to notice a repeated key."""

_TOKEN_BYTES = 1024  # longer than any sensible number or escape

_BLANKS = b" \t\r\n"
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_BYTE = re.compile(r"\(byte (\d+)\)")
_NOT_FINITE = re.compile(rb"NaN|Infinity")
_skip = msgspec.json.Decoder(msgspec.Raw).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Spans:
    """Where each image of a file is: its first byte and its length, 12 bytes an image.

    Collected while a file is checked, so that reading it again does not parse its structure.
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
                    raise FormatError("changed while it was being read", file=Path(path).name)
                position = start + length
                yield raw


class JsonWindow:
    """The part of the stream that is being read, with its position for error messages."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self.stream = stream
        self.file = file
        self.buffer = b""
        self.position = 0
        self.ended = False
        self.offset = 0  # of the buffer's first byte in the stream
        self.lines = 1  # line number of the buffer's first byte
        self.line_start = 0  # stream offset at which that line begins
        self.entry: tuple[str, int] | None = None  # list and index of the value that is being read

    def fill(self) -> bool:
        """Append more to what is left; False at the end of the stream."""
        if self.ended:
            return False
        # Grows with what is left over, so that a large image is not scanned again and again.
        more = self.stream.read(max(WINDOW_BYTES, len(self.buffer) - self.position))
        if not more:
            self.ended = True
            return False
        consumed = self.buffer[: self.position]
        newlines = consumed.count(b"\n")
        if newlines:
            self.lines += newlines
            self.line_start = self.offset + consumed.rindex(b"\n") + 1
        self.offset += self.position
        self.buffer = self.buffer[self.position :] + more
        self.position = 0
        return True

    def peek(self) -> bytes:
        """The next byte that is not blank, unread; empty at the end."""
        while True:
            buffer, position = self.buffer, self.position
            byte = buffer[position : position + 1]
            if byte and byte not in _BLANKS:
                return byte
            end = len(buffer)
            while position < end and buffer[position] in _BLANKS:
                position += 1
            self.position = position
            if position < end:
                return buffer[position : position + 1]
            if not self.fill():
                return b""

    def expect(self, byte: bytes, what: str) -> None:
        """Read one byte.

        Raises:
            FormatError: another byte comes next; the message names both.
        """
        actual = self.peek()
        if actual != byte:
            raise self.error(f"expected {what}", actual)
        self.position += 1

    @property
    def place(self) -> int:
        """Offset in the stream of what comes next."""
        return self.offset + self.position

    def guess(self, beginning: bytes) -> tuple[bytes, int] | None:
        """One whole value if the next `beginning` starts another one, and where that starts.

        Only decoding tells whether the guess is right: a value cut short is never valid JSON.
        The window does not move.
        """
        buffer, position = self.buffer, self.position
        following = buffer.find(beginning, position + 1)
        if following < 0:
            return None
        # What most writers put between two values; cut off without another copy.
        if buffer.startswith(b"}, ", following - 3):
            return buffer[position : following - 2], following
        if buffer.startswith(b"},", following - 2):
            return buffer[position : following - 1], following
        text = buffer[position:following].rstrip(_BLANKS)
        return (text[:-1].rstrip(_BLANKS), following) if text.endswith(b",") else None

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

        msgspec skips one value at the speed of C and then reports what follows it: the position in
        that report is the end of the value.
        """
        try:
            with memoryview(self.buffer) as view, view[self.position :] as rest:
                _skip(rest)
        except RecursionError:
            raise self.error("a value is nested too deeply") from None
        except msgspec.DecodeError as error:
            text = str(error)
            trailing = _TRAILING.search(text)
            if trailing:
                return self.position + int(trailing[1]) - 1  # counted after the character
            if "truncated" in text:
                return None
            at = _BYTE.search(text)
            broken_at = self.position + int(at[1]) if at else self.position
            # A number or an escape that the window cuts in two looks broken, too.
            if len(self.buffer) - broken_at < _TOKEN_BYTES and not self.ended:
                return None
            self.position = broken_at
            foreign = _NOT_FINITE.match(self.buffer, broken_at)
            if foreign:
                raise self.error(
                    f"{foreign[0].decode()} is not a JSON number; write a finite one, or leave it out"
                ) from None
            text = _BYTE.sub("", text).replace("JSON is malformed: ", "").strip()
            raise self.error(text) from None
        # A number could continue beyond the window; anything else that decodes is complete.
        if self.buffer[self.position] in b"-0123456789" and not self.ended:
            return None
        return len(self.buffer)

    def error(self, text: str, actual: bytes | None = None) -> FormatError:
        """An error with the current line and column, and with the byte that is in the way."""
        before = self.buffer[: self.position]
        line = self.lines + before.count(b"\n")
        start = self.offset + before.rindex(b"\n") + 1 if b"\n" in before else self.line_start
        column = self.offset + self.position - start + 1
        if actual is not None:
            text += (
                f", found {actual.decode('latin-1')!r}" if actual else ", found the end of the file"
            )
        where = f"line {line}, column {column}"
        if self.entry is not None:
            name, number = self.entry
            where += f", in {name}[{number}]"
        return FormatError(Problem(where, f"invalid JSON: {text}"), file=self.file)


def check_keys(raw: bytes, where: str) -> None:
    """Refuse an object of a list in which a key is repeated.

    Args:
        raw: JSON that a typed decoder accepts.
        where: its location, for the error message.

    Raises:
        DataError: with every such key and its location.
        FormatError: a part that the decoder skips is not UTF-8.
    """
    # Most objects are flat, without colons in strings: their keys are counted without building values.
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if raw.count(b":") == len(_members(raw)):
            return
    try:
        refuse_repeated_keys(raw, where)
    except UnicodeDecodeError as error:
        raise FormatError(Problem(where, f"is not JSON: {error}")) from error


Judge = Callable[[bytes], bool]
"""Says whether the bytes are a whole image that is valid."""


def iter_members(window: JsonWindow, what: str) -> Iterator[str]:
    """The keys of the object that comes next; the caller reads each value before the next key.

    Args:
        window: where the object begins.
        what: names the object, for the error if it is missing.

    Raises:
        FormatError: it is not an object, or malformed.
    """
    window.expect(b"{", what)
    if window.peek() == b"}":
        window.position += 1
        return
    while True:
        if window.peek() != b'"':
            raise window.error("expected a key in double quotes", window.peek())
        key = window.value()
        window.expect(b":", "a colon")
        try:
            yield msgspec.json.decode(key, type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise window.error(str(error)) from error
        if window.peek() == b",":
            window.position += 1
            continue
        window.expect(b"}", "a comma or the end of the object")
        return


def iter_unique_members(window: JsonWindow, what: str) -> Iterator[str]:
    """As `iter_members`, for an object that must not repeat a key.

    Raises:
        FormatError: as `iter_members`, or a key is repeated, or there are more than `MAX_KEYS`.
    """
    keys: set[str] = set()
    for key in iter_members(window, what):
        if key in keys:
            raise window.error(f"key {json.dumps(key)} appears twice")
        if len(keys) == MAX_KEYS:
            raise window.error(f"the object has more than {MAX_KEYS:,} keys")
        keys.add(key)
        yield key


def expect_end(window: JsonWindow) -> None:
    """Make sure that nothing follows.

    Raises:
        FormatError: something does.
    """
    if window.peek():
        raise window.error("expected the end of the file", window.peek())


def iter_list(
    window: JsonWindow, name: str, judge: Judge | None = None, spans: Spans | None = None
) -> Iterator[bytes]:
    """The bytes of each value of the list that comes next.

    Args:
        window: where the list begins.
        name: of the list, for error messages.
        judge, spans: as in `layernext.formats.iter_raw_images`.

    Raises:
        FormatError: it is not a list, or broken.
    """
    window.expect(b"[", f"the list of {name}")
    if window.peek() == b"]":
        window.position += 1
        return
    beginning = b""
    for number in itertools.count():
        window.entry = (name, number)
        window.peek()
        start = window.place if spans else 0
        guess = window.guess(beginning) if beginning and judge else None
        if guess and judge and len(guess[0]) <= MAX_IMAGE_BYTES and judge(guess[0]):
            raw, window.position = guess
            if spans:
                spans.add(start, len(raw))
            yield raw
            continue
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
        window.entry = None
        window.expect(b"]", f"a comma or the end of the list `{name}`")
        return


def _beginning(raw: bytes) -> bytes:
    """How an image begins in this file, up to its first colon: the others will do the same."""
    colon = raw.find(b":", 0, _TOKEN_BYTES)
    return raw[: colon + 1] if raw.startswith(b"{") and colon > 0 else b""
