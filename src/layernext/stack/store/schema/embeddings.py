"""The tables of embeddings."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table, Text

from layernext.stack.store.schema.base import RowId, metadata

embedding_model = Table(
    "embedding_model",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("dimension", Integer, nullable=False),
    # Grows with every change, so that what is kept in memory is known to be stale.
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
)

embedding = Table(
    "embedding",
    metadata,
    Column("model_id", ForeignKey("embedding_model.id"), primary_key=True),
    Column("image_id", ForeignKey("image.id"), primary_key=True, index=True),
    # 32-bit little-endian floats.
    Column("vector", LargeBinary, nullable=False),
)
