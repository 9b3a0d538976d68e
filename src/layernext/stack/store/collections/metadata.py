"""Metadata of images and collections, and the images that somebody gives it to, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.stack.store.chunks import sorted_chunks
from layernext.stack.store.collections import fields, images
from layernext.stack.store.database import Database
from layernext.stack.store.schema import collection, file_item, file_upload, image
from layernext.stack.store.storable import is_storable


class Metadata:
    """The metadata of a database's images and collections.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def merge_fields(self, fields_by_image: Mapping[int, Mapping[str, Any]]) -> None:
        """Give images metadata, by row id, in one transaction."""
        self._database.write_again(
            lambda connection: fields.merge_into_images(self._database, connection, fields_by_image)
        )

    def merge_collection_fields(
        self, collection_id: int, values: Mapping[str, Any], *, with_images: bool
    ) -> int:
        """Give a collection metadata, and if wanted all its images; how many images got it."""

        def work(connection: sa.Connection) -> int:
            fields.merge_into_collection(connection, collection_id, values)
            if not with_images:
                return 0
            query = sa.select(image.c.id).where(
                image.c.collection_id == collection_id, image.c.trashed_at.is_(None)
            )
            ids = list(connection.execute(query).scalars())
            fields_by_image = dict.fromkeys(ids, values)
            fields.merge_into_images(self._database, connection, fields_by_image)
            return len(ids)

        return self._database.write_again(work)

    def find_rows(
        self,
        names: Sequence[str],
        *,
        collection_id: int | None = None,
        upload_id: str | None = None,
        bucket: str | None = None,
    ) -> dict[str, int]:
        """Row ids of images by name; names that no image has are left out.

        Args:
            names: file names in a collection or of an upload of files, where one of these is given;
                else paths in a bucket, if that is given; else unique names.
            collection_id, upload_id, bucket: as said.
        """
        usable = sorted({name for name in names if is_storable(name)})
        with self._database.read() as connection:
            if collection_id is not None:
                return _named(connection, usable, image.c.collection_id == collection_id)
            if upload_id is not None:
                query = (
                    sa.select(file_item.c.name, file_item.c.image_id)
                    .join(file_upload, file_upload.c.id == file_item.c.upload_id)
                    .where(file_upload.c.public_id == upload_id, file_item.c.is_stored)
                )
                return {
                    row.name: row.image_id
                    for row in connection.execute(query)
                    if row.name in set(usable)
                }
            if bucket is None:
                return images.find_by_unique_names(connection, usable)
            return images.find_by_storage_paths(connection, usable)

    def collection_record(self, collection_id: int) -> dict[str, Any]:
        """What a request for a collection's fields can be answered with."""
        totals = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(image.c.size), 0),
            sa.func.coalesce(sa.func.sum(sa.func.coalesce(image.c.frame_count, 1)), 0),
        ).where(image.c.collection_id == collection_id, image.c.trashed_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(collection).where(collection.c.id == collection_id)
            ).one()
            count, size, frames = connection.execute(totals).one()
        return {
            "fields": msgspec.json.decode(row.fields),
            "created_at": row.created_at,
            "updated_at": row.updated_at or row.created_at,
            "count": count,
            "size": int(size),
            "frames": int(frames),
        }


def _named(
    connection: sa.Connection, names: Sequence[str], where: sa.ColumnElement[bool]
) -> dict[str, int]:
    matches: dict[str, int] = {}
    for chunk in sorted_chunks(names):
        query = sa.select(image.c.name, image.c.id).where(where, image.c.name.in_(chunk))
        matches |= {row.name: row.id for row in connection.execute(query)}
    return matches
