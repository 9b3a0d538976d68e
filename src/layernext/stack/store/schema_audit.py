"""The table of who did what."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from layernext.stack.store.schema import RowId, metadata

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
