"""Runs: model runs and ground truths."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from layernext.client.groups.group import Group
from layernext.client.groups.jobs import Jobs
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.protocols import ImageSizes
from layernext.client.reports import RemoveReport
from layernext.client.run_uploads import mode_of
from layernext.client.texts import check_text
from layernext.errors import DataError, NotFound, Problem
from layernext.formats import (
    ConversionReport,
    ExportOptions,
    LabelRules,
    Losses,
    Sample,
    in_pixels,
    write_export,
)
from layernext.model import Mode, ModelRun, RunStatistics, find_names_problem
from layernext.wire import native


class Runs(Group):
    """Model runs and ground truths. `client.upload_modelrun` uploads one."""

    def delete(self, collection_id: str, model_run_id: str) -> RemoveReport:
        """Remove a run's annotations from a collection: the model run and the ground truth of this name.

        Args:
            collection_id: the collection's id or name.
            model_run_id: the run's name.

        Raises:
            DataError: no collection is named; a run is never removed from all collections at once.
            NotFound: no such collection.
        """
        name: Any = collection_id
        name = name.rstrip("/") if isinstance(name, str) else name
        problem = find_names_problem(name, "a collection")
        if problem:
            raise DataError(Problem("collection_id", problem))
        return self._connection.protocol.remove_annotations(collection_id, model_run_id)

    def statistics(
        self, collection: str, run: str, *, mode: Mode | None = None, timeout_s: float | None = None
    ) -> RunStatistics:
        """Statistics of a run's annotations: labels, confidences, counts and sizes.

        Waits until the stack has counted them, which it does again only after the run has changed.

        Args:
            collection: id or name.
            run: name of the model run or ground truth.
            mode: ``machine`` or ``human``, if a model run and a ground truth have this name.
            timeout_s: maximum time to wait in seconds; None means no limit.

        Raises:
            NotFound: no such collection, or no such run in it.
            JobFailed: the stack could not count them.
            RequestTimeout: it took too long; the stack continues.
        """
        self._connection.require_native("count a run")
        query = {"collection": collection, "run": check_text(run, "run", "a run"), "mode": mode}
        while True:
            answer: native.StatisticsAnswer = self._transport.request_json(
                "GET", native.RUN_STATISTICS_PATH, native.StatisticsAnswer, params=query
            )
            if answer.job_id is None and answer.statistics is not None:
                return answer.statistics
            Jobs(self._connection).wait(str(answer.job_id), timeout_s=timeout_s)

    def export(
        self,
        collection: str,
        run: str,
        target: str | os.PathLike[str],
        format: str,
        *,
        ground_truth: bool | None = None,
        overwrite: bool = False,
        strict: bool = False,
        instances: str | os.PathLike[str] | None = None,
        label_rules: LabelRules | None = None,
        progress: ProgressChoice = None,
    ) -> ConversionReport:
        """Write a run of a collection in another format, streamed.

        Args:
            collection: name or id of the collection.
            run: name of the model run or ground truth.
            target: file or folder, which appears only once it is complete.
            format: a format that `layernext.convert` writes.
            ground_truth: True for the ground truth, False for the model run, if both have this name.
            overwrite: replace an existing target.
            strict: fail if the format cannot hold all data.
            instances: for COCO results: the COCO file that defines the ids.
            label_rules: how to select, rename and order labels.
            progress: as in `client.upload_modelrun_from_json`.

        Returns:
            How much was written, and what the format cannot hold.

        Raises:
            NotFound: no such collection or run.
            ConfigurationError: no such format, or the target exists already.
            DataError: the format needs image sizes that the stack does not know yet, or, with ``strict``, it
                cannot hold all data.
        """
        numbers = None if instances is None else Path(instances)
        sizes = self._connection.protocol.image_sizes(collection)
        with show_progress(progress, f"export {run}", len(sizes) or None) as advance:
            rules, read = label_rules or LabelRules(), Losses(strict=strict)
            classes = self._connection.protocol.classes(collection)
            report = write_export(
                rules.apply(self._samples(collection, run, mode_of(ground_truth), sizes), read),
                Path(target),
                format,
                ExportOptions(
                    overwrite=overwrite,
                    strict=strict,
                    instances=numbers,
                    labels=rules.classes(entry.name for entry in classes) or None,
                    codes={entry.name: entry.code for entry in classes if entry.code is not None},
                    skeletons=rules.skeletons(
                        {entry.name: entry.skeleton for entry in classes if entry.skeleton}
                    ),
                ),
                advance=advance,
            )
            return replace(report, losses={**read.counts, **report.losses})

    def _samples(
        self, collection: str, run: str, mode: Mode | None, sizes: ImageSizes
    ) -> Iterator[Sample]:
        count = 0
        for image in self._connection.protocol.iter_annotations(collection, run, mode):
            count += 1
            width, height = sizes.get(image.image, (None, None))
            if not width or not height:
                width, height = image.width, image.height
            yield Sample(
                image=image.image,
                annotations=in_pixels(image, width, height),
                width=width,
                height=height,
                extra=image.extra,
            )
        if not count:
            raise NotFound(f"{collection!r} has no annotations of {run!r}", status=404)

    def list(self, collection: str | None = None) -> builtins.list[ModelRun]:
        """Model runs and ground truths with their counts, oldest first.

        Args:
            collection: the collection's name or id; None for all.

        Raises:
            NotFound: no such collection.
        """
        what = "list model runs"
        return self._records(native.RUNS_PATH, ModelRun, what, collection=collection or None)
