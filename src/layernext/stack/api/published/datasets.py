"""Datasets: made and changed, downloaded by pages."""

from __future__ import annotations

import re
from collections.abc import Callable

from litestar import Response

from layernext.errors import DataError, InvalidRequest, NotFound, Problem
from layernext.stack.api.access import HANDLER, Scope, check_thing
from layernext.stack.api.audit import note
from layernext.stack.api.exports import export_url, image_export_url, url_of_version_file
from layernext.stack.api.messages import (
    Call,
    answer,
    answer_on_both_levels,
    check_name,
    read_message,
    read_path,
    read_query,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.store import SPLITS, VersionImage, VersionRow, VersionSettings
from layernext.wire.augmentations import Augmentation, read_augmentations
from layernext.wire.published import (
    CREATE_DATASET_PATH,
    DELETE_VERSION_PATH,
    EXPORT_TYPES,
    NEW_VERSION_PATH,
    UPDATE_VERSION_PATH,
    DataQuery,
    DeleteVersionAnswer,
    SelectionQuery,
    VersionAnswer,
    VersionPage,
    VersionPageAnswer,
    VersionQuery,
    VersionRequest,
    VersionResource,
    title_of,
    version_data_path,
)

_TAG = "Published protocol"
_ENDINGS = {"YOLO Darknet": "txt", "Pascal VOC": "xml", "Semantic Segmentation": "png"}
"""Of the file of each image, which needs to know how large the image is."""
_NOT_IN_DIRECTORY = re.compile(r"[^\w. -]")
_TOLERANCE = 1e-6
MAX_PAGE_SIZE = 1_000


def version_number(version: VersionRow) -> str:
    """As people read it."""
    return f"1.0.{version.number}"


def read_settings(message: VersionRequest) -> VersionSettings:
    """How a version is to be made.

    Raises:
        DataError: something cannot be, with the place.
    """
    problems = []
    if set(message.split_info) != set(SPLITS):
        problems.append(Problem("splitInfo", "must have train, test and validation"))
    elif min(message.split_info.values()) < 0:
        problems.append(Problem("splitInfo", "must not have negative percentages"))
    elif abs(sum(message.split_info.values()) - 100) > _TOLERANCE:
        total = sum(message.split_info.values())
        problems.append(Problem("splitInfo", f"adds up to {total:g}, must be 100"))
    for number, kind in enumerate(message.export_types):
        if kind not in EXPORT_TYPES:
            export_types = ", ".join(EXPORT_TYPES)
            why = " (TFRecord would take TensorFlow)" if "TFRecord" in kind else ""
            problems.append(
                Problem(
                    f"exportTypes[{number}]",
                    f"is {kind[:60]!r}; this stack makes {export_types}{why}",
                )
            )
    augmentations: list[Augmentation] = []
    try:
        augmentations = read_augmentations(message.augmentations, "augmentations")
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(problems)
    return VersionSettings(
        split=message.split_info,
        seed=message.seed,
        labels=message.labels,
        export_types=message.export_types or ["RAW"],
        operations=message.operations,
        stratify=message.stratify,
        augmentations=augmentations,
    )


@operation(
    "GET",
    CREATE_DATASET_PATH,
    Operation(
        summary=title_of(CREATE_DATASET_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="create dataset",
        is_recorded=True,
        query=SelectionQuery,
        body=VersionRequest,
        answer=VersionAnswer,
        errors=(400, 404, 409, 413, 422),
    ),
)
async def create_dataset(request: Call) -> Response[bytes]:
    """Makes a dataset with a first version, which a job builds. A GET that writes, as published."""
    query = read_query(request, SelectionQuery)
    message = await read_message(request, VersionRequest)
    check_name(message.name, "name", "a dataset")
    settings, services = read_settings(message), services_of(request)
    await check_thing(request, "selection", query.dataset_selection_id)
    store = services.store

    def work() -> VersionRow:
        selection = store.selections.find(query.dataset_selection_id)
        return store.datasets.create(str(message.name), selection, settings)

    return await _answer_version(request, work, "the dataset is being built")


@operation(
    "GET",
    NEW_VERSION_PATH,
    Operation(
        summary=title_of(NEW_VERSION_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="create dataset version",
        is_recorded=True,
        query=SelectionQuery,
        body=VersionRequest,
        answer=VersionAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def new_version(request: Call) -> Response[bytes]:
    """Makes a version after another one. Images keep their split. A GET that writes."""
    return await _follow(request, "the version is being built")


@operation(
    "GET",
    UPDATE_VERSION_PATH,
    Operation(
        summary=title_of(UPDATE_VERSION_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="create dataset version",
        is_recorded=True,
        query=SelectionQuery,
        body=VersionRequest,
        answer=VersionAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def update_version(request: Call) -> Response[bytes]:
    """Makes a version after another one, too: one that is ready never changes. The answer has its id."""
    return await _follow(request, "a version never changes; a new one is being built")


async def _follow(request: Call, message: str) -> Response[bytes]:
    query, body = read_query(request, SelectionQuery), await read_message(request, VersionRequest)
    settings, services = read_settings(body), services_of(request)
    await check_thing(request, "selection", query.dataset_selection_id)
    await check_thing(request, "dataset version", query.dataset_version_id or "")
    store = services.store

    def work() -> VersionRow:
        selection = store.selections.find(query.dataset_selection_id)
        return store.datasets.add_version(query.dataset_version_id or "", selection, settings)

    return await _answer_version(request, work, message)


async def _answer_version(
    request: Call, make: Callable[[], VersionRow], message: str
) -> Response[bytes]:
    def work() -> Response[bytes]:
        version = make()
        note(request, subject=f"{version.dataset} {version_number(version)}")
        return answer(
            VersionAnswer(
                dataset_id=version.dataset_id,
                dataset_version_id=version.id,
                version_id=version.id,
                version=version_number(version),
                job_id=version.job_id,
                message=message,
            )
        )

    response = await change(request, work)
    services_of(request).jobs.wake()
    return response


@operation(
    "GET",
    DELETE_VERSION_PATH,
    Operation(
        summary=title_of(DELETE_VERSION_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="delete dataset version",
        is_recorded=True,
        query=VersionQuery,
        answer=DeleteVersionAnswer,
        errors=(400, 404),
    ),
)
async def delete_version(request: Call) -> Response[bytes]:
    """Deletes a version for good; its images and their annotations stay. A GET that deletes."""
    query, services = read_query(request, VersionQuery), services_of(request)
    await check_thing(request, "dataset version", query.dataset_version_id)

    def work() -> Response[bytes]:
        if not services.store.datasets.delete(query.dataset_version_id):
            name = query.dataset_version_id[:100]
            raise NotFound(f"there is no dataset version {name!r}", status=404)
        note(request, subject=query.dataset_version_id)
        return answer(DeleteVersionAnswer())

    return await change(request, work)


@operation(
    "GET",
    version_data_path.route,
    Operation(
        summary=title_of(version_data_path),
        tag=_TAG,
        role="read",
        scope=Scope(path={"version_id": "dataset version"}),
        path=(
            Parameter("version_id", "The version's id."),
            Parameter("export_type", "One of those that it was made for."),
        ),
        query=DataQuery,
        answer=VersionPageAnswer,
        errors=(400, 404, 409, 422),
    ),
)
async def version_page(request: Call) -> Response[bytes]:
    """The files of a version: images, and annotations in the export type's form."""
    query, services = read_query(request, DataQuery), services_of(request)
    kind, datasets = read_path(request, "export_type"), services.store.datasets
    version = await services.call(datasets.get, read_path(request, "version_id"))
    check_ready(version)
    if kind not in version.settings.export_types:
        export_types = ", ".join(version.settings.export_types)
        raise InvalidRequest(
            f"the version was made for {export_types}, not for {kind[:60]!r}", status=422
        )

    def page() -> VersionPage:
        offset = (query.page_no - 1) * query.page_size
        rows = datasets.page_at(version, offset=offset, limit=query.page_size + 1)
        has_more = len(rows) > query.page_size
        resources = [
            resource
            for row in rows[: query.page_size]
            for resource in _resources(request, version, kind, row)
        ]
        if not has_more:
            resources += _last(request, version, kind)
        return VersionPage(
            identifier=version.id,
            format=kind,
            group_unique_name=_directory(version),
            creatable_directories=_directories(kind),
            next_page=has_more,
            resource_array=resources,
        )

    data = await services.call(page)
    is_early = query.annotation_type is None
    return answer_on_both_levels(data) if is_early else answer(VersionPageAnswer(data))


def check_ready(version: VersionRow) -> None:
    """Refuse a version that is not there yet.

    Raises:
        InvalidRequest: it is being built, or that failed.
    """
    if version.status != "ready":
        why = f": {version.failure}" if version.failure else ""
        raise InvalidRequest(f"the version is {version.status}{why}", status=409)


def _directory(version: VersionRow) -> str:
    name = _NOT_IN_DIRECTORY.sub("_", version.dataset)[:100].strip(" .") or "dataset"
    return f"{name}-{version_number(version)}"


def _directories(kind: str) -> list[str]:
    if kind == "COCO":
        return [f"{split}2017" for split in SPLITS]
    return ["data", *SPLITS] if kind == "Semantic Segmentation" else ["data"]


def _resources(
    request: Call, version: VersionRow, kind: str, row: VersionImage
) -> list[VersionResource]:
    folder = f"{row.split}2017" if kind == "COCO" else "data"
    url = url_of_version_file(request, row) if row.has_file else None
    is_listed = kind in {"YOLO Darknet", "Pascal VOC"}
    name = row.file_name
    media = VersionResource(
        file_name=name,
        file_download_folder_location=folder,
        file_url=url,
        is_media_file=True,
        writing_path_file_name=row.split if is_listed and url else None,
    )
    ending = _ENDINGS.get(kind)
    if ending is None:
        return [media]
    if not row.width or not row.height:
        message = f"the size of {name[:200]!r} in pixels is not known, which {kind} needs"
        raise InvalidRequest(message, status=422)
    text = VersionResource(
        file_name=f"{name.rpartition('.')[0] or name}.{ending}",
        file_download_folder_location=row.split if kind == "Semantic Segmentation" else folder,
        file_url=image_export_url(request, version.id, ending, row),
    )
    return [media, text]


def _last(request: Call, version: VersionRow, kind: str) -> list[VersionResource]:
    names = {
        "RAW": ["annotations.json", "readme.txt"],
        "YOLO Darknet": ["classes.txt", "readme.txt"],
        "COCO": [f"{split}.json" for split in SPLITS],
        "Pascal VOC": [],
        "Semantic Segmentation": ["classes.txt", "readme.txt"],
    }[kind]
    return [
        VersionResource(
            file_name=name,
            file_download_folder_location=".",
            file_url=export_url(request, version.id, name),
        )
        for name in names
    ]


ROUTES = [create_dataset, new_version, update_version, delete_version, version_page]
