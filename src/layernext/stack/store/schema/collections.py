"""The tables of collections: their images, metadata, and selections of images."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from layernext.stack.store.schema.base import RowId, metadata

# Metadata fields and tags; in strict mode there are no others.
declared_name = Table(
    "declared_name",
    metadata,
    # `field` or `tag`.
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
)


collection = Table(
    "collection",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    # 5 images, 4 videos, 7 other files: the object types of the published protocol.
    Column("kind", SmallInteger, nullable=False, server_default="5"),
    Column("storage_path", Text, nullable=False, unique=True),
    # The folder in the bucket that its files go to; None is one named after the collection.
    Column("storage_prefix", Text),
    Column("application_code", Text),
    Column("is_provisional", Boolean, nullable=False),
    # A JSON object; its `Tags` are a list of strings.
    Column("fields", Text, nullable=False, server_default="{}"),
    # A JSON list of the classes, in order: those of the sources, used or not.
    Column("classes", Text, nullable=False, server_default="[]"),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text),
    Column("trashed_at", Text),
    UniqueConstraint("name", "kind"),
)


image = Table(
    "image",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("collection_id", ForeignKey("collection.id"), nullable=False),
    Column("name", Text, nullable=False),
    # The key under which a published client named it first; NULL if it was named natively.
    Column("object_key", Text, index=True),
    Column("storage_path", Text, index=True),
    # Of an image named by its path in storage; empty is the stack's default bucket.
    Column("bucket", Text, nullable=False),
    # What is in its file; all of it is None while `has_file` is false.
    Column("has_file", Boolean, nullable=False),
    Column("object_path", Text),
    Column("size", BigInteger),
    Column("checksum", Text),
    Column("content_type", Text),
    # `pending`, `ready` or `failed`: whether the file has been inspected, and why that failed; `missing`: its
    # object was lost.
    Column("state", Text),
    Column("failure", Text),
    Column("thumbnail_path", Text),
    Column("width", Integer),
    Column("height", Integer),
    # What a file of annotations says; while there is no file, the width and height are these.
    Column("declared_width", Integer),
    Column("declared_height", Integer),
    Column("frame_count", Integer),
    Column("frame_rate", Double),
    Column("duration_s", Double),
    # A JSON object; its `Tags` are a list of strings. `image_field` has it as rows, for queries.
    Column("fields", Text, nullable=False, server_default="{}"),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text),
    Column("trashed_at", Text),
    UniqueConstraint("collection_id", "name", "bucket"),
    # By it objects are told from those that nothing refers to; most images of many stacks have no file.
    Index(
        "ix_image_object_path",
        "object_path",
        sqlite_where=text("object_path IS NOT NULL"),
        postgresql_where=text("object_path IS NOT NULL"),
    ),
    # Pages in the order of the upload, of one collection.
    Index(None, "collection_id", "id"),
    # Only the trash: SQLite would look up everything else in it, too, whatever collection it is in.
    Index(
        "ix_image_trashed_at",
        "trashed_at",
        sqlite_where=text("trashed_at IS NOT NULL"),
        postgresql_where=text("trashed_at IS NOT NULL"),
    ),
)


image_field = Table(
    "image_field",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("image_id", ForeignKey("image.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    # A scalar, or one element of a list; `number` if it is one.
    Column("text", Text, nullable=False),
    Column("number", Double),
    Index(None, "name", "text"),
    Index(None, "name", "number"),
)


selection = Table(
    "selection",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    # What was asked for: collections as wholes are trashed as wholes.
    Column("collection_ids", Text, nullable=False),
    Column("item_count", BigInteger, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
)


selection_item = Table(
    "selection_item",
    metadata,
    Column("selection_id", ForeignKey("selection.id"), primary_key=True),
    Column("image_id", ForeignKey("image.id"), primary_key=True),
)
