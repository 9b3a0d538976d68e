"""Nearest images by their embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Response
from msgspec import Meta, Struct

from layernext.errors import DataError, Problem
from layernext.stack.api.access import HANDLER, readable
from layernext.stack.api.messages import Call, answer, find_collection, read_message
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import services_of
from layernext.stack.search import Similar
from layernext.wire.native import EMBEDDING_SEARCH_PATH

MAX_COUNT = 10_000


class SearchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to be near to: a vector, or an image by its unique name."""

    model: str
    vector: list[float] | None = None
    unique_name: str | None = None
    count: Annotated[int, Meta(ge=1, le=MAX_COUNT)] = 10
    metric: Literal["cosine", "dot", "l2"] = "cosine"
    collection: str | None = None


@operation(
    "POST",
    EMBEDDING_SEARCH_PATH,
    Operation(
        summary="Nearest images",
        tag="Embeddings",
        role="read",
        scope=HANDLER,
        body=SearchRequest,
        answer=list[Similar],
        errors=(400, 404, 413, 422),
    ),
)
async def search(request: Call) -> Response[bytes]:
    """The images whose vectors are nearest, nearest first; every vector is compared."""
    wanted, services = await read_message(request, SearchRequest), services_of(request)
    if (wanted.vector is None) == (wanted.unique_name is None):
        raise DataError(Problem("vector", "give either it or unique_name"))
    row_id = None
    if wanted.collection is not None:
        row_id = (await find_collection(request, wanted.collection)).row_id
    within = readable(request)
    found = await services.call(
        lambda: services.search.embeddings.search(
            wanted.model,
            vector=wanted.vector,
            name=wanted.unique_name,
            count=wanted.count,
            metric=wanted.metric,
            collection_id=row_id,
            within=within,
        )
    )
    return answer(found)


ROUTES = [search]
