"""Evaluations: asked for, looked at, image by image."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response
from msgspec import Meta, Struct

from layernext.errors import (
    ConfigurationError,
    DataError,
    InvalidRequest,
    NotFound,
    Problem,
)
from layernext.model import (
    Evaluation,
    EvaluationInfo,
    EvaluationSettings,
    StoredEvaluation,
    TallyOrder,
)
from layernext.stack.api.access import HANDLER, Scope, check_thing, readable
from layernext.stack.api.audit import note
from layernext.stack.api.error_map import JSON
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
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.store import SPLITS, EvaluationRequest, not_computed
from layernext.wire.native import EVALUATIONS_PATH, MAX_PAGE, EvaluateRequest, PageOf, TallyPage

_EVALUATION = (Parameter("evaluation_id", "The evaluation's id."),)
_ONE = f"{EVALUATIONS_PATH}/{{evaluation_id:str}}"


class EvaluationsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which evaluations.

    Attributes:
        collection: id or name; left out means all.
        dataset_version: id; left out means all.
        run, ground_truth: names; left out means all.
        after: the ``next`` of the page before; left out for the first.
        limit: most records in the page.
    """

    collection: str | None = None
    dataset_version: str | None = None
    run: str | None = None
    ground_truth: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


class TalliesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tallies.

    Attributes:
        order: by what they are sorted.
        query: only images that this finds, in the query language; see docs/queries.md.
        offset: how many are left out before the first.
        limit: most tallies in the page.
    """

    order: TallyOrder = "worst"
    query: str = ""
    offset: Annotated[int, Meta(ge=0, le=1 << 31)] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100


class ConfusionQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which cell of the confusion matrix.

    Attributes:
        truth: label of the row; left out for the background: what the run found where nothing is.
        run: label of the column; left out for the background: what the run has missed.
        offset: how many are left out before the first.
        limit: most tallies in the page.
    """

    truth: str | None = None
    run: str | None = None
    offset: Annotated[int, Meta(ge=0, le=1 << 31)] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100


@operation(
    "POST",
    EVALUATIONS_PATH,
    Operation(
        summary="Evaluate a run",
        tag="Evaluations",
        role="write",
        scope=HANDLER,
        action="evaluate run",
        is_recorded=True,
        body=EvaluateRequest,
        answer=EvaluationInfo,
        errors=(400, 404, 409, 413, 422),
    ),
)
async def evaluate(request: Call) -> Response[bytes]:
    """Starts a job that measures a run against a ground truth, unless there is a current result.

    There is one evaluation for the same target, run, ground truth and settings; its id stays.
    """
    wanted, services = await read_message(request, EvaluateRequest), services_of(request)
    check_name(wanted.run, "run", "a model run")
    check_name(wanted.ground_truth, "ground_truth", "a ground truth")
    if (wanted.collection is None) == (wanted.dataset_version is None):
        raise DataError(Problem("", "needs either collection or dataset_version"))
    if wanted.split is not None and wanted.dataset_version is None:
        raise DataError(Problem("split", "is for dataset versions"))
    settings = completed(wanted.settings)
    place = None
    if wanted.collection is not None:
        collection = await find_collection(request, wanted.collection)
        place = collection.row_id
        note(request, collection=collection.name)
    note(request, subject=wanted.run)
    if wanted.dataset_version is not None:
        await check_thing(request, "dataset version", wanted.dataset_version)
    usual = EvaluationSettings(geometry=settings.geometry).complete()
    asked = EvaluationRequest(
        collection_id=place,
        version_id=wanted.dataset_version,
        split=-1 if wanted.split is None else SPLITS.index(wanted.split),
        run=wanted.run,
        truth=wanted.ground_truth,
        run_mode=wanted.run_mode,
        truth_mode=wanted.truth_mode,
        settings=settings,
        is_default=settings == usual,
        again=wanted.again,
    )
    response = await change(request, lambda: answer(services.store.evaluations.request(asked)))
    services.jobs.wake()
    return response


def completed(settings: EvaluationSettings) -> EvaluationSettings:
    """The settings with every blank filled in.

    Raises:
        DataError: they contradict each other.
    """
    try:
        return settings.complete()
    except ConfigurationError as error:
        raise DataError(Problem("settings", error.message), hint=error.hint) from error


@operation(
    "GET",
    EVALUATIONS_PATH,
    Operation(
        summary="List evaluations",
        tag="Evaluations",
        role="read",
        scope=HANDLER,
        query=EvaluationsQuery,
        answer=PageOf[EvaluationInfo],
        errors=(400, 404),
    ),
)
async def list_evaluations(request: Call) -> Response[bytes]:
    """Evaluations, newest first, each with whether it is current."""
    wanted, services = read_query(request, EvaluationsQuery), services_of(request)
    after = wanted.after or "0"
    if not (after.isascii() and after.isdecimal() and len(after) < 19):  # noqa: PLR2004
        raise InvalidRequest(f"{after[:100]!r} is not a cursor from an earlier answer", status=400)
    place = None
    if wanted.collection is not None:
        place = (await find_collection(request, wanted.collection)).row_id
    evaluations, within = services.store.evaluations, readable(request)

    def work() -> tuple[list[EvaluationInfo], int | None]:
        return evaluations.list_page(
            collection_id=place,
            version_id=wanted.dataset_version,
            run=wanted.run,
            truth=wanted.ground_truth,
            after=int(after),
            limit=wanted.limit,
            within=within,
        )

    items, following = await services.call(work)
    return answer(PageOf(items, None if following is None else str(following)))


