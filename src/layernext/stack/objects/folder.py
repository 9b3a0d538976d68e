"""Objects in a local folder.

The parts of an upload are in a folder of its own under ``staging``. The first attempt at a part writes to
its range of the file ``body``, so that a file of any size is written once; a claim file makes sure that no
other attempt ever writes to that range. Later attempts (after a broken one, or a repetition) get a file of
their own, which is copied to the body at the end. The body becomes the object only if nobody else can still
write to it; otherwise all parts are copied to a new file.

Whatever becomes visible was flushed to the disk before, and is renamed to its place; then the
folder is flushed too. After a crash there are at most staged files, which `list_uploads` names with their age.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from layernext.errors import InvalidRequest, NotFound, StorageFull
from layernext.stack.objects.face import ObjectInfo, Part, UploadInfo
from layernext.stack.objects.marker import MARKER_PATH

PIECE_BYTES = 1 << 20

FLUSHED_BYTES = 16 << 20
"""After so many bytes the system is asked to begin to write them to the disk, so that the disk works
while the next ones come and not only at the end."""

MOVE_ATTEMPTS = 10
_BODY = "body"
_CLAIM = ".claim"
_SEAL = "sealed"
"""Once this file is in an upload's folder, no new attempt writes to the body."""

_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_HANDLE = re.compile(r"[0-9a-f]{32}")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FolderStore:
    """Objects under one folder.

    Args:
        root: created if missing.
    """

    has_direct_parts = False

    def __init__(self, root: Path) -> None:
        self._files, self._staging = root / "files", root / "staging"
        for folder in (self._files, self._staging):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _place(self, path: str) -> Path:
        _check_path(path)
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
            for staged, location in moves:
                self._move(staged, location)
        except OSError as error:
            raise _explained(error) from error
        finally:
            for staged, _ in moves:
                staged.unlink(missing_ok=True)
        self._flush_above([location for _, location in moves])

    def put_stream(self, path: str, pieces: Iterable[bytes]) -> None:
        """See `ObjectStore`."""
        staged, location = self._staged(secrets.token_hex(16)), self._place(path)
        try:
            with _Writer(staged, 0) as writer:
                for piece in pieces:
                    writer.write(piece)
                writer.end()
            self._move(staged, location)
        except OSError as error:
            raise _explained(error) from error
        finally:
            staged.unlink(missing_ok=True)
        self._flush_above([location])

    def open_upload(self, path: str) -> str:  # noqa: ARG002 - a bucket needs it
        """See `ObjectStore`."""
        return secrets.token_hex(16)

    def part_url(self, path: str, handle: str, number: int, seconds: int) -> str | None:  # noqa: ARG002 - as in a bucket
        """None: parts go through the stack."""
        return None

    def write_part(self, handle: str, number: int, offset: int) -> _UploadWriter:
        """See `ObjectStore`."""
        return _UploadWriter(self._staged(handle), number, offset)

    def drop_part(self, handle: str, number: int, tag: str) -> None:
        """See `ObjectStore`; the range of the body that the first attempt has stays."""
        if tag:
            _file_of(self._staged(handle), number, tag).unlink(missing_ok=True)

    def list_parts(self, path: str, handle: str) -> list[Part] | None:  # noqa: ARG002 - as in a bucket
        """None: the stack took them."""
        return None

    def finish_upload(self, path: str, handle: str, parts: Sequence[Part]) -> int:
        """See `ObjectStore`."""
        folder, location = self._staged(handle), self._place(path)
        total = sum(part.size for part in parts)
        try:
            if not _has_size(location, total):
                # Another call may have finished it since; then the object is at its place.
                with suppress(FileNotFoundError):
                    self._move(_assemble(folder, parts), location)
                if not _has_size(location, total):
                    raise _parts_gone()
            self._flush_above([location])
        except FileNotFoundError as error:  # the object has just been deleted, and its folder
            raise _parts_gone() from error
        except OSError as error:
            raise _explained(error) from error
        self.drop_upload(path, handle)
        return total

    def _move(self, staged: Path, location: Path) -> None:
        """Move a staged file to its place."""
        for attempt in range(MOVE_ATTEMPTS):
            _make_folders(location.parent, self._files)
            try:
                staged.rename(location)
            except FileNotFoundError:
                # `delete` has just removed the folder, because nothing was left in it.
                if attempt == MOVE_ATTEMPTS - 1 or not staged.exists():
                    raise
            else:
                break

    def _flush_above(self, locations: Iterable[Path]) -> None:
        """Flush the folders of objects, up to the root.

        All of them, even if this call changed none: the call that did may not have flushed them yet, and
        no call may acknowledge an object before that.
        """
        folders = {folder for location in locations for folder in location.parents}
        for folder in folders:
            if folder == self._files or self._files in folder.parents:
                _flush_folder(folder)

    def drop_upload(self, path: str, handle: str) -> None:  # noqa: ARG002 - a bucket needs it
        """See `ObjectStore`."""
        folder = self._staged(handle)
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.unlink(missing_ok=True)

    def read(
        self, path: str, start: int = 0, stop: int | None = None, *, size: int | None = None
    ) -> Iterator[bytes]:
        """See `ObjectStore`."""
        try:
            file = self._place(path).open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("the file's content is missing", status=404) from None
        if size is not None and os.fstat(file.fileno()).st_size != size:
            file.close()
            raise NotFound("the file's content is damaged: its size differs", status=404)
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

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """See `ObjectStore`."""
        sizes: dict[str, int] = {}
        root = str(self._files)
        for path in paths:
            _check_path(path)
            # Of thousands of files: a `Path` for each would take longer than asking the system.
            with suppress(FileNotFoundError, NotADirectoryError):
                status = os.stat(f"{root}/{path}")  # noqa: PTH116
                if stat.S_ISREG(status.st_mode):
                    sizes[path] = status.st_size
        return sizes

    def list_objects(self, folder: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore`."""
        return _walk(self._place(folder), f"{folder}/") if folder else _walk(self._files, "")

    def read_url(self, path: str, seconds: int, headers: Mapping[str, str]) -> str | None:  # noqa: ARG002 - as in a bucket
        """None: objects go through the stack."""
        return None

    def local_path(self, path: str) -> Path | None:
        """See `ObjectStore`."""
        return self._place(path)

    def delete(self, path: str) -> None:
        """See `ObjectStore`."""
        location = self._place(path)
        location.unlink(missing_ok=True)
        with suppress(OSError):  # others are still in it, or it has gone already
            location.parent.rmdir()

    def list_uploads(self) -> Iterator[UploadInfo]:
        """See `ObjectStore`; an upload was touched when any of its files was written to last."""
        with os.scandir(self._staging) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    times = [entry.stat().st_mtime]
                    if entry.is_dir():
                        times += [file.stat().st_mtime for file in os.scandir(entry.path)]
                    yield UploadInfo(
                        "", entry.name, datetime.fromtimestamp(max(times), timezone.utc)
                    )


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

    @property
    def is_closed(self) -> bool:
        """Whether it can write no more."""
        return self._file < 0

    def close(self) -> None:
        """See `PartWriter`."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class _UploadWriter:
    """Writes one attempt at a part of an upload; see `PartWriter`.

    Attributes:
        tag: empty if the part is in its range of the body, or else what tells its file.
    """

    def __init__(self, folder: Path, number: int, offset: int) -> None:
        self.tag = ""
        self._folder, self._is_ended = folder, False
        self._claim = folder / f"{number}{_CLAIM}"
        try:
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                _flush_folder(folder.parent)
            if not self._claim_range():
                self.tag = secrets.token_hex(16)
            self._path = _file_of(folder, number, self.tag) if self.tag else folder / _BODY
            self._writer = _Writer(self._path, 0 if self.tag else offset)
        except FileNotFoundError as error:
            raise _parts_gone() from error
        except OSError as error:
            raise _explained(error) from error

    def _claim_range(self) -> bool:
        """Reserve the part's range of the body; False if another attempt has it, or the body is sealed."""
        try:
            os.close(os.open(self._claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        # `_assemble` seals first and reads the claims then, so one of the two sees the other.
        if (self._folder / _SEAL).exists():
            self._claim.unlink(missing_ok=True)
            return False
        return True

    def __enter__(self) -> _UploadWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, piece: bytes | memoryview) -> None:
        """See `PartWriter`."""
        self._writer.write(piece)

    def end(self) -> None:
        """See `PartWriter`."""
        self._writer.end()
        try:
            _flush_folder(self._folder)
        except FileNotFoundError as error:
            raise _parts_gone() from error
        self._is_ended = True

    def close(self) -> None:
        """See `PartWriter`."""
        if self._writer.is_closed:
            return
        self._writer.close()
        if not self._is_ended:
            # Nothing of it counts, and it writes no more: the next attempt may have its place.
            (self._path if self.tag else self._claim).unlink(missing_ok=True)


def _assemble(folder: Path, parts: Sequence[Part]) -> Path:
    """Put the parts together; the flushed file that may become the object.

    An attempt that does not count may still be running. If it writes to the body, the body must not
    become the object: its descriptor would reach into what is already acknowledged.
    """
    (folder / _SEAL).touch(mode=0o600)
    claims = {path.name.removesuffix(_CLAIM) for path in folder.iterdir() if path.suffix == _CLAIM}
    if claims <= {str(part.number) for part in parts if not part.tag}:
        _complete_body(folder, parts)
        return folder / _BODY
    return _copy_all(folder, parts)


def _copy_all(folder: Path, parts: Sequence[Part]) -> Path:
    """Copy all parts to a new file, which no attempt at a part has open."""
    # Another call may do the same at the same time.
    path, offset = folder / f"copy-{secrets.token_hex(16)}", 0
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for part in parts:
            source, start = folder / _BODY, offset
            if part.tag:
                source, start = _file_of(folder, part.number, part.tag), 0
            _copy(source, start, part.size, target, offset)
            offset += part.size
        os.fsync(target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(target)
    return path


def _complete_body(folder: Path, parts: Sequence[Part]) -> None:
    """Make the body whole: copy those parts to it that have files of their own."""
    total = sum(part.size for part in parts)
    has_range = any(not part.tag for part in parts)
    # Without a part in it, it may be missing. Otherwise it is missing if another call has moved it.
    flags = os.O_RDWR | os.O_CLOEXEC | (0 if has_range else os.O_CREAT)
    body = os.open(folder / _BODY, flags, 0o600)
    try:
        size, offset, is_changed = os.fstat(body).st_size, 0, False
        for part in parts:
            if part.tag:
                _copy(_file_of(folder, part.number, part.tag), 0, part.size, body, offset)
                is_changed = True
            elif size < offset + part.size:
                raise _parts_gone()
            offset += part.size
        if os.fstat(body).st_size != total:
            # An attempt at the last part that broke off was longer.
            os.ftruncate(body, total)
            is_changed = True
        if is_changed:
            os.fsync(body)
    finally:
        os.close(body)


def _file_of(folder: Path, number: int, tag: str) -> Path:
    """The file of an attempt that does not write to the body."""
    return folder / f"{number}-{tag}"


def _copy(source: Path, start: int, size: int, target: int, offset: int) -> None:
    """Copy `size` bytes from `start` of a file to `offset` of the target."""
    with source.open("rb", buffering=0) as file:
        file.seek(start)
        end = offset + size
        while offset < end:
            piece = file.read(min(PIECE_BYTES, end - offset))
            if not piece:
                raise _parts_gone()
            left = memoryview(piece)
            while left:
                written = os.pwrite(target, left, offset)
                offset += written
                left = left[written:]


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _parts_gone() -> InvalidRequest:
    return InvalidRequest("parts of the file are gone; send it again", status=409)


def _explained(error: OSError) -> Exception:
    if error.errno in _NO_ROOM:
        return StorageFull("there is no room for the file", status=507)
    return error


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path):
        raise ValueError(f"not a path of an object: {path!r}")


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
            elif entry.is_file(follow_symlinks=False) and path != MARKER_PATH:
                with suppress(FileNotFoundError):
                    yield _info(path, entry.stat(follow_symlinks=False))


def _make_folders(folder: Path, root: Path) -> None:
    """Make a folder and those above it up to `root`."""
    missing = []
    while folder != root and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


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
