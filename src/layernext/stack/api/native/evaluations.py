"""Evaluations: asked for, looked at, image by image."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from layernext.errors import (
    ConfigurationError,
    DataError,
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
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import Encoded, check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.signature import Binary
from layernext.stack.search import Search
from layernext.stack.store import SPLITS, EvaluationRequest, Store, not_computed, read_cursor
from layernext.wire.native import EVALUATIONS_PATH, MAX_PAGE, EvaluateRequest, PageOf, TallyPage

EvaluationId: TypeAlias = Annotated[str, Meta(description="The evaluation's id.")]
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
        wakes_jobs=True,
        is_recorded=True,
        errors=(400, 404, 409, 413, 422),
    ),
)
def evaluate(
    body: EvaluateRequest, store: Store, permissions: Permissions, audit: Audit
) -> EvaluationInfo:
    """Starts a job that measures a run against a ground truth, unless there is a current result.

    There is one evaluation for the same target, run, ground truth and settings; its id stays.
    """
    check_name(body.run, "run", "a model run")
    check_name(body.ground_truth, "ground_truth", "a ground truth")
    if (body.collection is None) == (body.dataset_version is None):
        raise DataError(Problem("", "needs either collection or dataset_version"))
    if body.split is not None and body.dataset_version is None:
        raise DataError(Problem("split", "is for dataset versions"))
    settings = completed(body.settings)
    collection = None
    if body.collection is not None:
        collection = permissions.find_collection(body.collection)
        audit.note(collection=collection.name)
    audit.note(subject=body.run)
    if body.dataset_version is not None:
        permissions.check_thing("dataset version", body.dataset_version)
    return store.evaluations.request(
        EvaluationRequest(
            collection_id=None if collection is None else collection.row_id,
            version_id=body.dataset_version,
            split=-1 if body.split is None else SPLITS.index(body.split),
            run=body.run,
            truth=body.ground_truth,
            run_mode=body.run_mode,
            truth_mode=body.truth_mode,
            settings=settings,
            is_default=settings == EvaluationSettings(geometry=settings.geometry).complete(),
            again=body.again,
        )
    )


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
        errors=(400, 404),
    ),
)
def list_evaluations(
    query: EvaluationsQuery, store: Store, permissions: Permissions
) -> PageOf[EvaluationInfo]:
    """Evaluations, newest first, each with whether it is current."""
    items, following = store.evaluations.list_page(
        after=read_cursor(query.after),
        collection_id=permissions.find_row_id(query.collection),
        version_id=query.dataset_version,
        run=query.run,
        truth=query.ground_truth,
        limit=query.limit,
        within=permissions.readable,
    )
    return PageOf(items, None if following is None else str(following))


@operation(
    "GET",
    _ONE,
    Operation(
        summary="Look at an evaluation",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        errors=(400, 404),
    ),
)
def get_evaluation(evaluation_id: EvaluationId, store: Store) -> EvaluationInfo:
    """What was compared, how far it is, whether it is current; and the numbers of the whole."""
    return store.evaluations.get(evaluation_id)


@operation(
    "GET",
    f"{_ONE}/result",
    Operation(
        summary="Read an evaluation",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        errors=(400, 404, 409),
    ),
)
def get_result(evaluation_id: EvaluationId, store: Store) -> Encoded[StoredEvaluation]:
    """All numbers, tables and curves, and under `info` what `GET` of the evaluation says.

    409 as long as there is no result.
    """
    info, result = store.evaluations.result(evaluation_id)
    return Encoded(b'{"info":' + msgspec.json.encode(info) + b"," + result[1:])


@operation(
    "GET",
    f"{_ONE}/report",
    Operation(
        summary="Read an evaluation as a report",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        errors=(400, 404, 409),
    ),
)
def get_report(evaluation_id: EvaluationId, store: Store) -> Binary:
    """The numbers and tables as Markdown, to be kept as a file."""
    info, raw = store.evaluations.result(evaluation_id)
    evaluation = msgspec.json.decode(raw, type=Evaluation)
    target = info.dataset if info.collection is None else info.collection
    about = f"{info.run} against {info.ground_truth} in {target}, {info.computed_at}"
    if info.stale_because is not None:
        about += f"; out of date: {info.stale_because}"
    # Names are data: no line break of theirs begins a line of the report.
    report = f"{' '.join(about.split())}\n\n{evaluation.to_markdown()}".encode()
    headers = {"Content-Disposition": f'attachment; filename="evaluation-{evaluation_id}.md"'}
    return Encoded(report, media_type="text/markdown; charset=utf-8", headers=headers)


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
        errors=(400, 404),
    ),
)
def delete_evaluation(evaluation_id: EvaluationId, store: Store, audit: Audit) -> dict[str, str]:
    """Deletes an evaluation; if it is being computed, that ends."""
    if not store.evaluations.delete(evaluation_id):
        raise NotFound(f"there is no evaluation {evaluation_id[:100]!r}", status=404)
    audit.note(subject=evaluation_id)
    return {"deleted": evaluation_id}


@operation(
    "GET",
    f"{_ONE}/tallies",
    Operation(
        summary="List how a run did in each image",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        errors=(400, 404, 409, 422),
    ),
)
def list_tallies(
    evaluation_id: EvaluationId, query: TalliesQuery, store: Store, search: Search
) -> TallyPage:
    """Images with their counts, in any order; for a grid from worst to best.

    ``worst`` has the lowest F1 first and among equals the most errors, ``best`` turns that round.
    """
    info = _with_result(store.evaluations.get(evaluation_id))
    items, total = search.tallies.page(
        evaluation_id,
        order=query.order,
        query=query.query,
        offset=query.offset,
        limit=query.limit,
    )
    return _page(info, items, total, query.offset)


@operation(
    "GET",
    f"{_ONE}/confusion",
    Operation(
        summary="List the images behind a cell of the confusion matrix",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"evaluation_id": "evaluation"}),
        errors=(400, 404, 409),
    ),
)
def list_confusion(
    evaluation_id: EvaluationId, query: ConfusionQuery, store: Store, search: Search
) -> TallyPage:
    """Images in which something of one label was taken for another, most often first."""
    info, raw = store.evaluations.result(evaluation_id)
    labels = msgspec.json.decode(raw, type=Evaluation).confusion.labels
    row, column = (_label_number(labels, label) for label in (query.truth, query.run))
    items, total = search.tallies.cell(
        evaluation_id, row, column, offset=query.offset, limit=query.limit
    )
    return _page(info, items, total, query.offset)


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
