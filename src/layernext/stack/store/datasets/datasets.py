"""Datasets: frozen selections of images and annotations, divided into splits.

A version is made by a job: the images come from a selection, the annotations are copied as they are at that
moment. Once it is ready nothing changes it but its deletion.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from layernext.errors import Conflict, InvalidRequest, NotFound
from layernext.model import Mode
from layernext.stack.store.access.grants import readable_versions
from layernext.stack.store.access.records import Within
from layernext.stack.store.annotations import content, summaries
from layernext.stack.store.annotations.records import StoredSet
from layernext.stack.store.clock import now_text
from layernext.stack.store.collections.classes import classes_of, collections_of_version
from layernext.stack.store.collections.records import Selection
from layernext.stack.store.database import Database
from layernext.stack.store.datasets import copying
from layernext.stack.store.datasets.pictures import (
    NewPicture,
    PictureRow,
    Pictures,
    file_names,
    free_name,
    name_key,
)
from layernext.stack.store.datasets.records import VersionImage, VersionRow, VersionSettings
from layernext.stack.store.datasets.splits import SPLITS, Candidate, assign
from layernext.stack.store.files.rows import unique_name
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.objects.dropped import drop
from layernext.stack.store.removal import evaluations as evaluation_removal
from layernext.stack.store.removal import walker
from layernext.stack.store.schema import (
    GEOMETRIES_BY_CODE,
    annotation_set,
    collection,
    dataset,
    dataset_version,
    image,
    label,
    operation,
    selection_item,
    version_item,
    version_set,
)
from layernext.stack.store.storable import is_storable

BUILD_JOB = "dataset.build"
CHUNK = 2_000
PICTURES_AT_ONCE = 20


MakePictures: TypeAlias = Callable[[VersionRow, VersionImage], list[NewPicture]]
"""Makes the pictures of an image, none if it cannot be read; may run again for the same image."""


class Datasets:
    """The datasets of a database.

    Args:
        database: where they are.

    Attributes:
        pictures: that were made for versions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.pictures = Pictures(database)

    # -- making -----------------------------------------------------------------------------

    def create(self, name: str, selection: Selection, settings: VersionSettings) -> VersionRow:
        """A new dataset with its first version, to be built.

        Raises:
            Conflict: there is a dataset of this name.
        """

        def work(connection: sa.Connection) -> str:
            values = {"public_id": secrets.token_hex(12), "name": name, "created_at": now_text()}
            query = sa.select(dataset.c.id).where(dataset.c.name == name)
            if connection.execute(query).first() is not None:
                raise Conflict(f"there is a dataset {name!r} already", status=409)
            result = connection.execute(sa.insert(dataset).values(values)).inserted_primary_key
            row_id = int(result[0]) if result else 0
            return self._add_version(connection, row_id, selection, settings, None)

        return self.get(self._database.write_again(work))

    def add_version(
        self, base_id: str, selection: Selection, settings: VersionSettings
    ) -> VersionRow:
        """A further version of a dataset; images keep the split that they have in the one before.

        Raises:
            NotFound: there is no such version.
        """
        base = self.get(base_id)

        def work(connection: sa.Connection) -> str:
            query = sa.select(dataset.c.id).where(dataset.c.public_id == base.dataset_id)
            row_id = connection.execute(query.with_for_update()).scalar_one()
            return self._add_version(connection, row_id, selection, settings, base.row_id)

        return self.get(self._database.write_again(work))

    @staticmethod
    def _add_version(
        connection: sa.Connection,
        dataset_id: int,
        selection: Selection,
        settings: VersionSettings,
        base_id: int | None,
    ) -> str:
        highest = sa.select(sa.func.max(dataset_version.c.number)).where(
            dataset_version.c.dataset_id == dataset_id
        )
        number = connection.execute(highest).scalar_one()
        public_id = secrets.token_hex(12)
        job_id = Jobs.create_in(
            connection, BUILD_JOB, "Build a dataset version", {"version": public_id}
        )
        values = {
            "public_id": public_id,
            "dataset_id": dataset_id,
            "number": 0 if number is None else number + 1,
            "status": "building",
            "failure": "",
            "settings": msgspec.json.encode(settings).decode(),
            "base_id": base_id,
            "job_id": job_id,
            "image_count": 0,
            "annotation_count": 0,
            "created_at": now_text(),
        }
        result = connection.execute(sa.insert(dataset_version).values(values)).inserted_primary_key
        row_id = int(result[0]) if result else 0
        images = (
            sa.select(sa.literal(row_id), image.c.id, sa.literal(-1))
            .join(selection_item, selection_item.c.image_id == image.c.id)
            .where(selection_item.c.selection_id == selection.row_id)
        )
        statement = sa.insert(version_item)
        connection.execute(statement.from_select(["version_id", "image_id", "split"], images))
        return public_id

    def build(
        self, version_id: str, tell: Callable[[float], None], make: MakePictures
    ) -> dict[str, Any]:
        """Divide a version's images, copy their annotations, and make the pictures.

        Again it begins from the start.

        Raises:
            NotFound: it was deleted meanwhile.
            InvalidRequest: it has no images.
        """
        version = self.get(version_id)
        if version.status == "ready":
            return {"images": version.image_count, "annotations": version.annotation_count}
        try:
            counts = self._build(version, tell, make)
        except (InvalidRequest, NotFound) as error:
            self._set(version.row_id, status="failed", failure=str(error))
            raise
        return counts

    def _build(
        self, version: VersionRow, tell: Callable[[float], None], make: MakePictures
    ) -> dict[str, Any]:
        settings = version.settings
        with self._database.write() as connection:
            condition = version_set.c.version_id == version.row_id
            connection.execute(sa.delete(version_set).where(condition))
            self.pictures.remove(connection, version.row_id)
        candidates = self._candidates(version)
        if not candidates:
            raise InvalidRequest("the selection has no images", status=422)
        kept_splits, kept_files = self._splits_of(version.base_id)
        splits = assign(candidates, settings.split, settings.seed, kept_splits, kept_files)
        ids = sorted(splits)
        names = file_names(
            (candidate.image_id, candidate.file, candidate.name) for candidate in candidates
        )
        share = 50.0 if settings.augmentations else 100.0
        annotations = 0
        label_ids: set[int] = set()
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            tell(share * start / len(ids))
            with self._database.write() as connection:
                changing = sa.update(version_item).where(
                    version_item.c.version_id == version.row_id,
                    version_item.c.image_id == sa.bindparam("which"),
                )
                values = [
                    {"which": item, "number": splits[item], "new_name": names[item]}
                    for item in chunk
                ]
                changes: dict[str, Any] = {
                    "split": sa.bindparam("number"),
                    "file_name": sa.bindparam("new_name"),
                }
                connection.execute(changing.values(changes), values)
                annotations += copying.copy_sets(connection, version, chunk)
                label_ids |= copying.label_ids(connection, version, chunk)
        counts = {"images": len(ids), "annotations": annotations}
        if settings.augmentations:
            counts |= self._make_pictures(version, tell, make, set(map(name_key, names.values())))
        self._set(
            version.row_id,
            status="ready",
            ready_at=now_text(),
            image_count=len(ids),
            annotation_count=annotations,
            label_names=msgspec.json.encode(self._label_names(version, label_ids)).decode(),
        )
        return counts

    def _make_pictures(
        self,
        version: VersionRow,
        tell: Callable[[float], None],
        make: MakePictures,
        taken: set[str],
    ) -> dict[str, int]:
        """Pictures of the images of the train split; no name of `taken` is given again."""
        after = result = left_out = done = 0
        total = self.get(version.id).splits.get("train", 0)
        while page := self.page(version, after=after, limit=PICTURES_AT_ONCE, split=0):
            fresh: list[tuple[int, str, NewPicture]] = []
            for row in page:
                done += 1
                tell(50.0 + 50.0 * done / max(total, 1))
                pictures = make(version, row)
                left_out += not pictures
                stem = row.file_name.rpartition(".")[0] or row.file_name
                for picture in pictures:
                    word = picture.made_by.split(".")[-1].split()[0].lower().replace("_", "-")
                    name = free_name(f"{stem}-{word}.{picture.ending}", taken)
                    taken.add(name_key(name))
                    fresh.append((row.image_id, name, picture))
            self.pictures.add(version.row_id, fresh)
            result += len(fresh)
            after = page[-1].image_id
        return {"pictures": result, "images_without_pictures": left_out}

    def _label_names(self, version: VersionRow, label_ids: set[int]) -> list[str]:
        """The classes of the version's collections in their order, then other labels by name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(label.c.id, label.c.name))
            names = sorted(row.name for row in rows if row.id in label_ids)
            collection_ids = collections_of_version(connection, version.row_id)
            classes = classes_of(connection, collection_ids)
        return list(dict.fromkeys([*(entry.name for entry in classes), *names]))

    def _candidates(self, version: VersionRow) -> list[Candidate]:
        labels = self._strata(version) if version.settings.stratify else {}
        query = (
            sa.select(image.c.id, image.c.name, image.c.checksum, collection.c.storage_path)
            .join(version_item, version_item.c.image_id == image.c.id)
            .join(collection, collection.c.id == image.c.collection_id)
            .where(version_item.c.version_id == version.row_id)
            .order_by(image.c.id)
        )
        with self._database.read() as connection:
            return [
                Candidate(
                    image_id=row.id,
                    name=unique_name(row.storage_path, row.name),
                    file=row.name,
                    same_file=row.checksum or f"#{row.id}",
                    stratum=labels.get(row.id, ""),
                )
                for row in connection.execute(query)
            ]

    def _strata(self, version: VersionRow) -> dict[int, str]:
        """The rarest label of each image, as a number."""
        query = (
            sa.select(
                annotation_set.c.image_id,
                annotation_set.c.label_summary,
                annotation_set.c.annotation_count,
            )
            .join(version_item, version_item.c.image_id == annotation_set.c.image_id)
            .join(operation, operation.c.id == annotation_set.c.operation_id)
            .where(version_item.c.version_id == version.row_id)
        )
        names = version.settings.operations
        if names is not None:
            query = query.where(operation.c.name.in_(names))
        of_image: dict[int, set[int]] = {}
        totals: dict[int, int] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                ids, _ = summaries.unpack(row.label_summary, row.annotation_count)
                new = set(ids) - of_image.setdefault(row.image_id, set())
                of_image[row.image_id] |= new
                for entry in new:
                    totals[entry] = totals.get(entry, 0) + 1
        return {
            item: str(min(ids, key=lambda label: (totals[label], label)))
            for item, ids in of_image.items()
            if ids
        }

    def _splits_of(self, version_row_id: int | None) -> tuple[dict[int, int], dict[str, int]]:
        """The splits of a version's images: by image, and by what their files have in common."""
        query = (
            sa.select(version_item.c.image_id, version_item.c.split, image.c.checksum)
            .join(image, image.c.id == version_item.c.image_id)
            .where(version_item.c.version_id == version_row_id, version_item.c.split >= 0)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        of_files = {row.checksum: row.split for row in rows if row.checksum}
        return {row.image_id: row.split for row in rows}, of_files

    def _set(self, row_id: int, **values: Any) -> None:
        with self._database.write() as connection:
            statement = sa.update(dataset_version).where(dataset_version.c.id == row_id)
            connection.execute(statement.values(values))

    def delete(self, version_id: str) -> bool:
        """Delete a version, and its dataset with the last one; False if there is none."""

        def work(connection: sa.Connection) -> bool:
            query = sa.select(dataset_version).where(dataset_version.c.public_id == version_id)
            row = connection.execute(query).one_or_none()
            if row is None:
                return False
            drop(self._database, connection, self.pictures.remove(connection, row.id))
            evaluation_removal.remove_of_version(connection, row.id)
            walker.delete(connection, dataset_version, [row.id])
            left = sa.select(dataset_version.c.id).where(
                dataset_version.c.dataset_id == row.dataset_id
            )
            if connection.execute(left.limit(1)).first() is None:
                connection.execute(sa.delete(dataset).where(dataset.c.id == row.dataset_id))
            return True

        return self._database.write_again(work) if is_storable(version_id) else False

    # -- reading ----------------------------------------------------------------------------

    def get(self, version_id: str) -> VersionRow:
        """A version.

        Raises:
            NotFound: there is none of this id.
        """
        rows = (
            self._rows(dataset_version.c.public_id == version_id) if is_storable(version_id) else []
        )
        if not rows:
            raise NotFound(f"there is no dataset version {version_id[:100]!r}", status=404)
        return rows[0]

    def list_all(self, within: Within = None) -> list[VersionRow]:
        """Every version of every dataset, oldest first; with `within` only of these collections."""
        if within is None:
            return self._rows(sa.true())
        return self._rows(dataset_version.c.id.in_(readable_versions(within)))

    def _rows(self, where: sa.ColumnElement[bool]) -> list[VersionRow]:
        query = (
            sa.select(
                dataset_version, dataset.c.public_id.label("owner"), dataset.c.name.label("title")
            )
            .join(dataset, dataset.c.id == dataset_version.c.dataset_id)
            .where(where)
            .order_by(dataset_version.c.id)
        )
        counting = sa.select(
            version_item.c.version_id, version_item.c.split, sa.func.count().label("images")
        ).group_by(version_item.c.version_id, version_item.c.split)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            ids = [row.id for row in rows]
            counted = connection.execute(counting.where(version_item.c.version_id.in_(ids)))
            splits: dict[int, dict[str, int]] = {}
            pictures = self.pictures.counts(connection, ids)
            for row in counted:
                if row.split >= 0:
                    splits.setdefault(row.version_id, {})[SPLITS[row.split]] = row.images
        return [
            VersionRow(
                row_id=row.id,
                id=row.public_id,
                dataset_id=row.owner,
                dataset=row.title,
                number=row.number,
                status=row.status,
                failure=row.failure,
                settings=msgspec.json.decode(row.settings, type=VersionSettings),
                base_id=row.base_id,
                job_id=row.job_id,
                image_count=row.image_count,
                annotation_count=row.annotation_count,
                created_at=row.created_at,
                ready_at=row.ready_at,
                splits=splits.get(row.id, {}),
                picture_count=pictures.get(row.id, 0),
                label_names=_decoded(row.label_names),
            )
            for row in rows
        ]

    def page_at(self, version: VersionRow, *, offset: int, limit: int) -> list[VersionImage]:
        """Some images of a version, counted from the first, and behind them its pictures.

        A version never changes, so pages fit together.
        """
        rows = self._images_at(version, offset=offset, limit=limit)
        if len(rows) < limit:
            pictures = self.pictures.page(
                version.row_id,
                offset=max(offset - version.image_count, 0),
                limit=limit - len(rows),
            )
            rows += map(_as_image, pictures)
            self.get(version.id)  # not the last ones because the version was deleted just now
        return rows

    def _images_at(self, version: VersionRow, *, offset: int, limit: int) -> list[VersionImage]:
        query = (
            sa.select(version_item.c.image_id)
            .where(version_item.c.version_id == version.row_id)
            .order_by(version_item.c.image_id)
            .offset(offset)
            .limit(1)
        )
        with self._database.read() as connection:
            first = connection.execute(query).scalar_one_or_none()
        return [] if first is None else self.page(version, after=first - 1, limit=limit)

    def page(
        self,
        version: VersionRow,
        *,
        after: int,
        limit: int,
        only: int | None = None,
        split: int | None = None,
    ) -> list[VersionImage]:
        """Some images of a version with their sets, by row id behind `after`, or one alone."""
        columns = version_item.c
        query = (
            sa.select(
                image, columns.split, columns.file_name, collection.c.storage_path.label("folder")
            )
            .join(version_item, version_item.c.image_id == image.c.id)
            .join(collection, collection.c.id == image.c.collection_id)
            .where(version_item.c.version_id == version.row_id, image.c.id > after)
            .order_by(image.c.id)
            .limit(limit)
        )
        if only is not None:
            query = query.where(image.c.id == only)
        if split is not None:
            query = query.where(columns.split == split)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            ids = [row.id for row in rows]
            condition = version_set.c.version_id == version.row_id
            result = connection.execute(
                sa.select(version_set)
                .where(condition, version_set.c.image_id.in_(ids))
                .order_by(version_set.c.id)
            )
            names = {row.id: row.name for row in rows}
            sets: dict[int, list[StoredSet]] = {}
            for row in result:
                sets.setdefault(row.image_id, []).append(_stored(row, names[row.image_id]))
        return [
            VersionImage(
                image_id=row.id,
                name=row.name,
                unique_name=unique_name(row.folder, row.name),
                file_name=row.file_name or row.name.replace("/", "_"),
                split=SPLITS[row.split] if row.split >= 0 else "train",
                has_file=bool(row.has_file),
                width=row.width,
                height=row.height,
                sets=sets.get(row.id, []),
            )
            for row in rows
        ]

    def find_picture(self, version: VersionRow, picture_id: int) -> VersionImage | None:
        """A picture of a version."""
        result = self.pictures.page(version.row_id, limit=1, only=picture_id)
        return _as_image(result[0]) if result else None

    def page_behind(
        self, version: VersionRow, image_id: int, picture_id: int, limit: int
    ) -> list[VersionImage]:
        """Some of what `iter_files` gives, behind an image, and with the pictures behind a picture."""
        result = self.page(version, after=image_id, limit=limit)
        if len(result) < limit:
            more = self.pictures.page(version.row_id, after=picture_id, limit=limit - len(result))
            result += map(_as_image, more)
            self.get(version.id)  # as in `page_at`
        return result

    def iter_files(self, version: VersionRow) -> Iterator[VersionImage]:
        """All images of a version with their sets, and behind them its pictures.

        Raises:
            NotFound: it was deleted on the way, so that what came is not all of it.
        """
        yield from self.iter_images(version)
        after = 0
        while page := self.pictures.page(version.row_id, after=after, limit=200):
            yield from map(_as_image, page)
            after = page[-1].picture_id
        self.get(version.id)

    def iter_images(self, version: VersionRow) -> Iterator[VersionImage]:
        """All images of a version with their sets.

        Raises:
            NotFound: as in `iter_files`.
        """
        after = 0
        while page := self.page(version, after=after, limit=200):
            yield from page
            after = page[-1].image_id
        self.get(version.id)


def _decoded(names: str | None) -> list[str] | None:
    return None if names is None else msgspec.json.decode(names, type=list[str])


def _as_image(picture: PictureRow) -> VersionImage:
    return VersionImage(
        image_id=picture.image_id,
        name=picture.file_name,
        unique_name=picture.file_name,
        file_name=picture.file_name,
        split="train",
        has_file=True,
        width=picture.width,
        height=picture.height,
        sets=picture.sets,
        picture_id=picture.picture_id,
        made_by=picture.made_by,
    )


def _stored(row: sa.Row[Any], name: str) -> StoredSet:
    mode: Mode = row.mode
    return StoredSet(
        cursor="",
        run=row.run,
        mode=mode,
        geometry=GEOMETRIES_BY_CODE[row.geometry],
        normalized=bool(row.normalized),
        image=name,
        raw=content.renamed(content.unpack(row.content), name),
    )
