"""Recorded answers: the change and its answer are one transaction, once for each call."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
import sqlalchemy as sa

from layernext.errors import Conflict, InvalidRequest
from layernext.stack.store import CallId, RecordedAnswer, Store
from layernext.stack.store.access import answers
from layernext.stack.store.clock import text_of
from layernext.stack.store.schema import recorded_answer


@pytest.fixture
def api_key(store: Store) -> str:
    return store.keys.create("me", "write").api_key


def reserve(store: Store) -> RecordedAnswer:
    """A change that makes something new each time."""
    return RecordedAnswer(200, store.projects.reserve().encode())


def reserved(store: Store) -> int:
    with store.database.read() as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM project")).scalar_one()
    return int(count)


def test_a_call_is_carried_out_once(store: Store, api_key: str) -> None:
    call = CallId(api_key, "call 1", b"digest")
    assert store.answers.get(call) is None
    first = store.answers.once(call, lambda: reserve(store))
    again = store.answers.once(call, lambda: reserve(store))
    assert (first.is_replayed, again.is_replayed) == (False, True)
    assert again.body == first.body
    assert store.answers.get(call) == again
    assert store.answers.has(api_key, "call 1")
    assert reserved(store) == 1


def test_an_id_belongs_to_its_key_and_request(store: Store, api_key: str) -> None:
    """Another key may use the same id; another request under it is refused."""
    other_key = store.keys.create("other", "write").api_key
    store.answers.once(CallId(api_key, "1", b"a"), lambda: reserve(store))
    store.answers.once(CallId(other_key, "1", b"b"), lambda: reserve(store))
    assert reserved(store) == 2
    for attempt in (
        store.answers.get,
        lambda call: store.answers.once(call, lambda: reserve(store)),
    ):
        with pytest.raises(InvalidRequest, match="belongs to another request") as caught:
            attempt(CallId(api_key, "1", b"b"))
        assert caught.value.status == 422
    assert reserved(store) == 2


def test_a_change_that_fails_leaves_nothing(store: Store, api_key: str) -> None:
    """Neither its own rows nor a record: the next attempt does the work."""
    call = CallId(api_key, "1", b"a")

    def fail() -> RecordedAnswer:
        reserve(store)
        raise Conflict("no", status=409)

    with pytest.raises(Conflict):
        store.answers.once(call, fail)
    assert (reserved(store), store.answers.get(call)) == (0, None)
    store.answers.once(call, lambda: reserve(store))
    assert reserved(store) == 1


def test_a_part_that_fails_is_undone_alone(store: Store, api_key: str) -> None:
    def declare_twice() -> None:
        insert = sa.text("INSERT INTO declared_name VALUES ('field', 'twice')")
        with store.database.write() as connection:
            connection.execute(insert)
            connection.execute(insert)

    def work() -> RecordedAnswer:
        reserve(store)
        with pytest.raises(sa.exc.IntegrityError):
            declare_twice()
        assert store.declared.list_all("field") == []
        store.declared.declare("field", ["kept"])
        return RecordedAnswer(200, b"")

    store.answers.once(CallId(api_key, "1", b"a"), work)
    assert (reserved(store), store.declared.list_all("field")) == (1, ["kept"])


def test_a_part_that_takes_too_long(store: Store, api_key: str) -> None:
    """An interrupted statement is refused as such, also where it ends the whole transaction: SQLite."""
    database = store.database
    slow = sa.text(
        "INSERT INTO setting (name, value) WITH RECURSIVE number(n) AS "
        "(SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000000000) "
        "SELECT 'x', CAST(max(n) AS TEXT) FROM number"
    )

    def work() -> RecordedAnswer:
        reserve(store)
        with database.write() as connection, database.limit(connection, 0.2):
            connection.execute(slow)
        raise AssertionError

    call = CallId(api_key, "slow", b"digest")
    with pytest.raises(InvalidRequest, match="takes longer") as caught:
        store.answers.once(call, work)
    assert caught.value.status == 422
    assert store.answers.get(call) is None
    assert reserved(store) == 0
    assert not store.answers.once(call, lambda: reserve(store)).is_replayed


def test_attempts_at_the_same_time(store: Store, api_key: str) -> None:
    """The second waits for the first, and gets its answer."""
    call, barrier = CallId(api_key, "1", b"a"), threading.Barrier(6)

    def attempt(_: int) -> RecordedAnswer:
        barrier.wait()
        return store.answers.once(call, lambda: reserve(store))

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(attempt, range(6)))
    assert sorted(result.is_replayed for result in results) == [False] + [True] * 5
    assert len({result.body for result in results}) == 1
    assert reserved(store) == 1


def test_a_large_answer_is_not_kept(store: Store, api_key: str) -> None:
    """The work is not done again all the same."""
    call = CallId(api_key, "1", b"a")
    large = RecordedAnswer(200, b" " * (answers.MAX_ANSWER_BYTES + 1))
    assert store.answers.once(call, lambda: large) == large
    with pytest.raises(Conflict, match="too large"):
        store.answers.once(call, lambda: reserve(store))
    assert reserved(store) == 0


def test_old_answers_are_deleted(
    store: Store, api_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SWEPT_AT_ONCE", 2)
    for number in range(5):
        store.answers.once(CallId(api_key, str(number), b"a"), lambda: reserve(store))
    old = text_of(datetime(2020, 1, 1, tzinfo=timezone.utc))
    with store.database.write() as connection:
        is_old = recorded_answer.c.call_id != "4"
        connection.execute(sa.update(recorded_answer).where(is_old).values(created_at=old))
    store.answers.forget_old()
    left = [number for number in range(5) if store.answers.has(api_key, str(number))]
    assert left == [4]
