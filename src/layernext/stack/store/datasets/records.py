"""Versions of datasets, as records."""

from __future__ import annotations

from msgspec import Struct

from layernext.stack.store.annotations.records import StoredSet
from layernext.wire.augmentations import Augmentation


class VersionSettings(Struct, frozen=True, kw_only=True):
    """How a version is made.

    Attributes:
        split: percentages of train, validation and test.
        seed: of the division.
        labels: only annotations with these labels; empty for all.
        export_types: in which it can be downloaded by published clients.
        operations: names of model runs and ground truths; None for all, empty for none.
        stratify: divide each label evenly.
        augmentations: more pictures of the images of the train split.
    """

    split: dict[str, float]
    seed: int = 0
    labels: list[str] = []
    export_types: list[str] = []
    operations: list[str] | None = None
    stratify: bool = False
    augmentations: list[Augmentation] = []


class VersionRow(Struct, frozen=True, kw_only=True):
    """A version of a dataset."""

    row_id: int
    id: str
    dataset_id: str
    dataset: str
    number: int
    status: str
    failure: str
    settings: VersionSettings
    base_id: int | None
    job_id: str
    image_count: int
    annotation_count: int
    created_at: str
    ready_at: str | None
    splits: dict[str, int] = {}
    picture_count: int = 0
    label_names: list[str] | None = None


class VersionImage(Struct, frozen=True, kw_only=True):
    """An image of a version, or a picture made of one, with its annotation sets.

    Attributes:
        image_id: row id of the image.
        name, unique_name: the image's.
        file_name: in downloads; no other file of the version has it.
        split: ``train``, ``validation`` or ``test``.
        has_file, width, height: of the image, or the picture.
        sets: its annotation sets.
        picture_id: of a picture; None of an image.
        made_by: what was done for the picture.
    """

    image_id: int
    name: str
    unique_name: str
    file_name: str
    split: str
    has_file: bool
    width: int | None
    height: int | None
    sets: list[StoredSet]
    picture_id: int | None = None
    made_by: str = ""
