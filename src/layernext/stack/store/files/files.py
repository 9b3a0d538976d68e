"""Files on their way in, and where they are once they have come.

A file becomes visible in one transaction, when all its bytes are durable: its image gets the object's
path. Until then only `file_item` and `file_part` know of it, and every step can be repeated.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from layernext.errors import Conflict
from layernext.model import Job
from layernext.stack.store.access.records import Within
from layernext.stack.store.chunks import sorted_chunks
from layernext.stack.store.clock import now_text, seconds_since
from layernext.stack.store.collections import fields, images, naming
from layernext.stack.store.database import Database
from layernext.stack.store.files import announced
from layernext.stack.store.files.records import (
    Began,
    FileItem,
    FileRow,
    FileUploadRequest,
    ItemPart,
    NewFile,
    ObjectRow,
    UploadPlace,
)
from layernext.stack.store.files.rows import (
    OBJECT_COLUMNS,
    count_files,
    describe_other_sizes,
    drop_item,
    file_row,
    files_query,
    find_item,
    has_object,
    insert_item,
    insert_stored_items,
    list_parts,
    not_on_its_way,
    touch_upload,
    touched,
    unique_name,
    upload_row,
)
from layernext.stack.store.files.storing import StoredFile, store_files
from layernext.stack.store.objects.dropped import drop
from layernext.stack.store.objects.references import hold_bytes
from layernext.stack.store.schema import (
    collection,
    file_item,
    file_part,
    file_upload,
    image,
    version_item,
)
from layernext.stack.store.storable import is_storable

QUIET_SECONDS = 24 * 3600
"""An unfinished upload that got nothing for this long counts as a failed job."""


class Files:
    """The files of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- uploads ----------------------------------------------------------------------------

    def open_upload(self, request: FileUploadRequest) -> tuple[str, str]:
        """Begin an upload of files; its id, and its collection's."""

        def work(connection: sa.Connection) -> tuple[str, str]:
            existing = naming.find_by_name(connection, request.name, request.kind)
            collection_row = naming.ensure(
                self._database, connection, request.name, kind=request.kind
            )
            if existing is None:
                head = {
                    "storage_prefix": request.storage_prefix,
                    "application_code": request.application_code,
                }
                statement = sa.update(collection).where(collection.c.id == collection_row.row_id)
                connection.execute(statement.values(trashed_at=None, **head))
                fields.merge_into_collection(connection, collection_row.row_id, request.fields)
            else:
                self._give_fields(connection, collection_row.row_id, request)
            now, public_id = now_text(), secrets.token_hex(12)
            values = {
                "public_id": public_id,
                "collection_id": collection_row.row_id,
                "fields": msgspec.json.encode(request.fields).decode(),
                "is_override": request.is_override,
                "expected": len(request.names),
                "finished": False,
                "created_at": now,
                "updated_at": now,
            }
            connection.execute(sa.insert(file_upload).values(values))
            return public_id, collection_row.id

        return self._database.write_again(work)

    def _give_fields(
        self, connection: sa.Connection, collection_id: int, request: FileUploadRequest
    ) -> None:
        """A collection in the trash comes back; files that are there get the metadata if wanted."""
        condition = (collection.c.id == collection_id) & collection.c.trashed_at.is_not(None)
        connection.execute(sa.update(collection).where(condition).values(trashed_at=None))
        if request.storage_prefix is not None:
            # It was named by annotations that came before its files: to them it is new.
            has_files = (image.c.collection_id == collection.c.id) & image.c.has_file
            is_new = (collection.c.id == collection_id) & collection.c.storage_prefix.is_(None)
            prefixed = sa.update(collection).where(is_new, ~sa.exists().where(has_files))
            connection.execute(prefixed.values(storage_prefix=request.storage_prefix))
        if not request.is_override or not request.fields:
            return
        for chunk in sorted_chunks(request.names):
            clause = (image.c.collection_id == collection_id) & image.c.name.in_(chunk)
            result = connection.execute(sa.select(image.c.id).where(clause, image.c.has_file))
            requested = dict.fromkeys(result.scalars(), request.fields)
            fields.merge_into_images(self._database, connection, requested)

    def begin_file(
        self, upload_id: str, name: str, *, size: int | None, checksum: str | None
    ) -> Began:
        """Begin one file of an upload, or find out that it is there; repeatable.

        Raises:
            NotFound: there is no such upload.
        """

        def work(connection: sa.Connection) -> Began:
            upload = upload_row(connection, upload_id)
            row = connection.execute(
                sa.select(image.c.id, image.c.checksum, image.c.size).where(
                    image.c.collection_id == upload.collection_id,
                    image.c.name == name,
                    image.c.bucket == "",
                    image.c.has_file,
                    image.c.state != "missing",
                    image.c.trashed_at.is_(None),
                )
            ).one_or_none()
            existing = find_item(
                connection, (file_item.c.upload_id == upload.id) & (file_item.c.name == name)
            )
            if row is not None:
                if existing is None:
                    insert_item(self._database, connection, upload.id, name, image_id=row.id)
                return Began(
                    item=None,
                    is_existing=True,
                    existing_checksum=row.checksum,
                    existing_size=row.size,
                )
            if existing is None or existing.is_stored:
                if existing is not None:
                    drop_item(connection, existing.row_id)
                insert_item(
                    self._database, connection, upload.id, name, size=size, checksum=checksum
                )
                existing = find_item(
                    connection, (file_item.c.upload_id == upload.id) & (file_item.c.name == name)
                )
            touch_upload(connection, upload.id)
            return Began(item=existing)

        return self._database.write_again(work)

    def place_of(self, upload_id: str) -> UploadPlace:
        """Where the files of an upload go.

        Raises:
            NotFound: there is no such upload.
        """
        with self._database.read() as connection:
            upload = upload_row(connection, upload_id)
            query = sa.select(collection.c.public_id).where(collection.c.id == upload.collection_id)
            value = connection.execute(query).scalar_one()
        return UploadPlace(value, msgspec.json.decode(upload.fields))

    def folder_of(self, upload_id: str) -> str | None:
        """With what the unique names of an upload's files begin; None if there is no such upload."""
        query = (
            sa.select(collection.c.storage_path)
            .join(file_upload, file_upload.c.collection_id == collection.c.id)
            .where(file_upload.c.public_id == upload_id)
        )
        if not is_storable(upload_id):
            return None
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def find_known(self, upload_id: str, names: Sequence[str]) -> list[ObjectRow]:
        """The files of these names that the collection of an upload has, missing ones too.

        Raises:
            NotFound: there is no such upload.
        """
        usable = [name for name in names if is_storable(name)]
        query = (
            sa.select(*OBJECT_COLUMNS)
            .where(image.c.name.in_(usable), image.c.bucket == "", image.c.has_file)
            .where(image.c.trashed_at.is_(None))
            .order_by(image.c.id)
        )
        with self._database.read() as connection:
            upload = upload_row(connection, upload_id)
            its = query.where(image.c.collection_id == upload.collection_id)
            return [ObjectRow(**row) for row in connection.execute(its).mappings()]

    def note_known(self, upload_id: str, files: Sequence[ObjectRow]) -> None:
        """Note that files of a collection belong to an upload, too, as after `begin_file`."""
        if files:
            image_ids = {file.name: file.image_id for file in files}
            self._database.write_again(
                lambda connection: insert_stored_items(
                    self._database, connection, upload_row(connection, upload_id).id, image_ids
                )
            )

    def store_bundle(
        self,
        upload_id: str,
        names: Sequence[str],
        new: Mapping[str, NewFile],
        written_at: datetime | None = None,
    ) -> dict[str, StoredFile]:
        """Make files visible whose bytes are durable, in one transaction; by name.

        Args:
            upload_id: whose files they are.
            names: all files of the bundle.
            new: those that were not there when it was looked for.
            written_at: when the first of their bytes were written, in UTC; by default just now.

        Raises:
            NotFound: there is no such upload.
            StackUnavailable: that was so long ago that the bytes may be gone.
        """

        def work(connection: sa.Connection) -> dict[str, StoredFile]:
            if written_at is not None:
                hold_bytes(self._database, connection, written_at)
            upload = upload_row(connection, upload_id)
            fresh = list(new.values())
            stored = store_files(
                self._database, connection, upload.collection_id, fresh, conflicts=False
            )
            items_by_name = {file.name: item for file, item in zip(fresh, stored, strict=True)}
            others = [name for name in names if name not in items_by_name]
            condition = (image.c.collection_id == upload.collection_id) & image.c.name.in_(others)
            columns = (image.c.name, image.c.id, image.c.checksum)
            for row in connection.execute(
                sa.select(*columns).where(condition, image.c.bucket == "")
            ):
                items_by_name[row.name] = StoredFile(row.id, is_new=False, checksum=row.checksum)
            insert_stored_items(
                self._database,
                connection,
                upload.id,
                {name: items_by_name[name].image_id for name in names},
            )
            touch_upload(connection, upload.id)
            return items_by_name

        return self._database.write_again(work)

    def find_item(self, file_id: str) -> FileItem:
        """A file on its way.

        Raises:
            NotFound: there is none of this id.
        """
        with self._database.read() as connection:
            result = (
                find_item(connection, file_item.c.public_id == file_id)
                if is_storable(file_id)
                else None
            )
        if result is None:
            raise not_on_its_way(file_id)
        return result

    def unfinished(self, file_ids: Collection[str]) -> set[str]:
        """Those of some files on their way that have not arrived yet."""
        query = sa.select(file_item.c.public_id).where(
            file_item.c.public_id.in_(list(file_ids)), ~file_item.c.is_stored
        )
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def set_place(self, item: FileItem, object_path: str, handle: str) -> FileItem:
        """Decide where a file goes, unless that is decided; repeatable."""
        statement = sa.update(file_item).where(
            file_item.c.id == item.row_id, file_item.c.object_path.is_(None)
        )
        with self._database.write() as connection:
            connection.execute(statement.values(object_path=object_path, handle=handle))
        return self.find_item(item.id)

    def touch(self, item: FileItem) -> None:
        """Note that somebody works on a file: its upload is not abandoned."""
        with self._database.write() as connection:
            connection.execute(touched(item))

    def add_part(self, item: FileItem, part: ItemPart) -> str | None:
        """Note that a part is durable; one that came before is replaced: its tag is returned.

        Raises:
            Conflict: the file is being finished, or has begun again somewhere else.
        """
        values = {"size": part.size, "checksum": part.checksum, "tag": part.tag}
        insert = self._database.upsert(file_part).values(
            item_id=item.row_id, number=part.number, **values
        )
        statement = insert.on_conflict_do_update(index_elements=["item_id", "number"], set_=values)
        takes_parts = (
            sa.select(file_item.c.id)
            .where(file_item.c.id == item.row_id, file_item.c.handle == item.handle)
            .where(~file_item.c.is_sealed, ~file_item.c.is_stored)
            .with_for_update()
        )

        same = (file_part.c.item_id == item.row_id) & (file_part.c.number == part.number)

        def work(connection: sa.Connection) -> str | None:
            if connection.execute(takes_parts).first() is None:
                raise Conflict("the file takes no more parts: it is being finished", status=409)
            replaced = connection.execute(sa.select(file_part.c.tag).where(same)).scalar()
            connection.execute(statement)
            connection.execute(touched(item))
            return replaced

        return self._database.write_again(work)

    def list_parts(self, item: FileItem) -> list[ItemPart]:
        """The parts that are durable, by number."""
        with self._database.read() as connection:
            return list_parts(connection, item.row_id)

    def seal(
        self,
        item: FileItem,
        from_bucket: Sequence[ItemPart] | None,
        check: Callable[[FileItem, list[ItemPart]], None],
    ) -> tuple[FileItem, list[ItemPart]]:
        """Fix the parts of a file, before an object is made of them; repeatable.

        Whoever finishes the file then, even after a crash or at the same time, works on the same parts. A
        file that is stored already has none.

        Args:
            item: from `find_item`.
            from_bucket: its parts, if clients sent them straight to a bucket.
            check: raises if these parts do not make the file; then nothing is changed.

        Raises:
            Conflict: no part has come.
            NotFound: it was forgotten meanwhile.
        """
        condition = file_item.c.id == item.row_id

        def work(connection: sa.Connection) -> tuple[FileItem, list[ItemPart]]:
            connection.execute(sa.select(file_item.c.id).where(condition).with_for_update())
            current = find_item(connection, condition)
            if current is None:
                raise not_on_its_way(item.id)
            if current.is_stored:
                return current, []
            if current.handle is None or current.handle != item.handle:
                raise Conflict("no part of the file has arrived", status=409)
            if from_bucket is not None and not current.is_sealed:
                announced.keep(self._database, connection, item.row_id, from_bucket)
            parts = list_parts(connection, item.row_id)
            check(current, parts)
            connection.execute(sa.update(file_item).where(condition).values(is_sealed=True))
            return current, parts

        return self._database.write_again(work)

    def start_over(self, item: FileItem) -> None:
        """Forget the parts of a file that cannot become an object: it begins again, somewhere else."""
        condition = (file_item.c.id == item.row_id) & (file_item.c.handle == item.handle)

        def work(connection: sa.Connection) -> None:
            fresh = {"is_sealed": False, "handle": None, "object_path": None}
            reset = sa.update(file_item).where(condition, ~file_item.c.is_stored).values(fresh)
            if connection.execute(reset).rowcount:
                announced.keep(self._database, connection, item.row_id, ())
                drop(self._database, connection, [str(item.object_path)])

        self._database.write_again(work)

    def finish_file(
        self, item: FileItem, size: int, checksum: str | None, parts: Sequence[ItemPart] = ()
    ) -> bool:
        """Make a file visible whose bytes are durable; repeatable.

        Args:
            item: from `seal`.
            size: bytes.
            checksum: SHA-256 in hexadecimal; None if only the inspection of the file will tell.
            parts: those that the look compares with what the client says of them.

        Returns:
            False if somebody else's file of the same name and content was there first; then the
            object is noted for deletion.

        Raises:
            Conflict: another file of the same name was there first.
            NotFound: it was forgotten meanwhile.
        """
        assert item.object_path is not None  # noqa: S101 - it was decided before the first part
        new = NewFile(
            name=item.name,
            object_path=item.object_path,
            size=size,
            checksum=checksum,
            fields=item.fields,
        )

        def work(connection: sa.Connection) -> bool:
            condition = file_item.c.id == item.row_id
            # Before all else: of several that finish or forget the same file at a time one does it, and
            # the others wait here and see what came of it.
            claim = sa.update(file_item).where(
                condition, ~file_item.c.is_stored, file_item.c.handle == item.handle
            )
            if connection.execute(claim.values(is_stored=True)).rowcount == 0:
                current = find_item(connection, condition)
                if current is None:
                    raise not_on_its_way(item.id)
                if not current.is_stored:
                    raise Conflict("the file was started again; send its parts", status=409)
                return has_object(connection, current)
            (stored,) = store_files(self._database, connection, item.collection_id, [new])
            done = sa.update(file_item).where(condition)
            connection.execute(done.values(image_id=stored.image_id))
            if stored.expected is not None:
                claim = sa.update(file_item).where(condition, file_item.c.checksum.is_(None))
                connection.execute(claim.values(checksum=stored.expected))
            stored_parts = parts if stored.is_new else ()
            announced.keep(self._database, connection, item.row_id, stored_parts)
            if not stored.is_new:
                drop(self._database, connection, [new.object_path])
            return stored.is_new

        return self._database.write_again(work)

    def is_own(self, item: FileItem) -> bool:
        """Whether a stored file is in the collection with the bytes of this upload."""
        with self._database.read() as connection:
            return has_object(connection, item)

    def name_upload(self, upload_id: str) -> tuple[str, bool]:
        """The name of the collection that an upload goes to, and whether it is finished.

        Raises:
            NotFound: there is no such upload.
        """
        with self._database.read() as connection:
            upload = upload_row(connection, upload_id)
            named = sa.select(collection.c.name).where(collection.c.id == upload.collection_id)
            return connection.execute(named).scalar_one(), bool(upload.finished)

    def finish_upload(self, upload_id: str) -> list[str]:
        """End an upload; the unique names of its files; repeatable.

        Raises:
            NotFound: there is no such upload.
        """

        def work(connection: sa.Connection) -> list[str]:
            upload = upload_row(connection, upload_id)
            ended = sa.update(file_upload).where(file_upload.c.id == upload.id)
            connection.execute(ended.values(finished=True, updated_at=now_text()))
            rows = connection.execute(
                sa.select(collection.c.storage_path, file_item.c.name)
                .join(file_upload, file_upload.c.id == file_item.c.upload_id)
                .join(collection, collection.c.id == file_upload.c.collection_id)
                .where(file_item.c.upload_id == upload.id, file_item.c.is_stored)
                .order_by(file_item.c.id)
            )
            return [unique_name(row.storage_path, row.name) for row in rows]

        return self._database.write_again(work)

    def progress(self, collection_name: str, within: Within = None) -> tuple[int, int] | None:
        """Files stored and files expected by the newest upload to collections of a name.

        With `within` only to those of these row ids.
        """
        if not is_storable(collection_name):
            return None
        newest = (
            sa.select(file_upload.c.id, file_upload.c.expected, file_upload.c.finished)
            .join(collection, collection.c.id == file_upload.c.collection_id)
            .where(collection.c.name == naming.normalized_name(collection_name))
            .order_by(file_upload.c.id.desc())
            .limit(1)
        )
        if within is not None:
            newest = newest.where(collection.c.id.in_(within))
        with self._database.read() as connection:
            upload = connection.execute(newest).one_or_none()
            if upload is None:
                return None
            stored, seen = count_files(connection, upload.id)
        total = seen if upload.finished else max(upload.expected, seen)
        return stored, total

    def find_job(self, public_id: str) -> Job | None:
        """The upload as a job: done when it is finished and all its files were inspected."""
        with self._database.read() as connection:
            query = (
                sa.select(file_upload, collection.c.name.label("collection_name"))
                .join(collection, collection.c.id == file_upload.c.collection_id)
                .where(file_upload.c.public_id == public_id)
            )
            upload = connection.execute(query).one_or_none()
            if upload is None:
                return None
            stored, seen = count_files(connection, upload.id)
            waiting = connection.execute(
                sa.select(sa.func.count())
                .select_from(file_item)
                .join(image, image.c.id == file_item.c.image_id)
                .where(file_item.c.upload_id == upload.id, image.c.state == "pending")
            ).scalar_one()
            differing = "" if waiting else describe_other_sizes(connection, upload.id)
        total = max(upload.expected, seen, 1)
        status, message = "in_progress", ""
        progress = min(50.0 * stored / total + 50.0 * (stored - waiting) / total, 99.0)
        if upload.finished and not waiting:
            status, progress = "completed", 100.0
            message = differing
        elif not upload.finished and seconds_since(upload.updated_at) > QUIET_SECONDS:
            hours = QUIET_SECONDS // 3600
            message = f"the upload stopped before its end and got nothing for {hours} hours"
            status, progress = "failed", 0.0
        return Job(
            id=public_id,
            status=status,
            progress=progress,
            message=message,
            about={"collection": upload.collection_name},
        )

    # -- finding ----------------------------------------------------------------------------

    def find(self, image_id: int, *, with_frozen: bool = False) -> FileRow | None:
        """The file of an image that is not in the trash.

        Args:
            image_id: row id.
            with_frozen: also of one in the trash that a version of a dataset has.
        """
        is_there: sa.ColumnElement[bool] = image.c.trashed_at.is_(None)
        if with_frozen:
            is_there |= sa.exists().where(version_item.c.image_id == image.c.id)
        query = files_query().where(image.c.id == image_id, is_there)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else file_row(row)

    def find_named(self, name: str) -> FileRow | None:
        """The file with this unique name, or else at this path in storage."""
        if not is_storable(name):
            return None
        with self._database.read() as connection:
            row_id = images.find_by_unique_name(connection, name)
            if row_id is None:
                row_id = images.find_by_storage_paths(connection, [name]).get(name)
        return None if row_id is None else self.find(row_id)

    def find_many(self, image_ids: Sequence[int]) -> dict[int, FileRow]:
        """The files of some images, by image."""
        with self._database.read() as connection:
            rows = connection.execute(files_query().where(image.c.id.in_(list(image_ids)))).all()
        return {row.id: file_row(row) for row in rows}
