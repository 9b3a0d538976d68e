"""Datasets: versions, their images by split, and their annotations as they were."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "dataset",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_dataset_public_id"),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("name", name="uq_dataset_name"),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dataset"),
    )
    op.create_table(
        "dataset_version",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_dataset_version_public_id"),
        sa.Column(
            "dataset_id",
            ROW_ID,
            sa.ForeignKey("dataset.id", name="fk_dataset_version_dataset_id"),
            nullable=False,
        ),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("base_id", sa.BigInteger),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("image_count", sa.BigInteger, nullable=False),
        sa.Column("annotation_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("ready_at", sa.Text),
        sa.UniqueConstraint("dataset_id", "number", name="uq_dataset_version_dataset_id_number"),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_version"),
    )
    op.create_table(
        "version_item",
        sa.Column(
            "version_id",
            ROW_ID,
            sa.ForeignKey("dataset_version.id", name="fk_version_item_version_id"),
            nullable=False,
        ),
        sa.Column(
            "image_id",
            ROW_ID,
            sa.ForeignKey("image.id", name="fk_version_item_image_id"),
            nullable=False,
        ),
        sa.Column("split", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("version_id", "image_id", name="pk_version_item"),
    )
    op.create_index("ix_version_item_image_id", "version_item", ["image_id"])
    op.create_table(
        "version_set",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column(
            "version_id",
            ROW_ID,
            sa.ForeignKey("dataset_version.id", name="fk_version_set_version_id"),
            nullable=False,
        ),
        sa.Column(
            "image_id",
            ROW_ID,
            sa.ForeignKey("image.id", name="fk_version_set_image_id"),
            nullable=False,
        ),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("geometry", sa.SmallInteger, nullable=False),
        sa.Column("normalized", sa.Boolean, nullable=False),
        sa.Column("annotation_count", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_version_set"),
    )
    op.create_index("ix_version_set_image_id", "version_set", ["image_id"])
    op.create_index("ix_version_set_version_id_image_id", "version_set", ["version_id", "image_id"])
