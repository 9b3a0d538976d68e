"""Pictures that were made for dataset versions, and the names that files of a version have in downloads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard
from msgspec import Raw, Struct

from layernext.model import Mode
from layernext.stack.store.annotations import content
from layernext.stack.store.annotations.records import StoredSet
from layernext.stack.store.collections.naming import IMAGES
from layernext.stack.store.database import Database
from layernext.stack.store.files.records import FileRow
from layernext.stack.store.schema import version_picture


class PictureSet(Struct, frozen=True):
    """An annotation set of a picture: form v2, in pixels."""

    run: str
    mode: Mode
    set: Raw


class NewPicture(Struct, frozen=True, kw_only=True):
    """A picture, its file stored already.

    Attributes:
        made_by: what was done to the image.
        ending: of its name.
        object_path, size, checksum, content_type, width, height: of its file.
        sets: its annotations.
    """

    made_by: str
    ending: str
    object_path: str
    size: int
    checksum: str
    content_type: str
    width: int
    height: int
    sets: list[PictureSet]


class PictureRow(Struct, frozen=True, kw_only=True):
    """A picture with its annotations."""

    picture_id: int
    image_id: int
    file_name: str
    made_by: str
    width: int
    height: int
    sets: list[StoredSet]


def file_names(images: Iterable[tuple[int, str, str]]) -> dict[int, str]:
    """A plain name for each image of a version: no two are alike in any case, or but for the ending.

    Args:
        images: row id, name and unique name of each, in an order that is always the same.

    Returns:
        By row id: the image's own name where no other has it, else its unique name, else one with
        a number; folders become part of the name.
    """
    rows = [(row_id, _flat(name), _flat(unique)) for row_id, name, unique in images]
    counts: dict[str, int] = {}
    for _, name, _ in rows:
        counts[_key(name)] = counts.get(_key(name), 0) + 1
    taken = {key for key, count in counts.items() if count == 1}
    matches: dict[int, str] = {}
    for row_id, name, unique in rows:
        matches[row_id] = name if counts[_key(name)] == 1 else free_name(unique, taken)
        taken.add(_key(matches[row_id]))
    return matches


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, with a number if a file has it already. `taken` are from `name_key`."""
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    number, free = 1, name
    while _key(free) in taken:
        number += 1
        free = f"{stem}-{number}{dot}{ending}"
    return free


def name_key(name: str) -> str:
    """What two names have in common that would clash in some file system or format."""
    return _key(name)


def _key(name: str) -> str:
    return (name.rpartition(".")[0] or name).casefold()


def _flat(name: str) -> str:
    return name.replace("/", "_").replace("\\", "_")


class Pictures:
    """The pictures of dataset versions.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, version_row_id: int, pictures: Sequence[tuple[int, str, NewPicture]]) -> None:
        """Keep pictures: row id of the image, name in downloads, and the picture."""
        rows = [
            {
                "version_id": version_row_id,
                "image_id": image_id,
                "file_name": name,
                "made_by": item.made_by,
                "object_path": item.object_path,
                "size": item.size,
                "checksum": item.checksum,
                "content_type": item.content_type,
                "width": item.width,
                "height": item.height,
                "sets": content.compressor().compress(msgspec.json.encode(item.sets)),
            }
            for image_id, name, item in pictures
        ]
        if rows:
            with self._database.write() as connection:
                connection.execute(sa.insert(version_picture), rows)

    def counts(
        self, connection: sa.Connection, version_row_ids: Sequence[int]
    ) -> Mapping[int, int]:
        """How many pictures versions have, by row id."""
        version_id = version_picture.c.version_id
        query = sa.select(version_id, sa.func.count()).where(version_id.in_(list(version_row_ids)))
        return {row[0]: row[1] for row in connection.execute(query.group_by(version_id))}

    def page(
        self,
        version_row_id: int,
        *,
        after: int = 0,
        offset: int = 0,
        limit: int,
        only: int | None = None,
    ) -> list[PictureRow]:
        """Some pictures of a version in the order they were made."""
        columns = version_picture.c
        query = sa.select(version_picture).where(
            columns.version_id == version_row_id, columns.id > after
        )
        if only is not None:
            query = query.where(columns.id == only)
        query = query.order_by(columns.id).offset(offset).limit(limit)
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(query)]

    def find(self, picture_id: int) -> FileRow | None:
        """The file of a picture."""
        query = sa.select(version_picture).where(version_picture.c.id == picture_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return FileRow(
            image_id=row.image_id,
            name=row.file_name,
            unique_name=row.file_name,
            kind=IMAGES,
            place_id="",
            object_path=row.object_path,
            size=row.size,
            checksum=row.checksum,
            content_type=row.content_type,
            width=row.width,
            height=row.height,
            created_at="",
            state="ready",
            thumbnail_path=None,
        )

    @staticmethod
    def remove(connection: sa.Connection, version_row_id: int) -> list[str]:
        """Forget the pictures of a version; where their files are."""
        condition = version_picture.c.version_id == version_row_id
        paths = connection.execute(sa.select(version_picture.c.object_path).where(condition))
        result = list(paths.scalars())
        connection.execute(sa.delete(version_picture).where(condition))
        return result


def _row(row: sa.Row[Any]) -> PictureRow:
    text = zstandard.ZstdDecompressor().decompress(row.sets)
    return PictureRow(
        picture_id=row.id,
        image_id=row.image_id,
        file_name=row.file_name,
        made_by=row.made_by,
        width=row.width,
        height=row.height,
        sets=[
            StoredSet(
                cursor="",
                run=item.run,
                mode=item.mode,
                geometry=None,
                normalized=False,
                image=row.file_name,
                raw=content.renamed(bytes(item.set), row.file_name),
            )
            for item in msgspec.json.decode(text, type=list[PictureSet])
        ],
    )
