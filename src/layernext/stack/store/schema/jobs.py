"""The table of jobs."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Double,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from layernext.stack.store.schema.base import RowId, metadata

job = Table(
    "job",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    # Of a job that a client keeps.
    Column("session", Text),
    Column("status", Text, nullable=False),
    Column("progress", Double, nullable=False),
    Column("message", Text, nullable=False),
    # JSON: what to do; what came of it.
    Column("payload", Text, nullable=False),
    Column("result", Text, nullable=False),
    # Who does it, and when that was last heard of.
    Column("owner", Text),
    Column("heartbeat_at", Text),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    UniqueConstraint("session", "kind"),
    Index(None, "status", "kind"),
)
