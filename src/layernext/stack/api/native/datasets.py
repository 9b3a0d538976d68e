"""Datasets: listed, looked at, compared."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import Meta, Struct

from layernext.model import DatasetDiff, DatasetVersion
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.published.datasets import check_ready, version_number
from layernext.stack.store import Datasets, Store, VersionImage, VersionRow
from layernext.wire.native import DATASETS_PATH

VersionId: TypeAlias = Annotated[str, Meta(description="The version's id.")]


class DiffQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Compared with what.

    Attributes:
        other: id of the second version.
    """

    other: str


@operation(
    "GET",
    DATASETS_PATH,
    Operation(
        summary="List dataset versions",
        tag="Datasets",
        role="read",
        scope=HANDLER,
    ),
)
def list_versions(store: Store, permissions: Permissions) -> list[DatasetVersion]:
    """Every version of every dataset, oldest first."""
    return [_record(row) for row in store.datasets.list_all(permissions.readable)]


@operation(
    "GET",
    f"{DATASETS_PATH}/{{version_id:str}}",
    Operation(
        summary="Look at a dataset version",
        tag="Datasets",
        role="read",
        scope=Scope(path={"version_id": "dataset version"}),
        errors=(400, 404),
    ),
)
def get_version(version_id: VersionId, store: Store) -> DatasetVersion:
    """A version: how it was made, and what it holds."""
    return _record(store.datasets.get(version_id))


@operation(
    "GET",
    f"{DATASETS_PATH}/{{version_id:str}}/diff",
    Operation(
        summary="Compare two dataset versions",
        tag="Datasets",
        role="read",
        scope=Scope(path={"version_id": "dataset version"}),
        errors=(400, 404, 409),
        threads="ingest",
    ),
)
def diff_versions(
    version_id: VersionId, query: DiffQuery, store: Store, permissions: Permissions
) -> DatasetDiff:
    """Images that only one has, that are in another split, or whose annotations differ."""
    permissions.check_thing("dataset version", query.other)
    first, second = store.datasets.get(version_id), store.datasets.get(query.other)
    check_ready(first)
    check_ready(second)
    return _diff(store.datasets, first, second)


def _diff(datasets: Datasets, first: VersionRow, second: VersionRow) -> DatasetDiff:
    added: list[str] = []
    removed: list[str] = []
    moved: dict[str, list[str]] = {}
    changed: list[str] = []
    unchanged = 0
    left, right = datasets.iter_images(first), datasets.iter_images(second)
    image, other = next(left, None), next(right, None)
    # Both come by ascending image.
    while image is not None or other is not None:
        if other is None or (image is not None and image.image_id < other.image_id):
            removed.append(_name(image))
            image = next(left, None)
        elif image is None or other.image_id < image.image_id:
            added.append(_name(other))
            other = next(right, None)
        else:
            is_same = True
            if image.split != other.split:
                moved[image.unique_name] = [image.split, other.split]
                is_same = False
            if _sets(image) != _sets(other):
                changed.append(image.unique_name)
                is_same = False
            unchanged += is_same
            image, other = next(left, None), next(right, None)
    return DatasetDiff(
        added=added, removed=removed, moved=moved, changed=changed, unchanged=unchanged
    )


def _name(image: VersionImage | None) -> str:
    return "" if image is None else image.unique_name


def _sets(image: VersionImage) -> list[tuple[Any, ...]]:
    return [(s.run, s.mode, s.geometry, s.normalized, s.raw) for s in image.sets]


def _record(row: VersionRow) -> DatasetVersion:
    return DatasetVersion(
        id=row.id,
        dataset_id=row.dataset_id,
        dataset=row.dataset,
        version=version_number(row),
        status=row.status,
        message=row.failure,
        job_id=row.job_id,
        split=row.settings.split,
        splits=row.splits,
        seed=row.settings.seed,
        labels=row.settings.labels,
        export_types=row.settings.export_types,
        operations=row.settings.operations,
        image_count=row.image_count,
        annotation_count=row.annotation_count,
        created_at=row.created_at,
        augmentations=[str(augmentation) for augmentation in row.settings.augmentations],
        picture_count=row.picture_count,
    )


ROUTES = [list_versions, get_version, diff_versions]
