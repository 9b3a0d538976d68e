"""What handlers work with: the store, the settings, and threads to call the store in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar, cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from litestar.connection import ASGIConnection

from layernext.stack.jobs import JobRunner, LazyThumbnails
from layernext.stack.objects import ObjectStore
from layernext.stack.search import Search
from layernext.stack.settings import Settings
from layernext.stack.store import Store

Answer = TypeVar("Answer")

CALL_SLOTS = 12
"""Short database calls at a time. With ingest and downloads at their defaults this stays within
the store's pool of connections, so that no thread ever waits for one while it holds a slot."""

ASK_SLOTS = 4
"""Questions to the identity provider at a time. It may be slow, and strangers can cause them, so they never
take the places of calls of the database."""

IMPORT_SLOTS = 2

DECODE_SLOTS = 4
"""Bodies of requests that are decompressed and decoded at a time. They need no connection to the
database, so they do not take the places of those who do."""


class Services:
    """The store and the threads of one application.

    Args:
        store: stays the caller's, who closes it after the application has ended.
        settings: of the stack.
        objects: where files are.
        jobs: does what is queued in the store; wake it after queueing.
    """

    def __init__(
        self, store: Store, settings: Settings, objects: ObjectStore, jobs: JobRunner
    ) -> None:
        self.store = store
        self.search = Search(store)
        self.settings = settings
        self.objects = objects
        self.jobs = jobs
        self.thumbnails = LazyThumbnails(store.file_states, objects)

    # Limiters belong to an event loop, so they are made on first use.
    @cached_property
    def _calls(self) -> CapacityLimiter:
        return CapacityLimiter(CALL_SLOTS)

    @cached_property
    def _asks(self) -> CapacityLimiter:
        return CapacityLimiter(ASK_SLOTS)

    @cached_property
    def _decodes(self) -> CapacityLimiter:
        return CapacityLimiter(DECODE_SLOTS)

    @cached_property
    def _ingests(self) -> CapacityLimiter:
        return CapacityLimiter(self.settings.ingest_slots)

    @cached_property
    def imports(self) -> CapacityLimiter:
        """Files of annotations that are checked and stored at a time."""
        return CapacityLimiter(IMPORT_SLOTS)

    @cached_property
    def downloads(self) -> CapacityLimiter:
        """Taken for as long as a download lasts."""
        return CapacityLimiter(self.settings.download_slots)

    @cached_property
    def transfers(self) -> CapacityLimiter:
        """Files that go out at a time; they need no connection to the database."""
        return CapacityLimiter(self.settings.transfer_slots)

    @cached_property
    def _writers(self) -> CapacityLimiter:
        return CapacityLimiter(self.settings.transfer_slots)

    @cached_property
    def url_secret(self) -> bytes:
        """What URLs are signed with."""
        return self.store.identity.url_secret()

    @cached_property
    def download_threads(self) -> CapacityLimiter:
        """As many threads as there can be downloads and files on their way out."""
        return CapacityLimiter(self.settings.download_slots + self.settings.transfer_slots)

    def check_metadata(self, metadata: Iterable[Mapping[str, Any]]) -> None:
        """In strict mode refuse metadata with names that were not declared.

        Raises:
            InvalidRequest: there are some.
        """
        if self.settings.strict_metadata:
            self.store.declared.check_metadata(metadata)

    async def call(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Run a short database call in a thread."""
        return await run_sync(function, *arguments, limiter=self._calls)

    async def ask(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Ask the identity provider in a thread."""
        return await run_sync(function, *arguments, limiter=self._asks)

    async def decode(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Decode a request's body in a thread."""
        return await run_sync(function, *arguments, limiter=self._decodes)

    async def write(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Write a piece of a file in a thread."""
        return await run_sync(function, *arguments, limiter=self._writers)

    async def ingest(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Run the work on a batch in a thread; waits while all slots are taken."""
        return await run_sync(function, *arguments, limiter=self._ingests)


def services_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Services:
    """The services of the application that a request came to."""
    return cast("Services", connection.app.state["services"])
