"""Who did what to which collection, and when; a rate for each key."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and the column."""
    op.create_table(
        "audit_entry",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            nullable=False,
        ),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("api_key", sa.Text),
        sa.Column("address", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("collection", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("count", sa.BigInteger),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.add_column("api_key", sa.Column("rate", sa.Double))
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"])
    op.create_index("ix_audit_entry_collection_id", "audit_entry", ["collection", "id"])
    op.create_index("ix_audit_entry_actor_id", "audit_entry", ["actor", "id"])
