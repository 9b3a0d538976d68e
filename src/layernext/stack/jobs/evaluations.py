"""Evaluates runs that are in the store, in parts, in as many processes as there are processors.

Every part is read from the database where it is evaluated; what comes back is some 50 bytes an
annotation. If the sets change meanwhile the job starts over, so that a result is always of one state.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from layernext.errors import Conflict
from layernext.evaluation import Evaluator
from layernext.evaluation import Source as SetSource
from layernext.model import Evaluation, EvaluationSettings, decode_trusted
from layernext.stack.jobs.engines import Engine, processors
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.jobs.spans import (
    ATTEMPTS,
    MERGED_PERCENT,
    SPAN_ANNOTATIONS,
    SPANS_PER_PROCESS,
    span_pool,
)
from layernext.stack.store import (
    Changed,
    EvaluationData,
    EvaluationNotes,
    EvaluationOutcome,
    ImagePair,
    Plan,
    SideSet,
    Span,
    Store,
    TallyRow,
)

NAMED = 100
"""Images without a size that are named in a result."""


class Part(Struct):
    """What was evaluated of a span.

    Attributes:
        evaluator: holds it.
        ids: row ids of its images by the names that it knows them by.
        unsized: names of images that were left out for want of a size.
    """

    evaluator: Evaluator
    ids: dict[str, int]
    unsized: list[str]


def evaluation_handler(store: Store, engine: Engine) -> Handler:
    """Computes an evaluation and stores it.

    Args:
        store: where everything is.
        engine: where parts are evaluated.
    """

    def handle(context: JobContext) -> dict[str, Any]:
        evaluation_id = str(context.payload["evaluation"])
        for _ in range(ATTEMPTS):
            try:
                return _evaluate(store, evaluation_id, context, engine)
            except Changed:  # noqa: PERF203 - an evaluation costs more
                context.progress(0.0, "annotations have changed; starting again")
        raise Conflict(
            f"annotations changed while they were evaluated, {ATTEMPTS} times", status=409
        )

    return handle


def _evaluate(
    store: Store, evaluation_id: str, context: JobContext, engine: Engine
) -> dict[str, Any]:
    data = store.evaluations.data
    settings = data.settings(evaluation_id)
    context.progress(0.0, "reading")
    plan = data.plan(evaluation_id, SPAN_ANNOTATIONS, SPANS_PER_PROCESS * processors())
    whole = Part(Evaluator(settings), {}, [])
    spans = plan.spans
    plan = msgspec.structs.replace(plan, spans=[])  # it goes with every span
    with span_pool(store, engine, plan.annotations) as pool:
        arguments = [(evaluation_id, plan, span, settings) for span in spans]
        for part, share in pool.work(context, EvaluationData, evaluate_span, arguments):
            whole.evaluator.merge(part.evaluator)
            whole.ids |= part.ids
            whole.unsized += part.unsized
            context.progress(MERGED_PERCENT * share, f"{share:.0%} of the images matched")
    context.progress(MERGED_PERCENT, "averages and curves")
    outcome = _outcome(whole, plan)
    context.progress(95.0, "storing")
    data.store(evaluation_id, plan, outcome)
    return {"evaluation": evaluation_id, "images": outcome.notes.image_count}


def evaluate_span(
    data: EvaluationData,
    evaluation_id: str,
    plan: Plan,
    span: Span,
    settings: EvaluationSettings,
) -> Part:
    """Evaluate the images of a span.

    Raises:
        Changed: the sets are not those of the plan any more.
    """
    part = Part(Evaluator(settings), {}, [])
    for pair in data.iter_pairs(evaluation_id, plan, span):
        if is_unsized(pair):
            part.unsized.append(pair.name)
            continue
        part.ids[pair.name] = pair.image_id
        add_pair(part.evaluator, pair, plan.source.labels)
    return part


def add_pair(evaluator: Evaluator, pair: ImagePair, labels: tuple[str, ...] = ()) -> None:
    """Give an evaluator both sets of an image; with `labels` only annotations of these."""
    evaluator.add(
        pair.name,
        set_of(pair.truth, labels),
        None if pair.run is None else set_of(pair.run, labels),
        image_wh=image_wh(pair),
        metadata=pair.metadata,
        truth_source=source_of(pair.truth),
        run_source=None if pair.run is None else source_of(pair.run),
    )


def image_wh(pair: ImagePair) -> tuple[float, float] | None:
    """Width and height of the image in pixels, where both are known."""
    if pair.width is None or pair.height is None:
        return None
    return float(pair.width), float(pair.height)


def set_of(side: SideSet, labels: tuple[str, ...]) -> Any:
    """A set, with only the annotations of some labels if there are any."""
    if not labels:
        return side.raw
    whole = decode_trusted(side.raw, side.geometry)
    annotations = [annotation for annotation in whole.annotations if annotation.label in labels]
    return msgspec.structs.replace(whole, annotations=annotations)


def source_of(side: SideSet) -> SetSource:
    """How a set is to be read."""
    return SetSource(geometry=side.geometry, is_normalized=side.normalized)


def is_unsized(pair: ImagePair) -> bool:
    """Whether coordinates are fractions of a size that nobody knows."""
    if pair.width is not None and pair.height is not None:
        return False
    return pair.truth.normalized or (pair.run is not None and pair.run.normalized)


def _outcome(whole: Part, plan: Plan) -> EvaluationOutcome:
    whole.evaluator.count_images_without_truth(plan.unpaired)
    result = whole.evaluator.result()
    counts = result.counts | {"unsized_images": len(whole.unsized)}
    result = msgspec.structs.replace(result, counts=counts)
    tallies, cells = _by_image(whole, result)
    return EvaluationOutcome(
        result=msgspec.json.encode(result),
        summary=result.summary,
        notes=EvaluationNotes(
            image_count=len(tallies),
            confidence=result.confidence,
            uses_sizes=plan.uses_sizes,
            unsized=len(whole.unsized),
            unsized_names=sorted(whole.unsized)[:NAMED],
        ),
        tallies=tallies,
        cells=cells,
    )


def _by_image(
    whole: Part, result: Evaluation
) -> tuple[list[TallyRow], dict[tuple[int, int], tuple[list[int], list[int]]]]:
    codes: dict[str | None, int] = {
        label: code for code, label in enumerate(result.confusion.labels)
    }
    codes[None] = len(codes)
    tallies: list[TallyRow] = []
    cells: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for tally in whole.evaluator.iter_tallies(result.confidence):
        image_id = whole.ids[tally.image]
        for true_label, predicted_label, count in tally.confusion:
            ids, counts = cells.setdefault((codes[true_label], codes[predicted_label]), ([], []))
            ids.append(image_id)
            counts.append(count)
        tallies.append(
            TallyRow(
                image_id=image_id,
                truths=tally.truths,
                annotations=tally.annotations,
                true_positives=tally.true_positives,
                false_positives=tally.false_positives,
                missed=tally.missed,
                mislabelled=tally.mislabelled,
                f1=tally.f1,
                mean_similarity=tally.mean_similarity,
            )
        )
    tallies.sort(key=lambda row: row.image_id)
    return tallies, cells
