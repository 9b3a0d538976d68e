"""Calls about embeddings of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from layernext.client.answers import Embedding
from layernext.client.calls.base import Calls, check_text
from layernext.client.reports import EmbeddingReport
from layernext.errors import ConfigurationError, DataError, Problem
from layernext.model import SimilarImage, is_number
from layernext.wire import native, published

_ASKED_AT_ONCE = 1_000


class EmbeddingCalls(Calls):
    """Vectors that models made of images: stored, returned, searched."""

    def insert_image_embeddings(
        self,
        embedding_list: Sequence[Mapping[str, Any]],
        model_name: str,
        vector_dimension: Sequence[int],
    ) -> EmbeddingReport:
        """Store vectors of any number of images, 100 in a request; those that are there are replaced.

        Args:
            embedding_list: ``{"uniqueName": "yard_1.jpg", "embeddings": [0.1, …]}`` for each image.
            model_name: which model made them.
            vector_dimension: how many numbers each has, in a list: ``[512]``.

        Returns:
            What was stored, and the names that no image has.

        Raises:
            DataError: an entry is wrong, with its place; nothing was sent.
        """
        rows = _checked(embedding_list, vector_dimension)
        stored, unknown, messages = 0, [], []
        for start in range(0, len(rows), published.EMBEDDINGS_AT_ONCE):
            some = rows[start : start + published.EMBEDDINGS_AT_ONCE]
            report = self._insert(some, model_name, vector_dimension, "")
            stored += report.stored
            unknown += report.unknown
            messages += report.messages
        return EmbeddingReport(stored=stored, unknown=unknown, messages=messages)

    def insert_image_embeddings_batch(
        self,
        embedding_list: Sequence[Mapping[str, Any]],
        model_name: str,
        vector_dimension: Sequence[int],
        session_id: str = "",
    ) -> EmbeddingReport:
        """Store vectors of at most 100 images in one request; see `insert_image_embeddings`.

        Args:
            embedding_list, model_name, vector_dimension: as there.
            session_id: of a job of your own that this belongs to.

        Raises:
            DataError: an entry is wrong, or there are more than 100; nothing was sent.
        """
        rows = _checked(embedding_list, vector_dimension)
        most = published.EMBEDDINGS_AT_ONCE
        if len(rows) > most:
            raise DataError(
                Problem("embedding_list", f"has {len(rows)} entries, must have at most {most}")
            )
        report = self._insert(rows, model_name, vector_dimension, session_id)
        report["message"] = "; ".join(report.messages)  # a string, as the stack says it
        return report

    def _insert(
        self,
        rows: list[dict[str, Any]],
        model_name: str,
        vector_dimension: Sequence[int],
        session_id: str,
    ) -> EmbeddingReport:
        body = {
            "embeddingModelName": check_text(model_name, "model_name", "a model"),
            "embeddingDimension": list(vector_dimension),
            "data": rows,
            "sessionId": session_id,
        }
        answer = self._connection.transport.request_json(
            "POST", published.INSERT_EMBEDDINGS_PATH, dict[str, Any], json=body
        )
        message = str(answer.get("message") or "")
        return EmbeddingReport(
            stored=int(answer.get("upsert_count") or 0),
            unknown=[str(name) for name in answer.get("unknown") or []],
            messages=[message] if message else [],
        )

    def get_embedding_vector(self, unique_names: Sequence[str], model_name: str) -> list[Embedding]:
        """The vectors of some images; images without one are left out.

        Args:
            unique_names: of the images, any number.
            model_name: which model's.

        Raises:
            NotFound: nothing was ever stored for this model.
        """
        if isinstance(unique_names, str):
            raise DataError(Problem("unique_names", "must be a list of unique names"))
        names = [
            check_text(name, f"unique_names[{number}]", "an image")
            for number, name in enumerate(unique_names)
        ]
        model = check_text(model_name, "model_name", "a model")
        found: list[Embedding] = []
        for start in range(0, len(names), _ASKED_AT_ONCE):
            body = {
                "embeddingUniqueNameArray": names[start : start + _ASKED_AT_ONCE],
                "embeddingModelName": model,
            }
            rows = self._connection.transport.request_json(
                "POST", published.GET_EMBEDDINGS_PATH, list[dict[str, Any]], json=body
            )
            found += [
                Embedding(unique_name=str(row["uniqueName"]), vector=row["embeddings"])
                for row in rows
            ]
        return found

    def find_similar(
        self,
        model_name: str,
        *,
        unique_name: str | None = None,
        vector: Sequence[float] | None = None,
        count: int = 10,
        metric: Literal["cosine", "dot", "l2"] = "cosine",
        collection: str | None = None,
    ) -> list[SimilarImage]:
        """The images whose vectors are nearest to one, nearest first; every vector is compared.

        Args:
            model_name: whose vectors.
            unique_name: the image to be near to; it is not in the answer.
            vector: or the vector to be near to.
            count: how many images.
            metric: ``cosine``, ``dot`` or ``l2``.
            collection: look only in this one, by name or id.

        Raises:
            ConfigurationError: both an image and a vector are given, or neither.
            NotFound: no such model, image or collection.
            DataError: the vector has another dimension than the model's.
        """
        if (unique_name is None) == (vector is None):
            raise ConfigurationError("pass either unique_name or vector")
        self._connection.require_native("search embeddings")
        body = {
            "model": model_name,
            "unique_name": unique_name,
            "vector": None if vector is None else [float(each) for each in vector],
            "count": count,
            "metric": metric,
            "collection": collection,
        }
        found: list[SimilarImage] = self._connection.transport.request_json(
            "POST", native.EMBEDDING_SEARCH_PATH, list[SimilarImage], json=body
        )
        return found


def _checked(
    entries: Sequence[Mapping[str, Any]], dimension: Sequence[int]
) -> list[dict[str, Any]]:
    """The entries as they are sent."""
    given: object = dimension
    is_list = isinstance(given, list | tuple)
    if not is_list or len(dimension) != 1 or not isinstance(dimension[0], int):
        raise DataError(Problem("vector_dimension", "must be a list of one number, such as [512]"))
    unchecked: object = entries
    if isinstance(unchecked, str | bytes | Mapping) or not isinstance(unchecked, Sequence):
        raise DataError(Problem("embedding_list", "must be a list"))
    rows = []
    for number, entry in enumerate(entries):
        where = f"embedding_list[{number}]"
        if not isinstance(entry, Mapping):
            raise DataError(Problem(where, "must be an object with uniqueName and embeddings"))
        name = check_text(entry.get("uniqueName"), f"{where}.uniqueName", "an image")
        vector = entry.get("embeddings")
        if vector is None or isinstance(vector, str | bytes) or not hasattr(vector, "__len__"):
            raise DataError(Problem(f"{where}.embeddings", "must be a list of numbers"))
        if len(vector) != dimension[0]:
            message = f"has {len(vector)} numbers, must have {dimension[0]}"
            raise DataError(Problem(f"{where}.embeddings", message))
        numbers = [float(each) for each in vector]
        for place, each in enumerate(numbers):
            if not is_number(each):
                raise DataError(Problem(f"{where}.embeddings[{place}]", f"is {each}, no number"))
        rows.append({"uniqueName": name, "embeddings": numbers})
    return rows
