"""The first tables: what is made of images: datasets, embeddings, evaluations, exports, projects."""

import sqlalchemy as sa
from alembic import op


def dataset() -> None:
    """Create the table."""
    op.create_table(
        "dataset",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dataset"),
        sa.UniqueConstraint("name", name="uq_dataset_name"),
        sa.UniqueConstraint("public_id", name="uq_dataset_public_id"),
    )


def embedding_model() -> None:
    """Create the table."""
    op.create_table(
        "embedding_model",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_embedding_model"),
        sa.UniqueConstraint("name", name="uq_embedding_model_name"),
    )


def export() -> None:
    """Create the table."""
    op.create_table(
        "export",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("object_path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.Text(), nullable=True),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_export"),
        sa.UniqueConstraint("public_id", name="uq_export_public_id"),
    )
    op.create_index("ix_export_expires_at", "export", ["expires_at"], unique=False)


def dataset_version() -> None:
    """Create the table."""
    op.create_table(
        "dataset_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column(
            "dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("image_count", sa.BigInteger(), nullable=False),
        sa.Column("annotation_count", sa.BigInteger(), nullable=False),
        sa.Column("label_names", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("ready_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name="fk_dataset_version_dataset_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_version"),
        sa.UniqueConstraint("dataset_id", "number", name="uq_dataset_version_dataset_id_number"),
        sa.UniqueConstraint("public_id", name="uq_dataset_version_public_id"),
    )


def project() -> None:
    """Create the table."""
    op.create_table(
        "project",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Integer(), nullable=False),
        sa.Column("frames_per_task", sa.Integer(), nullable=False),
        sa.Column("shape_type", sa.Text(), nullable=False),
        sa.Column(
            "label_group_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["label_group_id"], ["label_group.id"], name="fk_project_label_group_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sa.UniqueConstraint("public_id", name="uq_project_public_id"),
    )


def run_statistics() -> None:
    """Create the table."""
    op.create_table(
        "run_statistics",
        sa.Column(
            "operation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "collection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("computed_at", sa.Text(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_run_statistics_collection_id"
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operation.id"], name="fk_run_statistics_operation_id"
        ),
        sa.PrimaryKeyConstraint("operation_id", "collection_id", name="pk_run_statistics"),
    )
    op.create_index(
        "ix_run_statistics_collection_id", "run_statistics", ["collection_id"], unique=False
    )


def embedding() -> None:
    """Create the table."""
    op.create_table(
        "embedding",
        sa.Column("model_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_embedding_image_id"),
        sa.ForeignKeyConstraint(["model_id"], ["embedding_model.id"], name="fk_embedding_model_id"),
        sa.PrimaryKeyConstraint("model_id", "image_id", name="pk_embedding"),
    )
    op.create_index("ix_embedding_image_id", "embedding", ["image_id"], unique=False)


def evaluation() -> None:
    """Create the table."""
    op.create_table(
        "evaluation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "collection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("split", sa.SmallInteger(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("run_mode", sa.Text(), nullable=False),
        sa.Column("truth", sa.Text(), nullable=False),
        sa.Column("truth_mode", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("is_default", sa.SmallInteger(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("computed_at", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_evaluation_collection_id"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name="fk_evaluation_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_evaluation"),
        sa.UniqueConstraint("key", name="uq_evaluation_key"),
        sa.UniqueConstraint("public_id", name="uq_evaluation_public_id"),
    )
    op.create_index("ix_evaluation_collection_id", "evaluation", ["collection_id"], unique=False)
    op.create_index("ix_evaluation_run_truth", "evaluation", ["run", "truth"], unique=False)
    op.create_index("ix_evaluation_version_id", "evaluation", ["version_id"], unique=False)


def project_label() -> None:
    """Create the table."""
    op.create_table(
        "project_label",
        sa.Column(
            "project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("label_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name="fk_project_label_label_id"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_project_label_project_id"),
        sa.PrimaryKeyConstraint("project_id", "label_id", name="pk_project_label"),
    )


def project_run() -> None:
    """Create the table."""
    op.create_table(
        "project_run",
        sa.Column(
            "project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("run", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_project_run_project_id"),
        sa.PrimaryKeyConstraint("project_id", "run", name="pk_project_run"),
    )


def project_task() -> None:
    """Create the table."""
    op.create_table(
        "project_task",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_project_task_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_project_task"),
        sa.UniqueConstraint("project_id", "number", name="uq_project_task_project_id_number"),
    )


def version_item() -> None:
    """Create the table."""
    op.create_table(
        "version_item",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("split", sa.SmallInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_version_item_image_id"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name="fk_version_item_version_id"
        ),
        sa.PrimaryKeyConstraint("version_id", "image_id", name="pk_version_item"),
    )
    op.create_index("ix_version_item_image_id", "version_item", ["image_id"], unique=False)


def version_picture() -> None:
    """Create the table."""
    op.create_table(
        "version_picture",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("object_path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("sets", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_version_picture_image_id"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name="fk_version_picture_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_version_picture"),
        sa.UniqueConstraint(
            "version_id", "file_name", name="uq_version_picture_version_id_file_name"
        ),
    )
    op.create_index("ix_version_picture_image_id", "version_picture", ["image_id"], unique=False)
    op.create_index(
        "ix_version_picture_object_path", "version_picture", ["object_path"], unique=False
    )
    op.create_index(
        "ix_version_picture_version_id", "version_picture", ["version_id"], unique=False
    )


def version_set() -> None:
    """Create the table."""
    op.create_table(
        "version_set",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("geometry", sa.SmallInteger(), nullable=False),
        sa.Column("normalized", sa.Boolean(), nullable=False),
        sa.Column("annotation_count", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_version_set_image_id"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name="fk_version_set_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_version_set"),
    )
    op.create_index("ix_version_set_image_id", "version_set", ["image_id"], unique=False)
    op.create_index(
        "ix_version_set_version_id_image_id",
        "version_set",
        ["version_id", "image_id"],
        unique=False,
    )


def confusion_cell() -> None:
    """Create the table."""
    op.create_table(
        "confusion_cell",
        sa.Column(
            "evaluation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("truth_label", sa.Integer(), nullable=False),
        sa.Column("run_label", sa.Integer(), nullable=False),
        sa.Column("images", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name="fk_confusion_cell_evaluation_id"
        ),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "truth_label", "run_label", name="pk_confusion_cell"
        ),
        sqlite_with_rowid=False,
    )


def image_tally() -> None:
    """Create the table."""
    op.create_table(
        "image_tally",
        sa.Column(
            "evaluation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("truths", sa.Integer(), nullable=False),
        sa.Column("annotations", sa.Integer(), nullable=False),
        sa.Column("true_positives", sa.Integer(), nullable=False),
        sa.Column("false_positives", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("mislabelled", sa.Integer(), nullable=False),
        sa.Column("f1", sa.Double(), nullable=True),
        sa.Column("mean_similarity", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name="fk_image_tally_evaluation_id"
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_image_tally_image_id"),
        sa.PrimaryKeyConstraint("evaluation_id", "image_id", name="pk_image_tally"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_image_tally_image_id", "image_tally", ["image_id"], unique=False)


def project_image() -> None:
    """Create the table."""
    op.create_table(
        "project_image",
        sa.Column(
            "project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_project_image_image_id"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_project_image_project_id"),
        sa.ForeignKeyConstraint(["task_id"], ["project_task.id"], name="fk_project_image_task_id"),
        sa.PrimaryKeyConstraint("project_id", "image_id", name="pk_project_image"),
    )
    op.create_index("ix_project_image_image_id", "project_image", ["image_id"], unique=False)
    op.create_index("ix_project_image_task_id", "project_image", ["task_id"], unique=False)
