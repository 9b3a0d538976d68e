"""The store: everything that the stack keeps in its database, one repository for each noun.

Calls block and may come from any thread. Each call of a repository is one transaction, which is on disk when
the call returns, or raises and has changed nothing; within `Store.transaction` it is a part of that one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

import sqlalchemy as sa

from layernext.stack.store.access.answers import RecordedAnswers
from layernext.stack.store.access.audit import AuditLog
from layernext.stack.store.access.grants import Grants
from layernext.stack.store.access.keys import Keys
from layernext.stack.store.access.sessions import Sessions
from layernext.stack.store.access.users import Users
from layernext.stack.store.annotations.annotations import Annotations
from layernext.stack.store.annotations.runs import Runs
from layernext.stack.store.annotations.uploads import Uploads
from layernext.stack.store.collections.classes import CollectionClasses
from layernext.stack.store.collections.collections import Collections
from layernext.stack.store.collections.declared import DeclaredNames
from layernext.stack.store.collections.metadata import Metadata
from layernext.stack.store.collections.selections import Selections
from layernext.stack.store.database import Database
from layernext.stack.store.datasets.datasets import Datasets
from layernext.stack.store.evaluations.evaluations import Evaluations
from layernext.stack.store.evaluations.statistics import Statistics
from layernext.stack.store.exports import Exports
from layernext.stack.store.files.files import Files
from layernext.stack.store.files.linking import LinkedFiles
from layernext.stack.store.files.listing import FileListing
from layernext.stack.store.files.states import FileStates
from layernext.stack.store.identity import StackIdentity
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.labels.labels import Labels
from layernext.stack.store.objects.dropped import DroppedObjects
from layernext.stack.store.objects.references import References
from layernext.stack.store.progress import Progress
from layernext.stack.store.projects.projects import Projects

Answer = TypeVar("Answer")


class Store:
    """A stack's database; see `open`.

    Attributes:
        database: its connections and transactions.
        identity: the id of the stack, and what it signs URLs with.
        activity: what this process has done.

        users: people and services.
        keys: what they authenticate with.
        sessions: who is signed in to the pages.
        grants: what they may do in single collections.
        audit: who did what.
        answers: answers to requests that may come again.

        collections: names of images, videos and other files.
        classes: the classes of each collection, in order.
        metadata: of images and collections.
        declared: metadata fields and tags.
        selections: images that were chosen.
        labels: of annotations, with their attributes and values.
        uploads: of model runs and ground truths.
        annotations: their annotation sets.
        runs: the model runs and ground truths.
        files: what the images are, and what is on its way.
        file_states: what was seen in files.
        linked: files that lie elsewhere.
        file_listing: the files of a collection, page by page.
        dropped: objects that are to be deleted.
        references: which objects rows refer to.

        datasets: frozen selections, divided into splits.
        evaluations: runs measured against ground truths.
        statistics: what annotations of a run are like.
        projects: images that people annotate, cut into tasks.
        exports: files in other formats, made in the background.
        jobs: work in the background.
        progress: everything that a client can wait for, uploads included.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.activity = database.activity
        self.identity = StackIdentity(database)
        self.labels = Labels(database, self.identity.namespace())
        self.keys = Keys(database)
        self.collections = Collections(database)
        self.classes = CollectionClasses(database)
        self.uploads = Uploads(database)
        self.annotations = Annotations(database, self.labels)
        self.runs = Runs(database)
        self.jobs = Jobs(database)
        self.metadata = Metadata(database)
        self.selections = Selections(database)
        self.files = Files(database)
        self.file_states = FileStates(database)
        self.linked = LinkedFiles(database)
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
        self.progress = Progress(self.uploads, self.files, self.jobs)

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

    def transaction(self, work: Callable[[], Answer]) -> Answer:
        """Do work with this store, in this thread, in one transaction.

        What the repositories read and write in it is one whole; streams are not in it: they see what was
        committed before. The work is done again while PostgreSQL asks for that.
        """
        return self.database.write_joined(lambda _: work())
