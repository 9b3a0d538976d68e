"""The tables. `migrations` makes them; a test holds both equal.

``annotation_set`` is one row per (operation, image), replaced whole. Its ``position`` orders sets
as their upload had them, however the batches arrived: upload id, batch, place in the batch.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from layernext.model import GEOMETRIES, KINDS, Geometry

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives row ids only to columns declared INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")

GEOMETRY_CODES: dict[Geometry | None, int] = {
    None: 0, **{name: KINDS[name].code for name in GEOMETRIES},
}  # fmt: skip
GEOMETRIES_BY_CODE: dict[int, Geometry | None] = {code: g for g, code in GEOMETRY_CODES.items()}

BATCH_BITS = 24
PLACE_BITS = 14
"""Bits of a position: 16 million batches an upload, 16,384 sets a batch, 33 million uploads."""

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# Metadata fields and tags; in strict mode there are no others.
declared_name = Table(
    "declared_name",
    metadata,
    # `field` or `tag`.
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
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

job = Table(
    "job",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    # Of a job that a client keeps by E38.
    Column("session", Text),
    Column("status", Text, nullable=False),
    Column("progress", Double, nullable=False),
    Column("message", Text, nullable=False),
    # JSON: what to do; what came of it.
    Column("payload", Text, nullable=False),
    Column("result", Text, nullable=False),
    # Who does it, and when that was last heard of.
    Column("owner", Text),
    Column("heartbeat_at", Text),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    UniqueConstraint("session", "kind"),
    Index(None, "status", "kind"),
)

label = Table(
    "label",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("ref", Text, nullable=False, unique=True),
    Column("color", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

attribute = Table(
    "attribute",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("label_id", ForeignKey("label.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("ref", Text, nullable=False, unique=True),
    UniqueConstraint("label_id", "name"),
)

attribute_value = Table(
    "attribute_value",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("attribute_id", ForeignKey("attribute.id"), nullable=False, index=True),
    Column("value", Text, nullable=False),
    Column("ref", Text, nullable=False, unique=True),
)

label_group = Table(
    "label_group",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
)

label_group_member = Table(
    "label_group_member",
    metadata,
    Column("group_id", ForeignKey("label_group.id"), primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
)

operation = Table(
    "operation",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    # Grows with every change of its sets, so that what is kept of them in memory is known to be old.
    Column("revision", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("name", "mode"),
)

operation_collection = Table(
    "operation_collection",
    metadata,
    Column("operation_id", ForeignKey("operation.id"), primary_key=True),
    Column("collection_id", ForeignKey("collection.id"), primary_key=True, index=True),
    Column("image_count", BigInteger, nullable=False),
    Column("annotation_count", BigInteger, nullable=False),
    # Another random text with every change of these sets: what was computed from them keeps it, and
    # so knows whether they are still the same.
    Column("state", Text, nullable=False, server_default=""),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)

upload = Table(
    "upload",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("operation_id", ForeignKey("operation.id"), nullable=False),
    Column("collection_id", ForeignKey("collection.id")),
    # Everything else that a resumed upload must have equal, or the published session's id.
    Column("fingerprint", Text, nullable=False),
    Column("normalized", Boolean, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("total_images", BigInteger),
    Column("images", BigInteger, nullable=False),
    Column("annotations", BigInteger, nullable=False),
    Column("unmatched", BigInteger, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Index(None, "operation_id", "fingerprint"),
)

upload_batch = Table(
    "upload_batch",
    metadata,
    Column("upload_id", ForeignKey("upload.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("images", Integer, nullable=False),
    Column("annotations", BigInteger, nullable=False),
    Column("unmatched", Integer, nullable=False),
    Column("new_labels", Text, nullable=False),
)

annotation_set = Table(
    "annotation_set",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("operation_id", ForeignKey("operation.id"), nullable=False),
    Column("image_id", ForeignKey("image.id"), nullable=False, index=True),
    # The image's; kept here as well so that one run of one collection is one index range.
    Column("collection_id", ForeignKey("collection.id"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("upload_id", ForeignKey("upload.id"), nullable=False),
    Column("geometry", SmallInteger, nullable=False),
    Column("normalized", Boolean, nullable=False),
    Column("is_named", Boolean, nullable=False),
    Column("annotation_count", Integer, nullable=False),
    Column("updated_at", Text, nullable=False),
    # Labels and confidences, as `summaries` packs them.
    Column("label_summary", LargeBinary, nullable=False),
    # Of a set merged from several of one upload: pairs of 64-bit numbers, position and annotations.
    Column("parts", LargeBinary),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("operation_id", "image_id"),
    Index(None, "operation_id", "collection_id", "position"),
)
