"""Answers to requests that changed something, kept in case the client asks again.

A client whose connection broke cannot know whether the stack did the work, so it sends the request
again under the same call id. The answer is recorded in the transaction of the change: both are
stored, or neither is, whenever the stack ends. A second attempt waits for the first to commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import sqlalchemy as sa

from layernext.errors import Conflict, InvalidRequest
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.database import Database
from layernext.stack.store.schema import recorded_answer

ANSWER_LIFE_HOURS = 24.0
MAX_ANSWER_BYTES = 1 << 20
"""A larger answer is not kept; answers to changes are a few hundred bytes as a rule."""
SWEPT_AT_ONCE = 1_000
_CLAIMED, _REFUSED = 0, 409


@dataclass(frozen=True)
class CallId:
    """What tells a repeated request from a new one.

    Attributes:
        api_key: the key that the request came with.
        call_id: the client's id of the call.
        digest: SHA-256 of method, path, query and body.
    """

    api_key: str
    call_id: str
    digest: bytes


@dataclass(frozen=True)
class RecordedAnswer:
    """An answer.

    Attributes:
        status: HTTP status code.
        body: JSON.
        is_replayed: the work was done for an earlier request.
        refusal: of an answer with a secret: the sentence that is stored in its place. A repeated
            request is refused with it.
    """

    status: int
    body: bytes
    is_replayed: bool = False
    refusal: str | None = None


class RecordedAnswers:
    """The recorded answers of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def has(self, api_key: str, call_id: str) -> bool:
        """Whether there is an answer under this id."""
        matches = _is(api_key, call_id)
        with self._database.read() as connection:
            return (
                connection.execute(sa.select(recorded_answer.c.status).where(matches)).first()
                is not None
            )

    def get(self, call: CallId) -> RecordedAnswer | None:
        """The answer to an earlier request, or None.

        Raises:
            InvalidRequest: the id belongs to another request.
            Conflict: the work is done, but its answer was too large to keep, or had a secret.
        """
        with self._database.read() as connection:
            return _find(connection, call)

    def once(self, call: CallId, work: Callable[[], RecordedAnswer]) -> RecordedAnswer:
        """The answer that `work` gives, or the one that it gave before.

        Args:
            call: the id.
            work: does everything with this store, in this thread; all of it becomes one
                transaction with the record. It may be called again if that transaction has to be
                repeated. What it raises changes nothing and is not recorded.

        Raises:
            InvalidRequest, Conflict: as `get`.
        """

        def transact(connection: sa.Connection) -> RecordedAnswer:
            claim = self._database.upsert(recorded_answer).values(
                api_key=call.api_key,
                call_id=call.call_id,
                digest=call.digest,
                status=_CLAIMED,
                created_at=now_text(),
            )
            # PostgreSQL waits here for another attempt's transaction; SQLite has one writer anyway.
            claim = claim.on_conflict_do_nothing().returning(recorded_answer.c.call_id)
            if connection.execute(claim).first() is None:
                earlier = _find(connection, call)
                if earlier is not None:
                    return earlier
            answer = work()
            status, body = answer.status, answer.body
            if answer.refusal is not None:
                status, body = _REFUSED, answer.refusal.encode()
            connection.execute(
                sa.update(recorded_answer)
                .where(_is(call.api_key, call.call_id))
                .values(status=status, body=body if len(body) <= MAX_ANSWER_BYTES else None)
            )
            return answer

        return self._database.write_joined(transact)

    def forget_old(self) -> None:
        """Delete what is older than `ANSWER_LIFE_HOURS`, some in each transaction."""
        limit = text_of(datetime.now(timezone.utc) - timedelta(hours=ANSWER_LIFE_HOURS))
        columns = (recorded_answer.c.api_key, recorded_answer.c.call_id)
        old = sa.select(*columns).where(recorded_answer.c.created_at < limit).limit(SWEPT_AT_ONCE)
        while True:
            with self._database.write() as connection:
                rows = connection.execute(old).all()
                if rows:
                    matches = sa.tuple_(*columns).in_([tuple(row) for row in rows])
                    connection.execute(sa.delete(recorded_answer).where(matches))
            if len(rows) < SWEPT_AT_ONCE:
                return


def _is(api_key: str, call_id: str) -> sa.ColumnElement[bool]:
    return (recorded_answer.c.api_key == api_key) & (recorded_answer.c.call_id == call_id)


def _find(connection: sa.Connection, call: CallId) -> RecordedAnswer | None:
    query = sa.select(recorded_answer).where(_is(call.api_key, call.call_id))
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.digest != call.digest:
        raise InvalidRequest("this Idempotency-Key belongs to another request", status=422)
    if row.body is None:
        raise Conflict(
            "an earlier attempt at this request was carried out; its answer was too large to keep",
            status=409,
        )
    if row.status == _REFUSED:
        raise Conflict(row.body.decode(), status=409)
    return RecordedAnswer(row.status, row.body, is_replayed=True)
