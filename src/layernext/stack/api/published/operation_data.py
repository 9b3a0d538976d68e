"""Annotation sets of a published client.

No published client looks at the answer, so a refusal is logged as a warning: that is where an
operator sees it.
"""

from __future__ import annotations

import logging
from typing import Any

from litestar import Response

from layernext.errors import DataError, LayerNextError, Problem
from layernext.model import Mode
from layernext.stack.api import ingest
from layernext.stack.api.access import HANDLER, check_thing, collection_check, readable
from layernext.stack.api.audit import entry_of, note
from layernext.stack.api.body import Body, received
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    decode_bulk_message,
    read_path,
    read_query,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
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
_RUN = Parameter("operation_id", "Name of the model run or ground truth; may have slashes.")
_TYPE = Parameter("operation_type", "Always 1: annotations.", {"type": "integer", "const": 1})
_MODE = Parameter("operation_mode", "1: ground truth, 2: model run.", {"enum": [1, 2]})
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
        path=(_TYPE, _MODE, _RUN),
        query=OperationDataQuery,
        body=OperationDataBody,
        answer=OperationDataAnswer,
        errors=_ERRORS,
    ),
)
async def update_operation(request: Call) -> Response[bytes]:
    """Stores annotation sets, one per image, each replacing the one before it.

    The whole batch is stored in one transaction, or nothing of it.
    """
    return await _update(request)


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
        path=(_RUN,),
        query=OperationDataQuery,
        body=OperationDataBody,
        answer=OperationDataAnswer,
        errors=_ERRORS,
    ),
)
async def update_operation_v2(request: Call) -> Response[bytes]:
    """Stores annotation sets, one per image, each replacing the one before it.

    The whole batch is stored in one transaction, or nothing of it.
    """
    return await _update(request)


async def _update(request: Call) -> Response[bytes]:
    services = services_of(request)
    path = {name: read_path(request, name) for name in request.path_params}
    try:
        query = read_query(request, OperationDataQuery)
        async with received(request, services.settings.max_body_bytes) as body:
            project_id = query.destination_project_id
            if project_id:
                # Before anything is stored; a run can only be attached once it is there.
                await check_thing(request, "project", project_id)
                await services.call(services.store.projects.get, project_id)
            run, mode, result = await services.ingest(
                _store, request, path, query.is_normalized, body
            )
            if project_id and mode == "machine":
                attach = services.store.projects.attach_runs
                await services.call(attach, project_id, [run], readable(request))
    except LayerNextError as error:
        request_id = request.scope["state"].get("request_id")
        named = path["operation_id"][:600]
        logger.warning("request %s: batch of %r refused: %s", request_id, named, str(error)[:2000])
        raise
    unmatched = result.unmatched
    return answer(
        OperationDataAnswer(
            is_success=True,
            message=f"{result.images} images, {unmatched} of them not in the stack yet",
            image_count=result.images,
            annotation_count=result.annotations,
            matched_count=max(result.images - unmatched, 0),
            unmatched_count=unmatched,
            is_repeated=result.repeated,
            new_labels=result.new_labels,
        )
    )


def _store(
    request: Call, path: dict[str, str], normalized: bool, body: Body
) -> tuple[str, Mode, BatchResult]:
    services = services_of(request)
    with body.content(services.settings.max_body_bytes) as content:
        data = decode_bulk_message(content, OperationData)
        ingest.refuse_repeated_fields(content, data)
        run, mode = _operation(path, data)
        if data.session_id is not None and data.session_id:
            session_problem = _session_problem(data.session_id)
            if session_problem:
                raise DataError(Problem("sessionId", session_problem))
        note(request, subject=run)
        total = data.total_image_count
        upload = PublishedUpload(
            run=run,
            mode=mode,
            session_id=data.session_id or None,
            total_images=total if total is not None and 0 <= total < MAX_COUNT else None,
            normalized=normalized,
            entry=entry_of(request),
        )
        digest = ingest.body_digest(content)
        with memoryview(data.meta_updates_array) as text:
            return (
                run,
                mode,
                ingest.write_published_batch(
                    services.store, upload, text, digest, collection_check(request)
                ),
            )


def _operation(path: dict[str, str], data: OperationData) -> tuple[str, Mode]:
    """The run and its mode. Only the body tells the two paths apart where an id has slashes."""
    run = path["operation_id"]
    kind: Any
    mode: Any
    if data.operation_mode is not None or data.operation_type is not None:
        kind, mode = data.operation_type, data.operation_mode
        if "operation_type" in path:
            run = f"{path['operation_type']}/{path['operation_mode']}/{run}"
    elif "operation_type" in path:
        kind, mode = (_number(path[name]) for name in ("operation_type", "operation_mode"))
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
