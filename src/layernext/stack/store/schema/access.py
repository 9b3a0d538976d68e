"""The tables of users, their keys and sessions, and of what each user may do in single collections."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)

from layernext.stack.store.schema.base import RowId, metadata

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

api_key = Table(
    "api_key",
    metadata,
    Column("api_key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # Of the key alone; its user may have less.
    Column("role", Text, nullable=False),
    Column("user_id", ForeignKey("stack_user.id"), nullable=False, index=True),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("revoked_at", Text),
    # Requests a second that it may send; null for what the stack permits every key.
    Column("rate", Double),
)

session = Table(
    "session",
    metadata,
    # SHA-256 of a random token that only the browser, or the link, has.
    Column("digest", LargeBinary, primary_key=True),
    # `session` of a browser, or `link` that can be turned into one, once.
    Column("kind", Text, nullable=False),
    Column("user_id", ForeignKey("stack_user.id"), nullable=False, index=True),
    # None of a person who signed in through OpenID Connect.
    Column("api_key", ForeignKey("api_key.api_key")),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False, index=True),
)
