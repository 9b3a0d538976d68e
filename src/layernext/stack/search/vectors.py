"""Embeddings: vectors that models made of images, stored, returned, and searched exactly.

A search goes over the vectors block by block, compares each with the one that is asked for, and keeps the
best. The blocks of the last models that were searched stay in memory, up to `CACHE_BYTES` together, while
nothing changes them; those of a model that is larger are read again each time, so memory stays bounded.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import sqlalchemy as sa
from msgspec import Struct

from layernext.errors import DataError, NotFound, Problem
from layernext.stack.store.access.records import CheckCollections, Within
from layernext.stack.store.clock import now_text
from layernext.stack.store.collections import images
from layernext.stack.store.database import Database
from layernext.stack.store.files.rows import unique_name
from layernext.stack.store.schema import collection, embedding, embedding_model, image
from layernext.stack.store.storable import is_storable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]

Metric: TypeAlias = Literal["cosine", "dot", "l2"]

BLOCK_ROWS = 20_000
CACHE_BYTES = 512 << 20
MAX_DIMENSION = 16_384


class Similar(Struct, frozen=True, kw_only=True):
    """An image that is near: `score` is higher the nearer; of ``l2`` it is minus the distance."""

    unique_name: str
    image_id: str
    score: float


class _Block(Struct, frozen=True):
    """Some vectors of a model.

    Attributes:
        image_ids: (N,) ascending.
        vectors: (N, D).
        squares: (N,) the square of each vector's length.
    """

    image_ids: NDArray[np.int64]
    vectors: Vectors
    squares: NDArray[np.float64]


class _Kept(Struct, frozen=True):
    """All vectors of a model at one version."""

    version: int
    blocks: list[_Block]
    nbytes: int


class Embeddings:
    """The embeddings of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def ensure_model(self, name: str, dimension: int) -> None:
        """Make a model unless there is one of that name.

        Raises:
            DataError: it is there with another dimension.
        """
        self._database.write_again(lambda connection: self._model(connection, name, dimension))

    def _model(self, connection: sa.Connection, name: str, dimension: int) -> int:
        if not 1 <= dimension <= MAX_DIMENSION:
            raise DataError(
                Problem("embeddingDimension", f"is {dimension}, must be 1 to {MAX_DIMENSION}")
            )
        values = {"name": name, "dimension": dimension, "version": 0, "created_at": now_text()}
        insert = self._database.upsert(embedding_model).values(values)
        connection.execute(insert.on_conflict_do_nothing())
        query = sa.select(embedding_model).where(embedding_model.c.name == name)
        row = connection.execute(query).one()
        if row.dimension != dimension:
            raise DataError(
                Problem(
                    "embeddingDimension",
                    f"is {dimension}; the vectors of {name!r} have {row.dimension}",
                )
            )
        return int(row.id)

    def insert(
        self,
        model: str,
        dimension: int,
        vectors: Sequence[tuple[str, Sequence[float]]],
        check: CheckCollections | None = None,
        within: Within = None,
    ) -> tuple[int, list[str]]:
        """Store vectors by unique names, in one transaction; those that are there are replaced.

        Images outside of `within` do not exist for the caller.

        Returns:
            How many were stored, and the names that no image has.

        Raises:
            DataError: a vector has another dimension, or a number in it is none or too large.
        """
        import numpy as np  # noqa: PLC0415 - only where vectors are

        rows: dict[str, bytes] = {}
        for number, (name, values) in enumerate(vectors):
            where = f"data[{number}].embeddings"
            if len(values) != dimension:
                raise DataError(Problem(where, f"has {len(values)} numbers, must have {dimension}"))
            with np.errstate(over="ignore"):
                vector = np.asarray(values, "<f4")
            if not np.isfinite(vector).all():
                raise DataError(Problem(where, "has a number that 32 bits cannot hold"))
            rows[name] = vector.tobytes()

        def work(connection: sa.Connection) -> tuple[int, list[str]]:
            model_id = self._model(connection, model, dimension)
            result = images.find_by_unique_names(connection, list(rows))
            readable = _readable(connection, result.values(), within)
            result = {name: row_id for name, row_id in result.items() if row_id in readable}
            if check is not None:
                check(_collections_of(connection, result.values()).values())
            fresh = [
                {"model_id": model_id, "image_id": result[name], "vector": vector}
                for name, vector in rows.items()
                if name in result
            ]
            if fresh:
                insert = self._database.upsert(embedding)
                replaced = {"vector": insert.excluded.vector}
                connection.execute(
                    insert.on_conflict_do_update(
                        index_elements=["model_id", "image_id"], set_=replaced
                    ),
                    fresh,
                )
                changed = sa.update(embedding_model).where(embedding_model.c.id == model_id)
                connection.execute(changed.values(version=embedding_model.c.version + 1))
            return len(fresh), [name for name in rows if name not in result]

        return self._database.write_again(work)

    def get(
        self, model: str, names: Sequence[str], within: Within = None
    ) -> list[tuple[str, list[float]]]:
        """The vectors of some images, by unique name; images without one are left out.

        Raises:
            NotFound: there is no such model.
        """
        import numpy as np  # noqa: PLC0415 - only where vectors are

        with self._database.read() as connection:
            model_id = _find_model(connection, model).id
            usable = [name for name in names if is_storable(name)]
            ids_by_name = images.find_by_unique_names(connection, usable)
            readable = _readable(connection, ids_by_name.values(), within)
            ids = {row_id: name for name, row_id in ids_by_name.items() if row_id in readable}
            condition = (embedding.c.model_id == model_id) & embedding.c.image_id.in_(list(ids))
            vectors = {
                row.image_id: np.frombuffer(row.vector, "<f4").tolist()
                for row in connection.execute(sa.select(embedding).where(condition))
            }
        return [(name, vectors[item]) for item, name in ids.items() if item in vectors]

    def search(
        self,
        model: str,
        *,
        vector: Sequence[float] | None = None,
        name: str | None = None,
        count: int = 10,
        metric: Metric = "cosine",
        collection_id: int | None = None,
        within: Within = None,
    ) -> list[Similar]:
        """The nearest images, nearest first; equal ones in the order of their images.

        Args:
            model: whose vectors.
            vector: what to be near to.
            name: or the unique name of the image to be near to, which is not in the answer.
            count: how many.
            metric: ``cosine``, ``dot`` or ``l2``.
            collection_id: row id of the only collection to look in.
            within: row ids of the only collections to look in.

        Raises:
            NotFound: there is no such model, or no vector of that image.
            DataError: the vector has another dimension.
        """
        import numpy as np  # noqa: PLC0415 - only where vectors are

        with self._database.read() as connection:
            model_row = _find_model(connection, model)
            excluded_id = images.find_by_unique_name(connection, name) if name is not None else None
            if excluded_id is not None and not _readable(connection, [excluded_id], within):
                excluded_id = None
            if name is not None:
                target = _vector_of(connection, model_row, excluded_id, name)
            else:
                with np.errstate(over="ignore"):
                    target = np.asarray(vector or [], np.float32)
                if len(target) != model_row.dimension or not np.isfinite(target).all():
                    problem = f"must be {model_row.dimension} numbers; it has {len(target)}"
                    raise DataError(Problem("vector", problem))
            members = None
            if collection_id is not None or within is not None:
                query = sa.select(image.c.id)
                if collection_id is not None:
                    query = query.where(image.c.collection_id == collection_id)
                if within is not None:
                    query = query.where(image.c.collection_id.in_(within))
                members = np.array(connection.execute(query).scalars().all(), np.int64)
            select = sa.select(image.c.id).where(image.c.trashed_at.is_not(None))
            hidden = np.array([*connection.execute(select).scalars(), excluded_id or 0], np.int64)
            ids, scores = np.zeros(0, np.int64), np.zeros(0)
            for block in self._blocks(connection, model_row):
                near = _scores(block, target, metric)
                near[np.isin(block.image_ids, hidden)] = -np.inf
                if members is not None:
                    near[~np.isin(block.image_ids, members)] = -np.inf
                ids = np.concatenate([ids, block.image_ids])
                scores = np.concatenate([scores, near])
                best = _best(scores, count)
                ids, scores = ids[best], scores[best]
        return self._named(ids.tolist(), scores.tolist())

    def _named(self, ids: list[int], scores: list[float]) -> list[Similar]:
        query = (
            sa.select(image.c.id, image.c.name, collection.c.storage_path)
            .join(collection, collection.c.id == image.c.collection_id)
            .where(image.c.id.in_(ids), image.c.trashed_at.is_(None))
        )
        with self._database.read() as connection:
            names = {
                row.id: unique_name(row.storage_path, row.name) for row in connection.execute(query)
            }
        return [
            Similar(unique_name=names[item], image_id=f"{item:024x}", score=score)
            for item, score in zip(ids, scores, strict=True)
            if item in names
        ]

    def _blocks(self, connection: sa.Connection, model: sa.Row[Any]) -> Iterator[_Block]:
        """All vectors of a model, from memory if nothing has changed."""
        with self._lock:
            entry = self._kept.get(model.id)
            if entry is not None and entry.version == model.version:
                self._kept.move_to_end(model.id)
            else:
                entry = None
        if entry is not None:
            yield from entry.blocks
            return
        blocks: list[_Block] = []
        nbytes = 0
        for block in _read(connection, model):
            nbytes += block.vectors.nbytes + block.squares.nbytes + block.image_ids.nbytes
            if nbytes <= CACHE_BYTES:
                blocks.append(block)
            else:
                blocks.clear()
            yield block
        if nbytes <= CACHE_BYTES:
            self._keep(model.id, _Kept(model.version, blocks, nbytes))

    def _keep(self, model_id: int, fresh: _Kept) -> None:
        with self._lock:
            self._kept[model_id] = fresh
            self._kept.move_to_end(model_id)
            while sum(item.nbytes for item in self._kept.values()) > CACHE_BYTES:
                self._kept.popitem(last=False)


def _collections_of(connection: sa.Connection, image_ids: Iterable[int]) -> dict[int, int]:
    """The row ids of the collections of some images."""
    query = sa.select(image.c.id, image.c.collection_id).where(image.c.id.in_(list(image_ids)))
    return {row.id: row.collection_id for row in connection.execute(query)}


def _readable(
    connection: sa.Connection, image_ids: Iterable[int], within: Within
) -> Collection[int]:
    """Those of some images that are in collections of `within`."""
    if within is None:
        return set(image_ids)
    collections = _collections_of(connection, image_ids)
    return {row_id for row_id, collection_id in collections.items() if collection_id in within}


def _find_model(connection: sa.Connection, name: str) -> sa.Row[Any]:
    query = sa.select(embedding_model).where(embedding_model.c.name == name)
    row = connection.execute(query).one_or_none() if is_storable(name) else None
    if row is None:
        raise NotFound(f"there are no embeddings of a model {name[:100]!r}", status=404)
    return row


def _vector_of(
    connection: sa.Connection, model: sa.Row[Any], image_id: int | None, name: str
) -> Vectors:
    import numpy as np  # noqa: PLC0415 - only where vectors are

    query = sa.select(embedding.c.vector).where(
        embedding.c.model_id == model.id, embedding.c.image_id == image_id
    )
    value = connection.execute(query).scalar_one_or_none()
    if value is None:
        raise NotFound(f"there is no vector of {name!r} by {model.name!r}", status=404)
    return np.frombuffer(value, "<f4")


def _read(connection: sa.Connection, model: sa.Row[Any]) -> Iterator[_Block]:
    import numpy as np  # noqa: PLC0415 - only where vectors are

    last = 0
    while True:
        rows = connection.execute(
            sa.select(embedding.c.image_id, embedding.c.vector)
            .where(embedding.c.model_id == model.id, embedding.c.image_id > last)
            .order_by(embedding.c.image_id)
            .limit(BLOCK_ROWS)
        ).all()
        if not rows:
            return
        packed = b"".join(row.vector for row in rows)
        vectors = np.frombuffer(packed, "<f4").reshape(-1, model.dimension)
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
        yield _Block(np.array([row.image_id for row in rows], np.int64), vectors, squares)
        last = rows[-1].image_id


def _scores(block: _Block, target: Vectors, metric: Metric) -> NDArray[np.float64]:
    """Higher is nearer. A vector of zeros has no direction and is at right angles to all."""
    import numpy as np  # noqa: PLC0415 - only where vectors are

    products: NDArray[np.float64] = (block.vectors @ target).astype(np.float64)
    if metric == "dot":
        return products
    target_square = float(np.dot(target.astype(np.float64), target.astype(np.float64)))
    if metric == "l2":
        distances: NDArray[np.float64] = np.sqrt(
            np.maximum(block.squares - 2 * products + target_square, 0.0)
        )
        return -distances
    lengths = np.sqrt(block.squares * target_square)
    cosines: NDArray[np.float64] = np.zeros_like(products)
    np.divide(products, lengths, out=cosines, where=lengths > 0)
    return cosines


def _best(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    import numpy as np  # noqa: PLC0415 - only where vectors are

    usable = int(np.isfinite(scores).sum())
    count = min(count, usable)
    if not count:
        return np.zeros(0, np.int64)
    # All that are as near as the last one, so that of equals the first ones are chosen.
    edge = np.partition(scores, len(scores) - count)[len(scores) - count]
    candidates = np.flatnonzero(scores >= edge)
    order = np.lexsort((candidates, -scores[candidates]))
    query: NDArray[np.int64] = candidates[order][:count]
    return query
