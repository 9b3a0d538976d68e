"""Embeddings of images, and the models that made them."""

from __future__ import annotations

from litestar import Response

from layernext.stack.api.access import HANDLER, collection_check, readable
from layernext.stack.api.audit import note, recorded
from layernext.stack.api.messages import Call, answer, check_name, read_message
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import services_of
from layernext.wire.published import (
    EMBEDDING_MODEL_PATH,
    GET_EMBEDDINGS_PATH,
    INSERT_EMBEDDINGS_PATH,
    GetRequest,
    InsertAnswer,
    InsertRequest,
    ModelAnswer,
    ModelRequest,
    SentVector,
    title_of,
)

_TAG = "Published protocol"


@operation(
    "POST",
    INSERT_EMBEDDINGS_PATH,
    Operation(
        summary=title_of(INSERT_EMBEDDINGS_PATH),
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
    body, services = await read_message(request, InsertRequest), services_of(request)
    check_name(body.embedding_model_name, "embeddingModelName", "a model")
    for number, sent in enumerate(body.data):
        check_name(sent.unique_name, f"data[{number}].uniqueName", "an image")
    pairs = [(sent.unique_name, sent.embeddings) for sent in body.data]
    note(request, subject=body.embedding_model_name, count=len(pairs))
    count, unknown = await services.call(
        recorded(request, services.search.embeddings.insert),
        body.embedding_model_name,
        body.embedding_dimension[0],
        pairs,
        collection_check(request),
        readable(request),
    )
    message = ""
    if unknown:
        first_names = ", ".join(repr(name) for name in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""  # noqa: PLR2004
        message = f"there are no images {first_names}{more}"
    return answer(
        InsertAnswer(success=not unknown, message=message, upsert_count=count, unknown=unknown)
    )


@operation(
    "POST",
    GET_EMBEDDINGS_PATH,
    Operation(
        summary=title_of(GET_EMBEDDINGS_PATH),
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
    body, services = await read_message(request, GetRequest), services_of(request)
    vectors = await services.call(
        services.search.embeddings.get,
        body.embedding_model_name,
        body.embedding_unique_name_array,
        readable(request),
    )
    return answer([SentVector(name, vector) for name, vector in vectors])


@operation(
    "POST",
    EMBEDDING_MODEL_PATH,
    Operation(
        summary=title_of(EMBEDDING_MODEL_PATH),
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
    body, services = await read_message(request, ModelRequest), services_of(request)
    check_name(body.embedding_model_name, "embeddingModelName", "a model")
    note(request, subject=body.embedding_model_name)
    await services.call(
        recorded(request, services.search.embeddings.ensure_model),
        body.embedding_model_name,
        body.embedding_dimension[0],
    )
    return answer(ModelAnswer())


ROUTES = [insert_vectors, get_vectors, create_model]
