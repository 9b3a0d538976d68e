"""Exports."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "export",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_export_public_id"),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("object_path", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("checksum", sa.Text),
        sa.Column("report", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_export"),
    )
    op.create_index("ix_export_expires_at", "export", ["expires_at"])
