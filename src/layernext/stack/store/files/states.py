"""States of files: which ones the stack has to inspect, what that has shown, and which have lost their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.stack.store.collections import naming
from layernext.stack.store.database import Database
from layernext.stack.store.files import announced
from layernext.stack.store.files.announced import Announced
from layernext.stack.store.files.records import FileRow, LookResult, ObjectRow
from layernext.stack.store.files.rows import file_row, files_query
from layernext.stack.store.schema import image

CONTENT_IS_MISSING = "its content is missing; upload the file again"


class FileStates:
    """The states of the files of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_pending(self) -> bool:
        """Whether there are files that nobody has inspected."""
        return bool(self.list_pending(0, 1))

    def list_pending(self, after: int, limit: int) -> list[FileRow]:
        """Files that nobody has inspected, oldest image first."""
        query = files_query().where(image.c.state == "pending", image.c.id > after)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(image.c.id).limit(limit)).all()
        return [file_row(row) for row in rows]

    def list_announced(self, files: Sequence[FileRow]) -> dict[int, Announced]:
        """What clients say of some files, by the row id of the image."""
        with self._database.read() as connection:
            return announced.find(connection, files)

    def set_look(self, results: Mapping[int, tuple[FileRow, LookResult]]) -> None:
        """Note what inspecting files has shown; not for those that were replaced meanwhile."""
        if not results:
            return
        statement = (
            sa.update(image)
            .where(
                image.c.id == sa.bindparam("looked"),
                image.c.object_path == sa.bindparam("looked_path"),
            )
            .values(
                {
                    name: sa.bindparam(f"new_{name}")
                    for name in (*LookResult.__struct_fields__, "state")
                }
            )
        )
        values = [
            {
                "looked": row_id,
                "looked_path": file.object_path,
                "new_state": "failed" if look.failure else "ready",
                **{f"new_{name}": value for name, value in msgspec.structs.asdict(look).items()},
            }
            for row_id, (file, look) in sorted(results.items())
        ]
        # Annotations by their path may have come while the files did, where neither saw the other.
        query = sa.select(image.c.id, image.c.storage_path, image.c.collection_id)

        def work(connection: sa.Connection) -> None:
            connection.execute(statement, values)
            announced.forget(connection, (file for file, _ in results.values()))
            result = connection.execute(query.where(image.c.id.in_(results)))
            owners = {row.storage_path: (row.id, row.collection_id) for row in result}
            naming.claim_paths(self._database, connection, owners)

        self._database.write_again(work)

    def set_thumbnail(self, file: ObjectRow, path: str) -> None:
        """Note the small picture of a file, unless the file was replaced meanwhile."""
        condition = (image.c.id == file.image_id) & (image.c.object_path == file.object_path)
        statement = sa.update(image).where(condition).values(thumbnail_path=path)
        self._database.write_again(lambda connection: connection.execute(statement))

    def set_missing(
        self,
        files: Sequence[ObjectRow],
        *,
        is_missing: bool,
        failures: Mapping[int, str | None] | None = None,
    ) -> None:
        """Note that the objects of files are missing, or there again; then the stack inspects them again.

        `failures` says why, by the row id of the image, where that is known.

        Not for files that were replaced or removed meanwhile.
        """
        if not files:
            return
        why = failures or {}
        state: Any = {"state": "pending", "failure": None}
        if is_missing:
            state = {"state": "missing", "failure": sa.bindparam("why")}
        condition = (image.c.id == sa.bindparam("lost")) & (
            image.c.object_path == sa.bindparam("lost_path")
        )
        values = [
            {
                "lost": file.image_id,
                "lost_path": file.object_path,
                **({"why": why.get(file.image_id) or CONTENT_IS_MISSING} if is_missing else {}),
            }
            for file in sorted(files, key=lambda file: file.image_id)
        ]
        self._database.write_again(
            lambda connection: connection.execute(
                sa.update(image).where(condition).values(state), values
            )
        )
