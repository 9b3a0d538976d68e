"""Uploads of annotations.

An upload is opened, sent as numbered batches, and finished. A batch is lines of JSON, one image a
line in the file's own form, usually zstd-compressed. A batch is applied in one transaction, and
the same (upload, sequence) a second time changes nothing.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeAlias

from msgspec import Raw, Struct, field

from layernext.model import Geometry, Mode
from layernext.wire.native.protocol import BASE_PATH
from layernext.wire.paths import segment

KeyKind: TypeAlias = Literal["name", "unique_name", "storage_path"]
"""What ``image`` means: a file name in the upload's collection, a unique name, or a path in the
bucket (docs/protocol.md)."""


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
    """An upload as the stack has it. ``id`` is also the id of its job."""

    id: str
    finished: bool
    images: int
    annotations: int
    unmatched: int
    new_labels: list[str]
    received: list[ReceivedBatch]


class BatchResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one batch.

    Attributes:
        images, annotations: in the batch.
        unmatched: images of the batch that await their file.
        new_labels: labels that the stack had not seen before.
        repeated: True if the stack had this batch already and changed nothing.
        measured_boxes: upright boxes that the stack compared with the sizes of their images. It compares
            those of the first images of a batch, and none of a repeated one.
        outside_boxes: those of them that leave their images.
        outside_image: the first image that one of them leaves.
        other_sizes: images whose declared size differs from that of their picture.
        other_size: the first of them, in words.
        turned_sizes, turned_size: likewise those that fit the picture only turned by 90 degrees.
    """

    images: int
    annotations: int
    unmatched: int
    new_labels: list[str]
    repeated: bool
    measured_boxes: int = 0
    outside_boxes: int = 0
    outside_image: str | None = None
    other_sizes: int = 0
    other_size: str | None = None
    turned_sizes: int = 0
    turned_size: str | None = None


class FinishRequest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Ends an upload; refused while one of the batches 0 to `batches` - 1 is missing.

    Attributes:
        batches: how many it has.
        file_keys: keys beside ``images`` in the file that it came from; kept with the run.
    """

    batches: int
    file_keys: dict[str, Raw] = field(default_factory=dict)


MAX_FILE_KEYS_BYTES = 320 << 10
"""JSON of the `file_keys` of a run."""


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


def batch_digest(body: bytes) -> str:
    """The digest by which both sides know a batch again: of its lines before compression.

    SHA-256, cut to 128 bits: processors have instructions for it.
    """
    return hashlib.sha256(body).hexdigest()[:32]
