"""How long a video is."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; videos that were inspected before without a result are inspected again."""
    op.add_column("image", sa.Column("duration_s", sa.Double))
    op.execute(
        "UPDATE image SET state = 'pending' WHERE has_file AND state = 'ready' AND width IS NULL"
        " AND collection_id IN (SELECT id FROM collection WHERE kind = 4)"
    )
