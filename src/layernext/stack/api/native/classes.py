"""The classes of a collection."""

from __future__ import annotations

from msgspec import Struct

from layernext.errors import DataError, Problem
from layernext.model import LabelClass, find_skeleton_problems
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import Store
from layernext.wire.native import CLASSES_PATH, ClassesRequest

_TAG = "Collections"


class ClassesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose classes.

    Attributes:
        collection: id or name.
    """

    collection: str


@operation(
    "GET",
    CLASSES_PATH,
    Operation(
        summary="List a collection's classes",
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 404),
    ),
)
def list_classes(query: ClassesQuery, store: Store, permissions: Permissions) -> list[LabelClass]:
    """The classes of a collection in the order of their numbers; empty if none were declared."""
    return store.classes.list(permissions.find_collection(query.collection).row_id)


@operation(
    "PUT",
    CLASSES_PATH,
    Operation(
        summary="Declare a collection's classes",
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="declare classes",
        errors=(400, 404, 413, 422),
    ),
)
def declare_classes(
    body: ClassesRequest, store: Store, permissions: Permissions, audit: Audit
) -> list[LabelClass]:
    """Appends the classes that the collection does not have, or replaces all; answers the result."""
    audit.note(collection=body.collection)
    names: set[str] = set()
    problems: list[Problem] = []
    for number, label_class in enumerate(body.classes):
        where = f"classes[{number}]"
        check_name(label_class.name, f"{where}.name", "a class")
        if label_class.name in names:
            raise DataError(Problem(f"{where}.name", f"{label_class.name!r} is listed twice"))
        names.add(label_class.name)
        if label_class.skeleton is not None:
            problems += find_skeleton_problems(label_class.skeleton, f"{where}.skeleton")
    if problems:
        raise DataError(problems)
    collection_id = permissions.find_collection(body.collection).row_id
    change = store.classes.replace if body.replace else store.classes.add
    return change(collection_id, body.classes)


ROUTES = [list_classes, declare_classes]
