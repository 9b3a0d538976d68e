"""The stack's description of itself, held against the stack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from litestar.routes import HTTPRoute
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from layernext.stack.api.signed import SignedQuery
from layernext.wire.native import NDJSON
from tests.integration.stack.conftest import Stack
from tests.integration.stack.server import Server, serving


@schemathesis.serializer(NDJSON)
def as_lines(context: Any, value: Any) -> bytes:
    """Lines are sent as they are made up."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def document(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack.json("GET", "/api/openapi.json", role=None)
    return found


def test_every_route_is_described(shared: Stack) -> None:
    """No route is missing in the description, and each says its role and its errors."""
    paths = document(shared)["paths"]
    for route in shared.app.routes:
        assert isinstance(route, HTTPRoute)
        if any(handler.opt.get("is_page") for handler in route.route_handlers):
            continue
        for method in set(route.methods) - {"OPTIONS"}:
            described = paths[re.sub(r":\w+", "", route.path_format)][method.lower()]
            assert described["summary"]
            assert described["description"]
            is_open = "security" not in described
            assert ({"401", "403"} <= set(described["responses"])) is not is_open


def test_parameters_are_described(shared: Stack) -> None:
    """Every parameter and every message says what it is."""
    described = document(shared)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", []):
                assert parameter["description"], (method, path, parameter["name"])
            ids = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
            assert ids == re.findall(r"\{(\w+)\}", path)
    for name, schema in described["components"]["schemas"].items():
        assert schema.get("description") or "_" in name, name


def test_references_lead_somewhere(shared: Stack) -> None:
    """Each `$ref` names a message that is there, and ids are not used twice."""
    described = document(shared)

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    schemas = described["components"]["schemas"]
    for reference in walk(described):
        assert reference.removeprefix("#/components/schemas/") in schemas
    ids = [
        operation["operationId"]
        for methods in described["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


PROTOCOL_PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"
ROW = re.compile(
    r"^\|(?: E[^|]+ \|)? (?P<requests>`[A-Z]+`[^|]*) \| (?P<role>\w+(?: \+)?) \|", re.MULTILINE
)


def test_protocol_page(shared: Stack) -> None:
    """docs/protocol.md lists every route, with the role that it asks for, and whether collections count."""
    roles = {}
    for row in ROW.finditer(PROTOCOL_PAGE.read_text()):
        words = re.findall(r"`([^`]+)`", row["requests"])
        methods = [word for word in words if word.isalpha()]
        for path in words[len(methods) :]:
            for method in methods:
                assert roles.setdefault((method, path), row["role"]) == row["role"]
    declared = {}
    for route in shared.app.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            record = handler.opt.get("operation")
            for method in handler.http_methods if record else ():
                path = re.sub(r":\w+", "", route.path_format)
                is_signed = record.query is not None and issubclass(record.query, SignedQuery)
                role = record.role or ("signed" if is_signed else "none")
                role += "" if record.scope is None else " +"
                declared[str(method), path] = role
    heads = {(method, path) for method, path in declared if method == "HEAD"}
    assert {route: declared.get(route) for route in roles} == roles
    assert set(declared) - heads <= set(roles)


def test_page(shared: Stack) -> None:
    """The page shows every route and loads nothing from anywhere."""
    answer = shared.ask("GET", "/api/docs", role=None)
    assert answer.headers["content-type"].startswith("text/html")
    for path in document(shared)["paths"]:
        assert f"<code>{path}</code>" in answer.text
    assert not re.search(r'(src|href)="(?![/#])|<style|style=|<img|https?://', answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    anchors = set(re.findall(r'id="([^"]+)"', answer.text))
    assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= anchors


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("schemathesis") / "data", quiet=True) as running:
        yield running


def test_no_input_breaks_it(server: Server) -> None:
    """Whatever is sent, within the description or not, the answer is one that is described."""
    description = schemathesis.openapi.from_url(f"{server.url}/api/openapi.json")
    count = 0
    for result in description.get_all_operations():
        operation = result.ok()
        # Some are always answered with 501, which is what they are for.
        if "501" not in operation.definition.raw["responses"]:
            attack(operation, server)
        count += 1
    assert count >= 30


def attack(operation: Any, server: Server) -> None:
    """Send one operation what fits its description and what does not."""

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy() | operation.as_strategy(GenerationMode.NEGATIVE))
    def work(case: schemathesis.Case) -> None:
        answer = case.call(auth=server.auth)
        case.validate_response(answer, checks=CHECKS)

    work()
