"""What uploads and downloads of files answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from layernext.client.answers import Answer
from layernext.model import Record, counted


class FailedFile(Record, frozen=True, kw_only=True):
    """A file that could not be transferred.

    Attributes:
        path: path on this machine; for a download, relative to the folder.
        name: name in the collection.
        reason: why, in one sentence.
    """

    path: str
    name: str
    reason: str


class IgnoredFile(Record, frozen=True, kw_only=True):
    """Something in a folder that an upload left out.

    Attributes:
        path: path on this machine; if it is a folder, everything in it was left out.
        reason: ``hidden``, ``matches no pattern``, ``no image`` and the like.
    """

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UploadStatus(Answer):
    """Progress of the newest upload of files to a collection.

    The keys ``progress``, ``uploadedCount`` and ``totalCount`` work, too.

    Attributes:
        progress: 0 to 100.
        uploaded_count: files that are stored.
        total_count: files that were announced or have arrived.
    """

    progress: float
    uploaded_count: int
    total_count: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FileUrl(Answer):
    """Where a file can be downloaded for a limited time, without a key; ``["url"]`` works, too.

    Attributes:
        url: absolute URL; anyone who has it can read the file.
    """

    url: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FileDownloadReport(Answer):
    """What a download of files did, file by file.

    ``["is_success"]`` and ``["message"]`` work as in the published clients.

    Attributes:
        folder: where the files are.
        downloaded: paths of new and changed files, relative to ``folder``, with slashes.
        unchanged: paths of files that were there already.
        deleted: paths of files that are gone from the collection and were removed.
        kept: paths of files that are gone from the collection, but were changed locally and therefore kept.
        failed: files that could not be downloaded.
        bytes_received: bytes of the files' content.
        seconds: duration in seconds.
        message: what happened, in one sentence.
    """

    folder: Path
    downloaded: list[str]
    unchanged: list[str]
    deleted: list[str]
    kept: list[str]
    failed: list[FailedFile]
    bytes_received: int
    seconds: float
    message: str

    @property
    def is_success(self) -> bool:
        """Whether there was anything to download, and all of it is there."""
        return not self.failed and bool(self.downloaded or self.unchanged)

    def __repr__(self) -> str:
        return (
            f"<FileDownloadReport: {counted(len(self.downloaded), 'file')} to {self.folder}, "
            f"{len(self.unchanged):,} unchanged, {len(self.deleted):,} deleted, "
            f"{len(self.failed):,} failed; {counted(self.bytes_received, 'byte')}, {self.seconds:.2f} s>"
        )
