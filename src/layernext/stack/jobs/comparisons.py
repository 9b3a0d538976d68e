"""Compares two runs that were evaluated alike: both are evaluated again, image by image, side by side."""

from __future__ import annotations

from typing import Any

import msgspec

from layernext.errors import Conflict
from layernext.evaluation import Evaluator, RunPairing, Source, compare_evaluations
from layernext.model import Evaluation
from layernext.stack.jobs.evaluations import SPAN_ANNOTATIONS, add_pair
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.store import Changed, ImagePair, SideSet, Store

READ_PERCENT = 80.0
"""Of the progress, when all images were read; then images are drawn anew for the intervals."""


def comparison_handler(store: Store) -> Handler:
    """Compares the evaluations ``a`` and ``b``; the result is kept with the job.

    Args:
        store: where everything is.
    """

    def handle(context: JobContext) -> dict[str, Any]:
        try:
            return _compare(store, context)
        except Changed:
            text = "annotations changed while they were compared; compare them again"
            raise Conflict(text, status=409) from None

    return handle


def _compare(store: Store, context: JobContext) -> dict[str, Any]:
    data = store.evaluations.data
    ids = [str(context.payload[side]) for side in "ab"]
    infos = [store.evaluations.get(each) for each in ids]
    confidences = [_confidence(store, each) for each in ids]
    settings = data.settings(ids[0])
    plans = [data.plan(each, SPAN_ANNOTATIONS, 1) for each in ids]
    evaluators = [Evaluator(settings), Evaluator(settings)]
    pairings: dict[tuple[Source, Source], RunPairing] = {}
    image_ids: dict[str, int] = {}
    for number, span in enumerate(plans[0].spans):
        sides = [data.iter_pairs(each, plan, span) for each, plan in zip(ids, plans, strict=True)]
        for a, b in zip(*sides, strict=True):
            if _is_unsized(a) or _is_unsized(b):
                continue
            context.progress(READ_PERCENT * number / len(plans[0].spans))
            image_ids[a.name] = a.image_id
            for evaluator, pair in zip(evaluators, (a, b), strict=True):
                add_pair(evaluator, pair, plans[0].source.labels)
            sources = (_source(a.run), _source(b.run))
            pairing = pairings.get(sources)
            if pairing is None:
                pairing = pairings[sources] = RunPairing(
                    settings,
                    confidence_a=confidences[0],
                    confidence_b=confidences[1],
                    a=sources[0],
                    b=sources[1],
                )
            pairing.add(a.name, _raw(a.run), _raw(b.run), image_wh=_size(a))
    context.progress(READ_PERCENT, "confidence intervals")
    whole = RunPairing(settings, confidence_a=confidences[0], confidence_b=confidences[1])
    for pairing in pairings.values():
        whole.merge(pairing)
    found = compare_evaluations(
        *evaluators, pairing=whole, name_a=infos[0].run, name_b=infos[1].run
    )
    shown = {each.image: f"{image_ids[each.image]:024x}" for each in found.different_images}
    return {"comparison": msgspec.to_builtins(found), "image_ids": shown}


def _confidence(store: Store, evaluation_id: str) -> float | None:
    _, raw = store.evaluations.result(evaluation_id)
    return msgspec.json.decode(raw, type=Evaluation).confidence


def _is_unsized(pair: ImagePair) -> bool:
    if _size(pair) is not None:
        return False
    return pair.truth.normalized or (pair.run is not None and pair.run.normalized)


def _size(pair: ImagePair) -> tuple[float, float] | None:
    if pair.width is None or pair.height is None:
        return None
    return float(pair.width), float(pair.height)


def _raw(side: SideSet | None) -> bytes | None:
    return None if side is None else side.raw


def _source(side: SideSet | None) -> Source:
    if side is None:
        return Source()
    return Source(geometry=side.geometry, is_normalized=side.normalized)
