"""API keys: made, checked, revoked."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from layernext.stack.store import Caller, NewKey, Role, Store


@pytest.mark.parametrize("role", ["read", "write", "admin"])
def test_key_round_trip(store: Store, role: Role) -> None:
    """A key opens the stack with its own secret, and has the name and role it was given."""
    made = store.keys.create("training rig ⚙", role)
    assert re.fullmatch(r"key_[a-z0-9]{16,}", made.api_key)
    assert re.fullmatch(r"[a-z0-9]{25,}", made.secret)  # 25 base-36 digits are 129 bits
    found = store.keys.authenticate(made.api_key, made.secret)
    assert found is not None
    assert (found.api_key, found.name, found.role) == (made.api_key, "training rig ⚙", role)
    (key,) = store.keys.list()
    assert (key.api_key, key.name, key.role, key.user) == (*key_of(found), found.user)


def key_of(caller: Caller) -> tuple[str | None, str, str]:
    """What a caller has of their key."""
    return caller.api_key, caller.name, caller.limit


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda key, secret: (key, ""), id="no-secret"),
        pytest.param(lambda key, secret: (key, secret[:-1]), id="cut-secret"),
        pytest.param(lambda key, secret: (key, secret + "\x00"), id="nul-in-secret"),
        pytest.param(lambda key, secret: (key, secret.upper()), id="other-case"),
        pytest.param(lambda key, secret: (key + "x", secret), id="unknown-key"),
        pytest.param(lambda key, secret: ("", secret), id="no-key"),
        pytest.param(lambda key, secret: ("key_\x00", secret), id="nul-in-key"),
        pytest.param(lambda key, secret: ("\ud800", "\ud800"), id="half-a-surrogate-pair"),
        pytest.param(lambda key, secret: (secret, key), id="swapped"),
    ],
)
def test_wrong_credentials(store: Store, change) -> None:
    """Nothing but the key with its own secret is accepted, and nothing raises."""
    made = store.keys.create("one", "admin")
    other = store.keys.create("two", "admin")
    assert store.keys.authenticate(*change(made.api_key, made.secret)) is None
    assert store.keys.authenticate(made.api_key, other.secret) is None


def test_revoke(store: Store) -> None:
    """A revoked key is refused at once and stays in the list; the others keep working."""
    made, other = store.keys.create("one", "write"), store.keys.create("two", "read")
    assert store.keys.revoke(made.api_key) is True
    assert store.keys.authenticate(made.api_key, made.secret) is None
    assert store.keys.authenticate(other.api_key, other.secret) is not None
    assert store.keys.revoke(made.api_key) is False
    assert store.keys.revoke("key_nobody") is False
    revoked = {key.api_key: key.revoked_at is not None for key in store.keys.list()}
    assert revoked == {made.api_key: True, other.api_key: False}


def test_keys_outlive_the_process(database_url: str) -> None:
    """A key made by one process opens the stack of another, at the same time or later."""
    one, two = Store.open(database_url), Store.open(database_url)
    try:
        made = one.keys.create("one", "write")
        assert two.keys.authenticate(made.api_key, made.secret) is not None
    finally:
        one.close()
        two.close()
    later = Store.open(database_url)
    try:
        assert later.keys.authenticate(made.api_key, made.secret) is not None
    finally:
        later.close()


def test_secret_is_not_stored(tmp_path: Path) -> None:
    """The secret is nowhere in the database's files."""
    path = tmp_path / "stack.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    made = store.keys.create("one", "write")
    files = list(tmp_path.iterdir())
    assert any(made.api_key.encode() in file.read_bytes() for file in files)
    assert not any(made.secret.encode() in file.read_bytes() for file in files)
    store.close()


def test_first_key_of_servers_that_start_together(store: Store) -> None:
    """However many make the first key at the same moment, there is one, and no further one later."""
    servers = 8
    barrier = threading.Barrier(servers)

    def start(_: int) -> NewKey | None:
        barrier.wait()
        return store.keys.create_first("first key", "admin")

    with ThreadPoolExecutor(servers) as pool:
        keys = [key for key in pool.map(start, range(servers)) if key is not None]
    assert [key.api_key for key in keys] == [key.api_key for key in store.keys.list()]
    assert len(keys) == 1
    assert store.keys.create_first("first key", "admin") is None
