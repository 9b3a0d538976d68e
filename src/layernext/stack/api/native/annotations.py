"""Native download and removal of annotation sets."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
import msgspec
import zstandard
from anyio.to_thread import run_sync
from litestar import Request, delete, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from layernext.errors import InvalidRequest, NotFound
from layernext.model import Geometry, Mode
from layernext.stack.api import auth
from layernext.stack.api.dependencies import TheStore
from layernext.stack.api.openapi import errors, ndjson_answer
from layernext.stack.store import Store, StoredSet
from layernext.wire.native import ANNOTATIONS_PATH, NDJSON, RemoveResult

CHUNK_BYTES = 1 << 18
"""Lines are gathered to this size before they are compressed and sent."""

CollectionName = Annotated[
    str | None, QueryParameter(description="id or name of a collection; all collections without it")
]
RunNames = Annotated[
    list[str] | None, QueryParameter(name="run", description="model runs; repeat for several")
]
ModeName = Annotated[
    Mode | None, QueryParameter(description="only model runs (machine) or ground truth (human)")
]


@get(
    ANNOTATIONS_PATH,
    opt=auth.READ,
    tags=["annotations"],
    media_type=NDJSON,
    operation_class=ndjson_answer(),
    responses=errors(400, 401, 404),
)
async def download(
    request: Request[Any, Any, Any],
    store: TheStore,
    collection: CollectionName = None,
    runs: RunNames = None,
    mode: ModeName = None,
    image: Annotated[str | None, QueryParameter(description="only this image")] = None,
    after: Annotated[str | None, QueryParameter(description="continue behind this cursor")] = None,
) -> Stream:
    """Annotation sets as a stream of lines, as they stand at one moment.

    The last line is `{"end": n}` with the number of sets; a stream without it was cut off and can
    be continued with `after`.
    """
    collection_id = await _collection_id(store, collection)
    _refuse_nul(image, *(runs or []))
    unknown = await run_sync(store.find_unknown_run, runs or [])
    if unknown is not None:
        raise NotFound(f"there is no model run or ground truth {unknown!r}", status=404)
    rows = store.iter_sets(
        collection_id, runs=runs or [], mode=mode, image=image, after=after
    )
    encoding = _best_encoding(request.headers.get("accept-encoding", ""))
    headers = {"content-encoding": encoding} if encoding else {}
    return Stream(_in_threads(_chunks(rows, encoding)), media_type=NDJSON, headers=headers)


@delete(
    ANNOTATIONS_PATH,
    status_code=200,
    opt=auth.WRITE,
    tags=["annotations"],
    responses=errors(400, 401, 403, 404),
)
async def remove(
    store: TheStore,
    run: FromQuery[str],
    collection: CollectionName = None,
    mode: ModeName = None,
) -> RemoveResult:
    """Delete the annotation sets of a run; repeating it removes nothing more."""
    _refuse_nul(run)
    collection_id = await _collection_id(store, collection)
    return await run_sync(store.remove_sets, collection_id, run, mode)


async def _collection_id(store: TheStore, collection: str | None) -> int | None:
    if not collection or not collection.strip("/"):
        return None
    found = await run_sync(store.find_collection, collection)
    if found is None:
        raise NotFound(f"there is no collection {collection!r}", status=404)
    return found.row_id


def _refuse_nul(*names: str | None) -> None:
    if any(name and "\x00" in name for name in names):
        raise InvalidRequest("no name contains the character U+0000", status=400)


def _best_encoding(accepted: str) -> str:
    offered = {part.split(";")[0].strip().lower() for part in accepted.split(",")}
    return next((encoding for encoding in ("zstd", "gzip") if encoding in offered), "")


def _lines(rows: Iterator[StoredSet]) -> Iterator[bytes]:
    """Each set in its envelope, put together from bytes: no set is decoded on the way out."""
    heads: dict[tuple[str, Mode, Geometry | None, bool], bytes] = {}
    count = 0
    for row in rows:
        kind = (row.run, row.mode, row.geometry, row.normalized)
        head = heads.get(kind)
        if head is None:
            fields = dict(zip(("run", "mode", "geometry", "normalized"), kind, strict=True))
            head = heads[kind] = msgspec.json.encode(fields)[1:-1]
        cursor = row.cursor.encode()
        yield b'{"cursor":"' + cursor + b'",' + head + b',"set":' + row.raw + b"}\n"
        count += 1
    yield b'{"end":%d}\n' % count


def _chunks(rows: Iterator[StoredSet], encoding: str) -> Iterator[bytes]:
    packer: Any = None
    if encoding == "zstd":
        packer = zstandard.ZstdCompressor(level=1).compressobj()
    elif encoding == "gzip":
        packer = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    gathered, size = [], 0
    for line in _lines(rows):
        gathered.append(line)
        size += len(line)
        if size >= CHUNK_BYTES:
            data = b"".join(gathered)
            gathered, size = [], 0
            data = packer.compress(data) if packer else data
            if data:
                yield data
    data = b"".join(gathered)
    yield packer.compress(data) + packer.flush() if packer else data


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, each made in a thread; the database's cursor is closed however this ends."""
    try:
        while (chunk := await run_sync(next, chunks, None)) is not None:
            yield chunk
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(chunks.close)  # type: ignore[attr-defined]


ROUTES = [download, remove]
