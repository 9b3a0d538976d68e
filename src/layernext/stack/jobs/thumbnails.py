"""Small pictures of linked files, made when somebody first looks at them."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from layernext.stack.media import Decoder
from layernext.stack.objects import ObjectStore
from layernext.stack.store import FileRow, FileStates


class LazyThumbnails:
    """Makes one small picture at a time, in a process of its own that reads one file after the other.

    Args:
        states: where their paths are noted.
        objects: where they are stored.
    """

    def __init__(self, states: FileStates, objects: ObjectStore) -> None:
        self._states, self._objects = states, objects
        self._lock = threading.Lock()

    def make(self, file: FileRow) -> str | None:
        """The path of a file's small picture; None if none can be made.

        Raises:
            NotFound: the file is gone, or has changed.
        """
        path = f"{file.object_path}.webp"
        with self._lock:
            if self._objects.find(path) is None:
                with Decoder() as decoder:
                    content = self._decoded(file, decoder)
                if content is None:
                    return None
                self._objects.put([(path, content)])
        self._states.set_thumbnail(file, path)
        return path

    def _decoded(self, file: FileRow, decoder: Decoder) -> bytes | None:
        local = self._objects.local_path(file.object_path)
        if local is not None:
            return decoder.look_into(local, file.kind, _nothing).thumbnail
        with tempfile.NamedTemporaryFile() as copy:
            for piece in self._objects.read(file.object_path):
                copy.write(piece)
            copy.flush()
            return decoder.look_into(Path(copy.name), file.kind, _nothing).thumbnail


def _nothing() -> None:
    """Nobody waits for a report."""
