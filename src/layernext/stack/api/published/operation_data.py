"""Annotation sets of a published client.

No published client looks at the answer, so a refusal is logged as a warning: that is where an
operator sees it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, NamedTuple, TypeAlias

from msgspec import Meta

from layernext.errors import DataError, LayerNextError, Problem
from layernext.model import Mode, counted
from layernext.stack.api import ingest
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.body import Body
from layernext.stack.api.messages import check_name, decode_bulk_message, read_query
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.stack.api.signature import FromRequest, JsonStream, RequestId, Shape
from layernext.stack.store import PublishedUpload
from layernext.wire.native import BatchResult
from layernext.wire.published import (
    OPERATION_MODES,
    OPERATION_TYPE_ANNOTATION,
    OperationData,
    OperationDataAnswer,
    OperationDataBody,
    OperationDataQuery,
    operation_path_v1,
    operation_path_v2,
    title_of,
)

logger = logging.getLogger("layernext.stack.ingest")

MAX_SESSION_LENGTH = 256
MAX_COUNT = 1 << 62

_MODES: dict[int, Mode] = {code: mode for mode, code in OPERATION_MODES.items()}
OperationId: TypeAlias = Annotated[
    str, Meta(description="Name of the model run or ground truth; may have slashes.")
]
OperationType: TypeAlias = Annotated[
    str,
    Meta(
        description="Always 1: annotations.",
        extra_json_schema={"type": "integer", "const": OPERATION_TYPE_ANNOTATION},
    ),
]
OperationMode: TypeAlias = Annotated[
    str,
    Meta(
        description="1: ground truth, 2: model run.",
        extra_json_schema={"enum": sorted(_MODES)},
    ),
]
OperationBody: TypeAlias = Annotated[JsonStream, Shape(OperationDataBody)]
ReadQuery: TypeAlias = Annotated[
    Callable[[], OperationDataQuery],
    FromRequest(
        lambda request: partial(read_query, request, OperationDataQuery), query=OperationDataQuery
    ),
]
"""Reads the query; the handler does so, because it logs what it refuses."""

_ERRORS = (400, 404, 408, 409, 413, 415, 422)


@operation(
    "POST",
    operation_path_v1.route,
    Operation(
        summary=title_of(operation_path_v1),
        tag="Published protocol",
        role="write",
        scope=HANDLER,
        is_upload=True,
        action="upload annotations",
        errors=_ERRORS,
    ),
)
async def update_operation(
    operation_type: OperationType,
    operation_mode: OperationMode,
    operation_id: OperationId,
    read_query: ReadQuery,
    body: OperationBody,
    services: Services,
    permissions: Permissions,
    audit: Audit,
    request_id: RequestId,
) -> OperationDataAnswer:
    """Stores annotation sets, one per image, each replacing the one before it.

    The whole batch is stored in one transaction, or nothing of it.
    """
    with _refusals_logged(operation_id, request_id):
        batch = _Batch(services, permissions, audit, operation_id, (operation_type, operation_mode))
        return await _update(batch, read_query(), body)


@operation(
    "POST",
    operation_path_v2.route,
    Operation(
        summary=title_of(operation_path_v2),
        tag="Published protocol",
        role="write",
        scope=HANDLER,
        is_upload=True,
        action="upload annotations",
        errors=_ERRORS,
    ),
)
async def update_operation_v2(
    operation_id: OperationId,
    read_query: ReadQuery,
    body: OperationBody,
    services: Services,
    permissions: Permissions,
    audit: Audit,
    request_id: RequestId,
) -> OperationDataAnswer:
    """Stores annotation sets, one per image, each replacing the one before it.

    The whole batch is stored in one transaction, or nothing of it.
    """
    with _refusals_logged(operation_id, request_id):
        batch = _Batch(services, permissions, audit, operation_id)
        return await _update(batch, read_query(), body)


class _Batch(NamedTuple):
    """A request, and what it is carried out with.

    Attributes:
        operation_id: as the path has it.
        codes: type and mode, as the path has them; None if only the body does.
    """

    services: Services
    permissions: Permissions
    audit: Audit
    operation_id: str
    codes: tuple[str, str] | None = None


@contextmanager
def _refusals_logged(operation_id: str, request_id: str | None) -> Iterator[None]:
    try:
        yield
    except LayerNextError as error:
        logger.warning(
            "request %s: batch of %r refused: %s", request_id, operation_id[:600], str(error)[:2000]
        )
        raise


async def _update(
    batch: _Batch, query: OperationDataQuery, body: JsonStream
) -> OperationDataAnswer:
    services, permissions = batch.services, batch.permissions
    async with body.received(services.settings.max_body_bytes) as received:
        project_id = query.destination_project_id
        if project_id:
            # Before anything is stored; a run can only be attached once it is there.
            await services.call(_check_project, batch, project_id)
        run, mode, result = await services.ingest(_store, batch, query.is_normalized, received)
        if project_id and mode == "machine":
            attach = services.store.projects.attach_runs
            await services.call(attach, project_id, [run], permissions.readable)
    unmatched = result.unmatched
    return OperationDataAnswer(
        is_success=True,
        message=f"{counted(result.images, 'image')}, {unmatched:,} of them without a file yet",
        image_count=result.images,
        annotation_count=result.annotations,
        matched_count=max(result.images - unmatched, 0),
        unmatched_count=unmatched,
        is_repeated=result.repeated,
        new_labels=result.new_labels,
    )


def _check_project(batch: _Batch, project_id: str) -> None:
    batch.permissions.check_thing("project", project_id)
    batch.services.store.projects.get(project_id)


def _store(batch: _Batch, is_normalized: bool, body: Body) -> tuple[str, Mode, BatchResult]:
    services = batch.services
    with body.content(services.settings.max_body_bytes) as content:
        data = decode_bulk_message(content, OperationData)
        ingest.refuse_repeated_fields(content, data)
        run, mode = _operation(batch, data)
        if data.session_id is not None and data.session_id:
            session_problem = _session_problem(data.session_id)
            if session_problem:
                raise DataError(Problem("sessionId", session_problem))
        batch.audit.note(subject=run)
        total = data.total_image_count
        upload = PublishedUpload(
            run=run,
            mode=mode,
            session_id=data.session_id or None,
            total_images=total if total is not None and 0 <= total < MAX_COUNT else None,
            normalized=is_normalized,
            entry=batch.audit.entry(),
        )
        digest, check = ingest.body_digest(content), batch.permissions.collection_check
        with memoryview(data.meta_updates_array) as text:
            result = ingest.write_published_batch(services.store, upload, text, digest, check)
        return run, mode, result


def _operation(batch: _Batch, data: OperationData) -> tuple[str, Mode]:
    """The run and its mode. Only the body tells the two paths apart where an id has slashes."""
    run = batch.operation_id
    kind: Any
    mode: Any
    if data.operation_mode is not None or data.operation_type is not None:
        kind, mode = data.operation_type, data.operation_mode
        if batch.codes is not None:
            run = "/".join((*batch.codes, run))
    elif batch.codes is not None:
        kind, mode = map(_number, batch.codes)
    else:
        raise DataError(Problem("operationMode", "is missing, must be 1 (human) or 2 (machine)"))
    if kind != OPERATION_TYPE_ANNOTATION:
        raise DataError(Problem("operationType", f"is {kind}, must be 1 (annotations)"))
    if mode not in _MODES:
        raise DataError(Problem("operationMode", f"is {mode}, must be 1 (human) or 2 (machine)"))
    check_name(run, "the operation id", "a model run or ground truth")
    return run, _MODES[mode]


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 3 else text  # noqa: PLR2004 - codes have one digit


def _session_problem(session_id: str) -> str | None:
    if len(session_id) > MAX_SESSION_LENGTH:
        return f"has {len(session_id)} characters, must have at most {MAX_SESSION_LENGTH}"
    return "contains the character U+0000" if "\x00" in session_id else None


ROUTES = [update_operation, update_operation_v2]
