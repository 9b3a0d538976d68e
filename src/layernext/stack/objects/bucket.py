"""Objects in a bucket: S3, GCS or Azure, through obstore.

In S3 parts are those of a multipart upload (`s3_multipart`), which clients send straight to the bucket by URLs that
S3's own signature authorises: their bytes do not pass the stack, on their way in nor out. In other stores each part is
an object of its own under ``staging``; at the end a single part is renamed by the store, several are put together by
the stack. GCS takes parts from clients by signed URLs; Azure wants a header that no published client sends, so
that parts for it come through the stack, and each attempt at one is an object of its own. An object of a bucket
appears whole, as the stores promise.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import obstore

from layernext.errors import InvalidRequest, NotFound
from layernext.stack.objects.face import ObjectInfo, Part, UploadInfo
from layernext.stack.objects.marker import MARKER_PATH
from layernext.stack.objects.s3_multipart import S3Multipart
from layernext.stack.objects.unavailable import unavailable, unusable

PIECE_BYTES = 1 << 20
WRITE_BYTES = 10 << 20
"""Of each part that an object is put together from; S3 wants 5 MiB at least."""

LIST_PAGE = 1_000
"""Objects that a store lists in one answer."""

ASKED_AT_ONCE = 32
ASKED_PER_PAGE = 200
"""About as long as it takes to list a page, so many single objects are asked about, `ASKED_AT_ONCE` at a time."""
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_HANDLE = re.compile(r"[0-9a-f]{32}")


class BucketStore:
    """Objects below a URL such as ``s3://bucket/prefix``.

    Args:
        url: of the bucket; ``s3://``, ``gs://`` or ``az://``.
        options: for obstore, such as an ``endpoint``; credentials come from the environment, as the store's
            own tools have it.

    Raises:
        ConfigurationError: the kind of store is unknown, or it cannot be reached; says why.
    """

    def __init__(self, url: str, options: dict[str, Any] | None = None) -> None:
        config = dict(options or {})
        is_plain = str(config.get("endpoint", "")).startswith("http://")
        try:
            from_url: Any = obstore.store.from_url  # its types are those of each store alone
            self._store = from_url(url, config=config, client_options={"allow_http": is_plain})
            obstore.list_with_delimiter(self._store, "files")
        except Exception as error:
            raise unusable(url, error) from error
        scheme = url.partition("://")[0]
        self._s3 = S3Multipart(url, config) if scheme in {"s3", "s3a"} else None
        self._signs_parts = scheme in {"gs", "gcs"}

    @property
    def has_direct_parts(self) -> bool:
        """See `ObjectStore`."""
        return self._s3 is not None or self._signs_parts

    @staticmethod
    def _place(path: str) -> str:
        if not _PATH.fullmatch(path):
            raise ValueError(f"not a path of an object: {path!r}")
        return f"files/{path}"

    def _staged(self, handle: str, number: int, tag: str) -> str:
        if not _HANDLE.fullmatch(handle) or number < 1:
            raise ValueError("not a part of an upload")
        # The tag of a part that a client has PUT itself is the store's, and not a part of its path.
        return f"staging/{handle}/{number:06d}{'' if self._signs_parts else f'-{tag}'}"

    def put(self, objects: Sequence[tuple[str, bytes | memoryview]]) -> None:
        """See `ObjectStore`."""
        for path, content in objects:
            with explained():
                obstore.put(self._store, self._place(path), bytes(content))

    def put_stream(self, path: str, pieces: Iterable[bytes]) -> None:
        """See `ObjectStore`."""
        with _PartWriter(self._store, self._place(path)) as writer:
            for piece in pieces:
                writer.write(piece)
            writer.end()

    def open_upload(self, path: str) -> str:
        """See `ObjectStore`."""
        return self._s3.open(self._place(path)) if self._s3 else secrets.token_hex(16)

    def part_url(self, path: str, handle: str, number: int, seconds: int) -> str | None:
        """See `ObjectStore`: a URL that the bucket itself has signed."""
        if self._s3:
            return self._s3.part_url(self._place(path), handle, number, seconds)
        if not self._signs_parts:
            return None
        with explained():
            signed: str = obstore.sign(
                self._store, "PUT", self._staged(handle, number, ""), timedelta(seconds=seconds)
            )
        return signed

    def write_part(self, handle: str, number: int, offset: int) -> _PartWriter:
        """See `ObjectStore`."""
        del offset
        tag = secrets.token_hex(16)
        return _PartWriter(self._store, self._staged(handle, number, tag), tag)

    def drop_part(self, handle: str, number: int, tag: str) -> None:
        """See `ObjectStore`."""
        with suppress(NotFound), explained():
            obstore.delete(self._store, self._staged(handle, number, tag))

    def list_parts(self, path: str, handle: str) -> list[Part] | None:
        """See `ObjectStore`."""
        if self._s3:
            return self._s3.list_parts(self._place(path), handle)
        if not self._signs_parts:
            return None
        with explained():
            entries = self._staged_parts(handle)
        parts = [
            Part(
                number=int(entry["path"].rpartition("/")[2]),
                size=entry["size"],
                tag=str(entry["e_tag"] or "").strip('"'),
            )
            for entry in entries
        ]
        return sorted(parts, key=lambda part: part.number)

    def finish_upload(self, path: str, handle: str, parts: Sequence[Part]) -> int:
        """See `ObjectStore`."""
        total = sum(part.size for part in parts)
        try:
            if self._s3:
                self._s3.finish(self._place(path), handle, parts)
            elif self._size(path) != total:
                self._put_together(path, handle, parts)
        except NotFound as error:
            # Another call may have finished it since.
            if self._size(path) != total:
                raise InvalidRequest(
                    "parts of the file are gone; send it again", status=409
                ) from error
        if not self._s3:
            self.drop_upload(path, handle)
        return total

    def _put_together(self, path: str, handle: str, parts: Sequence[Part]) -> None:
        staged = [self._staged(handle, part.number, part.tag) for part in parts]
        with explained():
            if len(staged) == 1:
                obstore.rename(self._store, staged[0], self._place(path))
                return
            with obstore.open_writer(
                self._store, self._place(path), buffer_size=WRITE_BYTES
            ) as writer:
                for staged_key in staged:
                    for piece in self._stream(staged_key):
                        writer.write(piece)

    def drop_upload(self, path: str, handle: str) -> None:
        """See `ObjectStore`."""
        if self._s3:
            self._s3.drop(self._place(path), handle)
            return
        with explained():
            for entry in self._staged_parts(handle):
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, entry["path"])

    def read(
        self, path: str, start: int = 0, stop: int | None = None, *, size: int | None = None
    ) -> Iterator[bytes]:
        """See `ObjectStore`."""
        return self._stream(self._place(path), start, stop, size=size)

    def _stream(
        self, key: str, start: int = 0, stop: int | None = None, *, size: int | None = None
    ) -> Iterator[bytes]:
        if stop is not None and stop <= start:
            return iter(())
        options: Any = {}
        if stop is not None:
            options = {"range": (start, stop)}
        elif start:
            options = {"range": {"offset": start}}
        with explained():
            result = obstore.get(self._store, key, options=options)
        if size is not None and result.meta["size"] != size:
            raise NotFound("the file's content is damaged: its size differs", status=404)
        return (bytes(piece) for piece in result.stream(min_chunk_size=PIECE_BYTES))

    def find(self, path: str) -> ObjectInfo | None:
        """See `ObjectStore`."""
        with explained(), suppress(FileNotFoundError):
            entry = obstore.head(self._store, self._place(path))
            return ObjectInfo(path, entry["size"], entry["last_modified"])
        return None

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """See `ObjectStore`. Many objects of a folder are listed: a page of a list costs as a request for one."""
        sizes: dict[str, int] = {}
        folders: dict[str, set[str]] = {}
        for path in paths:
            folders.setdefault(path.rpartition("/")[0], set()).add(path)
        left: list[str] = []
        for folder, folder_paths in folders.items():
            pages = len(folder_paths) // ASKED_PER_PAGE
            if folder and pages:
                sizes |= self._list_sizes(folder, folder_paths, pages)
            left += [path for path in folder_paths if path not in sizes]
        with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(left)) or 1) as threads:
            infos = threads.map(self.find, left)
            return sizes | {info.path: info.size for info in infos if info is not None}

    def _list_sizes(self, folder: str, paths: set[str], pages: int) -> dict[str, int]:
        sizes: dict[str, int] = {}
        with explained():
            listed = obstore.list(self._store, f"files/{folder}", chunk_size=LIST_PAGE)
            for page in islice(listed, pages):
                for entry in page:
                    path = entry["path"].removeprefix("files/")
                    if path in paths:
                        sizes[path] = entry["size"]
        return sizes

    def list_objects(self, folder: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore`."""
        with explained():
            for page in obstore.list(self._store, self._place(folder) if folder else "files"):
                for entry in page:
                    path = entry["path"].removeprefix("files/")
                    if path == MARKER_PATH:
                        continue
                    yield ObjectInfo(path, entry["size"], entry["last_modified"])

    def _size(self, path: str) -> int | None:
        info = self.find(path)
        return None if info is None else info.size

    def read_url(self, path: str, seconds: int, headers: Mapping[str, str]) -> str | None:
        """See `ObjectStore`."""
        return self._s3.read_url(self._place(path), seconds, headers) if self._s3 else None

    def local_path(self, path: str) -> Path | None:
        """None: it is not a file of this machine."""
        del path
        return None

    def delete(self, path: str) -> None:
        """See `ObjectStore`."""
        with explained(), suppress(FileNotFoundError):
            obstore.delete(self._store, self._place(path))

    def list_uploads(self) -> Iterator[UploadInfo]:
        """See `ObjectStore`."""
        if self._s3:
            for key, handle, began_at in self._s3.list_uploads("files/"):
                yield UploadInfo(key.removeprefix("files/"), handle, began_at)
            return
        handle, touched_at = "", datetime.now(timezone.utc)
        with explained():
            # The parts of an upload follow one another in the list.
            for page in obstore.list(self._store, "staging"):
                for entry in page:
                    of, came = entry["path"].split("/")[1], entry["last_modified"]
                    if handle and of != handle:
                        yield UploadInfo("", handle, touched_at)
                    touched_at = max(came, touched_at) if of == handle else came
                    handle = of
        if handle:
            yield UploadInfo("", handle, touched_at)

    def _staged_parts(self, handle: str) -> list[Any]:
        return list(obstore.list(self._store, f"staging/{handle}").collect())


class _PartWriter:
    """Gathers a part, and puts it at its end; see `PartWriter`."""

    def __init__(self, store: Any, key: str, tag: str = "") -> None:
        self._store, self._place, self.tag = store, key, tag
        self._writer: Any = obstore.open_writer(store, key, buffer_size=WRITE_BYTES)
        self._is_ended = False

    def __enter__(self) -> _PartWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, piece: bytes | memoryview) -> None:
        """See `PartWriter`."""
        with explained():
            self._writer.write(bytes(piece))

    def end(self) -> None:
        """See `PartWriter`."""
        with explained():
            self._writer.close()
        self._is_ended = True

    def close(self) -> None:
        """See `PartWriter`. What was not ended is not visible, and is removed."""
        if not self._is_ended:
            self._is_ended = True
            error = ValueError("not ended")
            with explained():
                self._writer.__exit__(type(error), error, None)  # its only way to give up


@contextmanager
def explained() -> Iterator[None]:
    """What the store says, as our errors."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("the file's content is missing", status=404) from error
    except (obstore.exceptions.BaseError, OSError) as error:
        raise unavailable(error) from error
