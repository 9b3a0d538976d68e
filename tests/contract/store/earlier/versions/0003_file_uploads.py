"""File uploads: what is on its way, part by part."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "file_upload",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_file_upload_public_id"),
        sa.Column(
            "collection_id",
            ROW_ID,
            sa.ForeignKey("collection.id", name="fk_file_upload_collection_id"),
            nullable=False,
        ),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("is_override", sa.Boolean, nullable=False),
        sa.Column("expected", sa.Integer, nullable=False),
        sa.Column("finished", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_file_upload"),
    )
    op.create_table(
        "file_item",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_file_item_public_id"),
        sa.Column(
            "upload_id",
            ROW_ID,
            sa.ForeignKey("file_upload.id", name="fk_file_item_upload_id"),
            nullable=False,
        ),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("image_id", ROW_ID, sa.ForeignKey("image.id", name="fk_file_item_image_id")),
        sa.Column("is_stored", sa.Boolean, nullable=False),
        sa.Column("object_path", sa.Text),
        sa.Column("handle", sa.Text),
        sa.Column("size", sa.BigInteger),
        sa.Column("checksum", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.UniqueConstraint("upload_id", "name", name="uq_file_item_upload_id_name"),
        sa.PrimaryKeyConstraint("id", name="pk_file_item"),
    )
    op.create_index("ix_file_item_image_id", "file_item", ["image_id"])
    op.create_table(
        "file_part",
        sa.Column(
            "item_id",
            ROW_ID,
            sa.ForeignKey("file_item.id", name="fk_file_part_item_id"),
            nullable=False,
        ),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("item_id", "number", name="pk_file_part"),
    )
