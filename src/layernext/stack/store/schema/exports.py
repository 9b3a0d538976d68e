"""The table of exports."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from layernext.stack.store.schema.base import RowId, metadata

export = Table(
    "export",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("job_id", Text, nullable=False),
    # What it is of, as JSON: names and public ids, as it may outlive them.
    Column("settings", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    # Fixed from the beginning, so that what a crash leaves is deleted, too.
    Column("object_path", Text, nullable=False),
    Column("size", BigInteger),
    Column("checksum", Text),
    # Counts and losses, as JSON; None before it is there.
    Column("report", Text),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False, index=True),
)
