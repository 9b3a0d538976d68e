"""What calls of the client answer: one frozen report each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec import field

from layernext.client.answers import Answer
from layernext.client.files.reports import FailedFile, FileDownloadReport, IgnoredFile
from layernext.model import Mode, Record, counted


class UploadReport(Record, frozen=True, kw_only=True):
    """What an upload did.

    Attributes:
        collection: the collection's name; None if images were named without one.
        run: the model run or ground truth.
        mode: ``machine`` or ``human``.
        images: images stored; an image that was sent or logged several times counts once.
        annotations: annotations in them.
        batches: requests in which they were sent, including those of a resumed upload.
        resumed_batches: how many of those were not sent, because the stack already had them.
        new_labels: labels that the stack had not seen before.
        unmatched_images: images whose file the stack does not have yet; their annotations are stored, and
            belong to the file once it is uploaded. None if the stack did not say.
        bytes_sent: size of the request bodies, as sent over the network.
        seconds: duration in seconds.
        job_id: the stack's id of the upload; None if it did not say.
        losses: for a file in another format, what was not read: what, how often, and where it first occurred.
        lost_shapes: for a file in another format, annotations that were left out, or whose shape became a
            coarser one, such as the box of a mask.
        warnings: data that was read but looks wrong, in the same form: in a file in another format, and boxes
            that extend beyond images whose size the stack knows (it checks the first images of each request).
        skipped: number of annotations that were left out because they are not valid; ``problems`` lists the
            first ones.
    """

    collection: str | None
    run: str
    mode: Mode
    images: int
    annotations: int
    batches: int
    resumed_batches: int
    new_labels: list[str]
    unmatched_images: int | None
    bytes_sent: int
    seconds: float
    job_id: str | None = None
    losses: dict[str, tuple[int, str]] = field(default_factory=dict)
    lost_shapes: int = 0
    warnings: dict[str, tuple[int, str]] = field(default_factory=dict)
    skipped: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def annotations_per_second(self) -> float:
        """Annotations divided by seconds."""
        return self.annotations / self.seconds if self.seconds else 0.0

    @property
    def no_images_notice(self) -> str:
        """A note about an upload without images; empty if there were any."""
        return "" if self.images else f"run {self.run!r} has no images; the stack does not list it"

    def __repr__(self) -> str:
        kind = "model run" if self.mode == "machine" else "ground truth"
        target = f" to {self.collection!r}" if self.collection else ""
        images = counted(self.images, "image")
        if self.unmatched_images:
            images += f", {self.unmatched_images:,} of them without a file yet"
        if not self.images:
            images += f"; {self.no_images_notice}"
        labels = f", {counted(len(self.new_labels), 'new label')}" if self.new_labels else ""
        if self.lost_shapes:
            labels += f", {counted(self.lost_shapes, 'shape')} lost"
        return (
            f"<UploadReport: {kind} {self.run!r}{target}: "
            f"{counted(self.annotations, 'annotation')} on {images}{labels}; "
            f"{counted(self.batches, 'batch', 'batches')}, {counted(self.bytes_sent, 'byte')}, "
            f"{self.seconds:.2f} s>"
        )


class DownloadReport(Record, frozen=True, kw_only=True):
    """What a download wrote.

    Attributes:
        path: the file; where it would have been, if the download is incomplete.
        images: annotation sets in it.
        seconds: duration in seconds.
        files: the report of the files that were downloaded with it, if they were requested.
    """

    path: Path
    images: int
    seconds: float
    files: FileDownloadReport | None = None

    def __repr__(self) -> str:
        return f"<DownloadReport: {counted(self.images, 'image')} to {self.path}, {self.seconds:.2f} s>"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RemoveReport(Answer):
    """What was removed.

    Attributes:
        images: annotation sets removed; None if the stack did not say.
        annotations: annotations in them; None if the stack did not say.
        message: what the stack said; usually empty.
    """

    images: int | None
    annotations: int | None
    message: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Done(Answer):
    """The answer to a change that the stack has made.

    Attributes:
        message: what the stack said; usually empty.
    """

    message: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CreatedLabel(Answer):
    """A label that was created.

    Attributes:
        label_reference: stack-wide reference of the label.
    """

    label_reference: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EmbeddingReport(Answer):
    """The result of storing embeddings.

    Attributes:
        stored: vectors that are stored now.
        unknown: unique names that no image has; nothing was stored for them.
        messages: what the stack said about each batch, if anything.
    """

    stored: int
    unknown: list[str]
    messages: list[str]

    @property
    def is_success(self) -> bool:
        """Whether every vector is stored."""
        return not self.unknown and not self.messages


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FileUploadReport(Answer):
    """What an upload of files did, file by file.

    ``["is_success"]``, ``["job_id"]``, ``["collection_id"]`` and ``["unique_name"]`` work as in the
    published clients.

    Attributes:
        collection: name of the collection.
        collection_id: id of the collection, given by the stack.
        job_id: the stack's job that inspects the files, for `client.jobs.wait`.
        unique_name: unique name of a single file; None if `path` was a folder, or the stack did not say.
        uploaded: names of files that the stack has now and did not have before.
        skipped: names of files that it had already, with the same content.
        failed: files that it does not have.
        ignored: what else the folder contains.
        bytes_sent: bytes of the files' content.
        seconds: duration in seconds.
        annotations: the report of the annotations that were uploaded with the files, if any.
    """

    collection: str
    collection_id: str
    job_id: str
    unique_name: str | None
    uploaded: list[str]
    skipped: list[str]
    failed: list[FailedFile]
    ignored: list[IgnoredFile]
    bytes_sent: int
    seconds: float
    annotations: UploadReport | None = None

    @property
    def is_success(self) -> bool:
        """Whether the stack has every file."""
        return not self.failed

    def __repr__(self) -> str:
        return (
            f"<FileUploadReport: {counted(len(self.uploaded), 'file')} to {self.collection!r}, "
            f"{len(self.skipped):,} already there, {len(self.failed):,} failed; "
            f"{counted(self.bytes_sent, 'byte')}, {self.seconds:.2f} s>"
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrashReport(Answer):
    """What went into the trash.

    Attributes:
        files: how many; None if the stack did not say.
        message: what the stack said.
    """

    files: int | None
    message: str


class PurgeReport(Record, frozen=True, kw_only=True):
    """What a purge of the trash permanently deleted.

    Attributes:
        files: how many images and other files, with their annotations.
        size_bytes: their total size.
        collections: number of collections that were in the trash and are empty now.
        kept: files that stay in the trash, because they belong to dataset versions or were annotated since.
    """

    files: int
    size_bytes: int
    collections: int
    kept: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MetadataReport(Answer):
    """The result of a change of metadata.

    Attributes:
        updated: files that have the metadata now.
        unmatched: names that no file has.
        message: what the stack said.
    """

    updated: int
    unmatched: list[str]
    message: str

    @property
    def is_success(self) -> bool:
        """Whether every name has a file."""
        return not self.unmatched


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CreatedCollection(Answer):
    """A collection that exists now.

    Attributes:
        collection_id: id of the collection.
    """

    collection_id: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class VersionReport(Answer):
    """A dataset version that the stack builds.

    The keys ``datasetVersionId``, ``datasetId``, ``jobId`` and the like work as in the published clients.

    Attributes:
        version_id: id of the version.
        version: number of the version, such as ``1.0.0``; empty if the stack did not say.
        dataset_id: id of its dataset.
        job_id: id of the job that builds it.
        message: what the stack said.
    """

    version_id: str
    dataset_id: str
    job_id: str
    message: str
    version: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProjectReport(Answer):
    """A project to which images were added.

    Attributes:
        id: id of the project.
        job_id: id of the job that adds them.
        added: number of images that are new in it; None if the stack did not say.
    """

    id: str
    job_id: str
    added: int | None
