"""Nearest images by their embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from layernext.errors import DataError, Problem
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.operation import Operation, operation
from layernext.stack.search import Search, Similar
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
        errors=(400, 404, 413, 422),
    ),
)
def search(body: SearchRequest, search: Search, permissions: Permissions) -> list[Similar]:
    """The images whose vectors are nearest, nearest first; every vector is compared."""
    if (body.vector is None) == (body.unique_name is None):
        raise DataError(Problem("vector", "give either it or unique_name"))
    return search.embeddings.search(
        body.model,
        vector=body.vector,
        name=body.unique_name,
        count=body.count,
        metric=body.metric,
        collection_id=permissions.find_row_id(body.collection),
        within=permissions.readable,
    )


ROUTES = [search]
