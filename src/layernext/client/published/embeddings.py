"""Embeddings of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layernext.client.answers import Embedding
from layernext.client.published.asking import ask
from layernext.client.reports import EmbeddingReport
from layernext.client.texts import check_text
from layernext.client.transport import Transport
from layernext.errors import DataError, Problem
from layernext.model import is_number
from layernext.wire import published
from layernext.wire.published import Received, SentVector

NAMES_AT_ONCE = 1_000


def embedding_rows(
    entries: Sequence[Mapping[str, Any]], dimension: Sequence[int]
) -> list[SentVector]:
    """The entries as they are sent, each checked.

    Raises:
        DataError: an entry is wrong, with its location.
    """
    sizes: object = dimension
    is_list = isinstance(sizes, list | tuple)
    if not is_list or len(dimension) != 1 or not isinstance(dimension[0], int):
        raise DataError(Problem("vector_dimension", "must be a list of one number, such as [512]"))
    unchecked: object = entries
    if isinstance(unchecked, str | bytes | Mapping) or not isinstance(unchecked, Sequence):
        raise DataError(Problem("embedding_list", "must be a list"))
    return [
        _row(entry, f"embedding_list[{number}]", dimension[0])
        for number, entry in enumerate(entries)
    ]


def _row(entry: object, where: str, size: int) -> SentVector:
    if not isinstance(entry, Mapping):
        raise DataError(Problem(where, "must be an object with uniqueName and embeddings"))
    fields = Received(SentVector, entry)
    name = check_text(fields.unique_name, f"{where}.uniqueName", "an image")
    vector = fields.embeddings
    if vector is None or isinstance(vector, str | bytes) or not hasattr(vector, "__len__"):
        raise DataError(Problem(f"{where}.embeddings", "must be a list of numbers"))
    if len(vector) != size:
        message = f"has {len(vector)} numbers, must have {size}"
        raise DataError(Problem(f"{where}.embeddings", message))
    numbers = [float(value) for value in vector]
    for index, number in enumerate(numbers):
        if not is_number(number):
            raise DataError(Problem(f"{where}.embeddings[{index}]", f"is {number}, not a number"))
    return SentVector(name, numbers)


def insert(
    transport: Transport,
    rows: list[SentVector],
    model_name: str,
    dimension: Sequence[int],
    session_id: str,
) -> EmbeddingReport:
    """Store the vectors of a request."""
    body = published.InsertRequest(
        embedding_model_name=check_text(model_name, "model_name", "a model"),
        embedding_dimension=list(dimension),
        data=rows,
        session_id=session_id,
    )
    answer = Received(
        published.InsertAnswer, ask(transport, "POST", published.INSERT_EMBEDDINGS_PATH, body)
    )
    message = str(answer.message or "")
    return EmbeddingReport(
        stored=int(answer.upsert_count or 0),
        unknown=[str(name) for name in answer.unknown or []],
        messages=[message] if message else [],
    )


def vectors(transport: Transport, names: Sequence[str], model_name: str) -> list[Embedding]:
    """The vectors of images; images without a vector are left out."""
    embeddings: list[Embedding] = []
    for start in range(0, len(names), NAMES_AT_ONCE):
        body = published.GetRequest(
            embedding_unique_name_array=list(names[start : start + NAMES_AT_ONCE]),
            embedding_model_name=model_name,
        )
        rows: list[SentVector] = transport.request_json(
            "POST", published.GET_EMBEDDINGS_PATH, list[SentVector], json=body
        )
        embeddings += [
            Embedding(unique_name=row.unique_name, vector=row.embeddings) for row in rows
        ]
    return embeddings
