"""Native downloads, as a stream of lines, and removal of annotation sets.

The stored JSON of a set goes out as it came in: a line is put together from bytes and nothing is
decoded on the way. A download holds a connection to the database for as long as it lasts, so only
some run at a time, and a client that stops taking them is dropped.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import zstandard
from litestar import Response
from litestar.response.base import ASGIResponse
from msgspec import Struct, field

from layernext.errors import NotFound
from layernext.model import Mode
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services
from layernext.stack.api.signature import Header, Lines
from layernext.stack.store import Store, StoredSet
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
        errors=(400, 404, 503),
    ),
)
def download(
    query: DownloadQuery,
    accept_encoding: Annotated[
        str,
        Header(
            "Accept-Encoding",
            "The stream is compressed with zstd or gzip if the client takes one of them.",
        ),
    ],
    services: Services,
    permissions: Permissions,
) -> Lines:
    """A stream of lines, one annotation set each; the last says how many there were.

    A stream without that last line was cut off; the cursor of the last whole line leads on.
    """
    row_id = permissions.find_row_id(query.collection)
    within = permissions.readable
    unknown = services.store.runs.find_unknown(query.run, within)
    if unknown is not None:
        raise NotFound(f"there is no model run or ground truth {unknown[:600]!r}", status=404)
    encoding = chosen_encoding(accept_encoding)
    sets = services.store.annotations.iter_sets(
        row_id,
        runs=query.run,
        mode=query.mode,
        image=query.image,
        after=query.after,
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
        errors=(400, 404, 422),
    ),
)
def remove(
    query: RemoveQuery, store: Store, permissions: Permissions, audit: Audit
) -> RemoveResult:
    """Removes the annotation sets of a model run or ground truth, at once and for good.

    A second time it removes nothing and says so.
    """
    check_name(query.run, "run", "a model run")
    row_id = None
    if query.collection is None:
        permissions.refuse_whole_stack()
    else:
        collection = permissions.find_collection(query.collection)
        row_id = collection.row_id
        audit.note(collection=collection.name)
    result = store.annotations.remove(row_id, query.run, query.mode)
    audit.note(subject=query.run, count=result.annotations)
    return result


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
    names = ("run", "mode", "geometry", "normalized")
    for stored in sets:
        values = (stored.run, stored.mode, stored.geometry, stored.normalized)
        head = heads.get(values)
        if head is None:
            fields = msgspec.json.encode(dict(zip(names, values, strict=True)))
            head = heads[values] = b"," + fields[1:-1] + b',"set":'
        # What was uploaded may have line breaks between its values; strings never have.
        raw = stored.raw.replace(b"\n", b" ") if b"\n" in stored.raw else stored.raw
        cursor = msgspec.json.encode(stored.cursor)
        yield b'{"cursor":' + cursor + _only(stored) + head + raw + b"}\n"
        count += 1
    yield b'{"end":%d}\n' % count


def _only(first: StoredSet) -> bytes:
    """What the first line of a whole download also says: whether all of it is one run."""
    if first.is_only_run is None:
        return b""
    keys = b',"file_keys":' + first.file_keys if first.file_keys else b""
    return b',"is_only_run":' + msgspec.json.encode(first.is_only_run) + keys


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
        response = super().to_asgi_response(*arguments, **named)
        return Sender(self._services, self._pieces, response.encode_headers())


ROUTES = [download, remove]
