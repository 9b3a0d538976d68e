"""The tables of datasets: versions, their images by split, and their annotations as they were."""

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

from layernext.stack.store.schema.base import RowId, metadata

dataset = Table(
    "dataset",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Text, nullable=False),
)

dataset_version = Table(
    "dataset_version",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("dataset_id", ForeignKey("dataset.id"), nullable=False),
    # 1.0.<number>
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("failure", Text, nullable=False),
    # JSON: percentages; seed; label names; export types; operation names, null for all.
    Column("settings", Text, nullable=False),
    # The version whose splits are kept.
    Column("base_id", BigInteger),
    Column("job_id", Text, nullable=False),
    Column("image_count", BigInteger, nullable=False),
    Column("annotation_count", BigInteger, nullable=False),
    # JSON: the labels of its annotations, in order; None until they are copied.
    Column("label_names", Text),
    Column("created_at", Text, nullable=False),
    Column("ready_at", Text),
    UniqueConstraint("dataset_id", "number"),
)

version_item = Table(
    "version_item",
    metadata,
    Column("version_id", ForeignKey("dataset_version.id"), primary_key=True),
    Column("image_id", ForeignKey("image.id"), primary_key=True, index=True),
    # -1 until it is decided; 0 train, 1 validation, 2 test.
    Column("split", SmallInteger, nullable=False),
    # Its name in downloads, which no other image of the version has; None until it is decided.
    Column("file_name", Text),
)

# Pictures that were made of images of the train split; they are no images of a collection.
version_picture = Table(
    "version_picture",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("version_id", ForeignKey("dataset_version.id"), nullable=False, index=True),
    Column("image_id", ForeignKey("image.id"), nullable=False, index=True),
    Column("file_name", Text, nullable=False),
    # What was done, such as `FLIP_IMAGE.FLIP_HORIZONTAL`.
    Column("made_by", Text, nullable=False),
    Column("object_path", Text, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("checksum", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    # Compressed JSON: run, mode and set of each annotation set, in pixels.
    Column("sets", LargeBinary, nullable=False),
    UniqueConstraint("version_id", "file_name"),
)

version_set = Table(
    "version_set",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("version_id", ForeignKey("dataset_version.id"), nullable=False),
    Column("image_id", ForeignKey("image.id"), nullable=False, index=True),
    Column("run", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("geometry", SmallInteger, nullable=False),
    Column("normalized", Boolean, nullable=False),
    Column("annotation_count", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index(None, "version_id", "image_id"),
)
