"""Embeddings of images."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "embedding_model",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("name", name="uq_embedding_model_name"),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_embedding_model"),
    )
    op.create_table(
        "embedding",
        sa.Column(
            "model_id",
            ROW_ID,
            sa.ForeignKey("embedding_model.id", name="fk_embedding_model_id"),
            nullable=False,
        ),
        sa.Column(
            "image_id",
            ROW_ID,
            sa.ForeignKey("image.id", name="fk_embedding_image_id"),
            nullable=False,
        ),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("model_id", "image_id", name="pk_embedding"),
    )
    op.create_index("ix_embedding_image_id", "embedding", ["image_id"])
