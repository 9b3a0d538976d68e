"""The id of a collection, asked for with published requests."""

from __future__ import annotations

import re
from collections.abc import Iterable

from layernext.client.transport import Transport
from layernext.errors import NotFound
from layernext.wire import published
from layernext.wire.published import Received

_ID = re.compile(r"[0-9a-f]{24}")


def ask_collection_id(transport: Transport, name: str, kind: int) -> tuple[str | None, str]:
    """The id of the collection of this name and object type, or None; and what the stack says about it."""
    body = published.CollectionIdRequest(collection_name=name, object_type=kind)
    answer = Received(
        published.CollectionIdAnswer,
        transport.request_json("POST", published.COLLECTION_ID_PATH, json=body),
    )
    is_there = answer.is_success is not False and bool(answer.collection_id)
    return str(answer.collection_id) if is_there else None, str(answer.message or "")


def find_collection_id(
    transport: Transport, id_or_name: str, kinds: Iterable[int] = (published.IMAGE_COLLECTION,)
) -> str:
    """The id of a collection, given by id or name.

    Args:
        transport: to the stack.
        id_or_name: an id is taken as it is.
        kinds: object types of collections, in the order in which they are tried.

    Raises:
        NotFound: no such collection.
    """
    if _ID.fullmatch(id_or_name):
        return id_or_name
    for kind in kinds:
        collection_id, _ = ask_collection_id(transport, id_or_name, kind)
        if collection_id is not None:
            return collection_id
    raise NotFound(f"there is no collection {id_or_name!r}", status=404)
