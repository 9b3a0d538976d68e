"""Exports: asked for, looked at, deleted; and the samples of a version, page by page."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from layernext.errors import (
    ConfigurationError,
    Conflict,
    DataError,
    NotFound,
    Problem,
)
from layernext.formats import get_format
from layernext.model import Export
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.exports import export_file_url
from layernext.stack.api.messages import check_name
from layernext.stack.api.native.datasets import VersionId
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.published.datasets import check_ready
from layernext.stack.api.signed import Links
from layernext.stack.jobs import label_list, samples_of
from layernext.stack.store import ExportRow, ExportSettings, Store
from layernext.wire.native import DATASETS_PATH, EXPORTS_PATH, ExportRequest, SampleLine, SamplePage

ExportId: TypeAlias = Annotated[str, Meta(description="The export's id.")]
_NOT_IN_NAME = re.compile(r"[^\w. -]")
MAX_SAMPLES = 500
PAGE_ANNOTATIONS = 50_000
"""A page ends behind the image with which it has so many: a few MB."""


class SamplesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which page.

    Attributes:
        after: the ``next`` of the page before; left out for the first.
        limit: most images in the page.
    """

    after: Annotated[str, Meta(pattern=r"^[0-9]{1,18}-[0-9]{1,18}$")] = "0-0"
    limit: Annotated[int, Meta(ge=1, le=MAX_SAMPLES)] = MAX_SAMPLES


@operation(
    "POST",
    EXPORTS_PATH,
    Operation(
        summary="Start an export",
        tag="Exports",
        role="write",
        scope=HANDLER,
        action="start export",
        wakes_jobs=True,
        is_recorded=True,
        errors=(400, 404, 409, 413, 422),
    ),
)
def start_export(
    body: ExportRequest, store: Store, permissions: Permissions, audit: Audit, links: Links
) -> Export:
    """Starts a job that writes a run of a collection, or a dataset version, in another format.

    The result is one file, which the stack keeps; a folder is packed as zip. It is deleted after 7 days.
    Who may only read exports directly instead.
    """
    try:
        kind = get_format(body.format)
    except ConfigurationError as error:
        raise DataError(Problem("format", error.message)) from error
    if kind.write is None:
        raise DataError(Problem("format", f"{kind.name} is read, not written"))
    if kind.name == "coco-results":
        message = (
            "COCO results have the numbers of a file of instances, which a stack does not have"
        )
        raise DataError(Problem("format", message))
    is_of_run = body.collection is not None and body.run is not None
    if is_of_run == (body.dataset_version is not None):
        raise DataError(Problem("", "needs collection and run, or dataset_version"))
    if is_of_run:
        settings, name = _of_run(body, store, permissions)
    else:
        version_id = str(body.dataset_version)
        permissions.check_thing("dataset version", version_id)
        version = store.datasets.get(version_id)
        check_ready(version)
        settings = ExportSettings(
            format=kind.name, version_id=version.id, split=body.split, strict=body.strict
        )
        name = f"{version.dataset}-1.0.{version.number}"
    plain = _NOT_IN_NAME.sub("_", name)[:100].strip(" .") or "export"
    row = store.exports.create(settings, f"{plain}{kind.extension}", kind.extension)
    audit.note(subject=f"{plain}{kind.extension}")
    return _record(links, row)


def _of_run(
    request: ExportRequest, store: Store, permissions: Permissions
) -> tuple[ExportSettings, str]:
    run = str(request.run)
    check_name(run, "run", "a model run")
    if request.split is not None:
        raise DataError(Problem("split", "is for dataset versions"))
    collection = permissions.find_collection(str(request.collection))
    modes = store.exports.modes_of(collection.row_id, run)
    if request.mode is not None:
        modes = [mode for mode in modes if mode == request.mode]
    if not modes:
        raise NotFound(f"{collection.name!r} has no annotations of {run[:100]!r}", status=404)
    if len(modes) > 1:
        message = f"{run[:100]!r} is a model run and a ground truth; say which one with `mode`"
        raise Conflict(message, status=409)
    settings = ExportSettings(
        format=request.format,
        collection_id=collection.row_id,
        collection=collection.name,
        run=run,
        mode=modes[0],
        strict=request.strict,
    )
    return settings, f"{collection.name}-{run}"


