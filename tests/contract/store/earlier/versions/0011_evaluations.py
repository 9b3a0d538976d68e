"""Evaluations, their images, and statistics of runs."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _reference(table: str, column: str, target: str, *, nullable: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey(f"{target}.id", name=f"fk_{table}_{column}")
    return sa.Column(column, ROW_ID, key, nullable=nullable)


def upgrade() -> None:
    """Make the tables."""
    op.add_column(
        "operation_collection", sa.Column("state", sa.Text, nullable=False, server_default="")
    )
    op.create_table(
        "evaluation",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.UniqueConstraint("public_id", name="uq_evaluation_public_id"),
        sa.Column("key", sa.Text, nullable=False),
        sa.UniqueConstraint("key", name="uq_evaluation_key"),
        _reference("evaluation", "collection_id", "collection", nullable=True),
        _reference("evaluation", "version_id", "dataset_version", nullable=True),
        sa.Column("split", sa.SmallInteger, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("run_mode", sa.Text, nullable=False),
        sa.Column("truth", sa.Text, nullable=False),
        sa.Column("truth_mode", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("is_default", sa.SmallInteger, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("computed_at", sa.Text),
        sa.Column("fingerprint", sa.Text),
        sa.Column("notes", sa.Text),
        sa.Column("summary", sa.Text),
        sa.Column("result", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_evaluation"),
    )
    op.create_index("ix_evaluation_collection_id", "evaluation", ["collection_id"])
    op.create_index("ix_evaluation_version_id", "evaluation", ["version_id"])
    op.create_index("ix_evaluation_run_truth", "evaluation", ["run", "truth"])
    op.create_table(
        "image_tally",
        _reference("image_tally", "evaluation_id", "evaluation"),
        _reference("image_tally", "image_id", "image"),
        sa.Column("truths", sa.Integer, nullable=False),
        sa.Column("annotations", sa.Integer, nullable=False),
        sa.Column("true_positives", sa.Integer, nullable=False),
        sa.Column("false_positives", sa.Integer, nullable=False),
        sa.Column("missed", sa.Integer, nullable=False),
        sa.Column("mislabelled", sa.Integer, nullable=False),
        sa.Column("f1", sa.Double),
        sa.Column("mean_similarity", sa.Double),
        sa.PrimaryKeyConstraint("evaluation_id", "image_id", name="pk_image_tally"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_image_tally_image_id", "image_tally", ["image_id"])
    op.create_table(
        "confusion_cell",
        _reference("confusion_cell", "evaluation_id", "evaluation"),
        sa.Column("truth_label", sa.Integer, nullable=False),
        sa.Column("run_label", sa.Integer, nullable=False),
        sa.Column("images", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "truth_label", "run_label", name="pk_confusion_cell"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run_statistics",
        _reference("run_statistics", "operation_id", "operation"),
        _reference("run_statistics", "collection_id", "collection"),
        sa.Column("job_id", sa.Text),
        sa.Column("state", sa.Text),
        sa.Column("computed_at", sa.Text),
        sa.Column("result", sa.LargeBinary),
        sa.PrimaryKeyConstraint("operation_id", "collection_id", name="pk_run_statistics"),
    )
    op.create_index("ix_run_statistics_collection_id", "run_statistics", ["collection_id"])
