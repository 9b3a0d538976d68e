"""Users and grants in the database."""

from __future__ import annotations

import hashlib

import pytest
import sqlalchemy as sa

from layernext.errors import Conflict, NotAllowed, NotFound
from layernext.stack.search import Search
from layernext.stack.store import Database, Identity, Store
from tests.contract.store import earlier


def test_users_and_grants(store: Store) -> None:
    """They are kept, replaced and taken back; with a collection its grants go."""
    search = Search(store)
    collection = store.collections.ensure("yard")
    row = store.collections.find(collection.id)
    assert row is not None
    store.users.add("ada", "person", "none", "ada@example.com")
    with pytest.raises(Conflict, match="'ada'"):
        store.users.add("ada", "service", "none")
    with pytest.raises(Conflict, match="email"):
        store.users.add("other", "person", "none", "ADA@example.com")
    for role in ("read", "admin"):
        assert store.grants.give(row.row_id, "ada", role).role == role
    assert [(grant.user, grant.role) for grant in store.grants.list_all()] == [("ada", "admin")]
    assert store.grants.take(row.row_id, "ada")
    assert not store.grants.take(row.row_id, "ada")
    with pytest.raises(NotFound, match="no user 'eve'"):
        store.grants.give(row.row_id, "eve", "read")
    store.grants.give(row.row_id, "ada", "read")
    selection = search.items.select_ids([], [row.row_id])
    search.items.trash(selection)
    search.purge.purge_collections("9999-01-01")
    assert store.grants.list_all() == []


def test_identities(store: Store) -> None:
    """A person is found by issuer and subject, else by an address that was added, else made."""
    ada = Identity(issuer="https://id", subject="1", email="ada@example.com", name="Ada")
    first = store.users.sign_in(ada, "read")
    assert first == store.users.sign_in(ada, "write")
    assert first[1] == "ada@example.com"
    store.users.remove("ada@example.com")
    with pytest.raises(NotAllowed, match="removed"):
        store.users.sign_in(ada, "read")
    store.users.add("Countess", "person", "none", "ada@example.com")
    assert store.users.sign_in(ada, "read")[1] == "Countess"
    nameless = Identity(issuer="https://id", subject="2", email=None, name="Ada")
    assert store.users.sign_in(nameless, "none")[1] == "Ada"
    namesake = Identity(issuer="https://id", subject="3", email=None, name="Ada")
    assert store.users.sign_in(namesake, "none")[1] == "Ada 2"
    elsewhere = Identity(issuer="https://other", subject="1", email=None, name="")
    assert store.users.sign_in(elsewhere, "none")[1] == "1"


def test_keys_become_services(database_url: str) -> None:
    """A database from before there were users keeps its keys, roles and sessions; each key has a user."""
    database = Database(database_url, migrates=False)
    try:
        with database.change_tables() as connection:
            earlier.upgrade(connection, "0021")
            for key, name, role in (
                ("key_1", "ci", "read"),
                ("key_2", "ci", "admin"),
                ("key_3", "rig", "write"),
            ):
                connection.execute(
                    sa.text(
                        "INSERT INTO api_key (api_key, name, role, salt, digest, created_at)"
                        " VALUES (:key, :name, :role, :salt, :digest, '2026-01-01')"
                    ),
                    {
                        "key": key,
                        "name": name,
                        "role": role,
                        "salt": b"salt",
                        "digest": hashlib.sha256(b"saltsecret").digest(),
                    },
                )
            connection.execute(
                sa.text(
                    "INSERT INTO session (digest, kind, api_key, created_at, expires_at)"
                    " VALUES (:digest, 'session', 'key_2', '2026-01-01', '9999-01-01')"
                ),
                {"digest": hashlib.sha256(b"token").digest()},
            )
            earlier.upgrade(connection, earlier.LAST)
    finally:
        database.close()
    store = Store.open(database_url)
    try:
        found = [store.keys.authenticate(f"key_{number}", "secret") for number in (1, 2, 3)]
        assert [(one.role, one.user) for one in found if one is not None] == [
            ("read", "ci"), ("admin", "ci"), ("write", "rig"),
        ]  # fmt: skip
        assert store.sessions.find("token") == found[1]
        users = [(user.name, user.kind, user.role) for user in store.users.list_all()]
        assert users == [("ci", "service", "admin"), ("rig", "service", "write")]
    finally:
        store.close()
