"""The tables of what was asked: who did what, and answers kept for requests that come again."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from layernext.stack.store.schema.base import RowId, metadata

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", Text, nullable=False, index=True),
    # Whoever acted, by name: of a key, of a person, or of a command of the operator.
    Column("actor", Text, nullable=False),
    # The key without its secret. No foreign key: an entry outlives whatever it names.
    Column("api_key", Text),
    Column("address", Text),
    Column("action", Text, nullable=False),
    Column("collection", Text),
    Column("subject", Text),
    Column("count", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("request_id", Text),
    Index("ix_audit_entry_collection_id", "collection", "id"),
    Index("ix_audit_entry_actor_id", "actor", "id"),
)

recorded_answer = Table(
    "recorded_answer",
    metadata,
    Column("api_key", ForeignKey("api_key.api_key"), primary_key=True),
    # The client's random id of the call, the same in each attempt at it.
    Column("call_id", Text, primary_key=True),
    # SHA-256 of the request: the same id with another request is a mistake.
    Column("digest", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    # None if the answer was too large to keep.
    Column("body", LargeBinary),
    Column("created_at", Text, nullable=False, index=True),
)
