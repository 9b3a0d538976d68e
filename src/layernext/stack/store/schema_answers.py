"""The table of answers that are kept for requests that come again."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table, Text

from layernext.stack.store.schema import metadata

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
