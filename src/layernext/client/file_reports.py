"""What uploads and downloads of files answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layernext.model import Record


class FailedFile(Record, frozen=True, kw_only=True):
    """A file that did not come through.

    Attributes:
        path: on this machine; of a download, where it would have been, from the folder on.
        name: in the collection.
        reason: why, in one sentence.
    """

    path: str
    name: str
    reason: str


class IgnoredFile(Record, frozen=True, kw_only=True):
    """Something in a folder that an upload left out.

    Attributes:
        path: on this machine; of a folder, all that is in it was left out.
        reason: ``hidden``, ``matches no pattern``, ``no image`` and the like.
    """

    path: str
    reason: str


class UploadStatus(Record, frozen=True, kw_only=True):
    """How far the newest upload of files to a collection is.

    ``["progress"]``, ``["uploadedCount"]`` and ``["totalCount"]`` work, too.

    Attributes:
        progress: 0 to 100.
        uploaded_count: files that are stored.
        total_count: files that were announced, or have come.
    """

    progress: float
    uploaded_count: int
    total_count: int

    def __getitem__(self, key: str) -> Any:
        """The value under a key of the published clients' answer."""
        names = {"uploadedCount": "uploaded_count", "totalCount": "total_count"}
        return True if key == "isSuccess" else published_value(self, names.get(key, key))


class FileUrl(Record, frozen=True, kw_only=True):
    """Where a file can be had for a while, without a key; ``["url"]`` works, too.

    Attributes:
        url: absolute. Whoever has it can read the file.
    """

    url: str

    def __getitem__(self, key: str) -> Any:
        """The value under a key of the published clients' answer."""
        return True if key == "isSuccess" else published_value(self, key)


class FileDownloadReport(Record, frozen=True, kw_only=True):
    """What a download of files did, file by file.

    ``["is_success"]`` and ``["message"]`` work as in the published clients.

    Attributes:
        folder: where the files are.
        downloaded: paths of new and changed files, from `folder` on, with slashes.
        unchanged: paths of files that were there already.
        deleted: paths of files that are gone from the collection and were removed.
        kept: paths of files that are gone from the collection and were changed here since.
        failed: files that did not come.
        bytes_received: of the files' content.
        seconds: from start to end.
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

    def __getitem__(self, key: str) -> Any:
        """The value under a key of the published clients' answer."""
        return published_value(self, key)

    def __repr__(self) -> str:
        return (
            f"<FileDownloadReport: {len(self.downloaded):,} files to {self.folder}, "
            f"{len(self.unchanged):,} unchanged, {len(self.deleted):,} deleted, "
            f"{len(self.failed):,} failed; {self.bytes_received:,} bytes, {self.seconds:.2f} s>"
        )


def published_value(report: Record, key: str) -> Any:
    """The value under a key of a published client's answer, where our names are the same."""
    try:
        return getattr(report, key)
    except AttributeError:
        raise KeyError(key) from None
