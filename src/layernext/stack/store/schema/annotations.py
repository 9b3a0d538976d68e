"""The tables of model runs and ground truths, their uploads and annotation sets.

``annotation_set`` is one row per (operation, image), replaced whole. Its ``position`` orders sets
as their upload had them, however the batches arrived: upload id, batch, place in the batch.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from layernext.model import GEOMETRIES, KINDS, Geometry
from layernext.stack.store.schema.base import RowId, metadata

GEOMETRY_CODES: dict[Geometry | None, int] = {
    None: 0, **{name: KINDS[name].code for name in GEOMETRIES},
}  # fmt: skip


GEOMETRIES_BY_CODE: dict[int, Geometry | None] = {code: g for g, code in GEOMETRY_CODES.items()}


BATCH_BITS = 24


PLACE_BITS = 14
"""Bits of a position: 16 million batches an upload, 16,384 sets a batch, 33 million uploads."""


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
    # A JSON object: keys beside `images` in the files that the sets came in, which the format does not know.
    Column("file_keys", Text),
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
