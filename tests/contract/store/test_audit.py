"""The audit log on both databases: with its change or not at all."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from layernext.stack.store import AuditFilter, NewAuditEntry, Store
from layernext.stack.store.schema import audit_entry

EVERYTHING = AuditFilter()


def entry(action: str, **fields: object) -> NewAuditEntry:
    return NewAuditEntry(actor="me", action=action, **fields)  # type: ignore[arg-type]


def actions(store: Store, wanted: AuditFilter = EVERYTHING) -> list[str]:
    return [row.action for row in store.audit.page(wanted, before=None, limit=100)[0]]


class Interrupted(Exception):
    pass


def test_together(store: Store) -> None:
    """Change and entry are there, or neither: also if the work fails at its end, or its entry does."""

    def work() -> str:
        return store.keys.create("one", "read").api_key

    def fail() -> str:
        work()
        raise Interrupted

    def no_entry() -> NewAuditEntry:
        raise Interrupted

    api_key = store.audit.together(lambda: entry("create key"), work)
    for make, does in ((lambda: entry("create key"), fail), (no_entry, work)):
        with pytest.raises(Interrupted):
            store.audit.together(make, does)
    assert [key.api_key for key in store.keys.list()] == [api_key]
    assert actions(store) == ["create key"]
    store.audit.together(lambda: None, work)
    assert actions(store) == ["create key"]


def test_recording(store: Store) -> None:
    """The first transaction that is committed has the entry; one that is undone does not."""
    with store.audit.recording(lambda: entry("create label")):
        store.labels.create("a", "", {})
        store.labels.create("b", "", {})
    store.labels.create("c", "", {})
    assert actions(store) == ["create label"]

    def fail() -> None:
        with store.audit.recording(lambda: entry("fail")), store.database.write() as connection:
            connection.execute(sa.text("SELECT 1"))
            raise Interrupted

    with pytest.raises(Interrupted):
        fail()
    store.labels.create("d", "", {})
    with store.audit.recording(lambda: entry("nothing")):
        pass
    assert actions(store) == ["create label"]


def test_page(store: Store) -> None:
    """Newest first, by filters; fields come back as they went in, cut to what a name may have."""
    given = {"api_key": "key_1", "address": "::1", "collection": "yard", "subject": "s" * 2_000}
    store.audit.add(entry("delete run", **given, count=2**40, request_id="r"))
    store.audit.add(entry("delete run", outcome="refused", subject="a\\x00b"))
    store.audit.add(entry("sign in", collection="yard"))
    (second, first), following = store.audit.page(
        AuditFilter(action="delete run"), before=None, limit=2
    )
    assert following is None
    assert (second.outcome, second.subject) == ("refused", "a\\x00b")
    assert (first.api_key, first.address, first.collection, first.request_id) == (
        "key_1", "::1", "yard", "r",
    )  # fmt: skip
    assert (first.subject, first.count) == ("s" * 512, 2**40)
    assert actions(store, AuditFilter(collection="yard")) == ["sign in", "delete run"]
    assert actions(store, AuditFilter(actor="key_1")) == ["delete run"]
    assert actions(store, AuditFilter(actor="me", since=first.at)) == actions(store)
    assert actions(store, AuditFilter(until=first.at)) == []
    assert actions(store, AuditFilter(collection="\x00")) == []
    one, following = store.audit.page(EVERYTHING, before=None, limit=1)
    assert following == int(one[0].id)
    rest, following = store.audit.page(EVERYTHING, before=following, limit=2)
    assert [row.id for row in one + rest] == [
        row.id for row in store.audit.page(EVERYTHING, before=None, limit=9)[0]
    ]
    assert following is None


def test_text_that_cannot_be_stored(store: Store) -> None:
    """A name with U+0000 is left out, so that the change itself does not fail."""
    store.audit.add(entry("delete run", subject="a\x00b"))
    (row,) = store.audit.page(EVERYTHING, before=None, limit=9)[0]
    assert row.subject is None


def test_old_entries_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those older than so many days, in several transactions, and no others."""
    monkeypatch.setattr("layernext.stack.store.access.audit.DELETED_AT_ONCE", 2)
    for number in range(7):
        store.audit.add(entry(f"old {number}"))
    with store.database.write() as connection:
        connection.execute(sa.update(audit_entry).values(at="2020-01-01T00:00:00.000Z"))
    store.audit.add(entry("new"))
    store.audit.forget_old(365)
    assert actions(store) == ["new"]
