"""The contents of a stack as records: collections, model runs and ground truths, labels, jobs."""

from __future__ import annotations

import os
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from layernext.model.annotation import Mode
from layernext.model.display import record_html, short_repr
from layernext.model.skeleton import Skeleton


class Record(Struct, frozen=True, kw_only=True):
    """A typed answer of a stack. Fields are attributes; `to_dict` gives plain JSON data."""

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data that any JSON library can write."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=os.fspath)
        return plain

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return record_html(self)


ContentType: TypeAlias = Literal["image", "video", "other"]
"""The kind of item that a collection holds."""


class Collection(Record, frozen=True, kw_only=True):
    """A named set of images, or of videos, or of other files.

    Attributes:
        id: 24 hexadecimal digits, given by the stack.
        name: as the user named it, such as ``path1/path2``; empty for images that were named
            without a collection.
        image_count: images known to be in it.
        awaiting_file_count: how many of those have annotations but no file yet.
        created_at: UTC, ISO 8601.
        content_type: ``image``, ``video`` or ``other``; the counts are of these.
    """

    id: str
    name: str
    image_count: int
    awaiting_file_count: int
    created_at: str
    content_type: ContentType = "image"


class LabelClass(Record, frozen=True, kw_only=True):
    """A class of a collection; its position in the list is the class number in formats that have numbers.

    Attributes:
        name: the label.
        code: id of the class in a source that has ids, such as the categories of COCO; None if it has none.
        skeleton: skeleton of the keypoints of its annotations; None if it has none, or it is not known.
    """

    name: str
    code: int | str | None = None
    skeleton: Skeleton | None = None


class Item(Record, frozen=True, kw_only=True):
    """An image, video or other file of a collection.

    Attributes:
        id: 24 hexadecimal digits, given by the stack.
        name: name in its collection.
        unique_name: ``<collection>_<name>``, unique in the whole stack.
        collection: name of the collection.
        content_type: ``image``, ``video`` or ``other``.
        has_file: False if it has annotations but its file has not been uploaded yet.
        url: URL of the file, valid for at least an hour and without a key; None without a file.
        storage_path: path of the file in storage, or None.
        size: bytes.
        checksum: SHA-256 in hexadecimal; None until the stack has computed it.
        media_type: media type detected from the bytes, such as ``image/jpeg``.
        state: ``pending``, ``ready`` or ``failed``: whether the stack has inspected the file; ``missing`` if
            its content was lost, until the same file is uploaded again.
        failure: why that failed.
        width, height: size in pixels of the upright picture, after its EXIF orientation; the declared one
            while there is no picture.
        declared_width, declared_height: as a source of annotations says; None if none does.
        frame_count, frame_rate, duration_s: of a video: frames, frames a second, seconds.
        metadata: custom fields; `Tags` is a list of strings.
        created_at, updated_at: UTC, ISO 8601.
    """

    id: str
    name: str
    unique_name: str
    collection: str
    content_type: ContentType
    has_file: bool
    created_at: str
    updated_at: str
    url: str | None = None
    storage_path: str | None = None
    size: int | None = None
    checksum: str | None = None
    media_type: str | None = None
    state: str | None = None
    failure: str | None = None
    width: int | None = None
    height: int | None = None
    declared_width: int | None = None
    declared_height: int | None = None
    frame_count: int | None = None
    frame_rate: float | None = None
    duration_s: float | None = None
    metadata: dict[str, Any] = {}


class FileRecord(Record, frozen=True, kw_only=True):
    """The file of an image, video or other item of a collection.

    Attributes:
        id: 24 hexadecimal digits, given by the stack.
        name: name in its collection.
        unique_name: name that is unique in the whole stack.
        size: bytes.
        checksum: SHA-256 in hexadecimal; None until the stack has computed it.
        content_type: media type, detected from the bytes; None until the stack has inspected it.
        width, height: size in pixels of the upright picture; None if it is not an
            image or video, or not inspected yet.
        state: ``pending``, ``ready``, ``failed`` if it is not what its collection holds, or ``missing`` if
            its content was lost, until the same file is uploaded again.
        created_at: when the stack first heard of the image; UTC, ISO 8601.
        url: URL of its content, valid for at least an hour and without a key.
    """

    id: str
    name: str
    unique_name: str
    size: int
    checksum: str | None
    content_type: str | None
    width: int | None
    height: int | None
    state: str
    created_at: str
    url: str


class ModelRun(Record, frozen=True, kw_only=True):
    """One model run or ground truth, within one collection.

    Attributes:
        name: the operation id, as the user named it.
        mode: ``machine`` for a model run, ``human`` for ground truth.
        collection: name of the collection.
        image_count: images that have an annotation set, empty sets included.
        annotation_count: annotations in all sets.
        created_at, updated_at: UTC, ISO 8601.
    """

    name: str
    mode: Mode
    collection: str
    image_count: int
    annotation_count: int
    created_at: str
    updated_at: str


class LabelAttribute(Record, frozen=True, kw_only=True):
    """An attribute of a label.

    Attributes:
        name: as used in annotations.
        ref: stack-wide reference.
        value_count: how many distinct values the stack has seen.
        values: some of the values with their refs, as ``{"value": …, "ref": …}``.
    """

    name: str
    ref: str
    value_count: int
    values: list[dict[str, Any]]


