"""Datasets: made and changed, downloaded by pages."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from layernext.errors import DataError, InvalidRequest, NotFound, Problem
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.exports import export_url, image_export_url, url_of_version_file
from layernext.stack.api.messages import Encoded, answer_on_both_levels, check_name, encoded
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.signed import Links
from layernext.stack.store import SPLITS, Store, VersionImage, VersionRow, VersionSettings
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
        wakes_jobs=True,
        is_recorded=True,
        errors=(400, 404, 409, 413, 422),
    ),
)
def create_dataset(
    query: SelectionQuery,
    body: VersionRequest,
    store: Store,
    permissions: Permissions,
    audit: Audit,
) -> VersionAnswer:
    """Makes a dataset with a first version, which a job builds. A GET that writes, as published."""
    check_name(body.name, "name", "a dataset")
    settings = read_settings(body)
    permissions.check_thing("selection", query.dataset_selection_id)
    selection = store.selections.find(query.dataset_selection_id)
    version = store.datasets.create(str(body.name), selection, settings)
    return _version_answer(version, audit, "the dataset is being built")


@operation(
    "GET",
    NEW_VERSION_PATH,
    Operation(
        summary=title_of(NEW_VERSION_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="create dataset version",
        wakes_jobs=True,
        is_recorded=True,
        errors=(400, 404, 413, 422),
    ),
)
def new_version(
    query: SelectionQuery,
    body: VersionRequest,
    store: Store,
    permissions: Permissions,
    audit: Audit,
) -> VersionAnswer:
    """Makes a version after another one. Images keep their split. A GET that writes."""
    version = _following_version(query, body, store, permissions)
    return _version_answer(version, audit, "the version is being built")


@operation(
    "GET",
    UPDATE_VERSION_PATH,
    Operation(
        summary=title_of(UPDATE_VERSION_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="create dataset version",
        wakes_jobs=True,
        is_recorded=True,
        errors=(400, 404, 413, 422),
    ),
)
def update_version(
    query: SelectionQuery,
    body: VersionRequest,
    store: Store,
    permissions: Permissions,
    audit: Audit,
) -> VersionAnswer:
    """Makes a version after another one, too: one that is ready never changes. The answer has its id."""
    version = _following_version(query, body, store, permissions)
    return _version_answer(version, audit, "a version never changes; a new one is being built")


def _following_version(
    query: SelectionQuery, body: VersionRequest, store: Store, permissions: Permissions
) -> VersionRow:
    settings = read_settings(body)
    permissions.check_thing("selection", query.dataset_selection_id)
    permissions.check_thing("dataset version", query.dataset_version_id or "")
    selection = store.selections.find(query.dataset_selection_id)
    return store.datasets.add_version(query.dataset_version_id or "", selection, settings)


def _version_answer(version: VersionRow, audit: Audit, message: str) -> VersionAnswer:
    audit.note(subject=f"{version.dataset} {version_number(version)}")
    return VersionAnswer(
        dataset_id=version.dataset_id,
        dataset_version_id=version.id,
        version_id=version.id,
        version=version_number(version),
        job_id=version.job_id,
        message=message,
    )


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
        errors=(400, 404),
    ),
)
def delete_version(
    query: VersionQuery, store: Store, permissions: Permissions, audit: Audit
) -> DeleteVersionAnswer:
    """Deletes a version for good; its images and their annotations stay. A GET that deletes."""
    permissions.check_thing("dataset version", query.dataset_version_id)
    if not store.datasets.delete(query.dataset_version_id):
        name = query.dataset_version_id[:100]
        raise NotFound(f"there is no dataset version {name!r}", status=404)
    audit.note(subject=query.dataset_version_id)
    return DeleteVersionAnswer()


@operation(
    "GET",
    version_data_path.route,
    Operation(
        summary=title_of(version_data_path),
        tag=_TAG,
        role="read",
        scope=Scope(path={"version_id": "dataset version"}),
        errors=(400, 404, 409, 422),
    ),
)
def version_page(
    version_id: Annotated[str, Meta(description="The version's id.")],
    export_type: Annotated[str, Meta(description="One of those that it was made for.")],
    query: DataQuery,
    store: Store,
    links: Links,
) -> Encoded[VersionPageAnswer]:
    """The files of a version: images, and annotations in the export type's form."""
    version = store.datasets.get(version_id)
    check_ready(version)
    if export_type not in version.settings.export_types:
        export_types = ", ".join(version.settings.export_types)
        raise InvalidRequest(
            f"the version was made for {export_types}, not for {export_type[:60]!r}", status=422
        )
    offset = (query.page_no - 1) * query.page_size
    rows = store.datasets.page_at(version, offset=offset, limit=query.page_size + 1)
    has_more = len(rows) > query.page_size
    resources = [
        resource
        for row in rows[: query.page_size]
        for resource in _resources(links, version, export_type, row)
    ]
    if not has_more:
        resources += _last(links, version, export_type)
    page = VersionPage(
        identifier=version.id,
        format=export_type,
        group_unique_name=_directory(version),
        creatable_directories=_directories(export_type),
        next_page=has_more,
        resource_array=resources,
    )
    is_early = query.annotation_type is None
    return answer_on_both_levels(page) if is_early else encoded(VersionPageAnswer(page))


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
    links: Links, version: VersionRow, kind: str, row: VersionImage
) -> list[VersionResource]:
    folder = f"{row.split}2017" if kind == "COCO" else "data"
    url = url_of_version_file(links, row) if row.has_file else None
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
        file_url=image_export_url(links, version.id, ending, row),
    )
    return [media, text]


def _last(links: Links, version: VersionRow, kind: str) -> list[VersionResource]:
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
            file_url=export_url(links, version.id, name),
        )
        for name in names
    ]


ROUTES = [create_dataset, new_version, update_version, delete_version, version_page]
