"""Embeddings: E39 to E41."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response
from msgspec import Meta, Struct

from layernext.stack.api.access import HANDLER, collection_check, readable
from layernext.stack.api.audit import note, recorded
from layernext.stack.api.messages import Call, answer, check_name, read_message
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import services_of
from layernext.wire.published import (
    EMBEDDING_MODEL_PATH,
    GET_EMBEDDINGS_PATH,
    INSERT_EMBEDDINGS_PATH,
)

_TAG = "Published protocol"
MAX_AT_ONCE = 1_000


class SentVector(Struct, frozen=True, rename="camel"):
    """The vector of an image."""

    unique_name: str
    embeddings: list[float]


class InsertRequest(Struct, frozen=True, rename="camel"):
    """E39."""

    embedding_model_name: str
    embedding_dimension: Annotated[list[int], Meta(min_length=1, max_length=1)]
    data: Annotated[list[SentVector], Meta(max_length=MAX_AT_ONCE)]
    session_id: str = ""


class InsertAnswer(Struct, frozen=True, kw_only=True):
    """The answer to E39: `message` names images that the stack does not have."""

    success: bool
    message: str
    upsert_count: int
    unknown: list[str] = []


class GetRequest(Struct, frozen=True, rename="camel"):
    """E40."""

    embedding_unique_name_array: Annotated[list[str], Meta(max_length=10_000)]
    embedding_model_name: str


class ModelRequest(Struct, frozen=True, rename="camel"):
    """E41."""

    embedding_model_name: str
    embedding_dimension: Annotated[list[int], Meta(min_length=1, max_length=1)]
    embedding_index_type: Any = None


class ModelAnswer(Struct, frozen=True, kw_only=True):
    """The answer to E41."""

    success: bool = True


@operation(
    "POST",
    INSERT_EMBEDDINGS_PATH,
    Operation(
        summary="E39: store embeddings",
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="store embeddings",
        body=InsertRequest,
        answer=InsertAnswer,
        errors=(400, 413, 422),
    ),
)
async def insert_vectors(request: Call) -> Response[bytes]:
    """Stores vectors of images, all in one transaction; those that are there are replaced.

    Images that the stack does not have are named, and `success` is false; the others are stored.
    """
    wanted, services = await read_message(request, InsertRequest), services_of(request)
    check_name(wanted.embedding_model_name, "embeddingModelName", "a model")
    for number, one in enumerate(wanted.data):
        check_name(one.unique_name, f"data[{number}].uniqueName", "an image")
    pairs = [(one.unique_name, one.embeddings) for one in wanted.data]
    note(request, subject=wanted.embedding_model_name, count=len(pairs))
    count, unknown = await services.call(
        recorded(request, services.store.embeddings.insert),
        wanted.embedding_model_name,
        wanted.embedding_dimension[0],
        pairs,
        collection_check(request),
        readable(request),
    )
    message = ""
    if unknown:
        shown = ", ".join(repr(name) for name in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""  # noqa: PLR2004
        message = f"there are no images {shown}{more}"
    return answer(
        InsertAnswer(success=not unknown, message=message, upsert_count=count, unknown=unknown)
    )


@operation(
    "POST",
    GET_EMBEDDINGS_PATH,
    Operation(
        summary="E40: embeddings of images",
        tag=_TAG,
        role="read",
        scope=HANDLER,
        body=GetRequest,
        answer=list[SentVector],
        errors=(400, 404, 413, 422),
    ),
)
async def get_vectors(request: Call) -> Response[bytes]:
    """The vectors of images by a model; images without one are left out."""
    wanted, services = await read_message(request, GetRequest), services_of(request)
    found = await services.call(
        services.store.embeddings.get,
        wanted.embedding_model_name,
        wanted.embedding_unique_name_array,
        readable(request),
    )
    return answer([SentVector(name, vector) for name, vector in found])


@operation(
    "POST",
    EMBEDDING_MODEL_PATH,
    Operation(
        summary="E41: make an embedding model",
        tag=_TAG,
        role="write",
        action="create embedding model",
        body=ModelRequest,
        answer=ModelAnswer,
        errors=(400, 413, 422),
    ),
)
async def create_model(request: Call) -> Response[bytes]:
    """Fixes the dimension of a model's vectors. Storing the first vector does so, too."""
    wanted, services = await read_message(request, ModelRequest), services_of(request)
    check_name(wanted.embedding_model_name, "embeddingModelName", "a model")
    note(request, subject=wanted.embedding_model_name)
    await services.call(
        recorded(request, services.store.embeddings.ensure_model),
        wanted.embedding_model_name,
        wanted.embedding_dimension[0],
    )
    return answer(ModelAnswer())


ROUTES = [insert_vectors, get_vectors, create_model]
