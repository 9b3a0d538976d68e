"""Every route: credentials, roles, the shape of errors. The list of routes is the application's."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar.routes import HTTPRoute

from layernext.stack.api.front import StackApplication
from layernext.stack.app import Settings, create_app, open_stack
from layernext.stack.store import Role
from tests.integration.stack.conftest import Stack, assert_error

SIGNED = {
    "/upload/1/1",
    "/files/1",
    "/files/1/1",
    "/pictures/1",
    "/exports/1/1",
    "/exports/1/1/1",
    "/export-files/1",
}
"""They need no key, but a signature in the URL."""

OPEN = {"/health", "/ready", "/api/docs", "/api/openapi.json"}


def routes_of(app: StackApplication) -> list[tuple[str, str, Role | None]]:
    """Method, path with something in its variable segments, and role of every route but the pages."""
    found = []
    for route in app.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            if handler.opt.get("is_page"):  # see test_pages
                continue
            path = re.sub(r"\{\w+(:\w+)?\}", "1", route.path_format)
            role = handler.opt.get("role", "read")
            found += [(str(method), path, role) for method in sorted(handler.http_methods)]
    return sorted(found, key=str)


@pytest.fixture(scope="module")
def routes(shared: Stack) -> list[tuple[str, str, Role | None]]:
    return routes_of(shared.app)


def test_routes_are_many(routes: list[tuple[str, str, Role | None]]) -> None:
    """The list that the other tests walk is not empty by mistake."""
    assert len([method for method, _, _ in routes if method != "OPTIONS"]) >= 30
    assert {
        path for method, path, role in routes if role is None and method != "OPTIONS"
    } == OPEN | SIGNED


def test_without_credentials(shared: Stack, routes: list[tuple[str, str, Role | None]]) -> None:
    """No route but the open ones answers without credentials."""
    for method, path, role in routes:
        answer = shared.ask(method, path, role=None)
        if path in SIGNED and method != "OPTIONS":
            assert answer.status_code == 400, (method, path)
            query = "?expires=99999999999&signature=0123456789abcdef0123456789abcdef01234567"
            assert shared.ask(method, f"{path}{query}", role=None).status_code == 403
        elif role is None:
            assert answer.status_code == 200, (method, path)
        else:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Basic ")
            assert_error(answer, 401, "not-authenticated")


@pytest.mark.parametrize("role", ["read", "write"])
def test_too_small_a_role(
    shared: Stack, routes: list[tuple[str, str, Role | None]], role: Role
) -> None:
    """No route lets a key of a smaller role in, and each lets one of its own role in."""
    ranks = {None: 0, "read": 0, "write": 1, "admin": 2}
    for method, path, wanted in routes:
        answer = shared.ask(method, path, role=role)
        if ranks[role] < ranks[wanted]:
            error = assert_error(answer, 403, "not-allowed")
            assert str(wanted) in error["message"], (method, path)
        else:
            assert answer.status_code not in {401, 403}, (method, path)


def credentials(text: bytes, scheme: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{scheme} {base64.b64encode(text).decode()}"}


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"Authorization": ""}, id="empty"),
        pytest.param({"Authorization": "Basic"}, id="nothing-behind-basic"),
        pytest.param({"Authorization": "Basic ???"}, id="no-base64"),
        pytest.param({b"Authorization": "Basic é".encode("latin-1")}, id="no-ascii"),
        pytest.param(credentials(b"no colon"), id="no-colon"),
        pytest.param(credentials(b"\xff\xfe:\xff"), id="no-utf-8"),
        pytest.param(credentials(b"key_\x00:s"), id="nul"),
        pytest.param(credentials(b":"), id="both-empty"),
        pytest.param(credentials(b"key_unknown:secret"), id="unknown-key"),
        pytest.param(credentials("schlüssel:geheim".encode()), id="not-ascii"),
        pytest.param(credentials(b"key:secret", "Bearer"), id="another-scheme"),
        pytest.param(credentials(b"k" * 30_000 + b":s"), id="long"),
    ],
)
def test_bad_credentials(shared: Stack, header: dict[str, str]) -> None:
    """Whatever stands in the header, it is 401 and never 403 or 500 (E01 needs that)."""
    answer = shared.ask(
        "GET", "/datalake/api/client/sdk/compatibility/2.3.4", role=None, headers=header
    )
    assert_error(answer, 401, "not-authenticated")


def test_wrong_secret_and_revoked_key(stack: Stack) -> None:
    """A wrong secret is refused, and so is a right one once the key is revoked."""
    key = stack.keys["write"]
    wrong = stack.client.get("/api/v1", auth=(key.api_key, key.secret + "x"))
    assert_error(wrong, 401)
    assert stack.json("DELETE", f"/api/v1/keys/{key.api_key}") == {"api_key": key.api_key}
    assert_error(stack.ask("GET", "/api/v1", role="write"), 401)
    assert_error(stack.ask("DELETE", f"/api/v1/keys/{key.api_key}"), 404)


def test_keys(stack: Stack) -> None:
    """A key made over HTTP works at once; its secret is never shown again."""
    made = stack.ask("POST", "/api/v1/keys", json={"name": "ci", "role": "read"})
    assert made.headers["cache-control"] == "no-store"
    fields = made.json()
    assert stack.client.get("/api/v1", auth=(fields["api_key"], fields["secret"])).json() == {
        **stack.json("GET", "/api/v1"),
        "key_name": "ci",
        "role": "read",
        "user": "ci",
    }
    listed = stack.ask("GET", "/api/v1/keys")
    assert fields["secret"] not in listed.text
    assert fields["api_key"] in {key["api_key"] for key in listed.json()}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nothing/here", 404, id="unknown"),
        pytest.param("GET", "/api/v1/uploads", 405, id="wrong-method"),
        pytest.param("TRACE", "/health", 405, id="trace"),
        pytest.param("PATCH", "/api/v1/collections", 405, id="patch"),
        pytest.param("GET", "/api/v1/jobs/%FF", 400, id="path-not-utf-8"),
        pytest.param("GET", "/api/v1/jobs/%00", 400, id="path-nul"),
        pytest.param("GET", "/api/v1/jobs/none", 404, id="no-job"),
        pytest.param("GET", "/api/v1/jobs/" + "x" * 5_000, 404, id="long-path"),
        pytest.param("GET", "/api/v1/runs?collection=none", 404, id="no-collection"),
        pytest.param("GET", "/api/v1/runs?limit=0", 400, id="limit-0"),
        pytest.param("GET", "/api/v1/runs?limit=1001", 400, id="limit-too-large"),
        pytest.param("GET", "/api/v1/runs?limit=" + "9" * 5_000, 400, id="limit-huge"),
        pytest.param("GET", "/api/v1/runs?limit=x", 400, id="limit-no-number"),
        pytest.param("GET", "/api/v1/runs?after=x", 400, id="no-cursor"),
        pytest.param("GET", "/api/v1/runs?after=9-" + "9" * 40, 400, id="huge-cursor"),
        pytest.param("GET", "/api/v1/runs?colection=a", 400, id="misspelt"),
        pytest.param("GET", "/api/v1/runs?limit=1&limit=2", 400, id="twice"),
        pytest.param("GET", "/api/v1/runs?collection=%FF", 400, id="query-not-utf-8"),
        pytest.param("GET", "/api/v1/runs?collection=%00", 400, id="query-nul"),
        pytest.param("GET", "/api/v1/annotations?mode=robot", 400, id="unknown-mode"),
        pytest.param("GET", "/api/v1/annotations?after=1", 400, id="half-a-cursor"),
        pytest.param("GET", "/api/v1/annotations?run=nobody", 404, id="no-run"),
        pytest.param("GET", "/api/v1/annotations?" + "run=a&" * 1_200, 400, id="many-runs"),
        pytest.param("DELETE", "/api/v1/annotations", 400, id="no-run-named"),
        pytest.param("DELETE", "/api/v1/annotations?run=", 422, id="empty-run"),
        pytest.param("DELETE", "/api/v1/keys/nobody", 404, id="no-key"),
        pytest.param("GET", "/api/v1/uploads/none", 404, id="no-upload"),
        pytest.param("PUT", "/api/v1/uploads/none/batches/0", 404, id="batch-of-no-upload"),
        pytest.param("PUT", "/api/v1/uploads/none/batches/x", 404, id="batch-x"),
        pytest.param("PUT", "/api/v1/uploads/none/batches/-1", 404, id="batch-negative"),
        pytest.param("PUT", f"/api/v1/uploads/n/batches/{10**30}", 404, id="batch-huge"),
    ],
)
def test_refusals(shared: Stack, method: str, path: str, status: int) -> None:
    """What cannot be answered is refused in the one shape, with the status that fits."""
    assert_error(shared.ask(method, path), status)


BAD_BODIES: list[Any] = [
    pytest.param(b"", id="empty"),
    pytest.param(b"{", id="cut-short"),
    pytest.param(b"\xff\xfe", id="not-utf-8"),
    pytest.param(b'{"labels": "\xff"}', id="not-utf-8-inside"),
    pytest.param(b"[" * 100_000, id="deep"),
    pytest.param(b'{"a":' * 50_000, id="deep-objects"),
    pytest.param(b'{"labels":' * 50_000, id="deep-labels"),
    pytest.param(b'{"\\ud800": 1}', id="half-a-surrogate"),
    pytest.param(b"NaN", id="nan"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="list"),
    pytest.param(b"7", id="number"),
    pytest.param(b"1e999", id="infinite"),
    pytest.param(b"9" * 10_000, id="long-number"),
    pytest.param(b'"text"', id="text"),
]

JSON_ROUTES = [
    "/api/v1/uploads",
    "/api/v1/uploads/1/finish",
    "/api/v1/collections",
    "/api/v1/keys",
    "/datalake/api/client/system/label/references",
    "/datalake/api/client/system/labels/create",
    "/datalake/api/client/cocojson/import/label/create",
    "/datalake/api/client/label_groups/create",
    "/datalake/api/client/metadata/getCollectionIdByName",
    "/datalake/api/client/metadata/getCollectionDetails",
    "/datalake/api/metadata/operationdata/1/2/run/update",
    "/datalake/api/metadata/operationdata/run/update",
]


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize("body", BAD_BODIES)
def test_bad_bodies(shared: Stack, path: str, body: bytes) -> None:
    """What is not JSON is refused with 400, JSON of another kind with 422, as soon as it is seen."""
    answer = shared.ask("POST", path, content=body)
    assert answer.status_code in {400, 422}
    error = assert_error(answer, answer.status_code)
    if answer.status_code == 422:
        assert error["code"] == "data"
        assert error["details"]


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        pytest.param("/api/v1/uploads", {"run": "", "mode": "machine"}, "run", id="empty-run"),
        pytest.param("/api/v1/uploads", {"run": "a\0", "mode": "machine"}, "run", id="nul"),
        pytest.param("/api/v1/uploads", {"run": "a" * 513, "mode": "human"}, "run", id="long"),
        pytest.param("/api/v1/uploads", {"run": "a", "mode": "robot"}, "mode", id="mode"),
        pytest.param("/api/v1/uploads", {"run": "a", "mode": "human", "x": 1}, "", id="unknown"),
        pytest.param(
            "/api/v1/uploads",
            {"run": "a", "mode": "human", "collection": "c" * 513},
            "collection",
            id="collection",
        ),
        pytest.param(
            "/api/v1/uploads",
            {"run": "a", "mode": "human", "key_kind": "storage_path", "bucket": ""},
            "bucket",
            id="bucket",
        ),
        pytest.param("/api/v1/collections", {"name": "//"}, "name", id="no-name"),
        pytest.param("/api/v1/keys", {"name": "", "role": "read"}, "name", id="no-key-name"),
        pytest.param("/api/v1/keys", {"name": "a", "role": "root"}, "role", id="no-role"),
        pytest.param("/api/v1/uploads/1/finish", {"batches": -1}, "batches", id="negative"),
        pytest.param("/api/v1/uploads/1/finish", {"batches": 10**40}, "batches", id="huge"),
        pytest.param(
            "/datalake/api/client/system/label/references",
            {"labels": {"": {}}},
            "labels",
            id="label",
        ),
        pytest.param(
            "/datalake/api/client/system/label/references",
            {"labels": {"a": {"b\0": []}}},
            'labels["a"]["b\\u0000"]',
            id="attribute",
        ),
        pytest.param(
            "/datalake/api/client/system/labels/create",
            {"label": {"labelText": "a", "description": "b\0"}},
            "label.description",
            id="description",
        ),
        pytest.param(
            "/datalake/api/client/label_groups/create",
            {"groupName": "", "labelKeys": []},
            "groupName",
            id="group",
        ),
    ],
)
def test_bad_fields(shared: Stack, path: str, body: dict[str, Any], where: str) -> None:
    """A field that cannot be what it is gets named in `details`."""
    error = assert_error(shared.ask("POST", path, json=body), 422, "data")
    assert error["details"][0]["where"] == where


def test_request_id(shared: Stack) -> None:
    """Every answer has an id; a client's own is taken if it is harmless."""
    ids = [shared.ask("GET", "/health").headers["x-request-id"] for _ in range(2)]
    assert ids[0] != ids[1]
    own = {"X-Request-Id": "my-request.7"}
    assert shared.ask("GET", "/nowhere", headers=own).json()["error"]["requestId"] == "my-request.7"
    forged = shared.ask("GET", "/health", headers={"X-Request-Id": "a b\t" + "c" * 100})
    assert forged.headers["x-request-id"].isalnum()


