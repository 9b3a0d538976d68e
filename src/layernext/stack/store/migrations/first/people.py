"""The first tables: users and what they did."""

import sqlalchemy as sa
from alembic import op


def audit_entry() -> None:
    """Create the table."""
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("api_key", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_actor_id", "audit_entry", ["actor", "id"], unique=False)
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"], unique=False)
    op.create_index(
        "ix_audit_entry_collection_id", "audit_entry", ["collection", "id"], unique=False
    )


def setting() -> None:
    """Create the table."""
    op.create_table(
        "setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )


def stack_user() -> None:
    """Create the table."""
    op.create_table(
        "stack_user",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("removed_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_stack_user"),
    )
    op.create_index(
        "uq_stack_user_issuer_subject", "stack_user", ["issuer", "subject"], unique=True
    )
    op.create_index(
        "uq_stack_user_name",
        "stack_user",
        ["name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )


def api_key() -> None:
    """Create the table."""
    op.create_table(
        "api_key",
        sa.Column("api_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.Text(), nullable=True),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["stack_user.id"], name="fk_api_key_user_id"),
        sa.PrimaryKeyConstraint("api_key", name="pk_api_key"),
    )
    op.create_index("ix_api_key_user_id", "api_key", ["user_id"], unique=False)


def collection_grant() -> None:
    """Create the table."""
    op.create_table(
        "collection_grant",
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "collection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collection.id"],
            name="fk_collection_grant_collection_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["stack_user.id"], name="fk_collection_grant_user_id"),
        sa.PrimaryKeyConstraint("user_id", "collection_id", name="pk_collection_grant"),
    )
    op.create_index(
        "ix_collection_grant_collection_id", "collection_grant", ["collection_id"], unique=False
    )


def recorded_answer() -> None:
    """Create the table."""
    op.create_table(
        "recorded_answer",
        sa.Column("api_key", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key"], ["api_key.api_key"], name="fk_recorded_answer_api_key"
        ),
        sa.PrimaryKeyConstraint("api_key", "call_id", name="pk_recorded_answer"),
    )
    op.create_index(
        "ix_recorded_answer_created_at", "recorded_answer", ["created_at"], unique=False
    )


def session() -> None:
    """Create the table."""
    op.create_table(
        "session",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("api_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["api_key"], ["api_key.api_key"], name="fk_session_api_key"),
        sa.ForeignKeyConstraint(["user_id"], ["stack_user.id"], name="fk_session_user_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
    )
    op.create_index("ix_session_expires_at", "session", ["expires_at"], unique=False)
    op.create_index("ix_session_user_id", "session", ["user_id"], unique=False)
