"""The native protocol: paths, messages and limits, spoken by client and stack alike.

An upload is opened, sent as numbered batches, and finished. A batch is lines of JSON, one image a
line in the file's own form, usually zstd-compressed. A batch is applied in one transaction, and
the same (upload, sequence) a second time changes nothing. A download is a stream of such lines in
an envelope, closed by a last line that says how many there were.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from msgspec import Meta, Raw, Struct, field

from layernext.model import Geometry, Mode
from layernext.wire.paths import segment

VERSION = 1
BASE_PATH = "/api/v1"

MAX_BATCH_BYTES = 64 << 20
"""Decompressed bytes of one batch that a stack accepts; one image's set must fit into it."""

MAX_BATCH_IMAGES = 10_000
"""Images in one batch that a stack accepts."""

MAX_PAGE = 1_000
"""Records in one page of a listing."""

NDJSON = "application/x-ndjson"

MAX_RATE = 1e6
"""Requests a second: what may be said at most."""

KeyKind: TypeAlias = Literal["name", "unique_name", "storage_path"]
"""What ``image`` means: a file name in the upload's collection, a unique name, or a path in the
bucket (docs/protocol.md)."""


class NativeOffer(Struct, frozen=True, kw_only=True):
    """What the handshake answer (E01) of a stack with the native protocol says under ``native``."""

    version: int = VERSION
    base_path: str = BASE_PATH
    batch_bytes: int = MAX_BATCH_BYTES
    batch_images: int = MAX_BATCH_IMAGES


class StackStatus(Struct, frozen=True, kw_only=True):
    """How one server of the stack is.

    Attributes:
        database: its kind; it has answered.
        objects: what uploaded files are in.
        are_objects_reachable: whether that answers.
        free_bytes: on the disk of the data folder; None if nothing is kept there.
        free_temporary_bytes: on the disk of the system's folder for temporary files.
        queued_jobs: jobs that wait for a worker.
        running_jobs: jobs that one works at.
        oldest_queued_s: how long the oldest waiting job has waited.
    """

    database: Literal["sqlite", "postgresql"]
    objects: Literal["folder", "bucket"]
    are_objects_reachable: bool
    free_bytes: int | None
    free_temporary_bytes: int
    queued_jobs: int
    running_jobs: int
    oldest_queued_s: float


class UploadRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Opens an upload, or with `resume` finds the newest unfinished one with equal fields."""

    run: str
    mode: Mode
    collection: str | None = None
    geometry: Geometry | None = None
    normalized: bool = False
    key_kind: KeyKind = "name"
    bucket: str | None = None
    resume: bool = False


class ReceivedBatch(Struct, frozen=True, array_like=True):
    """A batch that the stack has: its number and `batch_digest`."""

    sequence: int
    digest: str


class UploadState(Struct, frozen=True, kw_only=True):
    """An upload as the stack has it. ``id`` is also the job id (E37)."""

    id: str
    finished: bool
    images: int
    annotations: int
    unmatched: int
    new_labels: list[str]
    received: list[ReceivedBatch]


class BatchResult(Struct, frozen=True, kw_only=True):
    """What became of one batch.

    Attributes:
        images, annotations: in the batch.
        unmatched: images of the batch that await their file.
        new_labels: labels that the stack had not seen before.
        repeated: True if the stack had this batch already and changed nothing.
    """

    images: int
    annotations: int
    unmatched: int
    new_labels: list[str]
    repeated: bool


class FinishRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Ends an upload; refused while one of the batches 0 to `batches` - 1 is missing."""

    batches: int


class DownloadLine(Struct, frozen=True, kw_only=True):
    """One annotation set of a download, or its last line.

    Attributes:
        cursor: give it as ``after`` to go on behind this set.
        run, mode: the operation the set belongs to.
        geometry: of annotations in `set` without a ``type``; None if `set` is form v2.
        normalized: whether coordinates are fractions of the image's size.
        set: ``{"image": …, "annotations": […]}``, its values as they were uploaded.
        is_only_run: only in the first line of a whole download: whether all its sets are of one model run or
            ground truth. Earlier stacks do not say.
        end: only in the last line: how many sets the stream had.
    """

    cursor: str = ""
    run: str = ""
    mode: Mode = "machine"
    geometry: Geometry | None = None
    normalized: bool = False
    set: Raw = field(default_factory=Raw)
    is_only_run: bool | None = None
    end: int | None = None


Item = TypeVar("Item")


class PageOf(Struct, Generic[Item], frozen=True):
    """Some records of a listing, and the cursor that brings the next ones; None at the end."""

    items: list[Item]
    next: str | None = None


class RemoveResult(Struct, frozen=True, kw_only=True):
    """What a removal took away."""

    sets: int
    annotations: int


class CollectionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Makes a collection, unless there is one of that name."""

    name: str


class KeyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Makes an API key.

    Attributes:
        name: display name.
        role: what it may do.
        rate: requests a second that it may send; left out for what the stack permits every key.
        user: name of the user it belongs to; left out for a service named after the key.
    """

    name: str
    role: Literal["read", "write", "admin"]
    rate: Annotated[float, Meta(gt=0, le=MAX_RATE)] | None = None
    user: str | None = None


def uploads_path() -> str:
    """POST `UploadRequest`, answer `UploadState`."""
    return f"{BASE_PATH}/uploads"


def upload_path(upload_id: str) -> str:
    """GET, answer `UploadState`."""
    return f"{BASE_PATH}/uploads/{segment(upload_id)}"


def batch_path(upload_id: str, sequence: int) -> str:
    """PUT the batch's lines, answer `BatchResult`. Sequences count from 0."""
    return f"{upload_path(upload_id)}/batches/{sequence}"


def finish_path(upload_id: str) -> str:
    """POST `FinishRequest`, answer `UploadState`."""
    return f"{upload_path(upload_id)}/finish"


ANNOTATIONS_PATH = f"{BASE_PATH}/annotations"
"""GET (query: collection, run (repeated), mode, image, after), answer a stream of `DownloadLine`;
DELETE (query: collection, run, mode), answer `RemoveResult`."""

COLLECTIONS_PATH = f"{BASE_PATH}/collections"
RUNS_PATH = f"{BASE_PATH}/runs"
LABELS_PATH = f"{BASE_PATH}/labels"
JOBS_PATH = f"{BASE_PATH}/jobs"
STATUS_PATH = f"{BASE_PATH}/status"
AUDIT_PATH = f"{BASE_PATH}/audit"
USERS_PATH = f"{BASE_PATH}/users"
GRANTS_PATH = f"{BASE_PATH}/grants"
KEYS_PATH = f"{BASE_PATH}/keys"
PROJECTS_PATH = f"{BASE_PATH}/projects"
DATASETS_PATH = f"{BASE_PATH}/datasets"
EMBEDDING_SEARCH_PATH = f"{BASE_PATH}/embeddings/search"


def batch_digest(body: bytes) -> str:
    """The digest by which both sides know a batch again: of its lines before compression.

    SHA-256, cut to 128 bits: processors have instructions for it.
    """
    return hashlib.sha256(body).hexdigest()[:32]
