"""Datasets: listed, looked at, compared."""

from __future__ import annotations

from typing import Any

from litestar import Response
from msgspec import Struct

from layernext.model import DatasetDiff, DatasetVersion
from layernext.stack.api.access import HANDLER, Scope, check_thing, readable
from layernext.stack.api.messages import Call, answer, read_path, read_query
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.published.datasets import check_ready, version_number
from layernext.stack.api.services import services_of
from layernext.stack.store import Datasets, VersionImage, VersionRow
from layernext.wire.native import DATASETS_PATH

_VERSION = (Parameter("version_id", "The version's id."),)


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
        answer=list[DatasetVersion],
    ),
)
async def list_versions(request: Call) -> Response[bytes]:
    """Every version of every dataset, oldest first."""
    services = services_of(request)
    rows = await services.call(services.store.datasets.list_all, readable(request))
    return answer([_record(row) for row in rows])


@operation(
    "GET",
    f"{DATASETS_PATH}/{{version_id:str}}",
    Operation(
        summary="Look at a dataset version",
        tag="Datasets",
        role="read",
        scope=Scope(path={"version_id": "dataset version"}),
        path=_VERSION,
        answer=DatasetVersion,
        errors=(400, 404),
    ),
)
async def get_version(request: Call) -> Response[bytes]:
    """A version: how it was made, and what it holds."""
    services = services_of(request)
    version_id = read_path(request, "version_id")
    return answer(_record(await services.call(services.store.datasets.get, version_id)))


@operation(
    "GET",
    f"{DATASETS_PATH}/{{version_id:str}}/diff",
    Operation(
        summary="Compare two dataset versions",
        tag="Datasets",
        role="read",
        scope=Scope(path={"version_id": "dataset version"}),
        path=_VERSION,
        query=DiffQuery,
        answer=DatasetDiff,
        errors=(400, 404, 409),
    ),
)
async def diff_versions(request: Call) -> Response[bytes]:
    """Images that only one has, that are in another split, or whose annotations differ."""
    services, wanted = services_of(request), read_query(request, DiffQuery)
    datasets, first_id = services.store.datasets, read_path(request, "version_id")
    await check_thing(request, "dataset version", wanted.other)

    def work() -> DatasetDiff:
        first, second = datasets.get(first_id), datasets.get(wanted.other)
        check_ready(first)
        check_ready(second)
        return _diff(datasets, first, second)

    return answer(await services.ingest(work))


def _diff(datasets: Datasets, first: VersionRow, second: VersionRow) -> DatasetDiff:
    added: list[str] = []
    removed: list[str] = []
    moved: dict[str, list[str]] = {}
    changed: list[str] = []
    unchanged = 0
    left, right = datasets.iter_images(first), datasets.iter_images(second)
    one, other = next(left, None), next(right, None)
    # Both come by ascending image.
    while one is not None or other is not None:
        if other is None or (one is not None and one.image_id < other.image_id):
            removed.append(_name(one))
            one = next(left, None)
        elif one is None or other.image_id < one.image_id:
            added.append(_name(other))
            other = next(right, None)
        else:
            is_same = True
            if one.split != other.split:
                moved[one.unique_name] = [one.split, other.split]
                is_same = False
            if _sets(one) != _sets(other):
                changed.append(one.unique_name)
                is_same = False
            unchanged += is_same
            one, other = next(left, None), next(right, None)
    return DatasetDiff(
        added=added, removed=removed, moved=moved, changed=changed, unchanged=unchanged
    )


def _name(image: VersionImage | None) -> str:
    return "" if image is None else image.unique_name


def _sets(image: VersionImage) -> list[tuple[Any, ...]]:
    return [(one.run, one.mode, one.geometry, one.normalized, one.raw) for one in image.sets]


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
        augmentations=[str(each) for each in row.settings.augmentations],
        picture_count=row.picture_count,
    )


ROUTES = [list_versions, get_version, diff_versions]
