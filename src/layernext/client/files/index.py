"""What a folder's earlier downloads brought: ``.layernext/files.json`` in it.

With it a second download knows without reading a file that it is what came, by size and time of change,
and which files it may remove. Without it nothing is lost: files are compared by their content.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct, field

from layernext.client.files.local_names import PRIVATE_FOLDER, Folder

logger = logging.getLogger("layernext.client.files")

FILE_NAME = "files.json"


class IndexEntry(Struct, frozen=True, omit_defaults=True):
    """A file that came.

    Attributes:
        source: what was downloaded, such as a collection's id.
        size, mtime_ns: of the file here, after it came.
        checksum: SHA-256 of what came.
        tag: the ETag that it came with, if that is something else.
    """

    source: str
    size: int
    mtime_ns: int
    checksum: str
    tag: str | None = None


class Index(Struct):
    """All that came, by path from the folder on."""

    version: int = 1
    files: dict[str, IndexEntry] = field(default_factory=dict)


class FileIndex:
    """Reads and writes the index of one folder."""

    def __init__(self, folder: Folder) -> None:
        self._path = folder.place(f"{PRIVATE_FOLDER}/{FILE_NAME}")
        self._index = self._read()
        self._is_changed = False

    def _read(self) -> Index:
        try:
            index = msgspec.json.decode(self._path.read_bytes(), type=Index)
        except FileNotFoundError:
            return Index()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            logger.warning("cannot read %s, files are compared again: %s", self._path, error)
            return Index()
        return index if index.version == Index().version else Index()

    def find(self, path: str) -> IndexEntry | None:
        """What is known of a file."""
        return self._index.files.get(path)

    def of_source(self, source: str) -> dict[str, IndexEntry]:
        """The files that came from a source, by path."""
        return {path: entry for path, entry in self._index.files.items() if entry.source == source}

    def note(self, path: str, entry: IndexEntry) -> None:
        """A file came."""
        if self._index.files.get(path) != entry:
            self._index.files[path] = entry
            self._is_changed = True

    def forget(self, path: str) -> None:
        """A file is gone."""
        self._is_changed |= self._index.files.pop(path, None) is not None

    def save(self) -> None:
        """Write what has changed; the index is replaced whole."""
        if not self._is_changed:
            return
        with tempfile.NamedTemporaryFile(dir=self._path.parent, delete=False) as file:
            file.write(msgspec.json.encode(self._index))
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._path)
        self._is_changed = False
