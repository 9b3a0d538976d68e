"""Objects in a bucket: S3, GCS or Azure, through obstore.

In S3 parts are those of a multipart upload (`s3_multipart`), which clients send straight to the bucket by URLs that
S3's own signature authorises: their bytes do not pass the stack, on their way in nor out. In other stores each part is
an object of its own under ``staging``; at the end a single part is renamed by the store, several are put together by
the stack. GCS takes parts from clients by signed URLs; Azure wants a header that no published client sends, so
that parts for it come through the stack. An object of a bucket appears whole, as the stores promise.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import obstore

from layernext.errors import ConfigurationError, InvalidRequest, NotFound, StackUnavailable
from layernext.stack.objects.face import ObjectInfo, Part
from layernext.stack.objects.s3_multipart import S3Multipart

PIECE_BYTES = 1 << 20
WRITE_BYTES = 10 << 20
"""Of each part that an object is put together from; S3 wants 5 MiB at least."""

MAX_PUTS = 16
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_HANDLE = re.compile(r"[0-9a-f]{32}")


class BucketStore:
    """Objects below a URL such as ``s3://bucket/prefix``.

    Args:
        url: of the bucket; ``s3://``, ``gs://`` or ``az://``.
        options: for obstore, such as an ``endpoint``; credentials come from the environment, as the store's
            own tools have it.

    Raises:
        ConfigurationError: there is no such kind of store, or it cannot be reached.
    """

    def __init__(self, url: str, options: dict[str, Any] | None = None) -> None:
        given = dict(options or {})
        is_plain = str(given.get("endpoint", "")).startswith("http://")
        try:
            from_url: Any = obstore.store.from_url  # its types are those of each store alone
            self._store = from_url(url, config=given, client_options={"allow_http": is_plain})
            obstore.list_with_delimiter(self._store, "files")
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigurationError(f"the bucket {url} cannot be used: {reason}") from error
        scheme = url.partition("://")[0]
        self._s3 = S3Multipart(url, given) if scheme in {"s3", "s3a"} else None
        self._signs_parts = scheme in {"gs", "gcs"}

    @staticmethod
    def _place(path: str) -> str:
        if not _PATH.fullmatch(path):
            raise ValueError(f"not a path of an object: {path!r}")
        return f"files/{path}"

    @staticmethod
    def _staged(handle: str, number: int) -> str:
        if not _HANDLE.fullmatch(handle) or number < 1:
            raise ValueError("not a part of an upload")
        return f"staging/{handle}/{number:06d}"

    def put(self, objects: Sequence[tuple[str, bytes | memoryview]]) -> None:
        """See `ObjectStore`."""
        for path, content in objects:
            with _explained():
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
        with _explained():
            signed: str = obstore.sign(
                self._store, "PUT", self._staged(handle, number), timedelta(seconds=seconds)
            )
        return signed

    def write_part(self, handle: str, number: int, offset: int) -> _PartWriter:
        """See `ObjectStore`."""
        del offset
        return _PartWriter(self._store, self._staged(handle, number))

    def list_parts(self, path: str, handle: str) -> list[Part] | None:
        """See `ObjectStore`."""
        if self._s3:
            try:
                return self._s3.list_parts(self._place(path), handle)
            except NotFound:
                if self._size(path) is None:
                    raise
                return []  # finished before
        if not _HANDLE.fullmatch(handle):
            raise ValueError("not a handle of an upload")
        with _explained():
            found = self._staged_parts(handle)
        if not found and self._size(path) is not None:
            return []  # finished before
        parts = [
            Part(
                number=int(each["path"].rpartition("/")[2]),
                size=each["size"],
                tag=str(each["e_tag"] or "").strip('"'),
            )
            for each in found
        ]
        return sorted(parts, key=lambda part: part.number)

    def finish_upload(self, path: str, handle: str, parts: Sequence[Part]) -> int:
        """See `ObjectStore`."""
        place, total = self._place(path), sum(part.size for part in parts)
        if self._s3:
            return self._finish_s3(path, handle, parts, total)
        if not parts or not self._has_parts(handle):
            # Again after an answer that got lost, or nothing has come at all.
            size = self._size(path)
            if size is None:
                raise InvalidRequest("no part of the file has come", status=409)
            return size
        with _explained():
            if len(parts) == 1:
                obstore.rename(self._store, self._staged(handle, parts[0].number), place)
                return total
            with obstore.open_writer(self._store, place, buffer_size=WRITE_BYTES) as writer:
                for part in parts:
                    for piece in self._stream(self._staged(handle, part.number)):
                        writer.write(piece)
        self.drop_upload(path, handle)
        return total

    def _finish_s3(self, path: str, handle: str, parts: Sequence[Part], total: int) -> int:
        assert self._s3 is not None  # noqa: S101 - its caller has looked
        try:
            if parts:
                self._s3.finish(self._place(path), handle, parts)
                return total
        except NotFound:
            pass
        # Again after an answer that got lost, or nothing has come at all.
        size = self._size(path)
        if size is None or (parts and size != total):
            raise InvalidRequest("no part of the file has come", status=409)
        return size

    def _has_parts(self, handle: str) -> bool:
        with _explained():
            found = obstore.list(self._store, f"staging/{handle}", chunk_size=1)
            return next(iter(found), None) is not None

    def drop_upload(self, path: str, handle: str) -> None:
        """See `ObjectStore`."""
        if self._s3:
            self._s3.drop(self._place(path), handle)
            return
        with _explained():
            for each in self._staged_parts(handle):
                obstore.delete(self._store, each["path"])

    def read(self, path: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """See `ObjectStore`."""
        return self._stream(self._place(path), start, stop)

    def _stream(self, place: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        if stop is not None and stop <= start:
            return iter(())
        options: Any = {}
        if stop is not None:
            options = {"range": (start, stop)}
        elif start:
            options = {"range": {"offset": start}}
        with _explained():
            found = obstore.get(self._store, place, options=options)
        return (bytes(piece) for piece in found.stream(min_chunk_size=PIECE_BYTES))

    def find(self, path: str) -> ObjectInfo | None:
        """See `ObjectStore`."""
        with _explained(), suppress(FileNotFoundError):
            entry = obstore.head(self._store, self._place(path))
            return ObjectInfo(path, entry["size"], entry["last_modified"])
        return None

    def list_objects(self) -> Iterator[ObjectInfo]:
        """See `ObjectStore`."""
        with _explained():
            for page in obstore.list(self._store, "files"):
                for entry in page:
                    path = entry["path"].removeprefix("files/")
                    yield ObjectInfo(path, entry["size"], entry["last_modified"])

    def _size(self, path: str) -> int | None:
        info = self.find(path)
        return None if info is None else info.size

    def read_url(self, path: str, seconds: int, headers: Mapping[str, str]) -> str | None:
        """See `ObjectStore`."""
        return self._s3.read_url(self._place(path), seconds, headers) if self._s3 else None

    def local_path(self, path: str) -> Path | None:
        """None: it is no file of this machine."""
        del path
        return None

    def delete(self, path: str) -> None:
        """See `ObjectStore`."""
        with _explained(), suppress(FileNotFoundError):
            obstore.delete(self._store, self._place(path))

    def sweep(self, older_than_s: float) -> int:
        """See `ObjectStore`. Uploads to S3 that the database does not know are left to the bucket's own rules."""
        limit, count = datetime.now(timezone.utc) - timedelta(seconds=older_than_s), 0
        newest: dict[str, datetime] = {}
        with _explained():
            for some in obstore.list(self._store, "staging"):
                for each in some:
                    handle, came = each["path"].split("/")[1], each["last_modified"]
                    newest[handle] = max(came, newest.get(handle, came))
            # The first parts of a long upload are old while the last ones still come.
            for handle in (one for one, came in newest.items() if came < limit):
                paths = [each["path"] for each in self._staged_parts(handle)]
                obstore.delete(self._store, paths)
                count += len(paths)
        return count

    def _staged_parts(self, handle: str) -> list[Any]:
        return list(obstore.list(self._store, f"staging/{handle}").collect())


class _PartWriter:
    """Gathers a part, and puts it at its end; see `PartWriter`."""

    def __init__(self, store: Any, place: str) -> None:
        self._store, self._place = store, place
        self._writer: Any = obstore.open_writer(store, place, buffer_size=WRITE_BYTES)
        self._is_ended = False

    def __enter__(self) -> _PartWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, piece: bytes | memoryview) -> None:
        """See `PartWriter`."""
        with _explained():
            self._writer.write(bytes(piece))

    def end(self) -> None:
        """See `PartWriter`."""
        with _explained():
            self._writer.close()
        self._is_ended = True

    def close(self) -> None:
        """See `PartWriter`. What was not ended is not visible."""
        self._writer = io.BytesIO()


@contextmanager
def _explained() -> Iterator[None]:
    """What the store says, as our errors."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("the file's content is not there", status=404) from error
    except (obstore.exceptions.BaseError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise StackUnavailable(
            f"the store of objects does not answer as it should: {reason}", status=503
        ) from error
