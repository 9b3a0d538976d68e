"""Exports: files that a stack makes in the background."""

from __future__ import annotations

from layernext.model.collection import Record


class Export(Record, frozen=True, kw_only=True):
    """A run or a dataset version in another format, made by a job of the stack.

    Attributes:
        id: given by the stack.
        job_id: of the job that makes it.
        status: ``queued``, ``in_progress``, ``completed`` or ``failed``.
        message: why it failed, or empty.
        format: one of those of `layernext.convert`.
        collection, run: what it is of, by name; None of a version.
        dataset_version, split: or else the id of a version, and a split of it or None for all.
        file_name: of the result; a folder is packed as zip.
        size, checksum: of the result in bytes, and its SHA-256; None before it is there.
        url: where it can be had for an hour or more, without a key; None before it is there.
        images, annotations: in it; None before it is there.
        losses: what the format cannot hold: what, how often, and where it was first.
        created_at, expires_at: UTC, ISO 8601; then it is deleted.
    """

    id: str
    job_id: str
    status: str
    message: str
    format: str
    collection: str | None
    run: str | None
    dataset_version: str | None
    split: str | None
    file_name: str
    size: int | None
    checksum: str | None
    url: str | None
    images: int | None
    annotations: int | None
    losses: dict[str, tuple[int, str]]
    created_at: str
    expires_at: str
