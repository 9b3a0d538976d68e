"""Exports: files that a stack makes in the background."""

from __future__ import annotations

from layernext.model.collection import Record


class Export(Record, frozen=True, kw_only=True):
    """A run or a dataset version in another format, written by a job of the stack.

    Attributes:
        id: given by the stack.
        job_id: id of the job that writes it.
        status: ``queued``, ``in_progress``, ``completed`` or ``failed``.
        message: why it failed, or empty.
        format: a format that `layernext.convert` writes.
        collection, run: names of the exported collection and run; None for a version.
        dataset_version, split: or the id of the exported version, and its split, None for all.
        file_name: name of the resulting file; a folder becomes a zip archive.
        size, checksum: size of the file in bytes, and its SHA-256; None until it exists.
        url: URL of the file, valid for at least an hour and without a key; None until it exists.
        images, annotations: how many it contains; None until it exists.
        losses: what the format cannot hold: what, how often, and where it first occurred.
        created_at, expires_at: UTC, ISO 8601; the export is deleted when it expires.
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
