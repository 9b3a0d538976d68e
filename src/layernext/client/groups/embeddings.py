"""Embeddings: vectors that models made of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from layernext.client.answers import Embedding
from layernext.client.groups.group import Group
from layernext.client.published import embeddings
from layernext.client.reports import EmbeddingReport
from layernext.client.texts import check_text
from layernext.errors import ConfigurationError, DataError, Problem
from layernext.model import SimilarImage
from layernext.wire import native, published


class Embeddings(Group):
    """Vectors that models computed from images: store, get and search them."""

    def insert(
        self,
        embedding_list: Sequence[Mapping[str, Any]],
        model_name: str,
        vector_dimension: Sequence[int],
    ) -> EmbeddingReport:
        """Store vectors of any number of images, 100 per request; existing vectors are replaced.

        Args:
            embedding_list: ``dict(uniqueName="yard_1.jpg", embeddings=[0.1, …])`` for each image.
            model_name: name of the model that computed them.
            vector_dimension: number of values in each vector, in a list: ``[512]``.

        Returns:
            What was stored, and the names that match no image.

        Raises:
            DataError: an entry is wrong, with its location; nothing was sent.
        """
        rows = embeddings.embedding_rows(embedding_list, vector_dimension)
        stored, unknown, messages = 0, [], []
        for start in range(0, len(rows), published.EMBEDDINGS_AT_ONCE):
            batch = rows[start : start + published.EMBEDDINGS_AT_ONCE]
            report = embeddings.insert(self._transport, batch, model_name, vector_dimension, "")
            stored += report.stored
            unknown += report.unknown
            messages += report.messages
        return EmbeddingReport(stored=stored, unknown=unknown, messages=messages)

    def insert_batch(
        self,
        embedding_list: Sequence[Mapping[str, Any]],
        model_name: str,
        vector_dimension: Sequence[int],
        session_id: str = "",
    ) -> EmbeddingReport:
        """Store vectors of at most 100 images in one request; see `insert`.

        Args:
            embedding_list, model_name, vector_dimension: as in `insert`.
            session_id: session id of a job of your own that this call belongs to.

        Raises:
            DataError: an entry is wrong, or there are more than 100; nothing was sent.
        """
        rows = embeddings.embedding_rows(embedding_list, vector_dimension)
        most = published.EMBEDDINGS_AT_ONCE
        if len(rows) > most:
            raise DataError(
                Problem("embedding_list", f"has {len(rows)} entries, must have at most {most}")
            )
        report = embeddings.insert(self._transport, rows, model_name, vector_dimension, session_id)
        report["message"] = "; ".join(report.messages)  # a string, as the stack says it
        return report

    def get(self, unique_names: Sequence[str], model_name: str) -> list[Embedding]:
        """The vectors of images; images without one are left out.

        Args:
            unique_names: unique names of any number of images.
            model_name: name of the model.

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
        return embeddings.vectors(self._transport, names, model)

    def search(
        self,
        model_name: str,
        *,
        unique_name: str | None = None,
        vector: Sequence[float] | None = None,
        count: int = 10,
        metric: Literal["cosine", "dot", "l2"] = "cosine",
        collection: str | None = None,
    ) -> list[SimilarImage]:
        """The images whose vectors are nearest to a given one, nearest first; every vector is compared.

        Args:
            model_name: name of the model that computed the vectors.
            unique_name: find images similar to this one; the result does not contain it.
            vector: find images near this vector, instead of ``unique_name``.
            count: number of images to return.
            metric: ``cosine``, ``dot`` or ``l2``.
            collection: search only this collection, by name or id.

        Raises:
            ConfigurationError: both an image and a vector are given, or neither.
            NotFound: no such model, image or collection.
            DataError: the vector's dimension is not that of the model.
        """
        if (unique_name is None) == (vector is None):
            raise ConfigurationError("pass either unique_name or vector")
        self._connection.require_native("search embeddings")
        body = {
            "model": model_name,
            "unique_name": unique_name,
            "vector": None if vector is None else [float(number) for number in vector],
            "count": count,
            "metric": metric,
            "collection": collection,
        }
        images: list[SimilarImage] = self._transport.request_json(
            "POST", native.EMBEDDING_SEARCH_PATH, list[SimilarImage], json=body
        )
        return images
