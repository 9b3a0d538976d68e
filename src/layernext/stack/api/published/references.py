"""References of labels, attributes and values, in bounded memory.

A request may hold every distinct attribute value of a large file. It is read as a stream, twice: once to
check it, so that a refused request registers nothing, and once to register it in batches while the answer
goes to a temporary file.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import IO, Annotated, Any, BinaryIO, cast

import msgspec
from litestar import Response
from litestar.response.base import ASGIResponse
from msgspec import Raw, Struct

from layernext.errors import DataError, FormatError, InvalidRequest, Problem
from layernext.formats import JsonWindow, iter_list, iter_members
from layernext.stack.api.access import Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.error_map import JSON
from layernext.stack.api.messages import check_name, decode_bulk_message, problem_of
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services
from layernext.stack.api.signature import JsonStream, Shape
from layernext.stack.api.texts import SENTENCE
from layernext.stack.store import LabelRef, Store, value_text
from layernext.wire.published import (
    LABEL_REFERENCES_PATH,
    LabelReference,
    ReferencesRequest,
    title_of,
)

MAX_REFERENCES_BYTES = 256 << 20
"""Of a request, decompressed."""

MAX_NAMES = 100_000
"""Labels and attributes of a request: what is kept of each while it is worked on."""

MAX_VALUE_BYTES = 4 << 20
"""JSON of a value; as objects in memory it can be thirty times larger."""

BATCH_BYTES = 2 << 20
"""Worked on at a time. A larger request is registered in several transactions, so that other writers get
their turn in between."""

_OVERHEAD_BYTES = 200
"""That a name or a value takes in a batch beside its JSON."""

SPOOL_BYTES = 4 << 20
"""Of an answer that stays in memory, and is sent at once."""

_PIECE_BYTES = 1 << 20


class _Envelope(Struct, frozen=True):
    labels: Raw = Raw(b"{}")


class _Attribute(Struct, gc=False):
    """Where the values of an attribute begin, and whether some are not strings."""

    start: int
    has_others: bool = False


class _Source(io.RawIOBase):
    """Part of a request's body as a stream."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._position = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        piece = bytes(self._content[self._position :][: max(size, 0)])
        self._position += len(piece)
        return piece


@operation(
    "POST",
    LABEL_REFERENCES_PATH,
    Operation(
        summary=title_of(LABEL_REFERENCES_PATH),
        tag="Published protocol",
        role="write",
        scope=Scope(needs_grant=True),
        action="add labels",
        errors=(400, 413, 422),
    ),
)
async def label_references(
    body: Annotated[JsonStream, Shape(ReferencesRequest)], services: Services, audit: Audit
) -> Annotated[Response[Any], Shape(dict[str, LabelReference])]:
    """References of labels, attributes and values. What is not known yet is made."""
    async with body.received(MAX_REFERENCES_BYTES) as received:

        def work() -> IO[bytes]:
            with received.content(MAX_REFERENCES_BYTES) as content:
                envelope = decode_bulk_message(content, _Envelope)
                with memoryview(envelope.labels) as labels:
                    return _answer(services.store, labels)

        spool = await services.ingest(audit.recorded(work))
    if spool.tell() > SPOOL_BYTES:
        return _SpoolAnswer(services, spool)
    with spool:
        spool.seek(0)
        return Response(spool.read(), media_type=JSON)


def _answer(store: Store, labels: memoryview) -> IO[bytes]:
    plan = _survey(labels)
    batches = _batches(labels, plan)
    first, second = next(batches, {}), next(batches, None)
    tables: Iterable[dict[str, LabelRef]]
    if second is None:
        tables = [store.labels.ensure_table(first)]
    else:
        tables = store.labels.ensure_tables(chain([first, second], batches))
    spool = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - closed once it was sent
    try:
        for piece in _encoded(tables):
            spool.write(piece)
    except BaseException:
        spool.close()
        raise
    return spool


def _window(labels: memoryview, start: int = 0) -> JsonWindow:
    return JsonWindow(cast("BinaryIO", _Source(labels[start:])), "the body")


def _survey(labels: memoryview) -> dict[str, dict[str, _Attribute]]:
    """Check the request, and note where the values of each attribute are.

    Raises:
        DataError: a name or a value cannot be one, with its place.
        InvalidRequest: it is not JSON.
    """
    plan: dict[str, dict[str, _Attribute]] = {}
    names = 0

    def count_name() -> None:
        nonlocal names
        names += 1
        if names > MAX_NAMES:
            problem = f"has more than {MAX_NAMES:,} labels and attributes; send it in parts"
            raise DataError(Problem("labels", problem))

    window = _window(labels)
    with _errors_explained():
        _check_type(window, b"{", dict, "labels")
        for label in iter_members(window, "an object"):
            count_name()
            _check_key(label, "labels", plan)
            check_name(label, "labels", "a class")
            where = f"labels[{label!r}]"
            attributes = plan[label] = {}
            _check_type(window, b"{", dict, where)
            for name in iter_members(window, "an object"):
                count_name()
                _check_key(name, f"labels[{json.dumps(label)}]", attributes)
                check_name(name, where, "an attribute")
                _check_type(window, b"[", list, f"{where}[{name!r}]")
                attributes[name] = _survey_values(window, f"{where}[{name!r}]")
    return plan


