"""What comes in and goes out beside bulk data: JSON bodies, query strings, answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar, cast, get_origin
from urllib.parse import unquote_to_bytes

import anyio
import msgspec
from litestar import Request, Response
from msgspec import Struct

from layernext.errors import DataError, InvalidRequest, Problem
from layernext.model import find_names_problem, refuse_repeated_keys
from layernext.stack.api.access import Connection
from layernext.stack.api.body import Content, received
from layernext.stack.api.error_map import JSON
from layernext.stack.api.routing import path_text
from layernext.stack.api.services import services_of
from layernext.stack.api.texts import check_texts
from layernext.stack.store import Caller

Call: TypeAlias = Request[Any, Caller, Any]
Answer = TypeVar("Answer")
Message = TypeVar("Message")
Query = TypeVar("Query", bound=Struct)

_IMAGE_ID = re.compile(r"0{8}[0-7][0-9a-f]{15}")

MAX_MESSAGE_BYTES = 16 << 20
"""Of a body other than bulk data. The largest are names of many labels."""

MAX_QUESTION_BYTES = 1 << 20
"""Of a body that says what to look for, and lists nothing."""

MAX_QUERY_FIELDS = 1_100
"""Enough to name a thousand runs."""


async def read_message(
    request: Call, kind: type[Message], *, limit: int, seconds: float = math.inf
) -> Message:
    """The request's JSON body as a message; see `decode_message`.

    Args:
        request: the request.
        kind: of the message.
        limit: largest body in bytes, both as it is sent and decompressed.
        seconds: within which all of it must come.
    """
    try:
        with anyio.fail_after(seconds):
            async with received(request, limit) as body:

                def decode() -> Message:
                    with body.content(limit) as content:
                        return decode_message(content, kind)

                return decode() if body.is_small else await services_of(request).decode(decode)
    except TimeoutError as error:
        text = f"the body did not come within {seconds:g} seconds"
        raise InvalidRequest(text, status=408) from error


def decode_message(content: Content, kind: type[Message]) -> Message:
    """JSON as a message.

    Raises:
        InvalidRequest: it is not JSON.
        DataError: it is JSON, but not such a message, has U+0000 in a text, or an object in it has a
            key twice; with the place.
    """
    message = decode_bulk_message(content, kind)
    try:
        refuse_repeated_keys(bytes(content))
    except UnicodeDecodeError as error:  # in a part that no message of this kind has
        raise InvalidRequest(f"the body is not JSON: {error}", status=400) from error
    return message


def decode_bulk_message(content: Content, kind: type[Message]) -> Message:
    """Likewise, without the look for repeated keys, which would hold a large body twice."""
    try:
        message = msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise DataError(problem_of(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}", status=400) from error
    check_texts(content, message, kind)
    return message


def problem_of(error: msgspec.ValidationError, prefix: str = "") -> Problem:
    """What msgspec complains of, as a problem with its place behind `prefix`."""
    text, _, path = str(error).partition(" - at `")
    where = path.rstrip("`").removeprefix("key in `").removeprefix("$")
    return Problem(f"{prefix}{where}".lstrip("."), text)


def encoded(content: Answer) -> Encoded[Answer]:
    """An answer, for a handler that may answer in another form, too."""
    return Encoded(msgspec.json.encode(content))


def answer_on_both_levels(page: Struct) -> Encoded[Any]:
    """A page of a download under ``data``, and at the top level, where layerx-sdk before 1.0.15 looks."""
    body = msgspec.json.encode(page)
    return Encoded(body[:-1] + b',"data":' + body + b"}")


def read_query(connection: Connection, kind: type[Query], *, plus_is_space: bool = True) -> Query:
    """The query string as a message; a field that is a list may be repeated.

    Args:
        connection: of the request.
        kind: a struct. Whether unknown fields are refused is its own business.
        plus_is_space: as forms have it; False where a client sends names unquoted.

    Raises:
        InvalidRequest: it cannot be read as `kind`.
    """
    fields: dict[str, Any] = {}
    listed = {
        field.encode_name
        for field in msgspec.structs.fields(kind)
        if get_origin(field.type) is list
    }
    raw: bytes = connection.scope["query_string"]
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MAX_QUERY_FIELDS:
        raise InvalidRequest("the query string has too many fields", status=400)
    for pair in pairs:
        name, _, value = (_query_text(part, plus_is_space) for part in pair.partition(b"="))
        if name in listed:
            fields.setdefault(name, []).append(value)
        elif name in fields and kind.__struct_config__.forbid_unknown_fields:
            raise InvalidRequest(f"the query has {name!r} twice", status=400)
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        problem = problem_of(error)
        where = f"{problem.where}: " if problem.where else ""
        raise InvalidRequest(f"the query is wrong: {where}{problem.message}", status=400) from error


def _query_text(part: bytes, plus_is_space: bool) -> str:
    try:
        text = unquote_to_bytes(part.replace(b"+", b" ") if plus_is_space else part).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("the query string is not UTF-8", status=400) from error
    if "\x00" in text:
        raise InvalidRequest("U+0000 cannot be in the query string", status=400)
    return text


def read_path(request: Call, name: str) -> str:
    """A variable segment of the path, decoded; see `path_text`."""
    return path_text(request.path_params, name)


class Encoded(Response[Answer]):
    """An answer that is encoded already; its type says as what it is described.

    Args:
        content: the bytes, which are not encoded again.
        headers: of the answer.
        media_type: of the bytes.
    """

    def __init__(
        self,
        content: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        media_type: str = JSON,
        status_code: int = 200,
    ) -> None:
        super().__init__(
            cast("Answer", content), headers=headers, media_type=media_type, status_code=status_code
        )


def check_name(name: Any, where: str, what: str) -> None:
    """Refuse a name that cannot be one.

    Raises:
        DataError: with the place `where`.
    """
    problem = find_names_problem(name, what)
    if problem:
        raise DataError(Problem(where, problem))


def is_image_id(text: str) -> bool:
    """Whether this can be the id of an image: its row's number, 24 hexadecimal digits long.

    A row's number has 63 bits.
    """
    return bool(_IMAGE_ID.fullmatch(text))
