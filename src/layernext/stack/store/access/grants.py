"""What users may do in single collections, and which collections a thing is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal, TypeAlias

import msgspec
import sqlalchemy as sa

from layernext.model import Grant, GrantRole
from layernext.stack.store.access import users
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.schema import (
    annotation_set,
    collection,
    collection_grant,
    dataset_version,
    evaluation,
    export,
    file_item,
    file_upload,
    image,
    job,
    project,
    project_image,
    selection,
    selection_item,
    stack_user,
    upload,
    version_item,
)
from layernext.stack.store.storable import is_storable

WHOLE_STACK = -1
"""In place of a collection's row id: of a thing that is about more than single collections."""

_IMAGE_ID = re.compile(r"0{8}[0-7][0-9a-f]{15}")

Thing: TypeAlias = Literal[
    "image",
    "upload",
    "file upload",
    "file",
    "selection",
    "dataset version",
    "project",
    "evaluation",
    "export",
    "job",
]

_Finder = Callable[[sa.Connection, str], "set[int] | None"]


class Grants:
    """The grants of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_user(self, user_id: int) -> dict[int, GrantRole]:
        """What is granted to a user, by the row id of the collection."""
        query = sa.select(collection_grant.c.collection_id, collection_grant.c.role)
        with self._database.read() as connection:
            rows = connection.execute(query.where(collection_grant.c.user_id == user_id))
            return {row.collection_id: row.role for row in rows}

    def give(self, collection_id: int, user: str, role: GrantRole) -> Grant:
        """Let a user do something in a collection, in place of what was granted before.

        Raises:
            NotFound: there is no such user.
        """

        def work(connection: sa.Connection) -> Grant:
            user_id = users.require(connection, user).id
            self._write(connection, user_id, collection_id, role)
            condition = (collection_grant.c.user_id == user_id) & (collection.c.id == collection_id)
            return _grant(connection.execute(_named().where(condition)).one())

        return self._database.write_again(work)

    def give_creator(self, collection_id: int, user_id: int) -> None:
        """Let whoever has made a collection administer it."""
        self._database.write_again(
            lambda connection: self._write(connection, user_id, collection_id, "admin")
        )

    def _write(
        self, connection: sa.Connection, user_id: int, collection_id: int, role: GrantRole
    ) -> None:
        insert = self._database.upsert(collection_grant)
        replaced = {"role": insert.excluded.role, "created_at": insert.excluded.created_at}
        statement = insert.on_conflict_do_update(
            index_elements=["user_id", "collection_id"], set_=replaced
        )
        values = {"user_id": user_id, "collection_id": collection_id, "role": role}
        connection.execute(statement.values(values | {"created_at": now_text()}))

    def take(self, collection_id: int, user: str) -> bool:
        """Take back what was granted to a user in a collection; False if that was nothing.

        Raises:
            NotFound: there is no such user.
        """

        def work(connection: sa.Connection) -> bool:
            user_id = users.require(connection, user).id
            condition = (collection_grant.c.user_id == user_id) & (
                collection_grant.c.collection_id == collection_id
            )
            return bool(connection.execute(sa.delete(collection_grant).where(condition)).rowcount)

        return self._database.write_again(work)

    def list_all(self, collection_ids: Iterable[int] | None = None) -> list[Grant]:
        """Grants by collection and user: all, or those of some collections."""
        query = _named().order_by(collection.c.name, collection.c.id, stack_user.c.name)
        if collection_ids is not None:
            query = query.where(collection.c.id.in_(list(collection_ids)))
        with self._database.read() as connection:
            return [_grant(row) for row in connection.execute(query)]

    def collections_of(self, thing: Thing, key: str) -> set[int] | None:
        """The row ids of the collections that a thing is about; None if there is no such thing.

        Args:
            thing: its kind.
            key: its public id; of an image the row id in hexadecimal.
        """
        if not is_storable(key):
            return None
        with self._database.read() as connection:
            return _FINDERS[thing](connection, key)

    def readable_jobs(self, job_ids: Iterable[str], within: frozenset[int]) -> set[str]:
        """Those of some jobs that are about collections of `within` alone."""
        with self._database.read() as connection:
            collections_by_job = {job_id: _of_job(connection, job_id) for job_id in job_ids}
        return {job_id for job_id, ids in collections_by_job.items() if ids and ids <= within}

    def collections_of_images(self, image_ids: Iterable[int]) -> dict[int, int]:
        """The row ids of the collections of some images."""
        query = sa.select(image.c.id, image.c.collection_id)
        with self._database.read() as connection:
            rows = connection.execute(query.where(image.c.id.in_(list(image_ids))))
            return {row.id: row.collection_id for row in rows}


def readable_versions(ids: Collection[int]) -> sa.Select[tuple[int]]:
    """Row ids of the dataset versions that have images, all of them in some collections."""
    return _within(dataset_version.c.id, version_item.c.version_id, version_item.c.image_id, ids)


def readable_projects(ids: Collection[int]) -> sa.Select[tuple[int]]:
    """Likewise, of projects."""
    return _within(project.c.id, project_image.c.project_id, project_image.c.image_id, ids)


def _within(
    column: sa.Column[Any], owner: sa.Column[Any], image_id: sa.Column[Any], ids: Collection[int]
) -> sa.Select[tuple[int]]:
    members = sa.select(image.c.id).join(owner.table, image.c.id == image_id)
    hidden = members.where(owner == column, image.c.collection_id.not_in(list(ids))).correlate(
        column.table
    )
    has_images = sa.select(image_id).where(owner == column).correlate(column.table)
    return sa.select(column).where(has_images.exists(), ~hidden.exists())


def _named() -> sa.Select[Any]:
    return (
        sa.select(
            collection.c.name.label("collection"),
            collection.c.public_id,
            stack_user.c.name.label("user"),
            collection_grant.c.role,
            collection_grant.c.created_at,
        )
        .join(collection, collection.c.id == collection_grant.c.collection_id)
        .join(stack_user, stack_user.c.id == collection_grant.c.user_id)
    )


def _grant(row: sa.Row[Any]) -> Grant:
    return Grant(
        collection=row.collection,
        collection_id=row.public_id,
        user=row.user,
        role=row.role,
        created_at=row.created_at,
    )


def _ids(connection: sa.Connection, query: sa.Select[Any]) -> set[int]:
    return {int(row[0]) for row in connection.execute(query.distinct())}


def _of_image(connection: sa.Connection, key: str) -> set[int] | None:
    if not _IMAGE_ID.fullmatch(key):
        return None
    query = sa.select(image.c.collection_id).where(image.c.id == int(key, 16))
    return _ids(connection, query) or None


def _of_upload(connection: sa.Connection, key: str) -> set[int] | None:
    row = connection.execute(
        sa.select(upload.c.id, upload.c.collection_id).where(upload.c.public_id == key)
    ).one_or_none()
    if row is None:
        return None
    if row.collection_id is not None:
        return {row.collection_id}
    # Only its images say where it goes; a new one is about nothing yet.
    sets = sa.select(annotation_set.c.collection_id).where(annotation_set.c.upload_id == row.id)
    return _ids(connection, sets)


def _of_file_upload(connection: sa.Connection, key: str) -> set[int] | None:
    query = sa.select(file_upload.c.collection_id).where(file_upload.c.public_id == key)
    return _ids(connection, query) or None


def _of_file(connection: sa.Connection, key: str) -> set[int] | None:
    query = (
        sa.select(file_upload.c.collection_id)
        .join(file_item, file_item.c.upload_id == file_upload.c.id)
        .where(file_item.c.public_id == key)
    )
    return _ids(connection, query) or None


def _of_selection(connection: sa.Connection, key: str) -> set[int] | None:
    row = connection.execute(
        sa.select(selection.c.id, selection.c.collection_ids).where(selection.c.public_id == key)
    ).one_or_none()
    if row is None:
        return None
    members = (
        sa.select(image.c.collection_id)
        .join(selection_item, selection_item.c.image_id == image.c.id)
        .where(selection_item.c.selection_id == row.id)
    )
    return _ids(connection, members) | set(msgspec.json.decode(row.collection_ids, type=list[int]))


def _of_version(connection: sa.Connection, key: str) -> set[int] | None:
    query = sa.select(dataset_version.c.id).where(dataset_version.c.public_id == key)
    version_id = connection.execute(query).scalar_one_or_none()
    return None if version_id is None else _of_version_row(connection, version_id)


def _of_version_row(connection: sa.Connection, version_id: int) -> set[int]:
    members = (
        sa.select(image.c.collection_id)
        .join(version_item, version_item.c.image_id == image.c.id)
        .where(version_item.c.version_id == version_id)
    )
    # One whose images are gone belongs to no collection.
    return _ids(connection, members) or {WHOLE_STACK}


def _of_project(connection: sa.Connection, key: str) -> set[int] | None:
    query = sa.select(project.c.id, project.c.name).where(project.c.public_id == key)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    members = (
        sa.select(image.c.collection_id)
        .join(project_image, project_image.c.image_id == image.c.id)
        .where(project_image.c.project_id == row.id)
    )
    # One without a name was reserved by the caller, who alone has its id, and holds nothing yet.
    return _ids(connection, members) or (set() if row.name is None else {WHOLE_STACK})


def _of_evaluation(connection: sa.Connection, key: str) -> set[int] | None:
    row = connection.execute(
        sa.select(evaluation.c.collection_id, evaluation.c.version_id).where(
            evaluation.c.public_id == key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.collection_id is not None:
        return {row.collection_id}
    return _of_version_row(connection, row.version_id)


def _of_export(connection: sa.Connection, key: str) -> set[int] | None:
    query = sa.select(export.c.settings).where(export.c.public_id == key)
    settings = connection.execute(query).scalar_one_or_none()
    if settings is None:
        return None
    return _of_payload(connection, msgspec.json.decode(settings))


def _of_job(connection: sa.Connection, key: str) -> set[int] | None:
    query = sa.select(job.c.payload, job.c.session).where(job.c.public_id == key)
    row = connection.execute(query).one_or_none()
    if row is not None and row.session is not None:
        return {WHOLE_STACK}  # a client keeps it, and may have put anything into it
    if row is not None:
        return _of_payload(connection, msgspec.json.decode(row.payload))
    # Every upload is a job, too.
    ids = _of_upload(connection, key)
    return _of_file_upload(connection, key) if ids is None else ids


def _of_payload(connection: sa.Connection, payload: dict[str, Any]) -> set[int]:
    """What a job is about, or an export, as far as its payload tells."""
    for name in ("collection_id", "collection"):
        if isinstance(payload.get(name), int):
            return {payload[name]}
    things: list[tuple[str, _Finder]] = [
        ("evaluation", _of_evaluation),
        ("a", _of_evaluation),
        ("b", _of_evaluation),
        ("export", _of_export),
        ("version", _of_version),
        ("version_id", _of_version),
    ]
    ids: set[int] = set()
    for name, find in things:
        if isinstance(payload.get(name), str):
            # What is gone is about nothing that could be readable.
            ids |= find(connection, payload[name]) or {WHOLE_STACK}
    return ids or {WHOLE_STACK}


_FINDERS: dict[Thing, _Finder] = {
    "image": _of_image,
    "upload": _of_upload,
    "file upload": _of_file_upload,
    "file": _of_file,
    "selection": _of_selection,
    "dataset version": _of_version,
    "project": _of_project,
    "evaluation": _of_evaluation,
    "export": _of_export,
    "job": _of_job,
}
