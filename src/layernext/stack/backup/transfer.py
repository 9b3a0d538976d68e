"""Objects from one store to another: several at a time, small ones together, every byte hashed on its way."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeAlias, TypeVar

from layernext.stack.objects import ObjectStore

Item = TypeVar("Item")
Result = TypeVar("Result")

Advance: TypeAlias = Callable[[int], None]
"""Gets the bytes that were just done."""
ShowProgress: TypeAlias = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Gets what is being done and how many bytes that is in all, if that is known."""

THREADS = 8
SMALL_BYTES = 4 << 20
"""Objects up to this size are held in memory, and stored together up to this size in all."""
ITEMS_AT_ONCE = 64


def in_batches(items: Iterable[tuple[Item, int]]) -> Iterator[list[Item]]:
    """Items with their sizes in bytes, gathered into batches of up to `SMALL_BYTES`."""
    batch: list[Item] = []
    size_bytes = 0
    for item, size in items:
        if batch and (size_bytes + size > SMALL_BYTES or len(batch) == ITEMS_AT_ONCE):
            yield batch
            batch, size_bytes = [], 0
        batch.append(item)
        size_bytes += size
    if batch:
        yield batch


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What `work` makes of each item, in their order; a bounded number is under way."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="backup") as executor:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(executor.submit(work, item))
                if len(waiting) > 2 * THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def read_small(store: ObjectStore, path: str) -> bytes | None:
    """An object's content; None if it is larger than `SMALL_BYTES`.

    Raises:
        NotFound: there is no such object.
    """
    content = bytearray()
    for piece in store.read(path):
        content += piece
        if len(content) > SMALL_BYTES:
            return None
    return bytes(content)


def digest_of(store: ObjectStore, path: str) -> tuple[int, str]:
    """Size and SHA-256 of an object.

    Raises:
        NotFound: there is no such object.
    """
    digest, size = hashlib.sha256(), 0
    for piece in store.read(path):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


class OtherContent(Exception):
    """An object is not what it should be."""


def content_of(store: ObjectStore, path: str, checksum: str) -> bytes:
    """The content of a small object.

    Raises:
        NotFound: there is no such object.
        OtherContent: its SHA-256 is not `checksum`.
    """
    content = b"".join(store.read(path))
    if hashlib.sha256(content).hexdigest() != checksum:
        raise OtherContent
    return content


def copy_large(
    source: ObjectStore,
    path: str,
    target: ObjectStore,
    target_path: str,
    checksum: str,
    advance: Advance,
) -> int:
    """Copy one object, in pieces; its size.

    Raises:
        NotFound: there is no such object.
        OtherContent: its SHA-256 is not `checksum`; nothing was stored.
    """
    size = 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        digest = hashlib.sha256()
        for piece in source.read(path):
            digest.update(piece)
            size += len(piece)
            advance(len(piece))
            yield piece
        if digest.hexdigest() != checksum:
            raise OtherContent

    target.put_stream(target_path, pieces())
    return size