class Label(Record, frozen=True, kw_only=True):
    """A class that annotations name.

    Attributes:
        name: as used in annotations.
        ref: stack-wide reference.
        color: ``#rrggbb``.
        description: free text, usually empty.
        attributes: the label's attributes.
    """

    name: str
    ref: str
    color: str
    description: str = ""
    attributes: list[LabelAttribute] = []


class MetadataNames(Record, frozen=True, kw_only=True):
    """Metadata fields and tags that were declared.

    Attributes:
        fields, tags: in alphabetical order.
        is_strict: whether the stack refuses all others.
    """

    fields: list[str]
    tags: list[str]
    is_strict: bool


class DatasetVersion(Record, frozen=True, kw_only=True):
    """A version of a dataset: frozen images and annotations, divided into splits.

    Attributes:
        id: id of the version.
        dataset_id, dataset: id and name of the dataset.
        version: such as ``1.0.0``.
        status: ``building``, ``ready`` or ``failed``.
        message: why it failed, or empty.
        job_id: id of the job that builds it.
        split: percentages of train, validation and test.
        splits: how many images each of them has.
        seed: random seed of the split.
        labels: only annotations with these labels are in it; empty for all.
        export_types: formats in which published clients can download it.
        operations: names of the model runs and ground truths; None for all.
        image_count, annotation_count: how many it contains.
        created_at: UTC, ISO 8601.
        augmentations: how additional pictures of the train split were generated, such as ``HUE.HUE_DEGREES -9..9``.
        picture_count: number of these pictures, in addition to the images.
    """

    id: str
    dataset_id: str
    dataset: str
    version: str
    status: str
    message: str
    job_id: str
    split: dict[str, float]
    splits: dict[str, int]
    seed: int
    labels: list[str]
    export_types: list[str]
    operations: list[str] | None
    image_count: int
    annotation_count: int
    created_at: str
    augmentations: list[str] = []
    picture_count: int = 0


class DatasetDiff(Record, frozen=True, kw_only=True):
    """How two versions differ.

    Attributes:
        added, removed: unique names of images that only the second or only the first has.
        moved: images that are in another split: a dictionary from name to the two splits.
        changed: unique names of images whose annotations differ.
        unchanged: number of images whose split and annotations are the same.
    """

    added: list[str]
    removed: list[str]
    moved: dict[str, list[str]]
    changed: list[str]
    unchanged: int


class Project(Record, frozen=True, kw_only=True):
    """An annotation project: images that people annotate, divided into tasks.

    Their work becomes the ground truth that is named after the project's id.

    Attributes:
        id: given by the stack.
        name: as the user named it.
        content_type: ``image`` or ``video``.
        default_shape_type: shape that annotators draw by default.
        frames_per_task: images in a task.
        label_group: id of its group of labels, or None.
        labels: references of its labels.
        runs: model runs that are attached.
        tasks: number of tasks in each state.
        image_count: number of images in all tasks.
        created_at, updated_at: UTC, ISO 8601.
    """

    id: str
    name: str
    content_type: ContentType
    default_shape_type: str
    frames_per_task: int
    label_group: str | None
    labels: list[str]
    runs: list[str]
    tasks: dict[str, int]
    image_count: int
    created_at: str
    updated_at: str


class Task(Record, frozen=True, kw_only=True):
    """A task of a project.

    Attributes:
        number: number of the task, from 1.
        status: ``not_started``, ``in_progress``, ``completed``, ``qa_in_review``, ``qa_completed``,
            ``qa_rejected``, ``accepted``, ``rejected``, ``fixing`` or ``fixed``.
        image_count: number of images in it.
        updated_at: UTC, ISO 8601.
    """

    number: int
    status: str
    image_count: int
    updated_at: str


class SimilarImage(Record, frozen=True, kw_only=True):
    """An image that is near another by its embedding.

    Attributes:
        unique_name: unique name of the image.
        image_id: given by the stack.
        score: the higher, the nearer: the cosine or the dot product; for ``l2``, the negative distance.
    """

    unique_name: str
    image_id: str
    score: float


class Job(Record, frozen=True, kw_only=True):
    """Work that the stack does, or an upload that it receives.

    Attributes:
        id: given by the stack.
        status: ``in_progress``, ``completed``, ``queued`` or ``failed``.
        progress: 0 to 100.
        message: why it failed, or empty.
        name: display name; empty for an upload of annotations.
        created_at: UTC, ISO 8601; None if the stack did not say.
        updated_at: when the stack last heard of it or, once it has ended, when it ended; None if the stack
            did not say.
        kind: kind of work, such as ``evaluation``; empty if the stack did not say.
        about: ids of what it works on, such as ``{"evaluation": …}``.
        can_cancel: whether it can be canceled.
    """

    id: str
    status: str
    progress: float
    message: str = ""
    name: str = ""
    created_at: str | None = None
    updated_at: str | None = None
    kind: str = ""
    about: dict[str, str] = {}
    can_cancel: bool = False
