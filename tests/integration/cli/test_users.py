"""users, grant, revoke and grants: what they say."""

from __future__ import annotations

import pytest

from layernext.cli import exit_codes

COLLECTION_FIRST = "the collection comes first: layernext grants add COLLECTION USER ROLE"


def test_users_and_grants(connected):
    """Each command says what it did, and what to do next."""
    added = connected("users", "add", "Bob B")
    assert added.stdout == "added user 'Bob B' (no role)\n"
    assert added.stderr.splitlines() == [
        "next: layernext grants add COLLECTION 'Bob B' read|write|admin",
        "a key: layernext keys create KEY_NAME --user 'Bob B' --data FOLDER",
    ]
    service = connected("users", "add", "labeler", "--kind", "service", "--role", "write")
    assert service.stdout == "added service 'labeler' (role write)\n"
    assert "layernext grants" not in service.stderr
    assert connected("grants").stdout == "no roles granted\n"
    connected("revoke", "round/x", "Bob B", code=exit_codes.NOT_FOUND)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("grant", "Bob", "granted", "read"), exit_codes.NOT_FOUND),
        (("grant", "Bob", "read", "granted"), exit_codes.USAGE),
        (("grant", "read", "granted", "Bob"), exit_codes.USAGE),
        (("revoke", "Bob", "granted"), exit_codes.NOT_FOUND),
    ],
    ids=["swapped", "role second", "role first", "swapped revoke"],
)
def test_arguments_in_another_order(connected, samples, arguments, code):
    """The collection comes first, and the sentence says so."""
    connected("upload", "granted", "run", samples / "example_bbox.json")
    refused = connected(*arguments, code=code)
    order = (
        COLLECTION_FIRST if arguments[0] == "grant" else "layernext grants remove COLLECTION USER"
    )
    assert order in refused.stderr


def test_unknown_role(connected):
    refused = connected("grant", "granted", "Bob", "owner", code=exit_codes.USAGE)
    assert "'owner' is not one of read, write, admin" in refused.stderr
