"""Virtual collections of layernext-beta: names under which images of several collections are gathered.

An image is in one collection. The names of its virtual collections are in its metadata, so a query finds
them: ``metadata.virtual_collection = "night shift"``. Nothing is copied. The name is the id, too.
"""

from __future__ import annotations

from litestar import Response

from layernext.errors import DataError, NotFound, Problem
from layernext.stack.api.access import HANDLER, access_of, check_thing
from layernext.stack.api.audit import note
from layernext.stack.api.messages import Call, answer, check_name, read_message
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.replay import change
from layernext.stack.api.services import Services, services_of
from layernext.stack.search import ItemFilter
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
        body=VirtualCollectionRequest,
        answer=VirtualCollectionAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def add(request: Call) -> Response[bytes]:
    """Adds a selection's images to a virtual collection, which is created if missing.

    Images that are in it stay as they are, so repeating the call changes nothing.
    """
    message, services = await read_message(request, VirtualCollectionRequest), services_of(request)
    await check_thing(request, "selection", message.selection_id)
    access = access_of(request)

    def work() -> Response[bytes]:
        selections = services.store.selections
        selected = selections.find(message.selection_id)
        if access is not None:
            access.check(selected.collection_ids)
        name = _name(services, message)
        count = selections.append_to_field(selected, FIELD, name)
        note(request, subject=name, count=count)
        text = f"{count} images added; the query {_query(name)} finds them all"
        return answer(
            VirtualCollectionAnswer(
                is_success=True,
                v_collection_id=name,
                v_collection_name=name,
                added_count=count,
                message=text,
            )
        )

    try:
        return await change(request, work)
    except (DataError, NotFound) as error:
        # The published client shows this answer; of another status it says nothing.
        text = "; ".join(error.lines()) if isinstance(error, DataError) else str(error)
        return answer(VirtualCollectionAnswer(is_success=False, message=text))


def _name(services: Services, message: VirtualCollectionRequest) -> str:
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
    if not services.search.items.count(ItemFilter(query=_query(name))):
        raise NotFound(f"there is no virtual collection {name!r}", status=404)
    return name


def _query(name: str) -> str:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'metadata.{FIELD} = "{quoted}"'


ROUTES = [add]
