"""Labels of dataset versions, names of their images in downloads, and pictures made for them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the columns, and make the table."""
    op.add_column("version_item", sa.Column("file_name", sa.Text))
    op.add_column("dataset_version", sa.Column("label_names", sa.Text))
    op.create_table(
        "version_picture",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column(
            "version_id",
            ROW_ID,
            sa.ForeignKey("dataset_version.id", name="fk_version_picture_version_id"),
            nullable=False,
        ),
        sa.Column(
            "image_id",
            ROW_ID,
            sa.ForeignKey("image.id", name="fk_version_picture_image_id"),
            nullable=False,
        ),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("object_path", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("sets", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_version_picture"),
        sa.UniqueConstraint(
            "version_id", "file_name", name="uq_version_picture_version_id_file_name"
        ),
    )
    for column in ("version_id", "image_id"):
        op.create_index(f"ix_version_picture_{column}", "version_picture", [column])
