"""What a file or folder shows at a glance, for the formats to recognize themselves by.

Each thing is read at most once, however many formats ask for it, and only the beginning of large files.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import msgspec
from msgspec import Struct, field

from layernext.errors import FormatError
from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.json_stream import JsonWindow, iter_list, iter_members

HEAD_BYTES = 4 << 10
JSON_HEAD_BYTES = 64 << 10
JSON_BYTES = 1 << 20
"""Of a JSON file: keys beyond are not looked at."""

FOLDER_ENTRIES = 100_000
"""Files of a folder that are looked at."""

_XML_SKIPPED = re.compile(
    rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>", re.DOTALL | re.IGNORECASE
)
_XML_TAG = re.compile(rb"\s*<([A-Za-z_][\w.-]*)")


class JsonGlance(Struct):
    """The outline of a JSON file.

    Attributes:
        is_list: whether it is a list; else it is an object.
        keys: the keys of an object, in their order.
        entry_keys: the keys of the first entry of a list, by the list's key; by the empty string if
            the whole file is a list. An empty set if the first entry is not an object. Empty lists
            are not in it.
        is_whole: whether the file was read to its end, and is valid JSON so far.
        is_broken: whether it is not valid JSON.
    """

    is_list: bool = False
    keys: list[str] = field(default_factory=list)
    entry_keys: dict[str, set[str]] = field(default_factory=dict)
    is_whole: bool = False
    is_broken: bool = False


class Probe:
    """A file or folder whose format is to be detected.

    Args:
        path: the file or folder.

    Raises:
        FormatError: the file is missing or cannot be read; raised by the properties.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inner: dict[Path, Probe] = {}

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it: no entry in a folder, nothing but blanks in a file."""
        return next(self.path.iterdir(), None) is None if self.is_folder else not self.head

    @cached_property
    def head(self) -> bytes:
        """The first bytes of the file, decompressed, without leading blanks; empty for a folder."""
        if self.is_folder:
            return b""
        head = b""
        with open_decompressed(self.path) as file:
            while len(head) < HEAD_BYTES and (piece := file.read(HEAD_BYTES - len(head))):
                head += piece
        return head.lstrip(b" \t\r\n")

    @cached_property
    def json_head(self) -> bytes:
        """More of the beginning of a file, decompressed: what a line of JSON may take."""
        head = b""
        with open_decompressed(self.path) as file:
            while len(head) < JSON_HEAD_BYTES and (piece := file.read(JSON_HEAD_BYTES - len(head))):
                head += piece
        return head

    @cached_property
    def json(self) -> JsonGlance | None:
        """The outline of a JSON file; None if it does not begin as one."""
        return _glance(self.path) if self.head.startswith((b"{", b"[")) else None

    @cached_property
    def xml_root(self) -> str | None:
        """The tag of the root of an XML file; empty if it is not clear, None if it is not XML."""
        if not self.head.startswith(b"<"):
            return None
        tag = _XML_TAG.match(_XML_SKIPPED.sub(b"", self.head))
        return tag[1].decode() if tag else ""

    @cached_property
    def first_files(self) -> dict[str, Path]:
        """The first file of each extension in a folder, subfolders included; extensions in lower case."""
        files: dict[str, Path] = {}
        count = 0
        for folder, folders, names in os.walk(self.path):
            folders.sort()
            for name in sorted(names):
                files.setdefault(Path(name).suffix.lower(), Path(folder, name))
            count += len(names)
            if count > FOLDER_ENTRIES:
                break
        return files

    def first(self, extension: str) -> Probe | None:
        """The first file in a folder that has this extension, such as ``.xml``; None if there is none."""
        path = self.first_files.get(extension) if self.is_folder else None
        return None if path is None else self._inner.setdefault(path, Probe(path))

    def name_of(self, inner: Probe) -> str:
        """The name of a file below this folder, for reasons."""
        return inner.path.relative_to(self.path).as_posix()


def _glance(path: Path) -> JsonGlance:
    glance = JsonGlance()
    try:
        with open_decompressed(path) as file:
            window = JsonWindow(file, path.name)
            if window.peek() == b"[":
                glance.is_list = True
                glance.is_whole = _walk_list(window, "", glance)
                return glance
            for key in iter_members(window, "an object"):
                glance.keys.append(key)
                if window.peek() != b"[":
                    window.value()
                elif not _walk_list(window, key, glance):
                    return glance
            glance.is_whole = True
    except FormatError:
        glance.is_broken = True
    return glance


def _walk_list(window: JsonWindow, key: str, glance: JsonGlance) -> bool:
    """Note the keys of a list's first entry; False if the list is too long to be read to its end."""
    for entry in iter_list(window, key):
        glance.entry_keys.setdefault(key, _keys(entry))
        if window.place > JSON_BYTES:
            return False
    return True


def _keys(raw: bytes) -> set[str]:
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return set(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    return set()
