"""Embeddings (E39 to E41)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from layernext.wire.published.paths import CLIENT

INSERT_EMBEDDINGS_PATH = f"{CLIENT}/embeddings/insert/vectors"  # E39, POST
GET_EMBEDDINGS_PATH = f"{CLIENT}/embeddings/getVector"  # E40, POST
EMBEDDING_MODEL_PATH = f"{CLIENT}/embeddings/create/embeddingModel"  # E41, POST

EMBEDDINGS_AT_ONCE = 100
"""Vectors that our client sends in one request."""

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
