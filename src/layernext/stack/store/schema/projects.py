"""The tables of annotation projects."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text, UniqueConstraint

from layernext.stack.store.schema.base import RowId, metadata

project = Table(
    "project",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    # None until it is filled: a mere id, dropped after a day.
    Column("name", Text),
    Column("content_type", Integer, nullable=False),
    Column("frames_per_task", Integer, nullable=False),
    Column("shape_type", Text, nullable=False),
    Column("label_group_id", ForeignKey("label_group.id")),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)

project_task = Table(
    "project_task",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    UniqueConstraint("project_id", "number"),
)

project_image = Table(
    "project_image",
    metadata,
    Column("project_id", ForeignKey("project.id"), primary_key=True),
    Column("image_id", ForeignKey("image.id"), primary_key=True, index=True),
    Column("task_id", ForeignKey("project_task.id"), nullable=False, index=True),
)

project_label = Table(
    "project_label",
    metadata,
    Column("project_id", ForeignKey("project.id"), primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
)

project_run = Table(
    "project_run",
    metadata,
    Column("project_id", ForeignKey("project.id"), primary_key=True),
    Column("run", Text, primary_key=True),
)
