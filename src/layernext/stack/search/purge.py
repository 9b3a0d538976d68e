"""What goes for good: images from the trash with all that belongs to them, and uploads that nobody ended.

Rows go first, in transactions of some hundred images, and leave the paths of their objects in
`dropped`; whoever deletes the objects then forgets the paths. So a crash between the two leaves work to be
done, never an image without its file.

Images of dataset versions stay in the trash: a version never changes. They go when the version is deleted.
Images that were annotated after they went to the trash stay, too: somebody works with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import sqlalchemy as sa
from msgspec import Struct

from layernext.stack.search.items import ItemFilter, Items
from layernext.stack.store import exports
from layernext.stack.store.clock import text_of
from layernext.stack.store.collections import counters
from layernext.stack.store.collections.naming import EMPTY_OF
from layernext.stack.store.database import Database
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.objects.dropped import drop
from layernext.stack.store.removal import evaluations as evaluation_removal
from layernext.stack.store.removal import walker
from layernext.stack.store.schema import (
    annotation_set,
    collection,
    embedding,
    embedding_model,
    file_item,
    file_upload,
    image,
    upload,
    version_item,
    version_set,
)

IMAGES_AT_ONCE = 500
FILES_AT_ONCE = 500

_KEEPING = (version_item, version_set)
"""Tables whose rows keep their image from being purged."""


class Purged(Struct, frozen=True):
    """What a step of a purge did.

    Attributes:
        images: that are gone.
        size_bytes: of their files.
        last: the row id to go on behind.
    """

    images: int
    size_bytes: int
    last: int


class Purge:
    """Removes for good.

    Args:
        database: what from.
        items: of the same.
    """

    def __init__(self, database: Database, items: Items) -> None:
        self._database, self._items = database, items

    # -- the trash --------------------------------------------------------------------------

    def purge_some(
        self, item_filter: ItemFilter, trashed_before: str, after: int, job_id: str | None = None
    ) -> Purged | None:
        """Remove some images that went to the trash before a time; None if there are no more.

        Args:
            item_filter: which of them.
            trashed_before: UTC, as the database has it.
            after: row id that the step before ended with.
            job_id: the job that counts what is gone.

        Raises:
            DataError: the query is wrong.
        """

        def work(connection: sa.Connection) -> Purged | None:
            clause = self._items.trashed_clause(connection, item_filter)
            due = clause & (image.c.trashed_at < trashed_before) & (image.c.id > after)
            rows = connection.execute(
                sa.select(image.c.id, image.c.size, image.c.object_path, image.c.thumbnail_path)
                .where(due, ~_is_kept())
                .order_by(image.c.id)
                .limit(IMAGES_AT_ONCE)
                .with_for_update()
            ).all()
            if not rows:
                return None
            last = rows[-1].id
            # Now that they are locked: a version or annotations may have come while this waited for a lock.
            locked = image.c.id.in_([row.id for row in rows])
            kept_ids = set(
                connection.execute(sa.select(image.c.id).where(locked, _is_kept())).scalars()
            )
            rows = [row for row in rows if row.id not in kept_ids]
            ids = [row.id for row in rows]
            paths = [path for row in rows for path in (row.object_path, row.thumbnail_path) if path]
            drop(self._database, connection, paths)
            self._remove(connection, ids)
            purged = Purged(len(ids), sum(row.size or 0 for row in rows), last)
            if job_id is not None:
                counts = {"files": purged.images, "size_bytes": purged.size_bytes}
                Jobs.add_counts_in(connection, job_id, counts)
            return purged

        return self._database.write_again(work)

    def check(self, item_filter: ItemFilter) -> None:
        """Look up what the query is about, and no more.

        Raises:
            DataError: the query is wrong, with the place.
            InvalidRequest: that alone takes too long.
        """
        with self._database.read() as connection:
            self._items.trashed_clause(connection, item_filter)

    def count_kept(self, item_filter: ItemFilter, trashed_before: str) -> int:
        """How many images stay in the trash, because versions of datasets have them or they are worked with."""
        with self._database.read() as connection:
            clause = self._items.trashed_clause(connection, item_filter)
            due = clause & (image.c.trashed_at < trashed_before) & _is_kept()
            return int(
                connection.execute(
                    sa.select(sa.func.count()).select_from(image).where(due)
                ).scalar_one()
            )

    @staticmethod
    def _remove(connection: sa.Connection, ids: Sequence[int]) -> None:
        models = sa.select(embedding.c.model_id).where(embedding.c.image_id.in_(ids)).distinct()
        changed = sa.update(embedding_model).where(embedding_model.c.id.in_(models))
        connection.execute(changed.values(version=embedding_model.c.version + 1))
        query = sa.select(annotation_set.c.operation_id).where(annotation_set.c.image_id.in_(ids))
        counters.changed(connection, connection.execute(query.distinct()).scalars())
        walker.delete(connection, image, ids)

    def is_due(self, trashed_before: str) -> bool:
        """Whether anything went to the trash before a time and can go."""
        images = sa.select(image.c.id).where(image.c.trashed_at < trashed_before, ~_is_kept())
        collections = sa.select(collection.c.id).where(_is_empty_since(trashed_before))
        with self._database.read() as connection:
            return any(
                connection.execute(candidates.limit(1)).first()
                for candidates in (images, collections)
            )

    def purge_collections(
        self, trashed_before: str, only: int | None = None, job_id: str | None = None
    ) -> int:
        """Remove collections that went to the trash before a time and have no image left; how many."""

        def work(connection: sa.Connection) -> int:
            due = _is_empty_since(trashed_before)
            if only is not None:
                due &= collection.c.id == only
            query = sa.select(collection.c.id).where(due).with_for_update()
            ids = list(connection.execute(query).scalars())
            if not ids:
                return 0
            # An upload to it that goes on later must be refused, and not find another place.
            statement = sa.update(upload).where(upload.c.collection_id.in_(ids))
            connection.execute(statement.values(collection_id=None, finished=True))
            self._remove_uploads(connection, ids)
            evaluation_removal.remove_of_collections(connection, ids)
            exports.remove_of_collections(self._database, connection, ids)
            walker.delete(connection, collection, ids, leave=EMPTY_OF)
            if job_id is not None:
                Jobs.add_counts_in(connection, job_id, {"collections": len(ids)})
            return len(ids)

        return self._database.write_again(work)

    # -- uploads ----------------------------------------------------------------------------

    def list_abandoned(self, days: float) -> list[tuple[int, str, str]]:
        """Files that were begun and got nothing for so long: row id, path, and handle in the store."""
        query = (
            sa.select(file_item.c.id, file_item.c.object_path, file_item.c.handle)
            .join(file_upload, file_upload.c.id == file_item.c.upload_id)
            .where(file_upload.c.updated_at < before_days(days), ~file_item.c.is_stored)
            .order_by(file_item.c.id)
            .limit(FILES_AT_ONCE)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [(row.id, row.object_path or "", row.handle or "") for row in rows]

    def forget_abandoned(self, row_ids: Sequence[int]) -> None:
        """Forget files whose parts were deleted; those that were finished meanwhile stay.

        A crash may have come after the object was made of its parts: it is noted for deletion.
        """
        query = (
            sa.select(file_item.c.id, file_item.c.object_path)
            .where(file_item.c.id.in_(list(row_ids)), ~file_item.c.is_stored)
            .with_for_update()
        )

        def work(connection: sa.Connection) -> None:
            rows = connection.execute(query).all()
            drop(self._database, connection, [row.object_path for row in rows if row.object_path])
            ids = [row.id for row in rows]
            walker.delete(connection, file_item, ids)

        self._database.write_again(work)

    def _remove_uploads(self, connection: sa.Connection, collection_ids: Sequence[int]) -> None:
        which = file_upload.c.collection_id.in_(list(collection_ids))
        condition = file_item.c.upload_id.in_(sa.select(file_upload.c.id).where(which))
        has_object = ~file_item.c.is_stored & file_item.c.object_path.is_not(None)
        paths = connection.execute(sa.select(file_item.c.object_path).where(condition, has_object))
        drop(self._database, connection, list(paths.scalars()))
        uploads = list(connection.execute(sa.select(file_upload.c.id).where(which)).scalars())
        walker.delete(connection, file_upload, uploads)


def before_days(days: float) -> str:
    """The time so many days ago, as the database has it."""
    return text_of(datetime.now(timezone.utc) - timedelta(days=days))


def _is_empty_since(trashed_before: str) -> sa.ColumnElement[bool]:
    has_images = sa.exists().where(image.c.collection_id == collection.c.id)
    return (collection.c.trashed_at < trashed_before) & ~has_images


def _is_kept() -> sa.ColumnElement[bool]:
    newer = (annotation_set.c.image_id == image.c.id) & (
        annotation_set.c.updated_at > image.c.trashed_at
    )
    in_versions = (sa.exists().where(table.c.image_id == image.c.id) for table in _KEEPING)
    return sa.or_(sa.exists().where(newer), *in_versions)
