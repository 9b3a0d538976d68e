"""Evaluations in the native protocol: paths and messages."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from layernext.model import (
    EvaluationSettings,
    Mode,
    RunStatistics,
    StoredTally,
)
from layernext.wire.native.protocol import BASE_PATH
from layernext.wire.paths import segment

EVALUATIONS_PATH = f"{BASE_PATH}/evaluations"
"""POST `EvaluateRequest`, answer `EvaluationInfo`; GET (query: collection, dataset_version, run,
ground_truth, after, limit), answer `PageOf` of `EvaluationInfo`, newest first."""

MATCHES_PATH = f"{BASE_PATH}/matches"
"""GET (query: image, run, ground_truth, …), answer `StoredMatches`."""

RUN_STATISTICS_PATH = f"{BASE_PATH}/runs/statistics"
"""GET (query: collection, run, mode), answer `StatisticsAnswer`."""


class EvaluateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Asks for an evaluation. The same request again gives the same evaluation.

    Attributes:
        run: name of a model run (or of a ground truth, to hold two annotators against each other).
        ground_truth: name of a ground truth (or of a model run: how far two runs disagree).
        collection: id or name; or else
        dataset_version: id of a version of a dataset, and
        split: ``train``, ``validation`` or ``test`` of it; left out for all.
        run_mode, truth_mode: where a model run and a ground truth have the same name.
        settings: what is computed, and how; left out for the usual.
        again: compute even if there is a result that is current.
    """

    run: str
    ground_truth: str
    collection: str | None = None
    dataset_version: str | None = None
    split: Literal["train", "validation", "test"] | None = None
    run_mode: Mode | None = None
    truth_mode: Mode | None = None
    settings: EvaluationSettings = EvaluationSettings()
    again: bool = False


class TallyPage(Struct, frozen=True, kw_only=True):
    """Some tallies.

    Attributes:
        items: in the order that was asked for.
        total: how many there are in all.
        next: the ``offset`` that brings the next ones; None at the end.
        is_current: whether the evaluation is.
    """

    items: list[StoredTally]
    total: int
    next: int | None
    is_current: bool


class StatisticsAnswer(Struct, frozen=True, kw_only=True):
    """What is known of a run.

    Attributes:
        status: ``completed``, or ``in_progress`` while `job_id` counts.
        job_id: what counts, or None.
        statistics: of now, or of before, or None; they say whether they are current.
    """

    status: Literal["completed", "in_progress"]
    job_id: str | None
    statistics: RunStatistics | None


def evaluation_path(evaluation_id: str) -> str:
    """GET, answer `EvaluationInfo`; DELETE."""
    return f"{EVALUATIONS_PATH}/{segment(evaluation_id)}"


def result_path(evaluation_id: str) -> str:
    """GET, answer `StoredEvaluation`."""
    return f"{evaluation_path(evaluation_id)}/result"


def tallies_path(evaluation_id: str) -> str:
    """GET (query: order, query, offset, limit), answer `TallyPage`."""
    return f"{evaluation_path(evaluation_id)}/tallies"


def confusion_path(evaluation_id: str) -> str:
    """GET (query: truth, run, offset, limit), answer `TallyPage`."""
    return f"{evaluation_path(evaluation_id)}/confusion"
