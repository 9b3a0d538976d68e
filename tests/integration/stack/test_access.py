"""The access matrix: every route, every kind of caller, a collection of one's own and a foreign one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from layernext.stack.app import OidcSettings
from layernext.stack.store import RANKS
from layernext.wire import published
from tests.integration.stack.access_table import TABLE, Ask, Row
from tests.integration.stack.access_world import CALLERS, IMAGE, Side, World
from tests.integration.stack.conftest import running

FINE, UNKNOWN, REFUSED, MISSING = "fine", 401, 403, 404


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    nobody = OidcSettings(issuer="http://127.0.0.1:1", client_id="x")
    links = (str(Path(__file__).parent),)
    folder = tmp_path_factory.mktemp("stack")
    with running(folder, metrics=True, oidc=nobody, allow_link=links) as stack:
        yield World(stack)


def routes(world: World) -> dict[str, Any]:
    """Every route of the application, as the table names it, with its handler."""
    found = {}
    for route in world.stack.app.routes:
        assert isinstance(route, HTTPRoute)
        path = re.sub(r":\w+", "", route.path_format)
        for handler in route.route_handlers:
            for method in set(handler.http_methods) - {"HEAD", "OPTIONS"}:
                found[f"{method} {path}"] = handler
    return found


def test_the_table_is_complete(world: World) -> None:
    """Each route is in the table with its role, and says that it is about collections if it is."""
    found = routes(world)
    assert sorted(found) == sorted(TABLE)
    for name, handler in found.items():
        row = TABLE[name]
        assert handler.opt["role"] == row.role, name
        is_narrow = row.access not in {"open", "signed", "stack"}
        assert (handler.opt.get("scope") is not None) == (is_narrow), name


def expected(row: Row, caller: str | None, *, is_own: bool) -> str | int:
    """What the table says."""
    if row.role is None:
        return FINE if row.access == "open" else REFUSED
    if caller is None:
        return UNKNOWN
    role, granted = CALLERS[caller]
    if RANKS[role] >= RANKS[row.role] or row.access in {"anyone", "listing"}:
        return FINE
    if row.access == "stack":
        return REFUSED
    local = RANKS[granted or "none"] if is_own or row.access == "somewhere" else RANKS["none"]
    here = max(RANKS[role], local)
    if row.access == "collection" and here < RANKS["read"]:
        return MISSING
    return FINE if here >= RANKS[row.role] else REFUSED


def outcome(answer: httpx.Response) -> str | int:
    """The class of an answer. The published protocol says of what is missing that it failed."""
    if answer.status_code == 303 and "/sign-in" in answer.headers["location"]:
        return UNKNOWN
    if answer.status_code in {UNKNOWN, REFUSED, MISSING}:
        return answer.status_code
    if answer.headers.get("content-type") == "application/json":
        body = answer.json()
        if isinstance(body, dict) and False in (body.get("isSuccess"), body.get("success")):
            return MISSING
    # Of a conflict or a mistake only those hear who were let in.
    # Automatic analysis is not done here, and there is no identity provider.
    assert answer.status_code < 500 or answer.status_code in {501, 503}, answer.text
    return FINE


def ask(world: World, name: str, caller: str | None, side: Side) -> httpx.Response:
    method, _, path = name.partition(" ")
    probe: Ask = TABLE[name].probe(world, side)
    for segment in re.findall(r"{(\w+)}", path):
        path = path.replace(f"{{{segment}}}", probe.path.get(segment, "x"))
    return world.ask(caller, method, path, **probe.named)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_matrix(world: World, name: str) -> None:
    """Every caller gets from each route what the table says, for both collections."""
    row = TABLE[name]
    answers: dict[tuple[str | None, str], tuple[str | int, str]] = {}
    statuses: dict[str | None, set[int]] = {}
    for caller in (None, *CALLERS):
        for side in (world.own, world.other):
            answer = ask(world, name, caller, side)
            statuses.setdefault(caller, set()).add(answer.status_code)
            found = outcome(answer)
            if row.access == "open" and found == MISSING:
                found = FINE  # no such static file
            answers[caller, side.name] = (found, answer.text[:200])
    wrong = {
        key: answer
        for key, answer in answers.items()
        if answer[0] != expected(row, key[0], is_own=key[1] == "own")
    }
    assert not wrong
    if row.role is not None and name not in EMPTY_PROBES:
        assert statuses["admin"] <= {200, 409, 501}, answers["admin", "own"]


ECHOES = {"POST /api/v1/files/bundle"}
"""Answers with the ids that were asked for; see `test_counts_and_numbers`."""

EMPTY_PROBES = {
    "POST /datalake/api/client/cocojson/import/label/create",
    "POST /datalake/api/client/label_groups/{group_id}/addLabels",
    "POST /datalake/api/client/label_groups/{group_id}/removeLabels",
    "POST /datalake/api/job/updateJob/basicAuthRequest",
}
"""Nothing is asked of them but whom they let in."""


@pytest.mark.parametrize(
    "name",
    sorted(name for name, row in TABLE.items() if row.access == "listing" and name not in ECHOES),
)
def test_listings(world: World, name: str) -> None:
    """A listing shows what is in the collection that may be read, and nothing of the other one."""
    shown = ask(world, name, "own reader", world.own).text
    of_all = ask(world, name, "read", world.own).text
    for marker in markers(world.other):
        assert marker not in shown
    assert not set(markers(world.own)) & set(
        ask(world, name, "stranger", world.own).text.split('"')
    )
    own, other = (
        [each for each in markers(side) if each in of_all] for side in (world.own, world.other)
    )
    assert len(own) == len(other)
    assert [each for each in markers(world.own) if each in shown] == own


def markers(side: Side) -> list[str]:
    """Texts that tell of a side."""
    ids = (side.id, side.image, side.evaluation, side.version, side.project, side.export, side.job)
    return [*ids, side.unique_name]


def test_counts_and_numbers(world: World) -> None:
    """So it is with counts, and with listings that have numbers in place of ids."""

    def count(caller: str) -> tuple[int, int, int]:
        counted = ask(world, f"POST {published.COUNT_PATH}", caller, world.own).json()["count"]
        details = ask(world, f"GET {published.SYSTEM_DETAILS_PATH}", caller, world.own).json()
        order = ask(world, "GET /api/v1/items/order", caller, world.own).json()
        return counted, details["objectCounts"]["images"]["count"], order["total"]

    own, whole = count("own reader"), count("read")
    assert count("stranger") == (0, 0, 0)
    assert all(0 < few < many for few, many in zip(own, whole, strict=True))
    overlays = ask(world, "POST /api/v1/items/overlays", "own reader", world.own).json()
    assert [item["number"] for item in overlays["items"]] == [int(world.own.image, 16)]
    bundled = ask(world, "POST /api/v1/files/bundle", "own reader", world.own).content
    assert bundled.count(IMAGE) == 1
