"""Compares two runs that were evaluated against the same ground truth, in parts, as evaluations are."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from layernext.errors import Conflict
from layernext.evaluation import Evaluator, RunPairing, compare_evaluations
from layernext.model import EvaluationInfo
from layernext.stack.jobs.engines import Engine, processors
from layernext.stack.jobs.evaluations import (
    add_pair,
    image_wh,
    is_unsized,
    set_of,
    source_of,
)
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.jobs.spans import (
    ATTEMPTS,
    MERGED_PERCENT,
    SPAN_ANNOTATIONS,
    SPANS_PER_PROCESS,
    span_pool,
)
from layernext.stack.store import Changed, EvaluationData, Plan, Span, Store


class _Part(Struct):
    a: Evaluator
    b: Evaluator
    pairing: RunPairing
    image_ids: dict[str, int]


class _Sides(Struct, frozen=True):
    """Both evaluations: their ids and what they are computed from."""

    ids: tuple[str, str]
    plans: tuple[Plan, Plan]


def comparison_handler(store: Store, engine: Engine) -> Handler:
    """Compares two evaluations; the job's result is the comparison.

    Args:
        store: where everything is.
        engine: where parts are worked on.
    """

    def handle(context: JobContext) -> dict[str, Any]:
        for _ in range(ATTEMPTS):
            try:
                return _compare(store, context, engine)
            except Changed:  # noqa: PERF203 - a comparison costs more
                context.progress(0.0, "annotations have changed; starting again")
        raise Conflict(
            f"annotations changed while they were compared, {ATTEMPTS} times", status=409
        )

    return handle


def _compare(store: Store, context: JobContext, engine: Engine) -> dict[str, Any]:
    payload, data = context.payload, store.evaluations.data
    infos = [store.evaluations.get(payload[side]) for side in ("a", "b")]
    context.progress(0.0, "reading")
    spans = SPANS_PER_PROCESS * processors()
    plans = [data.plan(info.id, SPAN_ANNOTATIONS, spans) for info in infos]
    span_list = plans[0].spans
    plans = [msgspec.structs.replace(plan, spans=[]) for plan in plans]  # they go with every span
    sides = _Sides((infos[0].id, infos[1].id), (plans[0], plans[1]))
    whole = _empty(infos)
    with span_pool(store, engine, sum(plan.annotations for plan in plans)) as pool:
        arguments = [(sides, span, _empty(infos)) for span in span_list]
        for part, share in pool.work(context, EvaluationData, compare_span, arguments):
            whole.a.merge(part.a)
            whole.b.merge(part.b)
            whole.pairing.merge(part.pairing)
            whole.image_ids |= part.image_ids
            context.progress(MERGED_PERCENT * share, "images matched")
        context.progress(MERGED_PERCENT, "intervals")
        comparison = compare_evaluations(
            whole.a,
            whole.b,
            pairing=whole.pairing,
            name_a=infos[0].run,
            name_b=infos[1].run,
            resamples=payload["resamples"],
            seed=payload["seed"],
            level=payload["level"],
            image_limit=payload["images"],
            executor=pool.executor,
        )
    image_ids = {
        image.image: f"{whole.image_ids[image.image]:024x}" for image in comparison.different_images
    }
    return {"comparison": msgspec.to_builtins(comparison), "image_ids": image_ids}


def _empty(infos: list[EvaluationInfo]) -> _Part:
    a, b = infos
    pairing = RunPairing(a.settings, confidence_a=a.confidence, confidence_b=b.confidence)
    return _Part(Evaluator(a.settings), Evaluator(b.settings), pairing, {})


def compare_span(data: EvaluationData, sides: _Sides, span: Span, part: _Part) -> _Part:
    """Compare the images of a span.

    Raises:
        Changed: the sets are not those of the plans any more.
    """
    labels = sides.plans[0].source.labels
    streams = [
        data.iter_pairs(evaluation_id, plan, span)
        for evaluation_id, plan in zip(sides.ids, sides.plans, strict=True)
    ]
    # Both go by the images of the ground truth, whose state both have checked.
    for a, b in zip(*streams, strict=True):
        if is_unsized(a) or is_unsized(b):
            continue
        part.image_ids[a.name] = a.image_id
        add_pair(part.a, a, labels)
        add_pair(part.b, b, labels)
        part.pairing.add(
            a.name,
            None if a.run is None else set_of(a.run, labels),
            None if b.run is None else set_of(b.run, labels),
            image_wh=image_wh(a),
            source_a=None if a.run is None else source_of(a.run),
            source_b=None if b.run is None else source_of(b.run),
        )
    return part
