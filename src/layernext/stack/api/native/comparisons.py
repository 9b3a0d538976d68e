"""Comparisons of two evaluations: asked for, and read."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from layernext.errors import Conflict, DataError, NotFound, Problem
from layernext.model import Comparison, EvaluationInfo, Job
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import COMPARISON_JOB, Store
from layernext.wire.native import COMPARISONS_PATH, CompareRequest, StoredComparison


@operation(
    "POST",
    COMPARISONS_PATH,
    Operation(
        summary="Compare two evaluations",
        tag="Evaluations",
        role="write",
        scope=HANDLER,
        action="compare evaluations",
        wakes_jobs=True,
        errors=(400, 404, 409, 413, 422),
    ),
)
def compare(
    body: CompareRequest, store: Store, permissions: Permissions, audit: Audit
) -> StoredComparison:
    """Starts a job that compares two runs against one ground truth, unless it has been done already.

    Differences of every number with a confidence interval, truths gained and lost, how the runs
    agree with each other, and the images where they differ most.
    """
    for evaluation_id in (body.a, body.b):
        permissions.check_thing("evaluation", evaluation_id)
    audit.note(subject=f"{body.a} and {body.b}")
    return _request(store, body)


@operation(
    "GET",
    f"{COMPARISONS_PATH}/{{comparison_id:str}}",
    Operation(
        summary="Read a comparison",
        tag="Evaluations",
        role="read",
        scope=Scope(path={"comparison_id": "job"}),
        errors=(400, 404),
    ),
)
def get_comparison(
    comparison_id: Annotated[str, Meta(description="The comparison's id.")], store: Store
) -> StoredComparison:
    """How far a comparison is, and once it is completed, what it found."""
    job, payload = store.jobs.find(comparison_id), store.jobs.payload(comparison_id)
    if job is None or payload is None or job.kind != COMPARISON_JOB:
        raise NotFound(f"there is no comparison {comparison_id[:100]!r}", status=404)
    return _answer(store, job, payload)


def _request(store: Store, request: CompareRequest) -> StoredComparison:
    a, b = (store.evaluations.get(evaluation_id) for evaluation_id in (request.a, request.b))
    for name in (
        "collection_id",
        "dataset_version",
        "split",
        "ground_truth",
        "truth_mode",
        "settings",
    ):
        if getattr(a, name) != getattr(b, name):
            what = name.replace("_", " ").removesuffix(" id")
            raise DataError(
                Problem("b", f"is of another {what} than a, so they cannot be compared")
            )
    for side, info in (("a", a), ("b", b)):
        if not info.is_current:
            why = info.stale_because or "it has no result yet"
            raise Conflict(f"evaluation {side} is not current: {why}; compute it first", status=409)
    payload = {
        "a": a.id,
        "b": b.id,
        "computed": [a.computed_at, b.computed_at],
        "resamples": request.resamples,
        "seed": request.seed,
        "level": request.level,
        "images": request.images,
    }
    name = f"Compare {a.run} with {b.run}"
    return _answer(store, store.jobs.ensure(COMPARISON_JOB, name, payload), payload)


def _answer(store: Store, job: Job, payload: dict[str, Any]) -> StoredComparison:
    result = (store.jobs.result(job.id) or {}) if job.status == "completed" else {}
    compared = result.get("comparison")
    return StoredComparison(
        id=job.id,
        status=job.status,
        progress=job.progress,
        message=job.message,
        a=payload["a"],
        b=payload["b"],
        is_current=[_computed(store, payload[side]) for side in "ab"] == payload["computed"],
        comparison=None if compared is None else msgspec.convert(compared, Comparison),
        image_ids=result.get("image_ids", {}),
    )


def _computed(store: Store, evaluation_id: str) -> str | None:
    """When the current result of an evaluation was computed; None without one.

    Raises:
        NotFound: it was deleted, or is of a collection in the trash; so is the comparison.
    """
    info: EvaluationInfo = store.evaluations.get(evaluation_id)
    return info.computed_at if info.is_current else None


ROUTES = [compare, get_comparison]
