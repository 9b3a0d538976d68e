"""The audit log: every change has its entry, in the transaction of the change itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from layernext.model import AuditEntry
from layernext.stack.store import AuditFilter
from tests.integration.stack.audited_calls import CALLS, OWN, World
from tests.integration.stack.conftest import Stack, assert_error, running
from tests.integration.stack.server import serving

PARTS = {
    "uploads.put_batch", "files.known_files", "files.put_bundle", "files.begin_file",
    "files.part_urls", "files.finish_file", "transfer.put_part",
}  # fmt: skip
"""They are parts of an upload, which has an entry when it is opened and one when it is finished."""

NOTHING = {
    # A snapshot of ids that is kept for a day; what is done to it has an entry.
    "items.select",
    # Questions that are sent as POST.
    "embeddings.search", "embeddings.get_vectors", "file_listing.file_bundle", "overlays.overlays",
    "trails.trails",
    "items.list_files", "items.list_collection_files", "items.count_files",
    "items.count_collection_files", "items.item_details", "collections.collection_id",
    "collections.collection_details", "metadata.validate_tags", "metadata.validate_fields",
    "projects.project_name",
    # Pages and lists that not everybody may see.
    "upload.upload_page", "audit.list_entries", "activity.activity_page", "keys.list_keys",
    "items.purge_state", "status.show_status", "users.list_users", "users.list_grants", "metrics.show_metrics",
}  # fmt: skip
"""They change nothing that lasts."""


FORWARDED = {
    "203.0.113.9": "203.0.113.9",
    "198.51.100.1, 203.0.113.9, 10.9.9.9": "203.0.113.9",
    "2001:db8::7": "2001:db8::7",
    "203.0.113.9, <script>": "127.0.0.1",
    "": "127.0.0.1",
}
"""What comes as X-Forwarded-For, and whose request it is if 127.0.0.0/8 and 10.9.9.9 are trusted."""


def entries_of(stack: Stack, **fields: Any) -> list[AuditEntry]:
    return stack.store.audit.page(AuditFilter(**fields), before=None, limit=1_000)[0]


def mutating_routes(stack: Stack) -> dict[str, Any]:
    """Handlers of routes that may change something, by module and name."""
    handlers = {}
    for route in stack.app.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            methods = set(handler.http_methods) - {"GET", "HEAD", "OPTIONS"}
            if methods or handler.opt.get("role") in {"write", "admin"}:
                function = handler.fn
                module = function.__module__.rpartition(".")[2]
                if module == "left_out":  # always refused
                    continue
                handlers[f"{module}.{function.__name__}"] = handler
    return handlers


def test_every_route_that_changes_something_is_called(shared: Stack) -> None:
    """A new route needs a call that shows its entry, or a reason why it has none."""
    routes = mutating_routes(shared)
    assert set(routes) - NOTHING == set(CALLS) - NOTHING
    for name, handler in routes.items():
        record = handler.opt.get("operation")
        if record is not None:
            assert (record.action is None) == (name in NOTHING | PARTS), name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    links = (str(Path(__file__).parent),)
    with running(tmp_path_factory.mktemp("audited"), allow_link=links) as stack:
        yield World(stack)


@pytest.mark.parametrize("name", CALLS)
def test_every_change_has_its_entry(world: World, name: str) -> None:
    """Of who, from where, what and in which request; parts of an upload and questions have none."""
    before = entries_of(world.stack)
    CALLS[name](world)
    new = [entry for entry in entries_of(world.stack) if entry not in before]
    if name in PARTS | NOTHING:
        assert new == []
        return
    handler = mutating_routes(world.stack)[name]
    record = handler.opt.get("operation")
    action = (
        record.action if record is not None else name.removeprefix("sign_in.").replace("_", " ")
    )
    mine = [entry for entry in new if entry.action == action]
    assert mine, new
    is_session = name.startswith("sign_in.")
    for entry in mine:
        role = "write" if is_session else "admin"
        assert entry.actor == f"test {role}"
        assert entry.api_key == world.stack.keys[role].api_key  # type: ignore[index]
        assert entry.address == "testclient"
        assert entry.outcome == "done"
        assert entry.request_id


def test_entries_say_what_was_done(stack: Stack) -> None:
    """Collection, run and count of an upload and of a removal."""
    box = {"bbox": [1, 2, 3, 4], "label": "cup"}
    images = [{"image": "a.jpg", "annotations": [box, box]}]
    stack.upload(images, run="robot", collection="yard", geometry="rectangle")
    stack.json("DELETE", "/api/v1/annotations", params={"run": "robot", "collection": "yard"})
    removed, finished, opened = entries_of(stack)[:3]
    assert [entry.action for entry in (opened, finished, removed)] == [
        "open upload", "upload annotations", "delete run",
    ]  # fmt: skip
    assert {(entry.collection, entry.subject) for entry in (opened, finished, removed)} == {
        ("yard", "robot")
    }
    assert [entry.count for entry in (opened, finished, removed)] == [None, 2, 2]


def test_a_repeated_request_has_one_entry(stack: Stack) -> None:
    """Whether its answer is replayed, or the route finds that it is done."""
    upload = stack.open_upload()
    for _ in range(2):
        stack.json("POST", f"/api/v1/uploads/{upload.id}/finish", json={"batches": 0})
        stack.json("POST", "/api/v1/trash/restore", json={}, headers={"Idempotency-Key": "one"})
    assert len(entries_of(stack, action="upload annotations")) == 1
    assert len(entries_of(stack, action="restore from trash")) == 1


def test_what_fails_has_no_entry(stack: Stack) -> None:
    """A refused change is undone with its entry, with and without an Idempotency-Key."""
    before = entries_of(stack)
    for headers in ({}, {"Idempotency-Key": "one"}):
        assert_error(stack.ask("DELETE", "/api/v1/keys/nobody", headers=headers), 404)
        body = {"groupName": "dishes", "labelKeys": ["nothing"]}
        path = "/datalake/api/client/label_groups/create"
        assert_error(stack.ask("POST", path, json=body, headers=headers), 404)
        path = "/studio/api/client/projects/modelRun/attach"
        body = {"projectId": "nothing", "operationIdArray": ["robot"]}
        assert stack.ask("POST", path, json=body, headers=headers).status_code in {404, 422}
    assert entries_of(stack) == before


def test_refusals_are_told_without_filling_the_log(stack: Stack) -> None:
    """Wrong secrets and roles that do not suffice: the first, the tenth, the hundredth."""
    key = stack.keys["read"]
    for _ in range(12):
        path = "/api/v1/trash/restore"
        assert_error(stack.ask("POST", path, role="read", json={}), 403)
    refused = entries_of(stack, actor="test read")
    assert [(entry.action, entry.outcome, entry.count) for entry in refused] == [
        ("restore from trash", "refused", 10),
        ("restore from trash", "refused", 1),
    ]
    stack.client.get("/api/v1", auth=(key.api_key, "hunter2"))
    body = {"api_key": key.api_key, "secret": "hunter2"}
    stack.ask("POST", "/sign-in", role=None, json=body, headers=OWN)
    (failed,) = entries_of(stack, action="authenticate")
    assert (failed.actor, failed.api_key, failed.outcome, failed.count) == ("", None, "refused", 1)
    text = str(entries_of(stack))
    assert "hunter2" not in text
    assert key.secret not in text


def test_secrets_are_never_in_an_entry(stack: Stack) -> None:
    made = stack.json("POST", "/api/v1/keys", json={"name": "ci", "role": "read", "rate": 2.5})
    assert made["rate"] == 2.5
    (entry,) = [e for e in entries_of(stack, action="create key") if e.api_key]
    assert entry.subject == f"ci ({made['api_key']}, read)"
    assert made["secret"] not in str(entry)


def test_the_log_by_pages_and_filters(stack: Stack) -> None:
    """Newest first; every filter; a cursor leads on; only for administrators."""
    for name in ("a", "b", "a"):
        stack.json("POST", "/api/v1/collections", json={"name": name})
    stack.json("POST", "/api/v1/collections", json={"name": "a"}, role="write")
    path = "/api/v1/audit"

    def ask(**query: Any) -> list[dict[str, Any]]:
        rows, after = [], None
        while True:
            page = stack.json("GET", path, params={**query, **({"after": after} if after else {})})
            rows += page["items"]
            after = page["next"]
            if after is None:
                return rows  # type: ignore[no-any-return]

    everything = ask()
    assert ask(limit=1) == everything
    assert [row["collection"] for row in everything[:4]] == ["a", "a", "b", "a"]
    assert len(ask(collection="a")) == 3
    assert len(ask(collection="a", actor="test write")) == 1
    assert len(ask(actor=stack.keys["write"].api_key)) == 1
    assert len(ask(action="create collection")) == 4
    assert ask(action="create") == []
    middle = everything[2]["at"]
    newer, older = ask(since=middle), ask(until=middle)
    assert {row["id"] for row in newer} | {row["id"] for row in older} == {
        row["id"] for row in everything
    }
    assert all(row["at"] >= middle for row in newer)
    assert ask(since=middle.replace("Z", "+00:00")) == newer
    for bad in ({"since": "yesterday"}, {"after": "x"}, {"limit": 0}, {"colection": "a"}):
        assert_error(stack.ask("GET", path, params=bad), 400)
    assert_error(stack.ask("GET", path, role="write"), 403)


@pytest.mark.parametrize(
    ("trusted", "addresses"),
    [
        pytest.param([], dict.fromkeys(FORWARDED, "127.0.0.1"), id="no-proxy"),
        pytest.param(["127.0.0.0/8", "10.9.9.9"], FORWARDED, id="two-proxies"),
    ],
)
def test_the_address_behind_a_proxy(
    tmp_path: Path, trusted: list[str], addresses: dict[str, str]
) -> None:
    """What a trusted proxy says counts, up to the first address that is not a proxy's."""
    with serving(tmp_path, trusted_proxies=trusted) as server:
        for number, forwarded in enumerate(addresses):
            httpx.post(
                f"{server.url}/api/v1/collections",
                json={"name": f"c{number}"},
                headers={"X-Forwarded-For": forwarded},
                auth=server.auth,
            ).raise_for_status()
        rows = httpx.get(f"{server.url}/api/v1/audit", auth=server.auth).json()["items"]
    told = {row["collection"]: row["address"] for row in rows}
    assert [told[f"c{number}"] for number in range(len(addresses))] == list(addresses.values())
