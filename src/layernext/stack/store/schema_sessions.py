"""The table of those who are signed in to the pages."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, LargeBinary, Table, Text

from layernext.stack.store.schema import metadata

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
