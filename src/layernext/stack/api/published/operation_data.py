"""Published upload of annotation sets: E03 (0.0.5, 1.x) and E04 (2.3.4)."""

from __future__ import annotations

import hashlib
import logging
import re
from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Request, post
from litestar.params import Parameter
from msgspec import Struct

from layernext.errors import DataError, LayerNextError, NotFound, Problem
from layernext.model import Mode, find_names_problem
from layernext.stack.api import auth, body, ingest
from layernext.stack.api.openapi import errors, json_body
from layernext.stack.settings import Settings
from layernext.stack.store import Store
from layernext.wire.native import BatchResult
from layernext.wire.published import OPERATION_DATA, OPERATION_MODES, OPERATION_TYPE_ANNOTATION
from layernext.wire.shapes import SetEntry

logger = logging.getLogger("layernext.stack.ingest")

MODES_BY_CODE: dict[int, Mode] = {code: mode for mode, code in OPERATION_MODES.items()}

_TYPED = re.compile(r"(\d+)/(\d+)/(.+)", re.DOTALL)
_TRUE = {"true", "1"}
_FALSE = {"false", "0", "", "none"}


class OperationDataRequest(Struct, rename="camel"):
    """E03 and E04. The annotation sets are JSON inside a JSON string."""

    meta_updates_array: str
    session_id: str | None = None
    total_image_count: int | None = None
    uploaded_image_count: int | None = None
    operation_mode: int | None = None
    operation_type: int | None = None


@post(
    OPERATION_DATA + "/{rest:path}",
    status_code=200,
    opt=auth.WRITE,
    tags=["published: annotations"],
    operation_class=json_body(OperationDataRequest),
    responses=errors(401, 403, 404, 413, 422),
)
async def operation_data(
    request: Request[Any, Any, Any],
    store: Store,
    settings: Settings,
    is_normalized: Annotated[str, Parameter(query="isNormalized")] = "",
) -> dict[str, Any]:
    """E03 `{type}/{mode}/{operation id}/update` and E04 `{operation id}/update`.

    The operation id is everything before the last `/update`, slashes included.
    """
    raw_path: bytes = request.scope["raw_path"]
    # Not the route's own parameter: that one has lost repeated slashes.
    rest = unquote(raw_path.partition(b"/operationdata/")[2].decode("latin-1"))
    content = await body.read_body(request, settings.max_body_bytes)
    result = await ingest.in_slot(partial(_store_batch, store, rest, is_normalized, content))
    return {
        "isSuccess": True,
        "message": f"{result.images} images stored",
        "imageCount": result.images,
        "annotationCount": result.annotations,
        "unmatchedCount": result.unmatched,
    }


def _store_batch(store: Store, rest: str, is_normalized: str, content: bytes) -> BatchResult:
    try:
        request = body.decode(content, OperationDataRequest)
        run, mode = _operation(rest, request)
        entries = _entries(request.meta_updates_array)
        return ingest.write_published_batch(
            store,
            run,
            mode,
            entries,
            hashlib.blake2b(content, digest_size=16).hexdigest(),
            session_id=request.session_id,
            total_images=_total(request),
            normalized=_flag(is_normalized),
        )
    except LayerNextError as error:
        # No published client looks at the answer, so the operator's log is the only witness.
        logger.warning("refused a batch of %r: %s", rest, error)
        raise


def _operation(rest: str, request: OperationDataRequest) -> tuple[str, Mode]:
    if not rest.endswith("/update"):
        raise NotFound("this path ends in /update", status=404)
    run = rest.removesuffix("/update")
    kind, mode_code = request.operation_type, request.operation_mode
    typed = _TYPED.fullmatch(run)
    if mode_code is None and typed:
        kind, mode_code, run = int(typed[1][:9]), int(typed[2][:9]), typed[3]
    if kind not in {OPERATION_TYPE_ANNOTATION, None}:
        raise DataError(Problem("operationType", f"is {kind}, must be {OPERATION_TYPE_ANNOTATION}"))
    mode = MODES_BY_CODE.get(mode_code or 0)
    if mode is None:
        raise DataError(Problem("operationMode", f"is {mode_code}, must be 1 (human) or 2 (machine)"))
    problem = find_names_problem(run, "a model run")
    if problem:
        raise DataError(Problem("the operation id", problem))
    return run, mode


def _entries(text: str) -> list[SetEntry]:
    try:
        return msgspec.json.decode(text, type=list[SetEntry])
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        raise DataError(Problem(f"metaUpdatesArray{where.rstrip('`')}", message)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        # NaN and Infinity, which the published clients can send, end here too.
        raise DataError(Problem("metaUpdatesArray", f"is not JSON: {error}")) from error


def _total(request: OperationDataRequest) -> int | None:
    total = request.total_image_count
    if total is None or not 0 <= total < 1 << 60:
        return None
    return total


def _flag(text: str) -> bool:
    """`True`, `False` in any case, or absent (wire-contract 1.4)."""
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise DataError(Problem("isNormalized", f"is {text!r}, must be True or False"))


ROUTES = [operation_data]
