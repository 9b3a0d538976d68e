"""XML read as a stream, without document types and entities; and the numbers in it, exactly as they are written."""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import cast

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.core.compression import open_decompressed

PIECE_CHARACTERS = 1 << 20
MAX_QUIET_CHARACTERS = 8 << 20
"""The limit of a single value, without the begin or end of an element; it takes many times that in memory."""

MAX_TREE_BYTES = 64 << 20
"""The limit of a file that is read as a whole."""

_HEAD_BYTES = 1 << 10
_DECLARED = re.compile(rb"\s*<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\r\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
EXACT = Context(prec=700)
"""Sums of decimals as they are written: what was x + width comes back as width, to the last digit."""


def iter_xml(path: Path, tag: str, *children: str) -> Iterator[ET.Element]:
    """The elements named in `children` of a file whose root is `tag`, one after another, in bounded memory.

    Document types and entities are refused, since they can fill the memory. Plain, ``.gz`` or ``.zst``.

    Raises:
        FormatError: the file cannot be read, or has another root.
    """
    parser = ET.XMLPullParser(["start", "end"])  # type: ignore[var-annotated, unused-ignore]
    root: ET.Element | None = None
    line, quiet = 1, 0
    for piece in _pieces(path):
        try:
            parser.feed(piece)
            events = cast("list[tuple[str, ET.Element]]", list(parser.read_events()))
        except (ET.ParseError, ValueError) as error:
            raise FormatError(Problem(str(path), f"is not XML: {error}")) from error
        quiet = 0 if events else quiet + len(piece)
        if quiet > MAX_QUIET_CHARACTERS:
            message = f"has a value longer than {MAX_QUIET_CHARACTERS:,} characters"
            raise FormatError(Problem(f"{path}:{line}", message))
        line += piece.count("\n")
        for event, element in events:
            if root is None:
                root = element
                if root.tag != tag:
                    raise FormatError(Problem(str(path), f"begins with <{root.tag}>, not <{tag}>"))
            if event == "end" and element.tag in children and element is not root:
                yield element
                # Free what was read, and the empty elements that stay in the root.
                element.clear()
                root.clear()
    try:
        parser.close()
    except ET.ParseError as error:
        raise FormatError(Problem(str(path), f"is not XML: {error}")) from error


def _pieces(path: Path) -> Iterator[str]:
    tail = ""
    encoding = "utf-8"
    try:
        with open_decompressed(path) as stream:
            head = b""
            while len(head) < _HEAD_BYTES and (more := stream.read(_HEAD_BYTES)):
                head += more
            encoding = _encoding_of(head)
            decoder = codecs.getincrementaldecoder(encoding)()
            while head:
                piece = decoder.decode(head)
                text_so_far = (tail + piece).upper()
                if "<!DOCTYPE" in text_so_far or "<!ENTITY" in text_so_far:
                    message = "declares a document type, which is refused"
                    raise FormatError(Problem(str(path), message))
                tail = (tail + piece)[-10:]
                yield piece
                head = stream.read(PIECE_CHARACTERS)
            yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        message = f"cannot be read as {encoding.upper()}: {error}"
        raise FormatError(Problem(str(path), message)) from error


def _encoding_of(head: bytes) -> str:
    """The encoding that an XML declaration names; UTF-8 if it names none that is known."""
    declared = _DECLARED.match(head)
    name = declared[1].decode("ascii", "replace") if declared else "utf-8"
    try:
        encoding = codecs.lookup(name).name
        "<".encode(encoding)
    except (LookupError, ValueError):
        return "utf-8"
    # Begins as ASCII does, so it cannot be one of these; `open_decompressed` has recoded it.
    return "utf-8" if encoding.startswith(("utf-16", "utf-32")) else encoding


def parse_xml(path: Path) -> ET.Element:
    """The root of a small file.

    Raises:
        FormatError: the file cannot be read, or is too large.
    """
    parser = ET.XMLParser()  # noqa: S314 - entities are refused in `_pieces`
    size = 0
    try:
        for piece in _pieces(path):
            size += len(piece)
            if size > MAX_TREE_BYTES:
                raise FormatError(Problem(str(path), "is larger than the file of an image can be"))
            parser.feed(piece)
        return parser.close()
    except (ET.ParseError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(Problem(str(path), f"is not XML: {error}")) from error


def xml_text(text: str, where: str) -> str:
    """Text that comes back from XML unchanged.

    Raises:
        DataError: it has a character that XML cannot hold.
    """
    forbidden = _NOT_IN_XML.search(text)
    if forbidden:
        message = f"has the character {forbidden[0]!r}, which XML cannot hold"
        raise DataError(Problem(where, message))
    return text


def exact_sum(*values: float) -> str:
    """The exact sum of numbers, as text."""
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, Decimal(repr(float(value))))
    return _plain(total)


def _plain(value: Decimal) -> str:
    text = format(value, "f") if -20 < value.adjusted() < 20 else str(value)  # noqa: PLR2004
    return text.rstrip("0").rstrip(".") if "." in text and "E" not in text else text


def read_decimal(text: str | None, where: str) -> Decimal:
    """A number, exactly as it is written.

    Raises:
        FormatError: it is not a number, or larger than any coordinate.
    """
    try:
        value = Decimal((text or "").strip()[:_LONGEST_NUMBER])
    except InvalidOperation as error:
        raise FormatError(Problem(where, f"is {text!r}, must be a number")) from error
    if not value.is_finite() or not _EXPONENTS[0] < value.adjusted() < _EXPONENTS[1]:
        raise FormatError(Problem(where, f"is {text!r}, must be a finite number"))
    return value


_LONGEST_NUMBER = 1000
_EXPONENTS = (-330, 308)
"""The powers of ten that a floating point number holds."""
_LONGEST_WHOLE = 9


def read_side(text: str | None) -> int | None:
    """Width or height in pixels; None if it is missing, not a whole number, or 0, which means unknown."""
    digits = (text or "").strip()
    is_whole = digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_WHOLE
    return (int(digits) or None) if is_whole else None


def read_name(text: str | None, where: str) -> str:
    """A name that must not be empty.

    Raises:
        FormatError: it is missing.
    """
    if not text:
        raise FormatError(Problem(where, "has no name"))
    return text
