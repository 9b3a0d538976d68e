"""The classes of a collection, in order."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Collections from before have no list of classes; exports sort their labels by name."""
    op.add_column(
        "collection", sa.Column("classes", sa.Text(), nullable=False, server_default="[]")
    )