@operation(
    "GET",
    EXPORTS_PATH,
    Operation(summary="List exports", tag="Exports", role="read", scope=HANDLER),
)
def list_exports(store: Store, permissions: Permissions, links: Links) -> list[Export]:
    """Every export that has not expired, newest first."""
    return [_record(links, row) for row in store.exports.list_all(permissions.readable)]


@operation(
    "GET",
    f"{EXPORTS_PATH}/{{export_id:str}}",
    Operation(
        summary="Look at an export",
        tag="Exports",
        role="read",
        scope=Scope(path={"export_id": "export"}),
        errors=(400, 404),
    ),
)
def get_export(export_id: ExportId, store: Store, links: Links) -> Export:
    """An export: how far it is, and where its file can be had."""
    return _record(links, store.exports.get(export_id))


@operation(
    "DELETE",
    f"{EXPORTS_PATH}/{{export_id:str}}",
    Operation(
        summary="Delete an export",
        tag="Exports",
        role="write",
        scope=Scope(path={"export_id": "export"}),
        action="delete export",
        is_recorded=True,
        errors=(400, 404),
    ),
)
def delete_export(export_id: ExportId, store: Store, audit: Audit, links: Links) -> Export:
    """Deletes an export and its file, and answers what it was."""
    row = store.exports.get(export_id)
    store.exports.delete(export_id)
    audit.note(subject=row.file_name)
    return _record(links, row)


@operation(
    "GET",
    f"{DATASETS_PATH}/{{version_id:str}}/samples",
    Operation(
        summary="The samples of a dataset version",
        tag="Datasets",
        role="read",
        scope=Scope(path={"version_id": "dataset version"}),
        errors=(400, 404, 409, 422),
    ),
)
def list_samples(version_id: VersionId, query: SamplesQuery, store: Store) -> SamplePage:
    """Images of a version with their annotations in pixels, page by page, to be written anywhere."""
    version = store.datasets.get(version_id)
    check_ready(version)
    image, _, picture = query.after.partition("-")
    rows = store.datasets.page_behind(version, int(image), int(picture), query.limit)
    lines, at = list[SampleLine](), None
    annotations = 0
    for number, row in enumerate(rows):
        for sample in samples_of(version, row):
            lines.append(SampleLine(**{name: getattr(sample, name) for name in _FIELDS}))
            annotations += len(sample.annotations)
        if annotations >= PAGE_ANNOTATIONS or number + 1 == query.limit:
            is_picture = row.picture_id is not None
            at = f"{row.image_id if not is_picture else _ALL}-{row.picture_id or 0}"
            break
    is_first = query.after == "0-0"
    labels = label_list(store.datasets, version) if is_first else []
    skeletons = store.classes.skeletons_of_version(version.row_id) if is_first else {}
    return SamplePage(samples=lines, labels=labels, skeletons=skeletons, next=at)


_FIELDS = SampleLine.__struct_fields__
_ALL = (1 << 53) - 1
"""Behind every image: from here on there are pictures."""


def _record(links: Links, row: ExportRow) -> Export:
    settings, outcome = row.settings, row.outcome
    return Export(
        id=row.id,
        job_id=row.job_id,
        status=row.status,
        message=row.message,
        format=settings.format,
        collection=settings.collection,
        run=settings.run,
        dataset_version=settings.version_id,
        split=settings.split,
        file_name=row.file_name,
        size=row.size,
        checksum=row.checksum,
        url=None if row.size is None else export_file_url(links, row),
        images=None if outcome is None else outcome.images,
        annotations=None if outcome is None else outcome.annotations,
        losses={} if outcome is None else outcome.losses,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


ROUTES = [start_export, list_exports, get_export, delete_export, list_samples]
