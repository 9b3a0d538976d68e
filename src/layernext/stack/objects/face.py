"""What the stack asks of a store of objects.

An object is written once, under a path that the stack chose, and is never seen half-written. Paths are
relative, with slashes, made of plain characters; nothing that a user named goes into them unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct


class Part(Struct, frozen=True):
    """A part of an upload that the store has.

    Attributes:
        number: from 1.
        size: bytes.
        tag: what the store said when it got the part, which tells it from others of the same number; the
            store wants it back at the end.
    """

    number: int
    size: int
    tag: str


class ObjectInfo(Struct, frozen=True):
    """What the store knows about an object.

    Attributes:
        path: of the object.
        size: bytes.
        modified_at: when it was written, by the store's clock, in UTC.
    """

    path: str
    size: int
    modified_at: datetime


class UploadInfo(Struct, frozen=True):
    """An upload in parts that has not become an object, or an object that is being written.

    Attributes:
        path, handle: for `drop_upload`.
        touched_at: when it began or, where the store says so, when it got something last, in UTC.
    """

    path: str
    handle: str
    touched_at: datetime


class PartWriter(Protocol):
    """Takes the bytes of one part; used as a context manager, which gives up what was not ended.

    Attributes:
        tag: for `Part`, of this attempt at the part.
    """

    tag: str

    def write(self, piece: bytes | memoryview) -> None:
        """Add bytes."""

    def end(self) -> None:
        """Bring what was written onto the disk. Then the part counts."""

    def close(self) -> None:
        """Give back what the writer holds."""


class ObjectStore(Protocol):
    """Where objects are. Calls block and may come from any thread."""

    @property
    def has_direct_parts(self) -> bool:
        """Whether clients send the parts of uploads straight to it, past the stack."""

    def put(self, objects: Sequence[tuple[str, bytes | memoryview]]) -> None:
        """Store small objects whole; when the call returns all are durable.

        Args:
            objects: path and content of each.

        Raises:
            StorageFull: there is no room.
        """

    def put_stream(self, path: str, pieces: Iterable[bytes]) -> None:
        """Store one object of any size as it comes; durable when the call returns.

        What `pieces` raises ends it, and nothing of the object is to be seen.

        Raises:
            StorageFull: there is no room.
        """

    def open_upload(self, path: str) -> str:
        """Begin to store an object in parts; a handle for the calls below."""

    def part_url(self, path: str, handle: str, number: int, seconds: int) -> str | None:
        """Where a client may PUT a part itself; None if parts go through the stack."""

    def write_part(self, handle: str, number: int, offset: int) -> PartWriter:
        """Take a part whose bytes begin at `offset` of the object.

        Attempts at the same part, even at the same time, never touch each other's bytes: which of them
        counts is decided by the tag that `finish_upload` gets.

        Raises:
            StorageFull: there is no room.
        """

    def drop_part(self, handle: str, number: int, tag: str) -> None:
        """Remove an attempt at a part that the stack took and that does not count; no error if it is gone.

        A store may keep it until the upload ends, if further attempts do not add to what it keeps.
        """

    def list_parts(self, path: str, handle: str) -> list[Part] | None:
        """The parts that the store has, if clients send them to it; None if the stack took them.

        Raises:
            NotFound: there is no such upload.
        """

    def finish_upload(self, path: str, handle: str, parts: Sequence[Part]) -> int:
        """Make an object of its parts, visible at once and durable. Its size.

        May be repeated, after a crash and at the same time, if every call for a handle names the same parts.

        Raises:
            InvalidRequest: the parts do not make one object, or are gone.
        """

    def drop_upload(self, path: str, handle: str) -> None:
        """Forget the parts of an upload; no error if there are none."""

    def read(
        self, path: str, start: int = 0, stop: int | None = None, *, size: int | None = None
    ) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces of about a megabyte.

        Raises:
            NotFound: there is no such object, or it does not have this `size`; raised by the call itself.
        """

    def find(self, path: str) -> ObjectInfo | None:
        """What the store knows about an object; None if it does not have it."""

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """The sizes in bytes of those of some objects that there are; for many at a time."""

    def list_objects(self, folder: str = "") -> Iterator[ObjectInfo]:
        """Every object, or those below a folder, in no particular order, without holding all in memory.

        Objects written or deleted while this runs may be listed or not. Parts of unfinished uploads
        are not objects.
        """

    def read_url(self, path: str, seconds: int, headers: Mapping[str, str]) -> str | None:
        """Where a client may GET an object itself; None if objects go through the stack.

        Args:
            path: of the object.
            seconds: how long the URL is good.
            headers: of the answer that the stack itself would give; the store gives what of them it can.
        """

    def local_path(self, path: str) -> Path | None:
        """The object as a file of this machine, to be read only; None if it is none."""

    def delete(self, path: str) -> None:
        """Remove an object; no error if there is none."""

    def list_uploads(self) -> Iterator[UploadInfo]:
        """Uploads in parts that have not become objects, and writes that broke off."""
