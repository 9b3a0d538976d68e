"""The database: its tables, and every statement that the stack makes to it."""

from layernext.stack.store.prepared import (
    BatchPreparation,
    ImageKey,
    PreparedSet,
    SetKeyKind,
    value_text,
)
from layernext.stack.store.records import (
    CollectionRow,
    Key,
    LabelGroup,
    LabelRef,
    NewKey,
    Role,
    StoredSet,
    ValueRef,
)
from layernext.stack.store.store import Store
from layernext.stack.store.uploads import UploadSettings

__all__ = [
    "BatchPreparation",
    "CollectionRow",
    "ImageKey",
    "Key",
    "LabelGroup",
    "LabelRef",
    "NewKey",
    "PreparedSet",
    "Role",
    "SetKeyKind",
    "Store",
    "StoredSet",
    "UploadSettings",
    "ValueRef",
    "value_text",
]
