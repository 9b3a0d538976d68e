"""Evaluations: a run measured against a ground truth, by the stack."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec.structs import fields as struct_fields

from layernext.client.answers import Job
from layernext.client.groups.group import Group
from layernext.client.groups.jobs import Jobs
from layernext.client.polling import poll
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.texts import check_text
from layernext.errors import ConfigurationError, DataError, JobFailed, Problem
from layernext.model import (
    Comparison,
    EvaluatedGeometry,
    EvaluationInfo,
    EvaluationSettings,
    Mode,
    StoredEvaluation,
    StoredMatches,
    StoredTally,
    TallyOrder,
)
from layernext.wire import native

_LONGEST_WAIT_S = 2.0


class Evaluations(Group):
    """Evaluations, computed by the stack and kept with the run; each says whether it is current."""

    def start(
        self,
        /,
        *,
        run: str,
        ground_truth: str,
        collection: str | None = None,
        dataset_version: str | None = None,
        split: Literal["train", "validation", "test"] | None = None,
        geometry: EvaluatedGeometry = "rectangle",
        run_mode: Mode | None = None,
        truth_mode: Mode | None = None,
        again: bool = False,
        **options: Any,
    ) -> EvaluationInfo:
        """Start an evaluation as `client.evaluate` does, without waiting for the result; see `wait`.

        Args:
            run, ground_truth, collection, dataset_version, split, geometry, run_mode, truth_mode,
                again, options: as in `client.evaluate`.

        Raises:
            DataError, NotFound: as in `client.evaluate`.
        """
        self._connection.require_native("evaluate")
        for name, value in (("run", run), ("ground_truth", ground_truth)):
            check_text(value, name, "a name")
        if (collection is None) == (dataset_version is None):
            raise DataError(Problem("collection", "pass either this or dataset_version"))
        request = native.EvaluateRequest(
            run=run,
            ground_truth=ground_truth,
            collection=collection,
            dataset_version=dataset_version,
            split=split,
            run_mode=run_mode,
            truth_mode=truth_mode,
            settings=evaluation_settings(geometry, options),
            again=again,
        )
        info: EvaluationInfo = self._transport.request_json(
            "POST", native.EVALUATIONS_PATH, EvaluationInfo, json=msgspec.to_builtins(request)
        )
        return info

    def wait(
        self,
        info: EvaluationInfo,
        *,
        timeout_s: float | None = None,
        progress: ProgressChoice = None,
    ) -> EvaluationInfo:
        """Wait until the stack has computed an evaluation.

        Args:
            info: the evaluation, as `start` returned it.
            timeout_s: maximum time to wait in seconds; None means no limit.
            progress: as in `client.upload_modelrun_from_json`; counts to 100.

        Returns:
            The evaluation as it is now; `get` has its numbers.

        Raises:
            JobFailed: the stack could not compute it; the message says why.
            RequestTimeout: it took too long; the stack continues.
        """
        percent = 0
        with show_progress(progress, f"evaluating {info.run}", 100, unit="percent") as advance:

            def ask() -> EvaluationInfo:
                nonlocal percent
                state = self.info(info.id)
                advance(max(0, int(state.progress) - percent))
                percent = max(percent, int(state.progress))
                return state

            info = poll(
                self._transport,
                info,
                ask,
                lambda state: state.status in {"queued", "in_progress"},
                describe=lambda state: f"the evaluation is at {state.progress:.0f} %",
                timeout_s=timeout_s,
                longest_wait_s=_LONGEST_WAIT_S,
            )
        if info.status == "failed":
            job = Job(id=info.job_id, status="failed", progress=info.progress, message=info.message)
            reason = info.message or "no reason stated"
            raise JobFailed(f"evaluating {info.run!r} failed: {reason}", job=job)
        return info

    def get(self, evaluation_id: str) -> StoredEvaluation:
        """An evaluation with its numbers, tables and curves.

        Args:
            evaluation_id: id from `list`, or ``evaluation.info.id``.

        Raises:
            NotFound: no evaluation has this id.
            Conflict: it has not been computed yet.
        """
        self._connection.require_native("read an evaluation")
        path = native.result_path(_checked(evaluation_id))
        evaluation: StoredEvaluation = self._transport.request_json("GET", path, StoredEvaluation)
        return evaluation

    def info(self, evaluation_id: str) -> EvaluationInfo:
        """What an evaluation compares, its progress, and whether it is current.

        Args:
            evaluation_id: as in `get`.

        Raises:
            NotFound: no evaluation has this id.
        """
        self._connection.require_native("read an evaluation")
        path = native.evaluation_path(_checked(evaluation_id))
        info: EvaluationInfo = self._transport.request_json("GET", path, EvaluationInfo)
        return info

    def delete(self, evaluation_id: str) -> None:
        """Delete an evaluation; a running computation is canceled.

        Args:
            evaluation_id: as in `get`.

        Raises:
            NotFound: no evaluation has this id.
        """
        self._connection.require_native("delete an evaluation")
        path = native.evaluation_path(_checked(evaluation_id))
        self._transport.request("DELETE", path)

    def iter_tallies(
        self,
        evaluation: str | StoredEvaluation | EvaluationInfo,
        *,
        order: TallyOrder = "worst",
        query: str = "",
    ) -> Iterator[StoredTally]:
        """How the run did in each image, worst first; fetched page by page.

        Args:
            evaluation: the evaluation, or its id.
            order: ``worst``, ``best``, ``false_positives``, ``missed``, ``mislabelled``,
                ``true_positives``, ``truths``, ``annotations``, ``similarity`` or ``image``.
            query: only images that match this query; see docs/queries.md.

        Raises:
            NotFound: there is no such evaluation.
            Conflict: it has not been computed yet.
            DataError: the query is wrong; the message says where.
        """
        path = native.tallies_path(_id_of(evaluation))
        yield from self._tallies(path, order=order, query=query)

    def iter_confused(
        self,
        evaluation: str | StoredEvaluation | EvaluationInfo,
        truth: str | None,
        run: str | None,
    ) -> Iterator[StoredTally]:
        """Images behind a cell of the confusion matrix, those that contribute most first.

        Args:
            evaluation: the evaluation, or its id.
            truth: label of the truth; None for the background: the run detected something that does not
                exist.
            run: label that the run gave; None for the background: the run missed it.

        Raises:
            NotFound: there is no such evaluation, or it has no such label.
            Conflict: it has not been computed yet.
        """
        path = native.confusion_path(_id_of(evaluation))
        yield from self._tallies(path, truth=truth, run=run)

    def match_image(
        self,
        image: str,
        *,
        evaluation: str | StoredEvaluation | EvaluationInfo | None = None,
        run: str | None = None,
        ground_truth: str | None = None,
        confidence: float | None = None,
        geometry: EvaluatedGeometry = "rectangle",
        match_threshold: float | None = None,
    ) -> StoredMatches:
        """Both current annotation sets of an image, and which annotations match.

        Args:
            image: id or unique name.
            evaluation: evaluation that the run, ground truth, settings and default confidence are taken from.
            run, ground_truth: names of the two, if no evaluation is given.
            confidence: annotations with a lower confidence are left out; None for that of the evaluation.
            geometry, match_threshold: as in the settings of an evaluation.

        Raises:
            NotFound: no such image, evaluation, run or ground truth.
            DataError: coordinates are fractions, and the image's size is not known.
        """
        self._connection.require_native("match an image")
        query: dict[str, Any] = {"image": check_text(image, "image", "an image")}
        if evaluation is not None:
            query["evaluation"] = _id_of(evaluation)
        else:
            query |= {"run": run, "ground_truth": ground_truth, "geometry": geometry}
            query |= {"match_threshold": match_threshold}
        query["confidence"] = confidence
        matches: StoredMatches = self._transport.request_json(
            "GET", native.MATCHES_PATH, StoredMatches, params=query
        )
        return matches

    def compare(
        self,
        info_a: EvaluationInfo,
        info_b: EvaluationInfo,
        *,
        resamples: int = 1000,
        seed: int = 0,
        level: float = 0.95,
        image_limit: int = 100,
        timeout_s: float | None = None,
    ) -> Comparison:
        """What differs between two evaluations of the same ground truth; waits for the stack.

        `client.compare` evaluates two runs and compares them.

        Args:
            info_a, info_b: the evaluations; differences are b minus a.
            resamples, seed, level, image_limit: as in `client.compare`.
            timeout_s: maximum time to wait in seconds; None means no limit.

        Raises:
            NotFound: there is no such evaluation.
            Conflict: annotations changed in the meantime.
            JobFailed, RequestTimeout: as in `client.jobs.wait`.
        """
        request = native.CompareRequest(
            a=info_a.id,
            b=info_b.id,
            resamples=resamples,
            seed=seed,
            level=level,
            images=image_limit,
        )
        answer: native.StoredComparison = self._transport.request_json(
            "POST",
            native.COMPARISONS_PATH,
            native.StoredComparison,
            json=msgspec.to_builtins(request),
        )
        job = Jobs(self._connection).wait(answer.id, timeout_s=timeout_s)
        path = native.comparison_path(answer.id)
        answer = self._transport.request_json("GET", path, native.StoredComparison)
        if answer.comparison is None:
            raise JobFailed(f"comparing {info_a.run!r} and {info_b.run!r} gave no result", job=job)
        return answer.comparison

    def _tallies(self, path: str, **params: Any) -> Iterator[StoredTally]:
        self._connection.require_native("list tallies")
        offset: int | None = 0
        while offset is not None:
            page = self._transport.request_json(
                "GET",
                path,
                native.TallyPage,
                params={**params, "offset": offset, "limit": native.MAX_PAGE},
            )
            yield from page.items
            offset = page.next

    def list(
        self,
        *,
        collection: str | None = None,
        dataset_version: str | None = None,
        run: str | None = None,
        ground_truth: str | None = None,
    ) -> builtins.list[EvaluationInfo]:
        """Evaluations, newest first; each says whether it is current.

        Args:
            collection: id or name; None for all.
            dataset_version: id; None for all.
            run, ground_truth: names; None for all.

        Raises:
            NotFound: there is no such collection.
        """
        return self._records(
            native.EVALUATIONS_PATH,
            EvaluationInfo,
            "list evaluations",
            collection=collection,
            dataset_version=dataset_version,
            run=run,
            ground_truth=ground_truth,
        )


def evaluation_settings(geometry: Any, options: dict[str, Any]) -> EvaluationSettings:
    """The settings that arguments mean, checked.

    Raises:
        DataError: there is no such option, or options contradict each other.
    """
    names = [field.name for field in struct_fields(EvaluationSettings)]
    for name in options:
        if name not in names:
            raise DataError(Problem(name, f"is not an option; the options are {', '.join(names)}"))
    try:
        settings = EvaluationSettings(geometry=geometry, **options)
        settings.complete()
    except (ConfigurationError, KeyError, TypeError) as error:
        raise DataError(Problem("settings", str(error))) from error
    return settings


def _checked(evaluation_id: str) -> str:
    return check_text(evaluation_id, "evaluation_id", "an evaluation")


def _id_of(evaluation: str | StoredEvaluation | EvaluationInfo) -> str:
    if isinstance(evaluation, StoredEvaluation):
        return evaluation.info.id
    return evaluation.id if isinstance(evaluation, EvaluationInfo) else _checked(evaluation)
