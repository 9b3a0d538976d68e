"""Objects in a local folder.

Parts are written at their place in a file under ``staging``, so that a file of any size is written
once. Whatever becomes visible was flushed to the disk before, and is renamed to its place; then the
folder is flushed too. After a crash there are at most staged files, which `sweep` removes by age.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from layernext.errors import InvalidRequest, NotFound, StorageFull
from layernext.stack.objects.face import ObjectInfo, Part

PIECE_BYTES = 1 << 20

FLUSHED_BYTES = 16 << 20
"""After so many bytes the system is asked to begin to write them to the disk, so that the disk works
while the next ones come and not only at the end."""

MOVE_ATTEMPTS = 10
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_HANDLE = re.compile(r"[0-9a-f]{32}")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FolderStore:
    """Objects under one folder.

    Args:
        root: made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        self._files, self._staging = root / "files", root / "staging"
        for folder in (self._files, self._staging):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _place(self, path: str) -> Path:
        if not _PATH.fullmatch(path):
            raise ValueError(f"not a path of an object: {path!r}")
        return self._files / path

    def _staged(self, handle: str) -> Path:
        if not _HANDLE.fullmatch(handle):
            raise ValueError("not a handle of an upload")
        return self._staging / handle

    def put(self, objects: Sequence[tuple[str, bytes | memoryview]]) -> None:
        """See `ObjectStore`.

        All files are written before the first is flushed: then the disk's journal is written about
        once and not once for each.
        """
        moves: list[tuple[Path, Path]] = []
        try:
            for path, content in objects:
                staged = self._staged(secrets.token_hex(16))
                moves.append((staged, self._place(path)))
                with _Writer(staged, 0) as writer:
                    writer.write(content)
            for staged, _ in moves:
                with _Writer(staged, 0) as writer:
                    writer.end()
            folders = set()
            for staged, place in moves:
                folders |= self._move(staged, place)
        except OSError as error:
            raise _explained(error) from error
        finally:
            for staged, _ in moves:
                staged.unlink(missing_ok=True)
        for folder in folders:
            _flush_folder(folder)

    def put_stream(self, path: str, pieces: Iterable[bytes]) -> None:
        """See `ObjectStore`."""
        staged = self._staged(secrets.token_hex(16))
        try:
            with _Writer(staged, 0) as writer:
                for piece in pieces:
                    writer.write(piece)
                writer.end()
            folders = self._move(staged, self._place(path))
        except OSError as error:
            raise _explained(error) from error
        finally:
            staged.unlink(missing_ok=True)
        for folder in folders:
            _flush_folder(folder)

    def open_upload(self, path: str) -> str:  # noqa: ARG002 - a bucket needs it
        """See `ObjectStore`."""
        return secrets.token_hex(16)

    def part_url(self, path: str, handle: str, number: int, seconds: int) -> str | None:  # noqa: ARG002 - as in a bucket
        """None: parts go through the stack."""
        return None

    def write_part(self, handle: str, number: int, offset: int) -> _Writer:  # noqa: ARG002 - as in a bucket
        """See `ObjectStore`."""
        return _Writer(self._staged(handle), offset)

    def list_parts(self, path: str, handle: str) -> list[Part] | None:  # noqa: ARG002 - as in a bucket
        """None: the stack took them."""
        return None

    def finish_upload(self, path: str, handle: str, parts: Sequence[Part]) -> int:
        """See `ObjectStore`. Again after a crash it finds the object at its place."""
        staged, place = self._staged(handle), self._place(path)
        total = sum(part.size for part in parts)
        try:
            if not staged.exists() and place.exists() and place.stat().st_size == total:
                return total
            with staged.open("ab") as file:
                if file.tell() < total:
                    raise InvalidRequest("a part of the file is not there any more", status=409)
                if file.tell() > total:
                    # An earlier, longer attempt at the last part left bytes behind it.
                    file.truncate(total)
                    os.fsync(file.fileno())
            folders = self._move(staged, place)
        except OSError as error:
            raise _explained(error) from error
        for folder in folders:
            _flush_folder(folder)
        return total

    def _move(self, staged: Path, place: Path) -> set[Path]:
        """Move a staged file to its place; the folders whose entries changed."""
        folders = {place.parent}
        for attempt in range(MOVE_ATTEMPTS):
            folders |= _make_folders(place.parent, self._files)
            try:
                staged.rename(place)
            except FileNotFoundError:
                # `delete` has just removed the folder, because nothing was left in it.
                if attempt == MOVE_ATTEMPTS - 1 or not staged.exists():
                    raise
            else:
                break
        return folders

    def drop_upload(self, path: str, handle: str) -> None:  # noqa: ARG002 - a bucket needs it
        """See `ObjectStore`."""
        self._staged(handle).unlink(missing_ok=True)

    def read(self, path: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """See `ObjectStore`."""
        try:
            file = self._place(path).open("rb", buffering=0)
        except FileNotFoundError:
            raise NotFound("the file's content is not there", status=404) from None
        pieces = _pieces(file, start, stop)
        # From its first word on it closes the file, also when it is dropped before it was read.
        next(pieces, b"")
        return pieces

    def find(self, path: str) -> ObjectInfo | None:
        """See `ObjectStore`."""
        try:
            status = self._place(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _info(path, status) if stat.S_ISREG(status.st_mode) else None

    def list_objects(self) -> Iterator[ObjectInfo]:
        """See `ObjectStore`."""
        return _walk(self._files, "")

    def read_url(self, path: str, seconds: int, headers: Mapping[str, str]) -> str | None:  # noqa: ARG002 - as in a bucket
        """None: objects go through the stack."""
        return None

    def local_path(self, path: str) -> Path | None:
        """See `ObjectStore`."""
        return self._place(path)

    def delete(self, path: str) -> None:
        """See `ObjectStore`."""
        place = self._place(path)
        place.unlink(missing_ok=True)
        with suppress(OSError):  # others are still in it, or it has gone already
            place.parent.rmdir()

    def sweep(self, older_than_s: float) -> int:
        """See `ObjectStore`; what counts is when a staged file was last written to."""
        limit, count = time.time() - older_than_s, 0
        for staged in self._staging.iterdir():
            with suppress(FileNotFoundError):
                if staged.stat().st_mtime < limit:
                    staged.unlink()
                    count += 1
        return count


class _Writer:
    """Writes at a place of a staged file; see `PartWriter`."""

    def __init__(self, staged: Path, offset: int) -> None:
        try:
            self._file = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _explained(error) from error
        self._start = self._offset = self._begun = offset

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, piece: bytes | memoryview) -> None:
        """See `PartWriter`."""
        left = memoryview(piece)
        try:
            while left:
                done = os.pwrite(self._file, left, self._offset)
                self._offset += done
                left = left[done:]
            if self._offset - self._begun >= FLUSHED_BYTES and hasattr(os, "posix_fadvise"):
                size = self._offset - self._begun
                os.posix_fadvise(self._file, self._begun, size, os.POSIX_FADV_DONTNEED)
                self._begun = self._offset
        except OSError as error:
            if error.errno in _NO_ROOM:
                self._give_back()
            raise _explained(error) from error

    def _give_back(self) -> None:
        """A part that has no room must not keep what there is; other parts may lie behind it."""
        if os.fstat(self._file).st_size <= self._offset:
            os.ftruncate(self._file, self._start)

    def end(self) -> None:
        """See `PartWriter`."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise _explained(error) from error

    def close(self) -> None:
        """See `PartWriter`."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _explained(error: OSError) -> Exception:
    if error.errno in _NO_ROOM:
        return StorageFull("there is no room for the file", status=507)
    return error


def _info(path: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(path, status.st_size, datetime.fromtimestamp(status.st_mtime, timezone.utc))


def _walk(folder: Path, prefix: str) -> Iterator[ObjectInfo]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:  # deleted since its parent was read
        return
    with entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{path}/")
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    yield _info(path, entry.stat(follow_symlinks=False))


def _make_folders(folder: Path, root: Path) -> set[Path]:
    """Make a folder and those above it up to `root`; those whose entries are new."""
    changed = set()
    missing = []
    while folder != root and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        changed.add(each.parent)
    return changed


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pieces(file: object, start: int, stop: int | None) -> Iterator[bytes]:
    with file as opened:  # type: ignore[attr-defined]
        yield b""
        opened.seek(start)
        left = None if stop is None else stop - start
        while left is None or left > 0:
            piece: bytes = opened.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece
