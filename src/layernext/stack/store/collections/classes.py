"""The classes of collections: their order, their codes, and those that no annotation has."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from layernext.model import LabelClass, Skeleton
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.schema import collection, image, version_item

_decode = msgspec.json.Decoder(list[LabelClass]).decode


class CollectionClasses:
    """The list of classes of each collection.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, collection_id: int) -> builtins.list[LabelClass]:
        """The classes of a collection in order; empty if none were declared.

        Args:
            collection_id: row id.
        """
        with self._database.read() as connection:
            return classes_of(connection, [collection_id])

    def skeletons_of_version(self, version_row_id: int) -> dict[str, Skeleton]:
        """The skeletons of the collections of a dataset version, by label."""
        with self._database.read() as connection:
            return skeletons_of(connection, collections_of_version(connection, version_row_id))

    def add(self, collection_id: int, classes: Sequence[LabelClass]) -> builtins.list[LabelClass]:
        """Append the classes that the collection does not have, in their order.

        A class that it has stays as it is, but gets a skeleton if it has none. Done again, it changes nothing.

        Args:
            collection_id: row id.
            classes: those of a source.

        Returns:
            All classes.
        """

        def work(connection: sa.Connection) -> builtins.list[LabelClass]:
            earlier = classes_of(connection, [collection_id], is_locked=True)
            result = with_classes(earlier, classes)
            if result != earlier:
                _write(connection, collection_id, result)
            return result

        return self._database.write_again(work)

    def replace(
        self, collection_id: int, classes: Sequence[LabelClass]
    ) -> builtins.list[LabelClass]:
        """Make these the classes of a collection, in this order.

        Args:
            collection_id: row id.
            classes: each name once.

        Returns:
            The classes.
        """

        def work(connection: sa.Connection) -> builtins.list[LabelClass]:
            _write(connection, collection_id, classes)
            return builtins.list(classes)

        return self._database.write_again(work)


def with_classes(earlier: Sequence[LabelClass], classes: Sequence[LabelClass]) -> list[LabelClass]:
    """Classes, and those of a source that are not among them.

    A code that is taken is left out. A class without a skeleton gets that of the source.
    """
    result = {label_class.name: label_class for label_class in earlier}
    codes = {label_class.code for label_class in earlier} - {None}
    for label_class in classes:
        earlier_class = result.get(label_class.name)
        if earlier_class is not None:
            if earlier_class.skeleton is None and label_class.skeleton is not None:
                result[earlier_class.name] = replace(earlier_class, skeleton=label_class.skeleton)
            continue
        code = None if label_class.code in codes else label_class.code
        codes.add(code)
        result[label_class.name] = replace(label_class, code=code)
    return list(result.values())


def classes_of(
    connection: sa.Connection, collection_ids: Sequence[int], *, is_locked: bool = False
) -> list[LabelClass]:
    """The classes of collections: those of the first, then what each other one adds.

    Args:
        connection: of a transaction.
        collection_ids: row ids.
        is_locked: keep others from changing them until the transaction ends.
    """
    result: list[LabelClass] = []
    for collection_id in collection_ids:
        query = sa.select(collection.c.classes).where(collection.c.id == collection_id)
        if is_locked:
            query = query.with_for_update()
        text = connection.execute(query).scalar_one_or_none()
        result = with_classes(result, _decode(text or "[]"))
    return result


def skeletons_of(connection: sa.Connection, collection_ids: Sequence[int]) -> dict[str, Skeleton]:
    """The skeletons of the classes of collections, by label."""
    classes = classes_of(connection, collection_ids)
    return {entry.name: entry.skeleton for entry in classes if entry.skeleton is not None}


def collections_of_version(connection: sa.Connection, version_row_id: int) -> list[int]:
    """Row ids of the collections that the images of a dataset version are in."""
    query = (
        sa.select(image.c.collection_id)
        .join(version_item, version_item.c.image_id == image.c.id)
        .where(version_item.c.version_id == version_row_id)
        .distinct()
        .order_by(image.c.collection_id)
    )
    return list(connection.execute(query).scalars())


def _write(connection: sa.Connection, collection_id: int, classes: Sequence[LabelClass]) -> None:
    connection.execute(
        sa.update(collection)
        .where(collection.c.id == collection_id)
        .values(classes=msgspec.json.encode(classes).decode(), updated_at=now_text())
    )
