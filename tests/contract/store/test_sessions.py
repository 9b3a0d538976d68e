"""Sessions of browsers, and the links that begin one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from layernext.stack.store import Caller, Role, Store
from layernext.stack.store.access import sessions
from layernext.stack.store.schema import session


def caller(store: Store, role: Role = "read") -> Caller:
    """Whoever has a new key."""
    made = store.keys.create("me", role)
    found = store.keys.authenticate(made.api_key, made.secret)
    assert found is not None
    return found


def test_session_round_trip(store: Store) -> None:
    """A token stands for its key until somebody signs out; others are nobody's."""
    made = caller(store)
    token, other = store.sessions.create(made), store.sessions.create(made)
    found = store.sessions.find(token)
    assert found is not None
    assert (found.api_key, found.role) == (made.api_key, "read")
    store.sessions.end(token)
    store.sessions.end(token)
    assert store.sessions.find(token) is None
    assert store.sessions.find(other) == found
    for wrong in ("", "x", "\x00", "\ud800", other + "x"):
        assert store.sessions.find(wrong) is None


def test_only_a_hash_is_kept(store: Store) -> None:
    """Whoever reads the database cannot sign in with what is there."""
    token = store.sessions.create(caller(store))
    with store.database.read() as connection:
        (row,) = connection.execute(sa.select(session)).all()
    assert token.encode() not in bytes(row.digest)
    assert store.sessions.find(bytes(row.digest).hex()) is None


def test_link_is_used_once(store: Store) -> None:
    """Of many that use a link at the same time one is signed in; a link is not a session itself."""
    made = caller(store, "write")
    link = store.sessions.create_link(made)
    assert store.sessions.find(link) is None
    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(store.sessions.use_link, [link] * 8))
    ((token, key),) = [one for one in used if one is not None]
    assert key.api_key == made.api_key
    assert store.sessions.find(token) == key
    assert store.sessions.use_link(token) is None


def test_they_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a token is nobody's, and the next sign-in sweeps its row away."""
    key = caller(store)
    monkeypatch.setattr(sessions, "SESSION_SECONDS", -1)
    monkeypatch.setattr(sessions, "LINK_SECONDS", -1)
    assert store.sessions.find(store.sessions.create(key)) is None
    assert store.sessions.use_link(store.sessions.create_link(key)) is None
    monkeypatch.setattr(sessions, "SESSION_SECONDS", 60)
    store.sessions.create(key)
    with store.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(session)).scalar_one() == 1


def test_revoked(store: Store) -> None:
    """With its key a session and a link end."""
    key = caller(store)
    token, link = store.sessions.create(key), store.sessions.create_link(key)
    assert store.keys.revoke(str(key.api_key))
    assert store.sessions.find(token) is None
    assert store.sessions.use_link(link) is None