@operation(
    "GET",
    _ONE,
    Operation(
        summary="Look at an evaluation",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        path=_EVALUATION,
        answer=EvaluationInfo,
        errors=(400, 404),
    ),
)
async def get_evaluation(request: Call) -> Response[bytes]:
    """What was compared, how far it is, whether it is current; and the numbers of the whole."""
    services, evaluation_id = services_of(request), read_path(request, "evaluation_id")
    return answer(await services.call(services.store.evaluations.get, evaluation_id))


@operation(
    "GET",
    f"{_ONE}/result",
    Operation(
        summary="Read an evaluation",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        path=_EVALUATION,
        answer=StoredEvaluation,
        errors=(400, 404, 409),
    ),
)
async def get_result(request: Call) -> Response[bytes]:
    """All numbers, tables and curves, and under `info` what `GET` of the evaluation says.

    409 as long as there is no result.
    """
    services, evaluation_id = services_of(request), read_path(request, "evaluation_id")
    info, result = await services.call(services.store.evaluations.result, evaluation_id)
    whole = b'{"info":' + msgspec.json.encode(info) + b"," + result[1:]
    return Response(whole, media_type=JSON)


@operation(
    "GET",
    f"{_ONE}/report",
    Operation(
        summary="Read an evaluation as a report",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        path=_EVALUATION,
        answer=bytes,
        is_binary=True,
        errors=(400, 404, 409),
    ),
)
async def get_report(request: Call) -> Response[bytes]:
    """The numbers and tables as Markdown, to be kept as a file."""
    services, evaluation_id = services_of(request), read_path(request, "evaluation_id")

    def work() -> bytes:
        info, raw = services.store.evaluations.result(evaluation_id)
        found = msgspec.json.decode(raw, type=Evaluation)
        place = info.dataset if info.collection is None else info.collection
        about = f"{info.run} against {info.ground_truth} in {place}, {info.computed_at}"
        if info.stale_because is not None:
            about += f"; out of date: {info.stale_because}"
        # Names are data: no line break of theirs begins a line of the report.
        return f"{' '.join(about.split())}\n\n{found.to_markdown()}".encode()

    headers = {"Content-Disposition": f'attachment; filename="evaluation-{evaluation_id}.md"'}
    return Response(
        await services.call(work), media_type="text/markdown; charset=utf-8", headers=headers
    )


@operation(
    "DELETE",
    _ONE,
    Operation(
        summary="Delete an evaluation",
        tag="Evaluations",
        role="write",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        action="delete evaluation",
        is_recorded=True,
        path=_EVALUATION,
        answer=dict[str, str],
        errors=(400, 404),
    ),
)
async def delete_evaluation(request: Call) -> Response[bytes]:
    """Deletes an evaluation; if it is being computed, that ends."""
    services, evaluation_id = services_of(request), read_path(request, "evaluation_id")

    def work() -> Response[bytes]:
        if not services.store.evaluations.delete(evaluation_id):
            raise NotFound(f"there is no evaluation {evaluation_id[:100]!r}", status=404)
        note(request, subject=evaluation_id)
        return answer({"deleted": evaluation_id})

    return await change(request, work)


@operation(
    "GET",
    f"{_ONE}/tallies",
    Operation(
        summary="List how a run did in each image",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        path=_EVALUATION,
        query=TalliesQuery,
        answer=TallyPage,
        errors=(400, 404, 409, 422),
    ),
)
async def list_tallies(request: Call) -> Response[bytes]:
    """Images with their counts, in any order; for a grid from worst to best.

    ``worst`` has the lowest F1 first and among equals the most errors, ``best`` turns that round.
    """
    services, wanted = services_of(request), read_query(request, TalliesQuery)
    evaluation_id = read_path(request, "evaluation_id")
    store = services.store

    def work() -> TallyPage:
        info = _with_result(store.evaluations.get(evaluation_id))
        items, total = services.search.tallies.page(
            evaluation_id,
            order=wanted.order,
            query=wanted.query,
            offset=wanted.offset,
            limit=wanted.limit,
        )
        return _page(info, items, total, wanted.offset)

    return answer(await services.call(work))


@operation(
    "GET",
    f"{_ONE}/confusion",
    Operation(
        summary="List the images behind a cell of the confusion matrix",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        path=_EVALUATION,
        query=ConfusionQuery,
        answer=TallyPage,
        errors=(400, 404, 409),
    ),
)
async def list_confusion(request: Call) -> Response[bytes]:
    """Images in which something of one label was taken for another, most often first."""
    services, wanted = services_of(request), read_query(request, ConfusionQuery)
    evaluation_id = read_path(request, "evaluation_id")
    store = services.store

    def work() -> TallyPage:
        info, raw = store.evaluations.result(evaluation_id)
        labels = msgspec.json.decode(raw, type=Evaluation).confusion.labels
        places = [_label_number(labels, label) for label in (wanted.truth, wanted.run)]
        items, total = services.search.tallies.cell(
            evaluation_id, places[0], places[1], offset=wanted.offset, limit=wanted.limit
        )
        return _page(info, items, total, wanted.offset)

    return answer(await services.call(work))


def _label_number(labels: list[str], label: str | None) -> int:
    if label is None:
        return len(labels)
    if label not in labels:
        raise NotFound(f"the evaluation has no label {label[:600]!r}", status=404)
    return labels.index(label)


def _with_result(info: EvaluationInfo) -> EvaluationInfo:
    if info.computed_at is None:
        raise not_computed(info)
    return info


def _page(info: EvaluationInfo, items: list[Any], total: int, offset: int) -> TallyPage:
    end = offset + len(items)
    following = end if items and end < total else None
    return TallyPage(items=items, total=total, next=following, is_current=info.is_current)


ROUTES = [
    list_evaluations,
    evaluate,
    get_evaluation,
    get_result,
    get_report,
    delete_evaluation,
    list_tallies,
    list_confusion,
]
