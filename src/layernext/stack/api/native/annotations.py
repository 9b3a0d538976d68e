"""Native downloads, as a stream of lines, and removal of annotation sets.

The stored JSON of a set goes out as it came in: a line is put together from bytes and nothing is
decoded on the way. A download holds a connection to the database for as long as it lasts, so only
some run at a time, and a client that stops taking them is dropped.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import zstandard
from litestar import Response
from litestar.response.base import ASGIResponse
from msgspec import Struct, field

from layernext.errors import NotFound
from layernext.model import Mode
from layernext.stack.api.access import HANDLER, readable, refuse_whole_stack
from layernext.stack.api.audit import note
from layernext.stack.api.messages import Call, answer, check_name, find_collection, read_query
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.replay import change
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services, services_of
from layernext.stack.store import StoredSet
from layernext.wire.native import ANNOTATIONS_PATH, NDJSON, RemoveResult

PIECE_BYTES = 256 << 10
"""Lines are gathered to this size before they are compressed and sent."""


class DownloadQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to download.

    Attributes:
        collection: id or name; empty is the unnamed collection; left out means all.
        run: name of a model run or ground truth; may be repeated; none given means all.
        mode: only model runs (``machine``) or only ground truths (``human``).
        image: only the image of this name.
        after: the cursor of a line, to go on behind it.
    """

    collection: str | None = None
    run: list[str] = field(default_factory=list)
    mode: Mode | None = None
    image: str | None = None
    after: str | None = None


class RemoveQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to remove.

    Attributes:
        run: name of the model run or ground truth.
        collection: id or name; empty is the unnamed collection; left out means all.
        mode: only the model run (``machine``) or only the ground truth (``human``).
    """

    run: str
    collection: str | None = None
    mode: Mode | None = None


@operation(
    "GET",
    ANNOTATIONS_PATH,
    Operation(
        summary="Download annotation sets",
        tag="Annotations",
        role="read",
        scope=HANDLER,
        path=(
            Parameter(
                "Accept-Encoding",
                "The stream is compressed with zstd or gzip if the client takes one of them.",
                {"type": "string"},
                "header",
            ),
        ),
        query=DownloadQuery,
        answer=bytes,
        errors=(400, 404, 503),
    ),
)
async def download(request: Call) -> Response[Any]:
    """A stream of lines, one annotation set each; the last says how many there were.

    A stream without that last line was cut off; the cursor of the last whole line leads on.
    """
    wanted = read_query(request, DownloadQuery)
    services = services_of(request)
    row_id = None
    if wanted.collection is not None:
        row_id = (await find_collection(request, wanted.collection)).row_id
    within = readable(request)
    unknown = await services.call(services.store.runs.find_unknown, wanted.run, within)
    if unknown is not None:
        raise NotFound(f"there is no model run or ground truth {unknown[:600]!r}", status=404)
    encoding = chosen_encoding(request.headers.get("accept-encoding", ""))
    sets = services.store.annotations.iter_sets(
        row_id,
        runs=wanted.run,
        mode=wanted.mode,
        image=wanted.image,
        after=wanted.after,
        within=within,
    )
    return Download(services, _pieces(sets, encoding), encoding)


@operation(
    "DELETE",
    ANNOTATIONS_PATH,
    Operation(
        summary="Remove a run",
        tag="Annotations",
        role="write",
        scope=HANDLER,
        action="delete run",
        is_recorded=True,
        query=RemoveQuery,
        answer=RemoveResult,
        errors=(400, 404, 422),
    ),
)
async def remove(request: Call) -> Response[bytes]:
    """Removes the annotation sets of a model run or ground truth, at once and for good.

    A second time it removes nothing and says so.
    """
    wanted = read_query(request, RemoveQuery)
    check_name(wanted.run, "run", "a model run")
    if wanted.collection is None:
        refuse_whole_stack(request)
    row_id = None
    if wanted.collection is not None:
        collection = await find_collection(request, wanted.collection)
        row_id = collection.row_id
        note(request, collection=collection.name)
    note(request, subject=wanted.run)
    store = services_of(request).store

    def work() -> Response[bytes]:
        result = store.annotations.remove(row_id, wanted.run, wanted.mode)
        note(request, count=result.annotations)
        return answer(result)

    return await change(request, work)


def chosen_encoding(accepted: str) -> str:
    """Which of our encodings a client takes: zstd, gzip, or identity for neither."""
    weights: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        weight = parameters.strip().removeprefix("q=").strip()
        weights[name.strip()] = weight.strip("0.") != "" or not weight
    for name in ("zstd", "gzip"):
        if weights.get(name, False):
            return name
    return "identity"


def _pieces(sets: Iterator[StoredSet], encoding: str) -> Iterator[bytes]:
    """The lines, gathered and compressed."""
    packer: Any = None
    if encoding == "zstd":
        packer = zstandard.ZstdCompressor(level=1).compressobj()
    elif encoding == "gzip":
        packer = zlib.compressobj(level=1, wbits=31)
    gathered: list[bytes] = []
    size = 0
    for line in _lines(sets):
        gathered.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            piece = b"".join(gathered)
            yield packer.compress(piece) if packer else piece
            gathered, size = [], 0
    piece = b"".join(gathered)
    yield packer.compress(piece) + packer.flush() if packer else piece


def _lines(sets: Iterator[StoredSet]) -> Iterator[bytes]:
    heads: dict[tuple[Any, ...], bytes] = {}
    count = 0
    for one in sets:
        known = (one.run, one.mode, one.geometry, one.normalized)
        head = heads.get(known)
        if head is None:
            names = ("run", "mode", "geometry", "normalized")
            fields = msgspec.json.encode(dict(zip(names, known, strict=True)))
            head = heads[known] = b"," + fields[1:-1] + b',"set":'
        # What was uploaded may have line breaks between its values; strings never have.
        raw = one.raw.replace(b"\n", b" ") if b"\n" in one.raw else one.raw
        yield b'{"cursor":' + msgspec.json.encode(one.cursor) + _only(one) + head + raw + b"}\n"
        count += 1
    yield b'{"end":%d}\n' % count


def _only(first: StoredSet) -> bytes:
    """What the first line of a whole download also says: whether all of it is one run."""
    if first.is_only_run is None:
        return b""
    return b',"is_only_run":' + msgspec.json.encode(first.is_only_run)


class Download(Response[Any]):
    """The answer that streams pieces.

    Each is made in a thread, and no more are made when the client is gone.
    """

    def __init__(self, services: Services, pieces: Iterator[bytes], encoding: str) -> None:
        headers = {"Vary": "Accept-Encoding"}
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        super().__init__(b"", media_type=NDJSON, headers=headers)
        self._services = services
        self._pieces = pieces

    def to_asgi_response(self, *arguments: Any, **named: Any) -> ASGIResponse:
        """The ASGI application that sends the stream."""
        made = super().to_asgi_response(*arguments, **named)
        return Sender(self._services, self._pieces, made.encode_headers())


ROUTES = [download, remove]
