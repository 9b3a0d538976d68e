"""Uploads of files: parts are fixed before they become an object, and name their bytes. Objects are found by path.

Files that were on their way begin again: their parts lie where this version does not look for them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "file_item",
        sa.Column("is_sealed", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column("file_part", sa.Column("tag", sa.Text, nullable=False, server_default=""))
    for table in ("image", "file_item"):
        op.create_index(
            f"ix_{table}_object_path",
            table,
            ["object_path"],
            sqlite_where=sa.text("object_path IS NOT NULL"),
            postgresql_where=sa.text("object_path IS NOT NULL"),
        )
    op.create_index("ix_version_picture_object_path", "version_picture", ["object_path"])
    item = sa.table(
        "file_item",
        sa.column("id"),
        sa.column("is_stored"),
        sa.column("object_path"),
        sa.column("handle"),
    )
    part = sa.table("file_part", sa.column("item_id"))
    unfinished = ~item.c.is_stored
    op.execute(sa.delete(part).where(part.c.item_id.in_(sa.select(item.c.id).where(unfinished))))
    op.execute(sa.update(item).where(unfinished).values(object_path=None, handle=None))
