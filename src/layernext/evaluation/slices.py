"""Numbers of parts of the data: of images by their metadata, of truths by their attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from layernext.evaluation.averages import averages, mean
from layernext.evaluation.parts import BoolArray, Int32Array, Part
from layernext.evaluation.protocol_scores import scores_of_protocol
from layernext.evaluation.tallies import Outcome
from layernext.model import EvaluationSettings, SliceScores

MAX_VALUES = 50
"""Rows for one name, the most frequent values: a field like a file's number has as many as images."""

_RUN, _TRUTH, _IMAGE = range(3)


def slice_scores(
    part: Part, outcomes: Outcome, values: Sequence[str], settings: EvaluationSettings
) -> list[SliceScores]:
    """A row for each value of the wanted attributes and metadata.

    Args:
        part: everything matched.
        outcomes: at the reported confidence.
        values: keys by code.
        settings: completed.
    """
    rows: list[SliceScores] = []
    of_name: Counter[tuple[str, str]] = Counter()
    carried = np.bincount(part.tag_value[part.tag_kind != _RUN], minlength=len(values))
    for code in np.argsort(-carried, kind="stable").tolist():
        kind, name, value = values[code].split("\0", 2)
        of_name[kind, name] += 1
        if not carried[code] or of_name[kind, name] > MAX_VALUES:
            continue
        members = _carriers(part, code, _TRUTH if kind == "attribute" else _IMAGE)
        sign = -1.0 if settings.is_distance else 1.0
        if kind == "attribute":
            rows.append(_attribute(part, outcomes, name, value, members, values, sign))
        else:
            rows.append(_metadata(part, outcomes, name, value, members, settings, sign))
    return sorted(rows, key=lambda row: (row.kind, row.name, row.value))


def _carriers(part: Part, code: int, kind: int) -> Int32Array:
    carriers: Int32Array = part.tag_row[(part.tag_value == code) & (part.tag_kind == kind)]
    return carriers


def _attribute(
    part: Part,
    outcomes: Outcome,
    name: str,
    value: str,
    members: Int32Array,
    values: Sequence[str],
    sign: float,
) -> SliceScores:
    members = members[outcomes.truth_counts[members]]
    hits = members[outcomes.is_found[members]]
    finders = part.found_by[hits]
    names = np.array([key.split("\0", 2)[1] == name for key in values])
    key = f"attribute\0{name}\0{value}"
    is_of_run = part.tag_kind == _RUN
    naming = np.zeros(len(part.label), bool)
    agreeing = np.zeros(len(part.label), bool)
    naming[part.tag_row[is_of_run & names[part.tag_value]]] = True
    agreeing[part.tag_row[is_of_run & (part.tag_value == values.index(key))]] = True
    named = finders[naming[finders]]
    return SliceScores(
        kind="attribute",
        name=name,
        value=value,
        images=len(np.unique(part.truth_image[members])),
        truths=len(members),
        annotations=None,
        true_positives=len(hits),
        precision=None,
        recall=len(hits) / len(members) if len(members) else None,
        f1=None,
        mean_similarity=sign * float(np.mean(part.similarity[finders])) if len(hits) else None,
        agreement=float(np.mean(agreeing[named])) if len(named) else None,
    )


def _metadata(
    part: Part,
    outcomes: Outcome,
    name: str,
    value: str,
    members: Int32Array,
    settings: EvaluationSettings,
    sign: float,
) -> SliceScores:
    runs: BoolArray = np.isin(part.image, members)
    truths: BoolArray = np.isin(part.truth_image, members)
    hits = int(np.count_nonzero(outcomes.is_right & runs))
    said = int(np.count_nonzero(outcomes.counts & runs))
    truth_count = int(np.count_nonzero(outcomes.truth_counts & truths))
    alike = part.similarity[outcomes.is_right & runs]
    return SliceScores(
        kind="metadata",
        name=name,
        value=value,
        images=len(members),
        truths=truth_count,
        annotations=said,
        true_positives=hits,
        precision=hits / said if said else None,
        recall=hits / truth_count if truth_count else None,
        f1=2 * hits / (said + truth_count) if said + truth_count else None,
        mean_similarity=sign * float(np.mean(alike)) if hits else None,
        scores=_averages(part, members, settings),
    )


def _averages(
    part: Part, members: Int32Array, settings: EvaluationSettings
) -> dict[str, float | None]:
    """Averages over all sizes, as if there were only these images."""
    labels = 1 + int(max(part.label.max(initial=-1), part.truth_label.max(initial=-1)))
    special = scores_of_protocol(part, settings, labels, settings.confidence or 0.0)
    if special is not None:
        images = (part.image, part.truth_image, members)
        weights = np.zeros(1 + max(int(numbers.max(initial=0)) for numbers in images))
        weights[members] = 1.0
        return special.numbers(weights)
    runs: BoolArray = np.isin(part.image, members)
    truths: BoolArray = np.isin(part.truth_image, members)
    columns: dict[str, Any] = {
        name: getattr(part, name)[runs] for name in ("label", "score", "matched", "ignored", "rank")
    }
    columns |= {name: getattr(part, name)[truths] for name in ("truth_label", "truth_ignored")}
    selection = replace(part, **columns)
    order = np.lexsort((-selection.score, selection.label))
    means = averages(selection, settings, labels, order)
    scores = {"AP": mean(means.precision[:, :, 0])}
    half = 0.5
    if half in settings.thresholds and not settings.is_distance:
        number = settings.thresholds.index(half)
        scores["AP50"] = mean(means.precision[:, number, 0])
    return scores
