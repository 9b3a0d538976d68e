"""The first tables: collections, their images, files, labels and annotations."""

import sqlalchemy as sa
from alembic import op


def collection() -> None:
    """Create the table."""
    op.create_table(
        "collection",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), server_default="5", nullable=False),
        sa.Column("storage_path", sa.Text(), nullable=False),
        sa.Column("storage_prefix", sa.Text(), nullable=True),
        sa.Column("application_code", sa.Text(), nullable=True),
        sa.Column("is_provisional", sa.Boolean(), nullable=False),
        sa.Column("fields", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=True),
        sa.Column("trashed_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_collection"),
        sa.UniqueConstraint("name", "kind", name="uq_collection_name_kind"),
        sa.UniqueConstraint("public_id", name="uq_collection_public_id"),
        sa.UniqueConstraint("storage_path", name="uq_collection_storage_path"),
    )


def declared_name() -> None:
    """Create the table."""
    op.create_table(
        "declared_name",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_declared_name"),
    )


def dropped_object() -> None:
    """Create the table."""
    op.create_table(
        "dropped_object",
        sa.Column("path", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_dropped_object"),
    )


def job() -> None:
    """Create the table."""
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("session", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("heartbeat_at", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("public_id", name="uq_job_public_id"),
        sa.UniqueConstraint("session", "kind", name="uq_job_session_kind"),
    )
    op.create_index("ix_job_status_kind", "job", ["status", "kind"], unique=False)


def label() -> None:
    """Create the table."""
    op.create_table(
        "label",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
        sa.UniqueConstraint("name", name="uq_label_name"),
        sa.UniqueConstraint("ref", name="uq_label_ref"),
    )


def label_group() -> None:
    """Create the table."""
    op.create_table(
        "label_group",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_label_group"),
        sa.UniqueConstraint("name", name="uq_label_group_name"),
        sa.UniqueConstraint("public_id", name="uq_label_group_public_id"),
    )


def operation() -> None:
    """Create the table."""
    op.create_table(
        "operation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
        sa.UniqueConstraint("name", "mode", name="uq_operation_name_mode"),
    )


def selection() -> None:
    """Create the table."""
    op.create_table(
        "selection",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("collection_ids", sa.Text(), nullable=False),
        sa.Column("item_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_selection"),
        sa.UniqueConstraint("public_id", name="uq_selection_public_id"),
    )


def attribute() -> None:
    """Create the table."""
    op.create_table(
        "attribute",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("label_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name="fk_attribute_label_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attribute"),
        sa.UniqueConstraint("label_id", "name", name="uq_attribute_label_id_name"),
        sa.UniqueConstraint("ref", name="uq_attribute_ref"),
    )


def file_upload() -> None:
    """Create the table."""
    op.create_table(
        "file_upload",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column(
            "collection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("is_override", sa.Boolean(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_file_upload_collection_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_file_upload"),
        sa.UniqueConstraint("public_id", name="uq_file_upload_public_id"),
    )


def image() -> None:
    """Create the table."""
    op.create_table(
        "image",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "collection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("storage_path", sa.Text(), nullable=True),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("has_file", sa.Boolean(), nullable=False),
        sa.Column("object_path", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("thumbnail_path", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("frame_count", sa.Integer(), nullable=True),
        sa.Column("frame_rate", sa.Double(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("fields", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=True),
        sa.Column("trashed_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_image_collection_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
        sa.UniqueConstraint(
            "collection_id", "name", "bucket", name="uq_image_collection_id_name_bucket"
        ),
    )
    op.create_index("ix_image_collection_id_id", "image", ["collection_id", "id"], unique=False)
    op.create_index("ix_image_object_key", "image", ["object_key"], unique=False)
    op.create_index(
        "ix_image_object_path",
        "image",
        ["object_path"],
        unique=False,
        sqlite_where=sa.text("object_path IS NOT NULL"),
        postgresql_where=sa.text("object_path IS NOT NULL"),
    )
    op.create_index("ix_image_storage_path", "image", ["storage_path"], unique=False)
    op.create_index(
        "ix_image_trashed_at",
        "image",
        ["trashed_at"],
        unique=False,
        sqlite_where=sa.text("trashed_at IS NOT NULL"),
        postgresql_where=sa.text("trashed_at IS NOT NULL"),
    )


def label_group_member() -> None:
    """Create the table."""
    op.create_table(
        "label_group_member",
        sa.Column("group_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("label_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["label_group.id"], name="fk_label_group_member_group_id"
        ),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name="fk_label_group_member_label_id"),
        sa.PrimaryKeyConstraint("group_id", "label_id", name="pk_label_group_member"),
    )


def operation_collection() -> None:
    """Create the table."""
    op.create_table(
        "operation_collection",
        sa.Column(
            "operation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "collection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("image_count", sa.BigInteger(), nullable=False),
        sa.Column("annotation_count", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_operation_collection_collection_id"
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operation.id"], name="fk_operation_collection_operation_id"
        ),
        sa.PrimaryKeyConstraint("operation_id", "collection_id", name="pk_operation_collection"),
    )
    op.create_index(
        "ix_operation_collection_collection_id",
        "operation_collection",
        ["collection_id"],
        unique=False,
    )


def upload() -> None:
    """Create the table."""
    op.create_table(
        "upload",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "collection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("normalized", sa.Boolean(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.Column("total_images", sa.BigInteger(), nullable=True),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("annotations", sa.BigInteger(), nullable=False),
        sa.Column("unmatched", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_upload_collection_id"
        ),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name="fk_upload_operation_id"),
        sa.PrimaryKeyConstraint("id", name="pk_upload"),
        sa.UniqueConstraint("public_id", name="uq_upload_public_id"),
    )
    op.create_index(
        "ix_upload_operation_id_fingerprint",
        "upload",
        ["operation_id", "fingerprint"],
        unique=False,
    )


def annotation_set() -> None:
    """Create the table."""
    op.create_table(
        "annotation_set",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "operation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "collection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column(
            "upload_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("geometry", sa.SmallInteger(), nullable=False),
        sa.Column("normalized", sa.Boolean(), nullable=False),
        sa.Column("is_named", sa.Boolean(), nullable=False),
        sa.Column("annotation_count", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("label_summary", sa.LargeBinary(), nullable=False),
        sa.Column("parts", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_annotation_set_collection_id"
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_annotation_set_image_id"),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operation.id"], name="fk_annotation_set_operation_id"
        ),
        sa.ForeignKeyConstraint(["upload_id"], ["upload.id"], name="fk_annotation_set_upload_id"),
        sa.PrimaryKeyConstraint("id", name="pk_annotation_set"),
        sa.UniqueConstraint(
            "operation_id", "image_id", name="uq_annotation_set_operation_id_image_id"
        ),
    )
    op.create_index("ix_annotation_set_image_id", "annotation_set", ["image_id"], unique=False)
    op.create_index(
        "ix_annotation_set_operation_id_collection_id_position",
        "annotation_set",
        ["operation_id", "collection_id", "position"],
        unique=False,
    )


def attribute_value() -> None:
    """Create the table."""
    op.create_table(
        "attribute_value",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "attribute_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attribute_id"], ["attribute.id"], name="fk_attribute_value_attribute_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attribute_value"),
        sa.UniqueConstraint("ref", name="uq_attribute_value_ref"),
    )
    op.create_index(
        "ix_attribute_value_attribute_id", "attribute_value", ["attribute_id"], unique=False
    )


def file_item() -> None:
    """Create the table."""
    op.create_table(
        "file_item",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column(
            "upload_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("is_stored", sa.Boolean(), nullable=False),
        sa.Column("object_path", sa.Text(), nullable=True),
        sa.Column("handle", sa.Text(), nullable=True),
        sa.Column("is_sealed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_file_item_image_id"),
        sa.ForeignKeyConstraint(["upload_id"], ["file_upload.id"], name="fk_file_item_upload_id"),
        sa.PrimaryKeyConstraint("id", name="pk_file_item"),
        sa.UniqueConstraint("public_id", name="uq_file_item_public_id"),
        sa.UniqueConstraint("upload_id", "name", name="uq_file_item_upload_id_name"),
    )
    op.create_index("ix_file_item_image_id", "file_item", ["image_id"], unique=False)
    op.create_index(
        "ix_file_item_object_path",
        "file_item",
        ["object_path"],
        unique=False,
        sqlite_where=sa.text("object_path IS NOT NULL"),
        postgresql_where=sa.text("object_path IS NOT NULL"),
    )


def image_field() -> None:
    """Create the table."""
    op.create_table(
        "image_field",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_image_field_image_id"),
        sa.PrimaryKeyConstraint("id", name="pk_image_field"),
    )
    op.create_index("ix_image_field_image_id", "image_field", ["image_id"], unique=False)
    op.create_index("ix_image_field_name_number", "image_field", ["name", "number"], unique=False)
    op.create_index("ix_image_field_name_text", "image_field", ["name", "text"], unique=False)


def selection_item() -> None:
    """Create the table."""
    op.create_table(
        "selection_item",
        sa.Column(
            "selection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_selection_item_image_id"),
        sa.ForeignKeyConstraint(
            ["selection_id"], ["selection.id"], name="fk_selection_item_selection_id"
        ),
        sa.PrimaryKeyConstraint("selection_id", "image_id", name="pk_selection_item"),
    )


def upload_batch() -> None:
    """Create the table."""
    op.create_table(
        "upload_batch",
        sa.Column(
            "upload_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("annotations", sa.BigInteger(), nullable=False),
        sa.Column("unmatched", sa.Integer(), nullable=False),
        sa.Column("new_labels", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["upload_id"], ["upload.id"], name="fk_upload_batch_upload_id"),
        sa.PrimaryKeyConstraint("upload_id", "sequence", name="pk_upload_batch"),
    )


def file_part() -> None:
    """Create the table."""
    op.create_table(
        "file_part",
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["file_item.id"], name="fk_file_part_item_id"),
        sa.PrimaryKeyConstraint("item_id", "number", name="pk_file_part"),
    )
