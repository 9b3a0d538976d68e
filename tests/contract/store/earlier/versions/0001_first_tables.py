"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "setting",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.create_table(
        "api_key",
        sa.Column("api_key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("revoked_at", sa.Text),
        sa.PrimaryKeyConstraint("api_key", name="pk_api_key"),
    )
    op.create_table(
        "collection",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_collection_public_id"),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("name", name="uq_collection_name"),
        sa.Column("storage_path", sa.Text, nullable=False),
        sa.UniqueConstraint("storage_path", name="uq_collection_storage_path"),
        sa.Column("is_provisional", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collection"),
    )
    op.create_table(
        "image",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column(
            "collection_id",
            ROW_ID,
            sa.ForeignKey("collection.id", name="fk_image_collection_id"),
            nullable=False,
        ),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("object_key", sa.Text),
        sa.Column("storage_path", sa.Text),
        sa.Column("bucket", sa.Text, nullable=False),
        sa.Column("has_file", sa.Boolean, nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.UniqueConstraint(
            "collection_id", "name", "bucket", name="uq_image_collection_id_name_bucket"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
    )
    op.create_table(
        "label",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("name", name="uq_label_name"),
        sa.Column("ref", sa.Text, nullable=False),
        sa.UniqueConstraint("ref", name="uq_label_ref"),
        sa.Column("color", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
    )
    op.create_table(
        "attribute",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column(
            "label_id",
            ROW_ID,
            sa.ForeignKey("label.id", name="fk_attribute_label_id"),
            nullable=False,
        ),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.UniqueConstraint("ref", name="uq_attribute_ref"),
        sa.UniqueConstraint("label_id", "name", name="uq_attribute_label_id_name"),
        sa.PrimaryKeyConstraint("id", name="pk_attribute"),
    )
    op.create_table(
        "attribute_value",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column(
            "attribute_id",
            ROW_ID,
            sa.ForeignKey("attribute.id", name="fk_attribute_value_attribute_id"),
            nullable=False,
        ),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.UniqueConstraint("ref", name="uq_attribute_value_ref"),
        sa.PrimaryKeyConstraint("id", name="pk_attribute_value"),
    )
    op.create_table(
        "label_group",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_label_group_public_id"),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("name", name="uq_label_group_name"),
        sa.PrimaryKeyConstraint("id", name="pk_label_group"),
    )
    op.create_table(
        "label_group_member",
        sa.Column(
            "group_id",
            ROW_ID,
            sa.ForeignKey("label_group.id", name="fk_label_group_member_group_id"),
            nullable=False,
        ),
        sa.Column(
            "label_id",
            ROW_ID,
            sa.ForeignKey("label.id", name="fk_label_group_member_label_id"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("group_id", "label_id", name="pk_label_group_member"),
    )
    op.create_table(
        "operation",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.UniqueConstraint("name", "mode", name="uq_operation_name_mode"),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
    )
    op.create_table(
        "operation_collection",
        sa.Column(
            "operation_id",
            ROW_ID,
            sa.ForeignKey("operation.id", name="fk_operation_collection_operation_id"),
            nullable=False,
        ),
        sa.Column(
            "collection_id",
            ROW_ID,
            sa.ForeignKey("collection.id", name="fk_operation_collection_collection_id"),
            nullable=False,
        ),
        sa.Column("image_count", sa.BigInteger, nullable=False),
        sa.Column("annotation_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("operation_id", "collection_id", name="pk_operation_collection"),
    )
    op.create_table(
        "upload",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_upload_public_id"),
        sa.Column(
            "operation_id",
            ROW_ID,
            sa.ForeignKey("operation.id", name="fk_upload_operation_id"),
            nullable=False,
        ),
        sa.Column(
            "collection_id", ROW_ID, sa.ForeignKey("collection.id", name="fk_upload_collection_id")
        ),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("normalized", sa.Boolean, nullable=False),
        sa.Column("finished", sa.Boolean, nullable=False),
        sa.Column("total_images", sa.BigInteger),
        sa.Column("images", sa.BigInteger, nullable=False),
        sa.Column("annotations", sa.BigInteger, nullable=False),
        sa.Column("unmatched", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_upload"),
    )
    op.create_table(
        "upload_batch",
        sa.Column(
            "upload_id",
            ROW_ID,
            sa.ForeignKey("upload.id", name="fk_upload_batch_upload_id"),
            nullable=False,
        ),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("images", sa.Integer, nullable=False),
        sa.Column("annotations", sa.BigInteger, nullable=False),
        sa.Column("unmatched", sa.Integer, nullable=False),
        sa.Column("new_labels", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "sequence", name="pk_upload_batch"),
    )
    op.create_table(
        "annotation_set",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column(
            "operation_id",
            ROW_ID,
            sa.ForeignKey("operation.id", name="fk_annotation_set_operation_id"),
            nullable=False,
        ),
        sa.Column(
            "image_id",
            ROW_ID,
            sa.ForeignKey("image.id", name="fk_annotation_set_image_id"),
            nullable=False,
        ),
        sa.Column(
            "collection_id",
            ROW_ID,
            sa.ForeignKey("collection.id", name="fk_annotation_set_collection_id"),
            nullable=False,
        ),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column(
            "upload_id",
            ROW_ID,
            sa.ForeignKey("upload.id", name="fk_annotation_set_upload_id"),
            nullable=False,
        ),
        sa.Column("geometry", sa.SmallInteger, nullable=False),
        sa.Column("normalized", sa.Boolean, nullable=False),
        sa.Column("is_named", sa.Boolean, nullable=False),
        sa.Column("annotation_count", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("label_summary", sa.LargeBinary, nullable=False),
        sa.Column("parts", sa.LargeBinary),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint(
            "operation_id", "image_id", name="uq_annotation_set_operation_id_image_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_annotation_set"),
    )
    op.create_index("ix_image_object_key", "image", ["object_key"])
    op.create_index("ix_image_storage_path", "image", ["storage_path"])
    op.create_index("ix_attribute_value_attribute_id", "attribute_value", ["attribute_id"])
    op.create_index(
        "ix_operation_collection_collection_id", "operation_collection", ["collection_id"]
    )
    op.create_index("ix_upload_operation_id_fingerprint", "upload", ["operation_id", "fingerprint"])
    op.create_index("ix_annotation_set_image_id", "annotation_set", ["image_id"])
    op.create_index(
        "ix_annotation_set_operation_id_collection_id_position",
        "annotation_set",
        ["operation_id", "collection_id", "position"],
    )
