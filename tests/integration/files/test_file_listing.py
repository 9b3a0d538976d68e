"""The native list of files, and many files in one answer."""

from __future__ import annotations

import msgspec

from layernext.wire.native import BUNDLES_PATH, FILES_PATH
from tests.integration.files.test_files import shared, stack, upload_one
from tests.integration.stack.conftest import Stack, assert_error

__all__ = ["shared", "stack"]


def test_pages_by_name(stack: Stack) -> None:
    """Every file once, whatever the size of the pages; by name; of the kind that is asked for."""
    names = [f"{n:02}'ü.bin" for n in range(7)]
    for name in reversed(names):
        upload_one(stack, "yard", name, name.encode(), collectionType=7)
    upload_one(stack, "yard", "other.mp4", b"no video", collectionType=4)
    for limit in (1, 3, 7, 100):
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            params = {"collection": "yard", "collection_kind": 7, "limit": limit}
            page = stack.json(
                "GET", FILES_PATH, params=params | ({"after": after} if after else {})
            )
            found += [row["name"] for row in page["items"]]
            after = page["next"]
        assert found == names
    first = stack.json("GET", FILES_PATH, params={"collection": "yard"}, role="read")
    assert [row["name"] for row in first["items"]] == ["other.mp4"]


def test_a_bundle(stack: Stack) -> None:
    """Lines and bytes in the order asked for; what is not there has the size null."""
    for name in ("a", "b"):
        upload_one(stack, "yard", name, name.encode() * 3, collectionType=7)
    rows = stack.json("GET", FILES_PATH, params={"collection": "yard"})["items"]
    ids = [rows[1]["id"], "f" * 24, rows[0]["id"]]
    answer = stack.ask("POST", BUNDLES_PATH, json={"ids": ids}, role="read")
    lines = [
        msgspec.json.encode({"id": each, "size": size})
        for each, size in zip(ids, (3, None, 3), strict=True)
    ]
    assert answer.content == lines[0] + b"\nbbb" + lines[1] + b"\n" + lines[2] + b"\naaa"


def test_refusals(shared: Stack) -> None:
    """No such collection, no cursor, no ids."""
    assert_error(shared.ask("GET", FILES_PATH, params={"collection": "nobody"}), 404, "not-found")
    upload_one(shared, "yard", "a", b"a", collectionType=7)
    for after in ("x", "bnVsbA", "%"):
        bad = shared.ask("GET", FILES_PATH, params={"collection": "yard", "after": after})
        assert_error(bad, 400)
    assert_error(shared.ask("POST", BUNDLES_PATH, json={"ids": ["../x"]}), 422, "data")
    assert_error(shared.ask("POST", BUNDLES_PATH, json={"ids": ["0" * 24] * 1001}), 422, "data")
