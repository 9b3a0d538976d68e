"""Answers that are kept for requests that come again."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "recorded_answer",
        sa.Column("api_key", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key"], ["api_key.api_key"], name="fk_recorded_answer_api_key"
        ),
        sa.PrimaryKeyConstraint("api_key", "call_id", name="pk_recorded_answer"),
    )
    op.create_index("ix_recorded_answer_created_at", "recorded_answer", ["created_at"])
