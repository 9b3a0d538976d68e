"""What is read from a handler's signature, and what a request makes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from litestar import Response
from litestar.datastructures import Headers
from litestar.testing import TestClient
from msgspec import Meta, Struct

from layernext.errors import Conflict
from layernext.stack.api.audit import Audit
from layernext.stack.api.error_map import answer_error
from layernext.stack.api.front import StackApplication
from layernext.stack.api.messages import Call, Encoded, encoded
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.stack.api.signature import (
    Binary,
    ByteStream,
    Change,
    FromRequest,
    Header,
    Html,
    IsUnprefixed,
    JsonStream,
    Limit,
    Lines,
    LineStream,
    Parameter,
    Shape,
    read_signature,
    unquoted,
)
from layernext.stack.app import Settings, create_app, open_stack
from layernext.stack.store import AuditFilter, Store


class Sought(Struct, frozen=True):
    """A query."""

    name: str = ""
    limit: int = 1


class Dog(Struct, frozen=True):
    """A body."""

    name: str


class Answer(Struct, frozen=True):
    """An answer."""

    text: str


Kennel = Annotated[str, Meta(description="Its name.")]
Number = Annotated[
    str, Meta(description="From 1.", extra_json_schema={"type": "integer", "minimum": 1})
]
WHOLE = Header("X-Whole", "Whether all of it is meant.")


def all_of_it(
    store: Store,
    body: Dog,
    query: Sought,
    number: Number,
    is_whole: Annotated[str, WHOLE],
    kennel: Kennel,
) -> Answer:
    """With one parameter of each kind, in no order."""
    return Answer(repr((kennel, number, query, body, is_whole, store is not None)))


def test_parameters() -> None:
    """Path and headers are described, in the order of the path; query, body and answer by their types."""
    signature = read_signature(all_of_it, "/{kennel:str}/dogs/{number:str}")
    assert signature.parameters == (
        Parameter("kennel", "Its name."),
        Parameter("number", "From 1.", {"type": "integer", "minimum": 1}),
        Parameter("X-Whole", "Whether all of it is meant.", {"type": "string"}, "header"),
    )
    assert (signature.query, signature.body, signature.answer) == (Sought, Dog, Answer)
    assert not signature.is_binary
    assert signature.takes(Store)
    assert not signature.takes(Change)


def test_bodies_that_the_handler_receives() -> None:
    """Lines and bytes are described as such, JSON as the type that its `Shape` says."""

    def lines(body: LineStream) -> None: ...

    def octets(body: ByteStream) -> None: ...

    def json(body: Annotated[JsonStream, Shape(Dog)]) -> None: ...

    signatures = [read_signature(handler, "/") for handler in (lines, octets, json)]
    assert [signature.body for signature in signatures] == [bytes, bytes, Dog]
    assert [signature.is_binary for signature in signatures] == [False, True, False]
    assert all(signature.message is None for signature in signatures)


def test_answers() -> None:
    """Whatever carries an answer is described as the answer."""

    def plain() -> list[Answer]: ...  # type: ignore[empty-body]

    def bare() -> Encoded[Answer]: ...  # type: ignore[empty-body]

    def lines() -> Lines: ...  # type: ignore[empty-body]

    def octets() -> Binary: ...  # type: ignore[empty-body]

    def page() -> Html: ...  # type: ignore[empty-body]

    def streamed() -> Annotated[Response[Any], Shape(dict[str, Answer])]: ...  # type: ignore[empty-body]

    def response() -> Response[bytes]: ...  # type: ignore[empty-body]

    handlers = [plain, bare, lines, octets, page, streamed, response]
    signatures = [read_signature(handler, "/") for handler in handlers]
    assert [signature.answer for signature in signatures] == [
        list[Answer],
        Answer,
        bytes,
        bytes,
        str,
        dict[str, Answer],
        None,
    ]
    assert [signature.is_binary for signature in signatures].index(True) == 3


def test_what_another_reader_reads_of_the_query_is_described() -> None:
    """It is part of the route as well."""

    def handler(
        sought: Annotated[str, FromRequest(lambda _: "", query=Sought)],
        is_unprefixed: IsUnprefixed,
    ) -> None: ...

    assert read_signature(handler, "/").query is Sought


@pytest.mark.parametrize("kind", [Call, Struct, int])
def test_a_parameter_that_nothing_can_be_given_for(kind: Any) -> None:
    """It fails when the module is imported, not when a request comes; the request itself is none of them."""

    def handler(thing) -> None: ...

    handler.__annotations__["thing"] = kind
    with pytest.raises(TypeError, match=r"test_signature\.handler: .*'thing'"):
        operation("GET", "/", record())(handler)


def record(**fields: Any) -> Operation:
    return Operation(**{"summary": "A test", "tag": "Tests", "role": None, **fields})


THREADS: dict[str, int] = {}


def note_thread(name: str) -> Answer:
    THREADS[name] = threading.get_ident()
    return Answer(name)


@operation("POST", "/kennels/{kennel:str}/dogs/{number:str}", record())
def everything(
    kennel: Kennel, number: Number, query: Sought, body: Dog, is_whole: Annotated[str, WHOLE]
) -> Answer:
    return Answer(f"{kennel} {number} {query.name} {query.limit} {body.name} {is_whole}")


@operation("POST", "/small", record(status=201))
def small(body: Annotated[Dog, Limit(64)]) -> Answer:
    return Answer(body.name)


@operation("POST", "/received", record())
async def received(body: Annotated[JsonStream, Shape(Dog)], services: Services) -> Encoded[Answer]:
    async with body.received(64) as whole:
        with whole.content(64) as content:
            size = len(content)
    body.note_size(size)
    return encoded(Answer(f"{size} of {body.announced_size}"))


@operation("GET", "/plus", record())
def plus(
    query: Sought, sent: Annotated[Sought | None, unquoted(Sought)], headers: Headers
) -> Answer:
    return Answer(f"{query.name!r} {sent and sent.name!r} {headers['x-word']}")


@operation("GET", "/in-a-thread", record())
def in_a_thread() -> Answer:
    return note_thread("plain")


@operation("GET", "/on-the-loop", record())
async def on_the_loop() -> Answer:
    return note_thread("coroutine")


@operation("POST", "/whole", record(action="make collection"))
def whole(body: Dog, store: Store, audit: Audit) -> Answer:
    store.collections.ensure(body.name)
    audit.note(collection=body.name)
    if body.name == "bad":
        raise Conflict("not this one", status=409)
    return Answer(body.name)


@operation("POST", "/checked", record(action="make collection"))
def checked(body: Dog, store: Store, audit: Audit, change: Change) -> Encoded[Answer]:
    audit.note(collection=body.name)
    if body.name == "unchanged":
        return encoded(Answer("as it was"))

    def work() -> Answer:
        store.collections.ensure(body.name)
        if body.name == "bad":
            raise Conflict("not this one", status=409)
        return Answer(body.name)

    return change(work)


ROUTES = [everything, small, received, plus, in_a_thread, on_the_loop, whole, checked]


class Served:
    """The routes of this module before a store of their own."""

    def __init__(self, store: Store, client: TestClient[StackApplication]) -> None:
        self.store, self.client = store, client

    def refused(self, *arguments: Any, **named: Any) -> tuple[int, str]:
        """Status and sentence of a refusal."""
        answer = self.client.request(*arguments, **named)
        return answer.status_code, answer.json()["error"]["message"]

    @property
    def entries(self) -> list[tuple[str, str | None]]:
        """Of the audit log, the newest first."""
        entries, _ = self.store.audit.page(AuditFilter(), before=None, limit=100)
        return [(entry.action, entry.collection) for entry in entries]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(data=tmp_path_factory.mktemp("signature") / "data", jobs=False)
    store, _ = open_stack(settings)
    state = create_app(store, settings).state
    app = StackApplication(
        route_handlers=ROUTES,
        state=state,
        exception_handlers={Exception: answer_error},
        openapi_config=None,
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Served(store, client)
    store.close()


def test_arguments(served: Served) -> None:
    """Each comes from its part of the request, decoded."""
    answer = served.client.post(
        "/kennels/Old%20%26%20new/dogs/7?name=a+b&limit=3",
        json={"name": "Rex"},
        headers={"X-Whole": "yes"},
    )
    assert (answer.status_code, answer.json()) == (200, {"text": "Old & new 7 a b 3 Rex yes"})
    answer = served.client.post("/kennels/a/dogs/1", json={"name": "Rex"})
    assert answer.json() == {"text": "a 1  1 Rex "}


def test_what_is_refused_first(served: Served) -> None:
    """The path, then the query, then the body, whatever the order of the parameters is."""
    bad_path, bad_query, bad_body = "/kennels/%ff/dogs/1", "?limit=many", {"content": b"{"}
    refused = served.refused
    assert refused("POST", bad_path + bad_query, **bad_body) == (
        400,
        "the path is not UTF-8 in kennel",
    )
    status, message = refused("POST", "/kennels/a/dogs/1" + bad_query, **bad_body)
    assert (status, message.partition(":")[0]) == (400, "the query is wrong")
    status, message = refused("POST", "/kennels/a/dogs/1", **bad_body)
    assert (status, message.partition(":")[0]) == (400, "the body is not JSON")
    status, message = refused("POST", "/kennels/a/dogs/1", content=b'{"name":"a","name":"b"}')
    assert (status, message) == (422, 'key "name" appears twice')


def test_a_body_has_its_own_limit(served: Served) -> None:
    """It is refused before it is decoded."""
    assert served.client.post("/small", json={"name": "Rex"}).status_code == 201
    status, _ = served.refused("POST", "/small", json={"name": "R" * 64})
    assert status == 413


def test_a_body_that_the_handler_receives(served: Served) -> None:
    """Nothing of it is read before; its announced length can be asked for."""
    answer = served.client.post("/received", content=b'{"name":"Rex"}')
    assert answer.json() == {"text": "14 of 14"}
    assert served.refused("POST", "/received", content=b"x" * 65)[0] == 413


@pytest.mark.parametrize(
    ("query", "text"), [("?name=a%2Bb", "'a+b' None w"), ("?name=a+b", "'a b' 'a+b' w")]
)
def test_a_plus_sign(served: Served, query: str, text: str) -> None:
    """As itself only where there is one."""
    assert served.client.get(f"/plus{query}", headers={"X-Word": "w"}).json() == {"text": text}


def test_threads(served: Served) -> None:
    """A plain function runs in a thread, and a coroutine function on the event loop."""
    for path in ("/in-a-thread", "/on-the-loop", "/on-the-loop"):
        assert served.client.get(path).status_code == 200
    assert THREADS["plain"] != THREADS["coroutine"]


@pytest.mark.parametrize("path", ["/whole", "/checked"])
def test_a_change_is_one_transaction(served: Served, path: str) -> None:
    """With its entry of the audit log; what raises changes nothing, and has no entry."""
    names, earlier = served.store.collections, served.entries
    name = path.strip("/")
    assert served.client.post(path, json={"name": name}).json() == {"text": name}
    assert names.find(name) is not None
    assert served.entries == [("make collection", name), *earlier]
    assert served.refused("POST", path, json={"name": "bad"}) == (409, "not this one")
    assert names.find("bad") is None
    assert served.entries == [("make collection", name), *earlier]


def test_a_handler_that_changes_nothing(served: Served) -> None:
    """One that takes `Change` and does not call it has no entry."""
    earlier = served.entries
    assert served.client.post("/checked", json={"name": "unchanged"}).json() == {
        "text": "as it was"
    }
    assert served.entries == earlier
