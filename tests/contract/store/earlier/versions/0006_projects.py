"""Annotation projects."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _reference(table: str, column: str, target: str, *, nullable: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey(f"{target}.id", name=f"fk_{table}_{column}")
    return sa.Column(column, ROW_ID, key, nullable=nullable)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "project",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_project_public_id"),
        sa.Column("name", sa.Text),
        sa.Column("content_type", sa.Integer, nullable=False),
        sa.Column("frames_per_task", sa.Integer, nullable=False),
        sa.Column("shape_type", sa.Text, nullable=False),
        _reference("project", "label_group_id", "label_group", nullable=True),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
    )
    op.create_table(
        "project_task",
        sa.Column("id", ROW_ID, nullable=False),
        _reference("project_task", "project_id", "project"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.UniqueConstraint("project_id", "number", name="uq_project_task_project_id_number"),
        sa.PrimaryKeyConstraint("id", name="pk_project_task"),
    )
    op.create_table(
        "project_image",
        _reference("project_image", "project_id", "project"),
        _reference("project_image", "image_id", "image"),
        _reference("project_image", "task_id", "project_task"),
        sa.PrimaryKeyConstraint("project_id", "image_id", name="pk_project_image"),
    )
    op.create_index("ix_project_image_image_id", "project_image", ["image_id"])
    op.create_index("ix_project_image_task_id", "project_image", ["task_id"])
    op.create_table(
        "project_label",
        _reference("project_label", "project_id", "project"),
        _reference("project_label", "label_id", "label"),
        sa.PrimaryKeyConstraint("project_id", "label_id", name="pk_project_label"),
    )
    op.create_table(
        "project_run",
        _reference("project_run", "project_id", "project"),
        sa.Column("run", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "run", name="pk_project_run"),
    )
