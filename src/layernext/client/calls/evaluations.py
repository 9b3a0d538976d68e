"""Calls about evaluations: a run measured against a ground truth, by the stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec.structs import fields as struct_fields

from layernext.client.answers import Job
from layernext.client.calls.base import check_text
from layernext.client.calls.jobs import JobCalls
from layernext.client.cancellation import go_on_unless_cancelled
from layernext.client.progress import ProgressChoice, show_progress
from layernext.errors import ConfigurationError, DataError, JobFailed, Problem, RequestTimeout
from layernext.model import (
    Comparison,
    EvaluatedGeometry,
    EvaluationInfo,
    EvaluationSettings,
    Mode,
    RunStatistics,
    StoredEvaluation,
    StoredMatches,
    StoredTally,
    TallyOrder,
)
from layernext.wire import comparisons, evaluations, native

_FIRST_POLL_S = 0.05
_LONGEST_POLL_S = 2.0


class EvaluationCalls(JobCalls):
    """Evaluations: computed by the stack, kept with the run, never stale without saying so."""

    def evaluate(
        self,
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
        timeout_s: float | None = None,
        progress: ProgressChoice = None,
        **options: Any,
    ) -> StoredEvaluation:
        """Measure a run against a ground truth; waits until the stack has done it.

        A result that is there and current is given at once. Images without a set of the ground
        truth are left out; in images without a set of the run nothing was found.

        Args:
            run: name of a model run; or of a ground truth, to hold two annotators against each
                other.
            ground_truth: name of a ground truth; or of a model run, to see how far two disagree.
            collection: id or name of the collection; or else
            dataset_version: id of a dataset version, and `split` of it, None for all.
            geometry: ``rectangle``, ``polygon`` or ``line``.
            run_mode, truth_mode: ``machine`` or ``human``, where a model run and a ground truth
                have the same name.
            again: compute even if a current result is there.
            timeout_s: seconds to wait at most; None waits for ever.
            progress: as in `upload_modelrun_from_json`; counts to 100.
            options: other fields of `EvaluationSettings`, such as ``confidence`` or ``slices``.

        Returns:
            All numbers, tables and curves; its `info` says what was compared and has the id that
            `iter_tallies` takes.

        Raises:
            DataError: an argument or option is wrong.
            NotFound: no such collection or version, or it has no such run or ground truth; names
                those that it has.
            JobFailed: the stack failed at it; says why.
            RequestTimeout: it took too long; the stack goes on, and the same call waits again.
        """
        info = self.start_evaluation(
            run=run,
            ground_truth=ground_truth,
            collection=collection,
            dataset_version=dataset_version,
            split=split,
            geometry=geometry,
            run_mode=run_mode,
            truth_mode=truth_mode,
            again=again,
            **options,
        )
        self._wait_for(info, timeout_s, progress)
        return self.get_evaluation(info.id)

    def start_evaluation(
        self,
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
        """Like `evaluate`, without waiting: its `job_id` can be given to `wait_for_job_complete`.

        Args:
            run, ground_truth, collection, dataset_version, split, geometry, run_mode, truth_mode,
                again, options: as in `evaluate`.

        Raises:
            DataError, NotFound: as there.
        """
        self._connection.require_native("evaluate")
        for name, value in (("run", run), ("ground_truth", ground_truth)):
            check_text(value, name, "a name")
        if (collection is None) == (dataset_version is None):
            raise DataError(Problem("collection", "either this or dataset_version must be given"))
        request = evaluations.EvaluateRequest(
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
        info: EvaluationInfo = self._connection.transport.request_json(
            "POST", evaluations.EVALUATIONS_PATH, EvaluationInfo, json=msgspec.to_builtins(request)
        )
        return info

    def _wait_for(
        self, info: EvaluationInfo, timeout_s: float | None, progress: ProgressChoice
    ) -> None:
        started, wait_s, shown = time.monotonic(), _FIRST_POLL_S, 0
        what = f"evaluating {info.run}"
        with show_progress(progress, what, 100, unit="percent") as advance:
            while info.status in {"queued", "in_progress"}:
                go_on_unless_cancelled()
                elapsed_s = time.monotonic() - started
                if timeout_s is not None and elapsed_s >= timeout_s:
                    raise RequestTimeout(
                        f"the evaluation is at {info.progress:.0f} % after {elapsed_s:.0f} s",
                        url=self._connection.transport.url,
                        attempts=1,
                        elapsed_s=elapsed_s,
                    )
                time.sleep(wait_s)
                wait_s = min(wait_s * 1.3, _LONGEST_POLL_S)
                info = self.get_evaluation_info(info.id)
                advance(max(0, int(info.progress) - shown))
                shown = max(shown, int(info.progress))
        if info.status == "failed":
            job = Job(id=info.job_id, status="failed", progress=info.progress, message=info.message)
            reason = info.message or "no reason given"
            raise JobFailed(f"evaluating {info.run!r} failed: {reason}", job=job)

    def get_evaluation(self, evaluation_id: str) -> StoredEvaluation:
        """An evaluation with its numbers, tables and curves.

        Args:
            evaluation_id: from `list_evaluations`, or ``evaluation.info.id``.

        Raises:
            NotFound: there is none of this id.
            Conflict: it has not been computed yet.
        """
        self._connection.require_native("read an evaluation")
        path = evaluations.result_path(_checked(evaluation_id))
        found: StoredEvaluation = self._connection.transport.request_json(
            "GET", path, StoredEvaluation
        )
        return found

    def get_evaluation_info(self, evaluation_id: str) -> EvaluationInfo:
        """What an evaluation compares, how far it is, and whether it is current.

        Args:
            evaluation_id: as in `get_evaluation`.

        Raises:
            NotFound: there is none of this id.
        """
        self._connection.require_native("look at an evaluation")
        path = evaluations.evaluation_path(_checked(evaluation_id))
        found: EvaluationInfo = self._connection.transport.request_json("GET", path, EvaluationInfo)
        return found

    def list_evaluations(
        self,
        *,
        collection: str | None = None,
        dataset_version: str | None = None,
        run: str | None = None,
        ground_truth: str | None = None,
    ) -> list[EvaluationInfo]:
        """Evaluations, newest first; each says whether it is current.

        Args:
            collection: id or name; None for all.
            dataset_version: id; None for all.
            run, ground_truth: names; None for all.

        Raises:
            NotFound: there is no such collection.
        """
        wanted = {
            "collection": collection,
            "dataset_version": dataset_version,
            "run": run,
            "ground_truth": ground_truth,
        }
        found: list[EvaluationInfo] = self._all(
            evaluations.EVALUATIONS_PATH, EvaluationInfo, "list evaluations", **wanted
        )
        return found

    def delete_evaluation(self, evaluation_id: str) -> None:
        """Delete an evaluation; if it is being computed, that ends.

        Args:
            evaluation_id: as in `get_evaluation`.

        Raises:
            NotFound: there is none of this id.
        """
        self._connection.require_native("delete an evaluation")
        path = evaluations.evaluation_path(_checked(evaluation_id))
        self._connection.transport.request("DELETE", path)

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
            query: only images that this finds; see docs/queries.md.

        Raises:
            NotFound: there is no such evaluation.
            Conflict: it has not been computed yet.
            DataError: the query is wrong; says where.
        """
        path = evaluations.tallies_path(_id_of(evaluation))
        yield from self._tallies(path, order=order, query=query)

    def iter_confused(
        self,
        evaluation: str | StoredEvaluation | EvaluationInfo,
        truth: str | None,
        run: str | None,
    ) -> Iterator[StoredTally]:
        """Images behind a cell of the confusion matrix, those with most of it first.

        Args:
            evaluation: the evaluation, or its id.
            truth: label that is there; None for the background: the run found what is not there.
            run: label that the run gave; None for the background: the run has missed it.

        Raises:
            NotFound: there is no such evaluation, or it has no such label.
            Conflict: it has not been computed yet.
        """
        path = evaluations.confusion_path(_id_of(evaluation))
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
        """Both annotation sets of an image as they are now, and who found what.

        Args:
            image: id or unique name.
            evaluation: gives run, ground truth, settings and the usual confidence; or else
            run, ground_truth: names, with
            confidence: annotations below are left out.
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
        found: StoredMatches = self._connection.transport.request_json(
            "GET", evaluations.MATCHES_PATH, StoredMatches, params=query
        )
        return found

    def compare_runs(
        self,
        *,
        run_a: str,
        run_b: str,
        ground_truth: str,
        collection: str | None = None,
        dataset_version: str | None = None,
        split: Literal["train", "validation", "test"] | None = None,
        geometry: EvaluatedGeometry = "rectangle",
        resamples: int = 1000,
        seed: int = 0,
        level: float = 0.95,
        image_limit: int = 100,
        timeout_s: float | None = None,
        progress: ProgressChoice = None,
        **options: Any,
    ) -> Comparison:
        """What differs between two runs on the same ground truth; waits until the stack has done it.

        Both runs are evaluated first, as by `evaluate`, unless that has been done.

        Args:
            run_a, run_b: names; differences are b minus a.
            ground_truth, collection, dataset_version, split, geometry, options: as in `evaluate`.
            resamples: draws of the images for confidence intervals; 0 for none.
            seed: of the draws.
            level: share of the draws that an interval holds, above 0 and below 1.
            image_limit: images that are named at most.
            timeout_s: seconds to wait at most for each step; None waits for ever.
            progress: as in `evaluate`.

        Raises:
            DataError, NotFound, JobFailed, RequestTimeout: as in `evaluate`.
            Conflict: annotations changed in between; call it again.
        """
        ids = []
        for run in (run_a, run_b):
            info = self.start_evaluation(
                run=run,
                ground_truth=ground_truth,
                collection=collection,
                dataset_version=dataset_version,
                split=split,
                geometry=geometry,
                **options,
            )
            self._wait_for(info, timeout_s, progress)
            ids.append(info.id)
        request = comparisons.CompareRequest(
            a=ids[0], b=ids[1], resamples=resamples, seed=seed, level=level, images=image_limit
        )
        transport = self._connection.transport
        answer: comparisons.StoredComparison = transport.request_json(
            "POST",
            comparisons.COMPARISONS_PATH,
            comparisons.StoredComparison,
            json=msgspec.to_builtins(request),
        )
        job = self.wait_for_job_complete(answer.id, timeout_s=timeout_s)
        path = comparisons.comparison_path(answer.id)
        answer = transport.request_json("GET", path, comparisons.StoredComparison)
        if answer.comparison is None:
            raise JobFailed(f"comparing {run_a!r} and {run_b!r} gave no result", job=job)
        return answer.comparison

    def get_run_statistics(
        self, collection: str, run: str, *, mode: Mode | None = None, timeout_s: float | None = None
    ) -> RunStatistics:
        """What the annotations of a run are like: labels, confidences, numbers, sizes.

        Waits while the stack counts them, which it does once for each state of the run.

        Args:
            collection: id or name.
            run: name of the model run or ground truth.
            mode: ``machine`` or ``human``, where both have the name.
            timeout_s: seconds to wait at most; None waits for ever.

        Raises:
            NotFound: no such collection, or no such run in it.
            JobFailed: the stack failed at it.
            RequestTimeout: it took too long; the stack goes on.
        """
        self._connection.require_native("count a run")
        query = {"collection": collection, "run": check_text(run, "run", "a run"), "mode": mode}
        while True:
            found: evaluations.StatisticsAnswer = self._connection.transport.request_json(
                "GET", evaluations.RUN_STATISTICS_PATH, evaluations.StatisticsAnswer, params=query
            )
            if found.job_id is None and found.statistics is not None:
                return found.statistics
            self.wait_for_job_complete(str(found.job_id), timeout_s=timeout_s)

    def _tallies(self, path: str, **params: Any) -> Iterator[StoredTally]:
        self._connection.require_native("list tallies")
        offset: int | None = 0
        while offset is not None:
            page = self._connection.transport.request_json(
                "GET",
                path,
                evaluations.TallyPage,
                params={**params, "offset": offset, "limit": native.MAX_PAGE},
            )
            yield from page.items
            offset = page.next


def evaluation_settings(geometry: Any, options: dict[str, Any]) -> EvaluationSettings:
    """The settings that arguments mean, checked.

    Raises:
        DataError: there is no such option, or they contradict each other.
    """
    known = [field.name for field in struct_fields(EvaluationSettings)]
    for name in options:
        if name not in known:
            raise DataError(Problem(name, f"is not an option; the options are {', '.join(known)}"))
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
