"""Exports: asked for, looked at, deleted; and the samples of a version, page by page."""

from __future__ import annotations

import re
from typing import Annotated

from litestar import Response
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
from layernext.stack.api.access import HANDLER, Scope, check_thing, readable
from layernext.stack.api.audit import note
from layernext.stack.api.exports import export_file_url
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    find_collection,
    read_message,
    read_path,
    read_query,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.published.datasets import check_ready
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.jobs import label_list, samples_of
from layernext.stack.store import ExportRow, ExportSettings
from layernext.wire.exports import EXPORTS_PATH, ExportRequest, SampleLine, SamplePage
from layernext.wire.native import DATASETS_PATH

_EXPORT = (Parameter("export_id", "The export's id."),)
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
        is_recorded=True,
        body=ExportRequest,
        answer=Export,
        errors=(400, 404, 409, 413, 422),
    ),
)
async def start_export(request: Call) -> Response[bytes]:
    """Starts a job that writes a run of a collection, or a dataset version, in another format.

    The result is one file, which the stack keeps; a folder is packed as zip. It is deleted after 7 days.
    Who may only read exports directly instead.
    """
    wanted, services = await read_message(request, ExportRequest), services_of(request)
    try:
        kind = get_format(wanted.format)
    except ConfigurationError as error:
        raise DataError(Problem("format", error.message)) from error
    if kind.write is None:
        raise DataError(Problem("format", f"{kind.name} is read, not written"))
    if kind.name == "coco-results":
        message = (
            "COCO results have the numbers of a file of instances, which a stack does not have"
        )
        raise DataError(Problem("format", message))
    is_of_run = wanted.collection is not None and wanted.run is not None
    if is_of_run == (wanted.dataset_version is not None):
        raise DataError(Problem("", "needs collection and run, or dataset_version"))
    if is_of_run:
        settings, name = await _of_run(request, wanted)
    else:
        await check_thing(request, "dataset version", str(wanted.dataset_version))
        version = await services.call(services.store.datasets.get, str(wanted.dataset_version))
        check_ready(version)
        settings = ExportSettings(
            format=kind.name, version_id=version.id, split=wanted.split, strict=wanted.strict
        )
        name = f"{version.dataset}-1.0.{version.number}"
    plain = _NOT_IN_NAME.sub("_", name)[:100].strip(" .") or "export"

    def work() -> Response[bytes]:
        exports = services.store.exports
        row = exports.create(settings, f"{plain}{kind.extension}", kind.extension)
        note(request, subject=f"{plain}{kind.extension}")
        return answer(_record(request, row))

    response = await change(request, work)
    services.jobs.wake()
    return response


async def _of_run(request: Call, wanted: ExportRequest) -> tuple[ExportSettings, str]:
    services, run = services_of(request), str(wanted.run)
    check_name(run, "run", "a model run")
    if wanted.split is not None:
        raise DataError(Problem("split", "is for dataset versions"))
    place = await find_collection(request, str(wanted.collection))
    modes = await services.call(services.store.exports.modes_of, place.row_id, run)
    if wanted.mode is not None:
        modes = [each for each in modes if each == wanted.mode]
    if not modes:
        raise NotFound(f"{place.name!r} has no annotations of {run[:100]!r}", status=404)
    if len(modes) > 1:
        message = f"{run[:100]!r} is a model run and a ground truth; say which one with `mode`"
        raise Conflict(message, status=409)
    settings = ExportSettings(
        format=wanted.format,
        collection_id=place.row_id,
        collection=place.name,
        run=run,
        mode=modes[0],
        strict=wanted.strict,
    )
    return settings, f"{place.name}-{run}"


@operation(
    "GET",
    EXPORTS_PATH,
    Operation(
        summary="List exports", tag="Exports", role="read", scope=HANDLER, answer=list[Export]
    ),
)
async def list_exports(request: Call) -> Response[bytes]:
    """Every export that has not expired, newest first."""
    services = services_of(request)
    rows = await services.call(services.store.exports.list_all, readable(request))
    return answer([_record(request, row) for row in rows])


@operation(
    "GET",
    f"{EXPORTS_PATH}/{{export_id:str}}",
    Operation(
        summary="Look at an export",
        tag="Exports",
        role="read",
        scope=Scope(path={"export_id": "export"}),
        path=_EXPORT,
        answer=Export,
        errors=(400, 404),
    ),
)
async def get_export(request: Call) -> Response[bytes]:
    """An export: how far it is, and where its file can be had."""
    services = services_of(request)
    row = await services.call(services.store.exports.get, read_path(request, "export_id"))
    return answer(_record(request, row))


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
        path=_EXPORT,
        answer=Export,
        errors=(400, 404),
    ),
)
async def delete_export(request: Call) -> Response[bytes]:
    """Deletes an export and its file, and answers what it was."""
    services, export_id = services_of(request), read_path(request, "export_id")

    def work() -> Response[bytes]:
        row = services.store.exports.get(export_id)
        services.store.exports.delete(export_id)
        note(request, subject=row.file_name)
        return answer(_record(request, row))

    return await change(request, work)


@operation(
    "GET",
    f"{DATASETS_PATH}/{{version_id:str}}/samples",
    Operation(
        summary="The samples of a dataset version",
        tag="Datasets",
        role="read",
        scope=Scope(path={"version_id": "dataset version"}),
        path=(Parameter("version_id", "The version's id."),),
        query=SamplesQuery,
        answer=SamplePage,
        errors=(400, 404, 409, 422),
    ),
)
async def list_samples(request: Call) -> Response[bytes]:
    """Images of a version with their annotations in pixels, page by page, to be written anywhere."""
    query, services = read_query(request, SamplesQuery), services_of(request)
    datasets = services.store.datasets
    version = await services.call(datasets.get, read_path(request, "version_id"))
    check_ready(version)

    def work() -> SamplePage:
        image, _, picture = query.after.partition("-")
        rows = datasets.page_behind(version, int(image), int(picture), query.limit)
        lines, at = list[SampleLine](), None
        annotations = 0
        for number, row in enumerate(rows):
            for one in samples_of(version, row):
                lines.append(SampleLine(**{name: getattr(one, name) for name in _FIELDS}))
                annotations += len(one.annotations)
            if annotations >= PAGE_ANNOTATIONS or number + 1 == query.limit:
                is_picture = row.picture_id is not None
                at = f"{row.image_id if not is_picture else _ALL}-{row.picture_id or 0}"
                break
        labels = label_list(datasets, version) if query.after == "0-0" else []
        return SamplePage(samples=lines, labels=labels, next=at)

    return answer(await services.call(work))


_FIELDS = SampleLine.__struct_fields__
_ALL = (1 << 53) - 1
"""Behind every image: from here on there are pictures."""


def _record(request: Call, row: ExportRow) -> Export:
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
        url=None if row.size is None else export_file_url(request, row),
        images=None if outcome is None else outcome.images,
        annotations=None if outcome is None else outcome.annotations,
        losses={} if outcome is None else outcome.losses,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


ROUTES = [start_export, list_exports, get_export, delete_export, list_samples]
