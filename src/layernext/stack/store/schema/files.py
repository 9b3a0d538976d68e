"""The tables of file uploads."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from layernext.stack.store.schema.base import RowId, metadata

file_upload = Table(
    "file_upload",
    metadata,
    Column("id", RowId, primary_key=True),
    # Also the id of the job that it is.
    Column("public_id", Text, nullable=False, unique=True),
    Column("collection_id", ForeignKey("collection.id"), nullable=False),
    # Metadata for its files, and whether those that were there before get it, too.
    Column("fields", Text, nullable=False),
    Column("is_override", Boolean, nullable=False),
    Column("expected", Integer, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)

file_item = Table(
    "file_item",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("upload_id", ForeignKey("file_upload.id"), nullable=False),
    Column("name", Text, nullable=False),
    # Set once the file is visible, or was there before.
    Column("image_id", ForeignKey("image.id"), index=True),
    Column("is_stored", Boolean, nullable=False),
    Column("object_path", Text),
    Column("handle", Text),
    # Its parts are fixed, and are being made into an object.
    Column("is_sealed", Boolean, nullable=False, server_default=false()),
    # What the client says the file is; checked at the end.
    Column("size", BigInteger),
    Column("checksum", Text),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("upload_id", "name"),
    # Rows of files that are on their way, or went past the stack.
    Index(
        "ix_file_item_object_path",
        "object_path",
        sqlite_where=text("object_path IS NOT NULL"),
        postgresql_where=text("object_path IS NOT NULL"),
    ),
)

dropped_object = Table(
    "dropped_object",
    metadata,
    # Of an object that nothing refers to any more, and that is to be deleted from where objects are.
    Column("path", Text, primary_key=True),
)

file_part = Table(
    "file_part",
    metadata,
    Column("item_id", ForeignKey("file_item.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    # SHA-256; empty if neither the stack nor the client has computed it.
    Column("checksum", Text, nullable=False),
    # What the store of objects needs to find these bytes and no others.
    Column("tag", Text, nullable=False, server_default=""),
)
