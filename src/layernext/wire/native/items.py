"""Images and other files as the native protocol lists them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from layernext.wire.native.protocol import BASE_PATH

ITEMS_PATH = f"{BASE_PATH}/items"
"""GET (query: collection, query, type, after, limit), answer `PageOf` of `Item`."""

TRASH_PATH = f"{BASE_PATH}/trash"
"""GET, answer `PageOf` of `Item`."""

RESTORE_PATH = f"{TRASH_PATH}/restore"
"""POST `RestoreRequest`, answer `Counted`."""


NAMES_PATH = f"{BASE_PATH}/metadata/names"
"""GET, answer `MetadataNames`; POST `NamesRequest`, answer likewise."""


MAX_NAMES = 10_000
"""Fields, and tags, of one request."""


class NamesRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Metadata fields and tags to declare, or to withdraw."""

    fields: Annotated[list[str], Meta(max_length=MAX_NAMES)] = []
    tags: Annotated[list[str], Meta(max_length=MAX_NAMES)] = []
    withdraw: bool = False


PURGE_PATH = f"{TRASH_PATH}/purge"
"""POST `PurgeRequest`, answer `PurgeAnswer`; `purge_path` is GET, and says what came of it."""


def purge_path(job_id: str) -> str:
    """GET: how far a purge is, `PurgeAnswer`."""
    return f"{PURGE_PATH}/{job_id}"


MAX_DAYS = 36_500.0


class PurgeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to remove for good: what a query finds in the trash that was there for so many days."""

    collection: str | None = None
    query: str = ""
    older_than_days: Annotated[float, Meta(ge=0, le=MAX_DAYS)] = 0.0


class PurgeAnswer(Struct, frozen=True, kw_only=True):
    """A purge: a job; the counts are there when it has ended.

    Attributes:
        job_id: of the job.
        status: ``queued``, ``in_progress``, ``completed`` or ``failed``.
        message: why it failed.
        files, size_bytes, collections: that are gone.
        kept: files that stay, since versions of datasets have them or they were annotated since.
    """

    job_id: str
    status: str
    message: str = ""
    files: int = 0
    size_bytes: int = 0
    collections: int = 0
    kept: int = 0


class RestoreRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to take out of the trash: all that a query finds there."""

    collection: str | None = None
    query: str = ""


class Counted(Struct, frozen=True):
    """How many items something was done to."""

    count: int