def _check_key(key: str, where: str, earlier: Mapping[str, object]) -> None:
    """As every other body is checked: no U+0000, and no key twice."""
    if "\x00" in key:
        raise DataError(Problem(f"{where}[{json.dumps(key)}]", SENTENCE))
    if key in earlier:
        raise DataError(Problem(where, f"key {json.dumps(key)} appears twice"))


@contextmanager
def _errors_explained() -> Iterator[None]:
    try:
        yield
    except (FormatError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}", status=400) from error


def _check_type(window: JsonWindow, beginning: bytes, kind: type, where: str) -> None:
    if window.peek() == beginning:
        return
    try:
        msgspec.json.decode(window.value(), type=kind)
    except msgspec.ValidationError as error:
        raise DataError(problem_of(error, where)) from error


def _survey_values(window: JsonWindow, where: str) -> _Attribute:
    attribute = _Attribute(window.place)
    for index, raw in enumerate(iter_list(window, "values")):
        if len(raw) > MAX_VALUE_BYTES:
            problem = f"is a value larger than {MAX_VALUE_BYTES >> 20} MiB"
            raise DataError(Problem(f"{where}[{index}]", problem))
        try:
            value = msgspec.json.decode(raw)
            if not isinstance(value, str):
                attribute.has_others = True
                value_text(value)
        except msgspec.ValidationError as error:
            raise DataError(problem_of(error, f"{where}[{index}]")) from error
        except RecursionError as error:
            raise DataError(Problem(f"{where}[{index}]", "is nested too deeply")) from error
    return attribute


def _batches(
    labels: memoryview, plan: dict[str, dict[str, _Attribute]]
) -> Iterator[dict[str, dict[str, list[Any]]]]:
    """The request in parts. A label or an attribute may go on in the next one."""
    batch: dict[str, dict[str, list[Any]]] = {}
    size = 0
    for label, attributes in plan.items():
        batch[label] = {}
        size += _OVERHEAD_BYTES
        for name, attribute in attributes.items():
            batch.setdefault(label, {})[name] = []
            size += _OVERHEAD_BYTES
            for value, value_bytes in _values(labels, attribute):
                batch.setdefault(label, {}).setdefault(name, []).append(value)
                size += _OVERHEAD_BYTES + value_bytes
                if size > BATCH_BYTES:
                    yield batch
                    batch, size = {}, 0
        if size > BATCH_BYTES:
            yield batch
            batch, size = {}, 0
    if batch:
        yield batch


def _values(labels: memoryview, attribute: _Attribute) -> Iterator[tuple[Any, int]]:
    """The values of an attribute, each with the length of its JSON.

    Strings come last: where 1 and "1" are both there, the published clients mean the string, and the last
    of two equal keys counts in the answer.
    """
    for is_string in (False, True) if attribute.has_others else (True,):
        for raw in iter_list(_window(labels, attribute.start), "values"):
            if raw.startswith(b'"') is is_string:
                yield msgspec.json.decode(raw), len(raw)


def _encoded(tables: Iterable[dict[str, LabelRef]]) -> Iterator[bytes]:
    """The answer's JSON: tables that follow each other as one, a `LabelReference` for each label."""
    encode = msgspec.json.encode
    label = attribute = ""  # those that are open; names are never empty
    has_values = False
    yield b"{"
    for table in tables:
        for label_name, row in table.items():
            if label_name != label:
                yield _end_of(label, attribute) + (b"," if label else b"")
                head = encode({"ref": row.ref, "color": row.color, "texts": {}})[:-2]
                yield encode(label_name) + b":" + head
                label, attribute = label_name, ""
            for name, (ref, values) in row.attributes.items():
                if name != attribute:
                    yield (b"}}," if attribute else b"") + encode(name) + b":"
                    yield encode({"ref": ref, "texts": {}})[:-2]
                    attribute, has_values = name, False
                if values:
                    yield (b"," if has_values else b"") + encode(values)[1:-1]
                    has_values = True
    yield _end_of(label, attribute) + b"}"


def _end_of(label: str, attribute: str) -> bytes:
    return (b"}}" if attribute else b"") + (b"}}" if label else b"")


class _SpoolAnswer(Response[Any]):
    """Sends a temporary file, and closes it."""

    def __init__(self, services: Services, spool: IO[bytes]) -> None:
        super().__init__(b"", media_type=JSON)
        self._services, self._spool = services, spool

    def to_asgi_response(self, *arguments: Any, **named: Any) -> ASGIResponse:
        """The ASGI application that sends the stream."""
        response = super().to_asgi_response(*arguments, **named)
        return Sender(
            self._services,
            _pieces(self._spool),
            response.encode_headers(),
            slots=self._services.transfers,
        )


def _pieces(spool: IO[bytes]) -> Iterator[bytes]:
    with spool:
        spool.seek(0)
        while piece := spool.read(_PIECE_BYTES):
            yield piece


ROUTES = [label_references]
