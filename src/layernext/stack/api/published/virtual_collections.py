"""Virtual collections of layernext-beta: names under which images of several collections are gathered.

An image is in one collection. The names of its virtual collections are in its metadata, so a query finds
them: ``metadata.virtual_collection = "night shift"``. Nothing is copied. The name is the id, too.
"""

from __future__ import annotations

from layernext.errors import DataError, NotFound, Problem
from layernext.model import counted
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import Encoded, check_name, encoded
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.signature import Change
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import Store
from layernext.wire.published import (
    VIRTUAL_COLLECTION_PATH,
    VirtualCollectionAnswer,
    VirtualCollectionRequest,
    title_of,
)

FIELD = "virtual_collection"
"""The metadata field with the names, a list."""


@operation(
    "POST",
    VIRTUAL_COLLECTION_PATH,
    Operation(
        summary=title_of(VIRTUAL_COLLECTION_PATH),
        tag="Published protocol",
        role="write",
        scope=HANDLER,
        action="add to virtual collection",
        is_recorded=True,
        errors=(400, 404, 413, 422),
    ),
)
def add(
    body: VirtualCollectionRequest,
    store: Store,
    search: Search,
    permissions: Permissions,
    audit: Audit,
    change: Change,
) -> Encoded[VirtualCollectionAnswer]:
    """Adds a selection's images to a virtual collection, which is created if missing.

    Images that are in it stay as they are, so repeating the call changes nothing.
    """
    permissions.check_thing("selection", body.selection_id)

    def work() -> VirtualCollectionAnswer:
        selection = store.selections.find(body.selection_id)
        permissions.check_collections(selection.collection_ids)
        name = _name(search, body)
        count = store.selections.append_to_field(selection, FIELD, name)
        audit.note(subject=name, count=count)
        return VirtualCollectionAnswer(
            is_success=True,
            v_collection_id=name,
            v_collection_name=name,
            added_count=count,
            message=f"{counted(count, 'image')} added; the query {_query(name)} finds them all",
        )

    try:
        return change(work)
    except (DataError, NotFound) as error:
        # The published client shows this answer; of another status it says nothing.
        text = "; ".join(error.lines()) if isinstance(error, DataError) else str(error)
        return encoded(VirtualCollectionAnswer(is_success=False, message=text))


def _name(search: Search, message: VirtualCollectionRequest) -> str:
    """The name to add, which is the id of a virtual collection that exists.

    Raises:
        DataError: the name cannot be one, or there is neither.
        NotFound: no image is in a virtual collection with this id.
    """
    if message.v_collection_name is not None:
        check_name(message.v_collection_name, "vCollectionName", "a virtual collection")
        return message.v_collection_name
    name = message.v_collection_id
    if name is None:
        raise DataError(Problem("vCollectionName", "is missing, and vCollectionId, too"))
    check_name(name, "vCollectionId", "a virtual collection")
    if not search.items.count(ItemFilter(query=_query(name))):
        raise NotFound(f"there is no virtual collection {name!r}", status=404)
    return name


def _query(name: str) -> str:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'metadata.{FIELD} = "{quoted}"'


ROUTES = [add]
