"""Images of a collection by row id; what is not in the trash is not in the index of the trash."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make one index, and another one smaller."""
    op.create_index("ix_image_collection_id_id", "image", ["collection_id", "id"])
    op.drop_index("ix_image_trashed_at", "image")
    is_trashed = sa.text("trashed_at IS NOT NULL")
    op.create_index(
        "ix_image_trashed_at",
        "image",
        ["trashed_at"],
        sqlite_where=is_trashed,
        postgresql_where=is_trashed,
    )
