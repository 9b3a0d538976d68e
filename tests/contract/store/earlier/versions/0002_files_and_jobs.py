"""Kinds of collections, files behind images, metadata, selections, jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Widen the two tables of things, and make the new ones."""
    with op.batch_alter_table("collection") as table:
        table.drop_constraint("uq_collection_name", type_="unique")
        table.add_column(sa.Column("kind", sa.SmallInteger, nullable=False, server_default="5"))
        table.add_column(sa.Column("storage_prefix", sa.Text))
        table.add_column(sa.Column("application_code", sa.Text))
        table.add_column(sa.Column("fields", sa.Text, nullable=False, server_default="{}"))
        table.add_column(sa.Column("updated_at", sa.Text))
        table.add_column(sa.Column("trashed_at", sa.Text))
        table.create_unique_constraint("uq_collection_name_kind", ["name", "kind"])
    for column in (
        sa.Column("object_path", sa.Text),
        sa.Column("size", sa.BigInteger),
        sa.Column("checksum", sa.Text),
        sa.Column("content_type", sa.Text),
        sa.Column("state", sa.Text),
        sa.Column("failure", sa.Text),
        sa.Column("thumbnail_path", sa.Text),
        sa.Column("frame_count", sa.Integer),
        sa.Column("frame_rate", sa.Double),
        sa.Column("fields", sa.Text, nullable=False, server_default="{}"),
        sa.Column("updated_at", sa.Text),
        sa.Column("trashed_at", sa.Text),
    ):
        op.add_column("image", column)
    op.create_table(
        "image_field",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column(
            "image_id",
            ROW_ID,
            sa.ForeignKey("image.id", name="fk_image_field_image_id"),
            nullable=False,
        ),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("number", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_image_field"),
    )
    op.create_index("ix_image_field_image_id", "image_field", ["image_id"])
    op.create_index("ix_image_field_name_text", "image_field", ["name", "text"])
    op.create_index("ix_image_field_name_number", "image_field", ["name", "number"])
    op.create_index("ix_image_trashed_at", "image", ["trashed_at"])
    _make_selections()
    _make_jobs()


def _make_selections() -> None:
    op.create_table(
        "selection",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_selection_public_id"),
        sa.Column("collection_ids", sa.Text, nullable=False),
        sa.Column("item_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_selection"),
    )
    op.create_table(
        "selection_item",
        sa.Column(
            "selection_id",
            ROW_ID,
            sa.ForeignKey("selection.id", name="fk_selection_item_selection_id"),
            nullable=False,
        ),
        sa.Column(
            "image_id",
            ROW_ID,
            sa.ForeignKey("image.id", name="fk_selection_item_image_id"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("selection_id", "image_id", name="pk_selection_item"),
    )


def _make_jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_job_public_id"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("heartbeat_at", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.UniqueConstraint("session", "kind", name="uq_job_session_kind"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index("ix_job_status_kind", "job", ["status", "kind"])
