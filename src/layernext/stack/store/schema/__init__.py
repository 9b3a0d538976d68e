"""The tables, by noun. `migrations` makes them; a test holds both equal."""

from layernext.stack.store.schema.access import api_key, collection_grant, session, stack_user
from layernext.stack.store.schema.annotations import (
    BATCH_BITS,
    GEOMETRIES_BY_CODE,
    GEOMETRY_CODES,
    PLACE_BITS,
    annotation_set,
    operation,
    operation_collection,
    upload,
    upload_batch,
)
from layernext.stack.store.schema.base import RowId, metadata, setting
from layernext.stack.store.schema.collections import (
    collection,
    declared_name,
    image,
    image_field,
    selection,
    selection_item,
)
from layernext.stack.store.schema.datasets import (
    dataset,
    dataset_version,
    version_item,
    version_picture,
    version_set,
)
from layernext.stack.store.schema.embeddings import embedding, embedding_model
from layernext.stack.store.schema.evaluations import (
    confusion_cell,
    evaluation,
    image_tally,
    run_statistics,
)
from layernext.stack.store.schema.exports import export
from layernext.stack.store.schema.files import dropped_object, file_item, file_part, file_upload
from layernext.stack.store.schema.jobs import job
from layernext.stack.store.schema.labels import (
    attribute,
    attribute_value,
    label,
    label_group,
    label_group_member,
)
from layernext.stack.store.schema.projects import (
    project,
    project_image,
    project_label,
    project_run,
    project_task,
)
from layernext.stack.store.schema.requests import audit_entry, recorded_answer

__all__ = [
    "BATCH_BITS",
    "GEOMETRIES_BY_CODE",
    "GEOMETRY_CODES",
    "PLACE_BITS",
    "RowId",
    "annotation_set",
    "api_key",
    "attribute",
    "attribute_value",
    "audit_entry",
    "collection",
    "collection_grant",
    "confusion_cell",
    "dataset",
    "dataset_version",
    "declared_name",
    "dropped_object",
    "embedding",
    "embedding_model",
    "evaluation",
    "export",
    "file_item",
    "file_part",
    "file_upload",
    "image",
    "image_field",
    "image_tally",
    "job",
    "label",
    "label_group",
    "label_group_member",
    "metadata",
    "operation",
    "operation_collection",
    "project",
    "project_image",
    "project_label",
    "project_run",
    "project_task",
    "recorded_answer",
    "run_statistics",
    "selection",
    "selection_item",
    "session",
    "setting",
    "stack_user",
    "upload",
    "upload_batch",
    "version_item",
    "version_picture",
    "version_set",
]
