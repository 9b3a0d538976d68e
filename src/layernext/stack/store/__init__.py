"""The database: its tables, and every statement that the stack makes to it."""

from layernext.stack.store.jobs import Jobs
from layernext.stack.store.prepared import (
    BatchPreparation,
    ImageKey,
    PreparedSet,
    SetKeyKind,
    value_text,
)
from layernext.stack.store.records import (
    CollectionRow,
    JobRow,
    JobStatus,
    Key,
    LabelGroup,
    LabelRef,
    NewKey,
    Role,
    Selection,
    StoredSet,
    ValueRef,
)
from layernext.stack.store.selections import Selections
from layernext.stack.store.store import Store
from layernext.stack.store.uploads import UploadSettings

__all__ = [
    "BatchPreparation",
    "CollectionRow",
    "ImageKey",
    "JobRow",
    "JobStatus",
    "Jobs",
    "Key",
    "LabelGroup",
    "LabelRef",
    "NewKey",
    "PreparedSet",
    "Role",
    "Selection",
    "Selections",
    "SetKeyKind",
    "Store",
    "StoredSet",
    "UploadSettings",
    "ValueRef",
    "value_text",
]
