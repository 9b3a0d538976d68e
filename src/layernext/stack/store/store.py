"""The store: everything that the stack keeps in its database, behind one face.

Calls block and may come from any thread. Each writes in one transaction, which is on disk when
the call returns, or raises and has changed nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from layernext.errors import InvalidRequest
from layernext.model import Collection, Job, Label, Mode, ModelRun
from layernext.stack.store import identity
from layernext.stack.store.access import audit as audit_log
from layernext.stack.store.access import keys
from layernext.stack.store.access.answers import RecordedAnswers
from layernext.stack.store.access.audit import AuditLog, NewAuditEntry
from layernext.stack.store.access.grants import Grants
from layernext.stack.store.access.records import Caller, CheckCollections, Key, NewKey, Role, Within
from layernext.stack.store.access.sessions import Sessions
from layernext.stack.store.access.users import Users
from layernext.stack.store.annotations import reading, sets, uploads
from layernext.stack.store.annotations.prepared import PreparedSet
from layernext.stack.store.annotations.records import ImageSets, StoredSet
from layernext.stack.store.annotations.uploads import UploadNames, UploadSettings
from layernext.stack.store.collections import collections
from layernext.stack.store.collections.declared import DeclaredNames
from layernext.stack.store.collections.records import CollectionRow
from layernext.stack.store.collections.selections import Selections
from layernext.stack.store.database import Database
from layernext.stack.store.datasets.datasets import Datasets
from layernext.stack.store.evaluations.evaluations import Evaluations
from layernext.stack.store.evaluations.statistics import Statistics
from layernext.stack.store.exports import Exports
from layernext.stack.store.files.files import Files
from layernext.stack.store.files.listing import FileListing
from layernext.stack.store.files.states import FileStates
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.labels.labels import Labels
from layernext.stack.store.labels.records import LabelGroup, LabelRef, ValueRef
from layernext.stack.store.objects.dropped import DroppedObjects
from layernext.stack.store.objects.references import References
from layernext.stack.store.projects.projects import Projects
from layernext.stack.store.schema import collection, operation, operation_collection
from layernext.stack.store.storable import is_storable
from layernext.wire.native import BatchResult, PageOf, RemoveResult, UploadRequest, UploadState

_URL_SECRET = "url_secret"  # noqa: S105 - the setting's name


class Store:
    """A stack's database; see `open`.

    Attributes:
        jobs: work in the background.
        selections: images that were chosen.
        files: what the images are, and what is on its way.
        file_listing: the files of a collection, page by page.
        declared: metadata fields and tags.
        dropped: objects that are to be deleted.
        references: which objects rows refer to.
        datasets: frozen selections, divided into splits.
        projects: images that people annotate, cut into tasks.
        evaluations: runs measured against ground truths.
        statistics: what annotations of a run are like.
        sessions: who is signed in to the pages.
        exports: files in other formats, made in the background.
        activity: what this process has done.
        answers: answers to requests that may come again.
        audit: who did what.
        users: people and services.
        grants: what they may do in single collections.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.activity = database.activity
        self._labels = Labels(database, identity.namespace(self.database))
        self.jobs = Jobs(database)
        self.selections = Selections(database)
        self.files = Files(database)
        self.file_states = FileStates(database)
        self.file_listing = FileListing(database)
        self.dropped = DroppedObjects(database)
        self.references = References(database)
        self.declared = DeclaredNames(database)
        self.datasets = Datasets(database)
        self.projects = Projects(database)
        self.evaluations = Evaluations(database)
        self.statistics = Statistics(database)
        self.sessions = Sessions(database)
        self.exports = Exports(database)
        self.answers = RecordedAnswers(database)
        self.audit = AuditLog(database)
        self.users = Users(database)
        self.grants = Grants(database)

    @classmethod
    def open(cls, url: str) -> Store:
        """Open a database, made or migrated to this version's tables where needed.

        Args:
            url: ``sqlite:///<path>`` or ``postgresql://user:password@host/name``.

        Raises:
            ConfigurationError: the URL is of another kind, or the database cannot be opened.
        """
        return cls(Database(url))

    @property
    def database_url(self) -> str:
        """What it was opened with; it may have a password in it."""
        return self.database.url

    def trace(self, span: Callable[[str], AbstractContextManager[object]]) -> None:
        """Surround each transaction, which is named ``read`` or ``write``, by what `span` makes."""
        self.database.span = span

    def close(self) -> None:
        """Close every connection. May be called twice."""
        self.database.close()

    def ping(self) -> None:
        """Ask the database for an answer; raises what it raises if there is none."""
        with self.database.read() as connection:
            connection.execute(sa.select(sa.literal(1)))

    def location_digest(self) -> str:
        """See `identity.location_digest`."""
        return identity.location_digest(self.database)

    # -- keys -------------------------------------------------------------------------------

    def create_key(
        self, name: str, role: Role, rate: float | None = None, user: str | None = None
    ) -> NewKey:
        """Make an API key; its secret is in the answer and nowhere else.

        Args:
            name: for people.
            role: what it may do.
            rate: requests a second that it may send; None for what the stack permits every key.
            user: name of the user it belongs to; None for a service named after the key, which is
                added if missing.

        Raises:
            NotFound: there is no such user.
        """
        with self.database.write() as connection:
            return keys.create(connection, name, role, rate, user)

    def authenticate(self, api_key: str, secret: str) -> Caller | None:
        """Who the key is, if it exists, is not revoked, and the secret is its own."""
        with self.database.read() as connection:
            return keys.authenticate(connection, api_key, secret)

    def list_keys(self) -> list[Key]:
        """Every key, revoked ones too, oldest first."""
        with self.database.read() as connection:
            return keys.list_all(connection)

    def revoke_key(self, api_key: str) -> bool:
        """End a key's life at once; False if no such key is in use."""
        with self.database.write() as connection:
            return keys.revoke(connection, api_key)

    # -- collections ------------------------------------------------------------------------

    def ensure_collection(self, name: str, *, kind: int = collections.IMAGES) -> Collection:
        """The collection of this name and kind, made if there is none; claims images it names."""

        def work(connection: sa.Connection) -> Collection:
            plain = collections.normalized_name(name)
            row = collections.ensure(self.database, connection, plain, kind=kind)
            return collections.get(connection, row.row_id)

        return self.database.write_again(work)

    def find_collection(
        self, id_or_name: str, *, claims: bool, kind: int | None = None
    ) -> CollectionRow | None:
        """The collection with this id, or else of this name, unless it is in the trash.

        Args:
            id_or_name: an id goes before a name.
            claims: whether images whose keys fit the name may move there; see `collections`.
            kind: of the collection, if it is named; None prefers one of images.
        """
        if not is_storable(id_or_name):
            return None
        name = collections.normalized_name(id_or_name)
        with self.database.read() as connection:
            by_id = collections.find_by_id(connection, id_or_name)
            if by_id is not None and by_id.is_trashed:
                return None
            if by_id is None and kind not in {None, collections.IMAGES}:
                return collections.find_there(connection, name, kind)
            found = by_id or collections.find_there(connection, name, kind)
            if found is not None and found.kind != collections.IMAGES:
                return found
            is_settled = found is not None and (by_id is not None or not found.is_provisional)
            if is_settled or not claims or not collections.has_claims(connection, name, found):
                return found
        return self.database.write_again(
            lambda connection: collections.find_and_claim(self.database, connection, name)
        )

    def find_collection_by_name(self, name: str, kind: int) -> CollectionRow | None:
        """The collection of this name and kind, also from the trash."""
        plain = collections.normalized_name(name)
        if not is_storable(plain):
            return None
        with self.database.read() as connection:
            return collections.find_by_name(connection, plain, kind)

    def find_trashed_collection(self, id_or_name: str) -> int | None:
        """The row id of a collection in the trash, by its id or name."""
        if not is_storable(id_or_name):
            return None
        name = collections.normalized_name(id_or_name)
        mine = (collection.c.public_id == id_or_name) | (collection.c.name == name)
        chosen = sa.select(collection.c.id).where(mine, collection.c.trashed_at.is_not(None))
        with self.database.read() as connection:
            return connection.execute(chosen.limit(1)).scalar_one_or_none()

    def list_collections(
        self, *, after: str | None, limit: int, within: Within = None
    ) -> PageOf[Collection]:
        """Collections, oldest first; only those of some row ids with `within`."""
        with self.database.read() as connection:
            return collections.list_page(
                connection, after=_cursor(after), limit=limit, within=within
            )

    # -- uploads ----------------------------------------------------------------------------

    def open_upload(self, request: UploadRequest) -> UploadState:
        """Open an upload; with ``resume`` the run's newest if it is unfinished and the same."""
        return self.database.write_again(
            lambda connection: uploads.open_native(self.database, connection, request)
        )

    def get_upload(self, upload_id: str) -> UploadState:
        """The upload as it stands.

        Raises:
            NotFound: there is no such upload.
        """
        with self.database.read() as connection:
            return uploads.get_state(connection, upload_id)

    def name_upload(self, upload_id: str) -> UploadNames:
        """What an upload is of, by name, and whether it is finished.

        Raises:
            NotFound: there is no such upload.
        """
        with self.database.read() as connection:
            return uploads.get_names(connection, upload_id)

    def get_upload_settings(self, upload_id: str) -> UploadSettings:
        """How to read the batches of a native upload.

        Raises:
            NotFound: there is no such native upload.
        """
        with self.database.read() as connection:
            return uploads.get_settings(connection, upload_id)

    def open_published_upload(
        self,
        run: str,
        mode: Mode,
        session_id: str | None,
        *,
        normalized: bool,
        total_images: int | None,
        entry: NewAuditEntry | None = None,
    ) -> str:
        """The id of the upload behind a published client's session (E03, E04).

        Args:
            run, mode: of the model run or ground truth.
            session_id: of the client; None opens an upload each time.
            normalized: how its coordinates are to be read.
            total_images: as many the client says it will send.
            entry: for the audit log, if the upload is a new one.
        """

        def work(connection: sa.Connection) -> str:
            upload_id, is_new = uploads.open_published(
                self.database,
                connection,
                run,
                mode,
                session_id,
                normalized=normalized,
                total_images=total_images,
            )
            if is_new and entry is not None:
                audit_log.insert(connection, entry)
            return upload_id

        return self.database.write_again(work)

    def write_batch(
        self,
        upload_id: str,
        sequence: int | None,
        digest: str,
        sets_: Sequence[PreparedSet],
        check: CheckCollections | None = None,
    ) -> BatchResult:
        """Store a batch in one transaction: all of it, visible at once, or nothing.

        A set replaces the one that its operation had for the image; if that came from the same
        upload, the annotations are put behind one another instead.

        Args:
            upload_id: from `open_upload` or `open_published_upload`.
            sequence: the batch's number; None for a published client, whose batches are known
                again by their digest.
            digest: of the batch's content.
            sets_: the batch, in order.
            check: called with the row ids of the collections that the images are in; what it raises
                changes nothing.

        Raises:
            NotFound: there is no such upload.
            Conflict: it is finished, or had another batch of this number.
        """
        result = sets.write_batch(
            self.database,
            self._labels,
            upload_id,
            sets_,
            sequence=sequence,
            digest=digest,
            check=check,
        )
        if not result.repeated:
            self.activity.add_batch(result.images, result.annotations)
        return result

    def finish_upload(self, upload_id: str, batches: int | None) -> UploadState:
        """End an upload; repeatable.

        Raises:
            NotFound: there is no such upload.
            Conflict: a batch is missing.
        """
        return self.database.write_again(
            lambda connection: uploads.finish(connection, upload_id, batches)
        )

    def find_job(self, job_id: str) -> Job | None:
        """The job with this id; every upload is one."""
        with self.database.read() as connection:
            found = uploads.find_job(connection, job_id)
        if found is None and is_storable(job_id):
            found = self.files.find_job(job_id)
        return found or self.jobs.find(job_id)

    def url_secret(self) -> bytes:
        """What the stack signs URLs with: made once, the same for all its processes."""
        return bytes.fromhex(
            identity.keep_setting(self.database, _URL_SECRET, secrets.token_hex(32))
        )

    # -- labels -----------------------------------------------------------------------------

    def ensure_labels(
        self, wanted: Mapping[str, Mapping[str, Sequence[Any]]]
    ) -> dict[str, LabelRef]:
        """References of labels, attributes and values, made where they are missing (E02)."""
        return self._labels.ensure_table(wanted)

    def ensure_many_labels(
        self, batches: Iterable[Mapping[str, Mapping[str, Sequence[Any]]]]
    ) -> Iterator[dict[str, LabelRef]]:
        """As `ensure_labels`, of a request in parts. It is done when the iterator has ended."""
        return self._labels.ensure_tables(batches)

    def create_label(
        self, name: str, description: str, attributes: Mapping[str, Sequence[Any]]
    ) -> tuple[Label, bool]:
        """Make a label with attributes and values; the label, and whether it was new."""
        return self._labels.create(name, description, attributes)

    def list_labels(
        self, *, after: str | None, limit: int, group_id: str | None = None
    ) -> PageOf[Label]:
        """Labels, oldest first; only those of a group if one is given."""
        with self.database.read() as connection:
            return self._labels.list_page(
                connection, after=_cursor(after), limit=limit, group_id=group_id
            )

    def create_label_group(self, name: str, label_refs: Sequence[str]) -> LabelGroup | None:
        """Make a group of labels, or add to it; None if a reference is unknown (E09)."""
        return self._labels.create_group(name, label_refs)

    def change_label_group(
        self, group_id: str, label_refs: Sequence[str], *, removes: bool
    ) -> LabelGroup | None:
        """Add labels to a group, or take them out; None if something is unknown (E10, E11)."""
        return self._labels.change_group(group_id, label_refs, removes=removes)

    def list_label_groups(self) -> list[LabelGroup]:
        """Every group of labels (E08)."""
        with self.database.read() as connection:
            return self._labels.list_groups(connection)

    def resolve_refs(
        self, attribute_refs: Sequence[str], value_refs: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, ValueRef]]:
        """Names behind attribute references and values behind value references (E03, E04)."""
        with self.database.read() as connection:
            return (
                self._labels.resolve_attributes(connection, attribute_refs),
                self._labels.resolve(connection, value_refs),
            )

    # -- reading ----------------------------------------------------------------------------

    def list_runs(
        self, collection_id: int | None, *, after: str | None, limit: int, within: Within = None
    ) -> PageOf[ModelRun]:
        """Model runs and ground truths per collection, oldest operation first."""
        counted = operation_collection
        place = _pair(after)
        query = (
            sa.select(counted, operation.c.name, operation.c.mode, collection.c.name.label("place"))
            .join(operation, operation.c.id == counted.c.operation_id)
            .join(collection, collection.c.id == counted.c.collection_id)
            .where(
                sa.tuple_(counted.c.operation_id, counted.c.collection_id)
                > sa.tuple_(*map(sa.literal, place)),
                counted.c.image_count > 0,
            )
            .order_by(counted.c.operation_id, counted.c.collection_id)
            .limit(limit + 1)
        )
        if collection_id is not None:
            query = query.where(counted.c.collection_id == collection_id)
        if within is not None:
            query = query.where(counted.c.collection_id.in_(within))
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        items = [
            ModelRun(
                name=row.name,
                mode=row.mode,
                collection=row.place,
                image_count=row.image_count,
                annotation_count=row.annotation_count,
                created_at=row.created_at,
                updated_at=row.updated_at,
            )
            for row in rows[:limit]
        ]
        last = rows[limit - 1] if len(rows) > limit else None
        return PageOf(items, f"{last.operation_id}-{last.collection_id}" if last else None)

    def iter_sets(
        self,
        collection_id: int | None,
        *,
        runs: Sequence[str] = (),
        mode: Mode | None = None,
        image: str | None = None,
        after: str | None = None,
        within: Within = None,
    ) -> Iterator[StoredSet]:
        """Annotation sets as a stream, all as they stand at one moment, in upload order.

        Args:
            collection_id: row id; None for every collection.
            runs: names of model runs and ground truths; none given means all.
            mode: only model runs or only ground truths.
            image: only this image.
            after: a cursor of an earlier stream, to go on behind it.
            within: row ids of the only collections.

        Raises:
            InvalidRequest: `after` is no cursor.
        """
        return reading.iter_sets(
            self.database,
            collection_id,
            runs=runs,
            mode=mode,
            image_name=image,
            after=_pair(after, start=-1),
            within=within,
        )

    def find_unknown_run(self, runs: Sequence[str], within: Within = None) -> str | None:
        """The first of these names that no model run and no ground truth ever had.

        With `within`: that none has in these collections.
        """
        if not runs:
            return None
        named = sa.select(operation.c.name).where(operation.c.name.in_(runs))
        if within is not None:
            counted = operation_collection
            named = named.join(counted, counted.c.operation_id == operation.c.id)
            named = named.where(counted.c.collection_id.in_(within))
        with self.database.read() as connection:
            known = set(connection.execute(named).scalars())
        return next((run for run in runs if run not in known), None)

    def image_page(
        self,
        collection_id: int,
        *,
        runs: Sequence[str],
        mode: Mode | None,
        after_image: int,
        limit: int,
        with_files: bool = False,
    ) -> tuple[list[ImageSets], bool]:
        """Images that have sets, and whether more follow (E42).

        With `with_files` also those that only have a file.
        """
        return reading.image_page(
            self.database,
            collection_id,
            runs=runs,
            mode=mode,
            after_image=after_image,
            limit=limit,
            with_files=with_files,
        )

    def sets_of_image(self, image_id: int, run: str, mode: Mode) -> list[StoredSet]:
        """The sets that a model run or ground truth has for one image."""
        return reading.sets_of_image(self.database, image_id, run, mode)

    def sets_of_images(
        self, image_ids: Sequence[int], runs: Sequence[tuple[str, Mode]]
    ) -> list[tuple[int, StoredSet]]:
        """The sets of some images, each with its image's row id.

        Args:
            image_ids: row ids.
            runs: names and modes of model runs and ground truths; unknown ones have no sets.
        """
        return reading.sets_of_images(self.database, image_ids, runs)

    def remove_sets(self, collection_id: int | None, run: str, mode: Mode | None) -> RemoveResult:
        """Delete a run's sets in a collection (None: everywhere); repeating it removes nothing."""
        modes: list[Mode] = ["machine", "human"] if mode is None else [mode]
        return self.database.write_again(
            lambda connection: sets.remove(self.database, connection, collection_id, run, modes)
        )


def _cursor(after: str | None) -> int:
    return _pair(after and f"{after}-0")[0]


def _pair(after: str | None, start: int = 0) -> tuple[int, int]:
    if after is None:
        return start, start
    first, dash, second = after.partition("-")
    limit = 1 << 63
    if dash and first.isascii() and first.isdecimal() and second.isascii() and second.isdecimal():
        pair = int(first[:20]), int(second[:20])
        if max(pair) < limit:
            return pair
    raise InvalidRequest(f"{after!r} is not a cursor from an earlier answer", status=400)