def test_published_only(make_stack: Callable[..., Stack]) -> None:
    """With the native protocol off none of its routes is there, and the handshake says nothing."""
    stack = make_stack(native=False)
    for method, path, _ in routes_of(stack.app):
        assert not path.startswith("/api/v1"), method
    assert_error(stack.ask("GET", "/api/v1/collections"), 404)
    shake = stack.json("GET", "/datalake/api/client/sdk/compatibility/1.0.0")
    assert shake == {"isCompatible": True}


def test_unexpected_error(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is logged whole and answered with an id, not with its text."""
    stack.store.close()

    def broken(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("the secret reason")

    stack.store.collections.list_page = broken  # type: ignore[method-assign]
    admin = stack.store.keys.authenticate(stack.keys["admin"].api_key, stack.keys["admin"].secret)
    stack.store.keys.authenticate = lambda key, secret: admin  # type: ignore[method-assign]
    answer = stack.ask("GET", "/api/v1/collections")
    error = assert_error(answer, 500, "internal")
    assert "secret reason" not in answer.text
    assert error["requestId"] in caplog.text
    assert "the secret reason" in caplog.text


def test_ready_without_database(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """A stack whose database is gone says that it lives and that it cannot serve."""

    def ping() -> None:
        raise OSError("gone")

    stack.store.ping = ping  # type: ignore[method-assign]
    assert stack.ask("GET", "/health", role=None).json() == {"status": "ok"}
    answer = stack.ask("GET", "/ready", role=None)
    assert_error(answer, 503, "unavailable")
    assert answer.headers["retry-after"]
    assert "gone" in caplog.text


def test_first_key(tmp_path: Path) -> None:
    """The first start makes one administrator's key, later starts none."""
    settings = Settings(data=tmp_path / "a" / "b")
    store, first = open_stack(settings)
    assert first is not None
    assert first.role == "admin"
    assert store.keys.authenticate(first.api_key, first.secret) is not None
    store.close()
    store, second = open_stack(settings)
    assert second is None
    assert len(store.keys.list()) == 1
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0
    create_app(store, settings)
    store.close()


def test_access_log(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """One line a request, with who and what, without secrets, and no line can be forged."""
    caplog.set_level("INFO", "layernext.stack.access")
    stack.ask("GET", "/api/v1/collections", role="read")
    stack.ask("GET", "/a%0Ab", role=None)
    stack.upload([{"image": "a.jpg", "annotations": []}])
    records = [r for r in caplog.records if r.name == "layernext.stack.access"]
    first = records[0].fields  # type: ignore[attr-defined]
    assert first["key"] == stack.keys["read"].api_key
    assert (first["method"], first["path"], first["status"]) == ("GET", "/api/v1/collections", 200)
    assert first["sent"] > 0
    assert "\n" not in records[1].getMessage()
    put = next(r.fields for r in records if r.fields["method"] == "PUT")  # type: ignore[attr-defined]
    assert put["received"] > 10
    for key in stack.keys.values():
        assert key.secret not in caplog.text
