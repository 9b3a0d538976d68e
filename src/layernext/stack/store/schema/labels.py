"""The tables of labels, their attributes and values, and groups of labels."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Table,
    Text,
    UniqueConstraint,
)

from layernext.stack.store.schema.base import RowId, metadata

label = Table(
    "label",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("ref", Text, nullable=False, unique=True),
    Column("color", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)


attribute = Table(
    "attribute",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("label_id", ForeignKey("label.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("ref", Text, nullable=False, unique=True),
    UniqueConstraint("label_id", "name"),
)


attribute_value = Table(
    "attribute_value",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("attribute_id", ForeignKey("attribute.id"), nullable=False, index=True),
    Column("value", Text, nullable=False),
    Column("ref", Text, nullable=False, unique=True),
)


label_group = Table(
    "label_group",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
)


label_group_member = Table(
    "label_group_member",
    metadata,
    Column("group_id", ForeignKey("label_group.id"), primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
)
