"""Embeddings of images, and the models that made them."""

from __future__ import annotations

from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.search import Search
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
        is_transaction=False,
        errors=(400, 413, 422),
    ),
)
def insert_vectors(
    body: InsertRequest, search: Search, permissions: Permissions, audit: Audit
) -> InsertAnswer:
    """Stores vectors of images, all in one transaction; those that are there are replaced.

    Images that the stack does not have are named, and `success` is false; the others are stored.
    """
    check_name(body.embedding_model_name, "embeddingModelName", "a model")
    for number, sent in enumerate(body.data):
        check_name(sent.unique_name, f"data[{number}].uniqueName", "an image")
    pairs = [(sent.unique_name, sent.embeddings) for sent in body.data]
    audit.note(subject=body.embedding_model_name, count=len(pairs))
    count, unknown = audit.recorded(search.embeddings.insert)(
        body.embedding_model_name,
        body.embedding_dimension[0],
        pairs,
        permissions.collection_check,
        permissions.readable,
    )
    message = ""
    if unknown:
        first_names = ", ".join(repr(name) for name in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""  # noqa: PLR2004
        message = f"there are no images {first_names}{more}"
    return InsertAnswer(success=not unknown, message=message, upsert_count=count, unknown=unknown)


@operation(
    "POST",
    GET_EMBEDDINGS_PATH,
    Operation(
        summary=title_of(GET_EMBEDDINGS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 404, 413, 422),
    ),
)
def get_vectors(body: GetRequest, search: Search, permissions: Permissions) -> list[SentVector]:
    """The vectors of images by a model; images without one are left out."""
    vectors = search.embeddings.get(
        body.embedding_model_name, body.embedding_unique_name_array, permissions.readable
    )
    return [SentVector(name, vector) for name, vector in vectors]


@operation(
    "POST",
    EMBEDDING_MODEL_PATH,
    Operation(
        summary=title_of(EMBEDDING_MODEL_PATH),
        tag=_TAG,
        role="write",
        action="create embedding model",
        is_transaction=False,
        errors=(400, 413, 422),
    ),
)
def create_model(body: ModelRequest, search: Search, audit: Audit) -> ModelAnswer:
    """Fixes the dimension of a model's vectors. Storing the first vector does so, too."""
    check_name(body.embedding_model_name, "embeddingModelName", "a model")
    audit.note(subject=body.embedding_model_name)
    ensure_model = audit.recorded(search.embeddings.ensure_model)
    ensure_model(body.embedding_model_name, body.embedding_dimension[0])
    return ModelAnswer()


ROUTES = [insert_vectors, get_vectors, create_model]
