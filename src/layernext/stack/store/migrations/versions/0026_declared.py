"""What files of annotations say beside annotations: unknown keys of the file, and the sizes of images."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Runs and images from before have none."""
    op.add_column("operation_collection", sa.Column("file_keys", sa.Text()))
    op.add_column("image", sa.Column("declared_width", sa.Integer()))
    op.add_column("image", sa.Column("declared_height", sa.Integer()))
