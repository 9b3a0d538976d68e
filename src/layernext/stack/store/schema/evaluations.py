"""The tables of evaluations: what is compared, what came of it, image by image; and of statistics."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)

from layernext.stack.store.schema.base import RowId, metadata

evaluation = Table(
    "evaluation",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    # What must be equal for two to be the same evaluation, as a digest.
    Column("key", Text, nullable=False, unique=True),
    # One of the two: a collection as it is, or a version of a dataset.
    Column("collection_id", ForeignKey("collection.id"), index=True),
    Column("version_id", ForeignKey("dataset_version.id"), index=True),
    # -1 for all of them; as in `version_item`.
    Column("split", SmallInteger, nullable=False),
    # By name: a version has its own copy of the sets, and may outlive the run.
    Column("run", Text, nullable=False),
    Column("run_mode", Text, nullable=False),
    Column("truth", Text, nullable=False),
    Column("truth_mode", Text, nullable=False),
    # JSON, with every blank filled in; `is_default` if they are those of its geometry.
    Column("settings", Text, nullable=False),
    Column("is_default", SmallInteger, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    # The rest is None until it has been computed, and stays as it was while it is computed again.
    Column("computed_at", Text),
    # Of all that it was computed from; see `evaluation_state`.
    Column("fingerprint", Text),
    # JSON: whether sizes of images went into it, and which were missing.
    Column("notes", Text),
    # JSON: the numbers of the whole.
    Column("summary", Text),
    # zstd-compressed JSON: the whole result.
    Column("result", LargeBinary),
    Index(None, "run", "truth"),
)

image_tally = Table(
    "image_tally",
    metadata,
    Column("evaluation_id", ForeignKey("evaluation.id"), primary_key=True),
    Column("image_id", ForeignKey("image.id"), primary_key=True, index=True),
    Column("truths", Integer, nullable=False),
    Column("annotations", Integer, nullable=False),
    Column("true_positives", Integer, nullable=False),
    Column("false_positives", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
    Column("mislabelled", Integer, nullable=False),
    Column("f1", Double),
    Column("mean_similarity", Double),
    sqlite_with_rowid=False,
)

confusion_cell = Table(
    "confusion_cell",
    metadata,
    Column("evaluation_id", ForeignKey("evaluation.id"), primary_key=True),
    # Row and column of the confusion matrix.
    Column("truth_label", Integer, primary_key=True),
    Column("run_label", Integer, primary_key=True),
    # zstd: 64-bit row ids of the images behind it, then how often in each, 32 bits.
    Column("images", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

run_statistics = Table(
    "run_statistics",
    metadata,
    Column("operation_id", ForeignKey("operation.id"), primary_key=True),
    Column("collection_id", ForeignKey("collection.id"), primary_key=True, index=True),
    # The last job that counts them, if it was left to one.
    Column("job_id", Text),
    # `operation_collection.state` of what was counted; None before that, as what follows.
    Column("state", Text),
    Column("computed_at", Text),
    # zstd-compressed JSON.
    Column("result", LargeBinary),
)
