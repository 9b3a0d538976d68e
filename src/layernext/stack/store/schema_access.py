"""The tables of users, and of what each may do in single collections."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text

from layernext.stack.store.schema import RowId, metadata

stack_user = Table(
    "stack_user",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False),
    # `person` or `service`.
    Column("kind", Text, nullable=False),
    # In the whole stack: `none`, `read`, `write` or `admin`.
    Column("role", Text, nullable=False),
    # Of a person: by it the first sign-in through OpenID Connect is recognized.
    Column("email", Text),
    # Issuer and subject of the identity provider, from the first sign-in on.
    Column("issuer", Text),
    Column("subject", Text),
    Column("created_at", Text, nullable=False),
    # The row stays for the keys and sessions that refer to it.
    Column("removed_at", Text),
    Index(
        "uq_stack_user_name",
        "name",
        unique=True,
        sqlite_where=text("removed_at IS NULL"),
        postgresql_where=text("removed_at IS NULL"),
    ),
    Index("uq_stack_user_issuer_subject", "issuer", "subject", unique=True),
)

collection_grant = Table(
    "collection_grant",
    metadata,
    Column("user_id", ForeignKey("stack_user.id"), primary_key=True),
    Column(
        "collection_id",
        ForeignKey("collection.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    # `read`, `write` or `admin`.
    Column("role", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)
