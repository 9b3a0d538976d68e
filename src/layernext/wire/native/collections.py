"""Collections."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from layernext.model import LabelClass
from layernext.wire.native.protocol import BASE_PATH

COLLECTIONS_PATH = f"{BASE_PATH}/collections"
CLASSES_PATH = f"{BASE_PATH}/collection-classes"

MAX_CLASSES = 100_000


class CollectionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Makes a collection, unless there is one of that name."""

    name: str


class ClassesRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Declares the classes of a collection.

    Attributes:
        collection: id or name.
        classes: in order; each name once.
        replace: make these all of its classes. Otherwise those that it does not have are appended.
    """

    collection: str
    classes: Annotated[list[LabelClass], Meta(max_length=MAX_CLASSES)]
    replace: bool = False
