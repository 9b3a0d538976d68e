"""Gathers the tracks of images in any order, and measures them sequence by sequence.

What is kept is some 20 bytes an annotation and 16 for each pair that overlaps; shapes are dropped at once. Which images are
frames of one sequence, and in what order, is told by their names (`layernext.model.frame_of`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import fields as struct_fields
from numpy.typing import NDArray

from layernext.errors import DataError, Problem
from layernext.evaluation.assignment import assign
from layernext.evaluation.columns import Columns, FloatArray, IndexArray
from layernext.evaluation.similarity import Measure, Pairs
from layernext.evaluation.tracking import Scene, TrackSums, measure_tracks
from layernext.model import (
    TRACKING_ALPHAS,
    EvaluationSettings,
    Tracking,
    TrackingCurve,
    TrackScores,
    frame_of,
)

_ABOVE_ZERO = float(np.nextafter(0, 1))


class _Part(Struct):
    """Tracked annotations of some images.

    Attributes:
        image, label, track: (M,) of each truth; run_image, run_label, run_track: (N,) likewise, of the run. Numbers of
            the gatherer's lists.
        truth, run, similarity: (P,) pairs of one image and label that overlap at all.
    """

    image: IndexArray
    label: IndexArray
    track: IndexArray
    run_image: IndexArray
    run_label: IndexArray
    run_track: IndexArray
    truth: IndexArray
    run: IndexArray
    similarity: FloatArray


def _codes(numbers: dict[str, int], names: Sequence[str]) -> NDArray[np.int64]:
    """The number of each name; unknown names get the next ones."""
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


class TrackGatherer:
    """Gathers tracks; can be pickled and merged, as `Evaluator`."""

    def __init__(self) -> None:
        self._images: list[str] = []
        self._labels: dict[str, int] = {}
        self._tracks: dict[str, int] = {}
        self._parts: list[_Part] = []
        self._without_track = [0, 0]

    def add(
        self,
        run: Columns,
        truth: Columns,
        image_whs: list[tuple[float, float] | None],
        measure: Measure,
        settings: EvaluationSettings,
        names: tuple[Sequence[str], Sequence[str], Sequence[str]],
    ) -> None:
        """Add a batch of images.

        Args:
            run, truth: with tracks, sorted by image.
            image_whs: width and height of each image.
            measure: compares shapes.
            settings: completed.
            names: of the images, and of the labels and tracks that codes stand for.
        """
        run, truth = measure.prepared(run, truth, image_whs)
        pairs = measure.candidates(run, truth, _ABOVE_ZERO, image_whs)
        pairs = pairs.where(run.label[pairs.run] == truth.label[pairs.truth])
        counts = run.score >= (settings.confidence or 0.0)
        pairs = pairs.where(counts[pairs.run])
        assert settings.match_threshold is not None  # noqa: S101 - they are completed
        counts &= ~_is_on_ignored(run, truth, pairs, settings.match_threshold)
        true_counts = ~truth.ignore
        self._without_track[0] += int(np.count_nonzero(true_counts & (truth.track < 0)))
        self._without_track[1] += int(np.count_nonzero(counts & (run.track < 0)))
        counts &= run.track >= 0
        true_counts &= truth.track >= 0
        pairs = pairs.where(counts[pairs.run] & true_counts[pairs.truth])
        images = np.arange(len(image_whs)) + len(self._images)
        self._images += names[0]
        labels, tracks = _codes(self._labels, names[1]), _codes(self._tracks, names[2])
        self._parts.append(
            _Part(
                image=images[truth.image[true_counts]],
                label=labels[truth.label[true_counts]],
                track=tracks[truth.track[true_counts]],
                run_image=images[run.image[counts]],
                run_label=labels[run.label[counts]],
                run_track=tracks[run.track[counts]],
                truth=(np.cumsum(true_counts) - 1)[pairs.truth],
                run=(np.cumsum(counts) - 1)[pairs.run],
                similarity=pairs.similarity,
            )
        )

    def merge(self, other: TrackGatherer) -> None:
        """Add everything that another one gathered."""
        labels, tracks = (
            _codes(self._labels, [*other._labels]),
            _codes(self._tracks, [*other._tracks]),
        )
        shift = len(self._images)
        for part in other._parts:
            part.image, part.run_image = part.image + shift, part.run_image + shift
            part.label, part.run_label = labels[part.label], labels[part.run_label]
            part.track, part.run_track = tracks[part.track], tracks[part.run_track]
        self._parts += other._parts
        self._images += other._images
        for side, count in enumerate(other._without_track):
            self._without_track[side] += count

    def result(self, settings: EvaluationSettings) -> Tracking:
        """The numbers of everything added so far.

        Args:
            settings: completed.

        Raises:
            DataError: an image has a track twice with the same label.
        """
        assert settings.match_threshold is not None  # noqa: S101 - they are completed
        whole = _joined(self._parts)
        frames = [frame_of(name) for name in self._images]
        sequences = sorted({frame.sequence for frame in frames if frame is not None})
        codes = {name: code for code, name in enumerate(sequences)}
        sequence = np.array([-1 if f is None else codes[f.sequence] for f in frames], np.int64)
        ranks = np.empty(len(frames), np.int64)
        order = sorted(
            range(len(frames)),
            key=lambda image: (frames[image] or ("", 0), self._images[image]),
        )
        ranks[order] = np.arange(len(frames))
        tracked = np.union1d(whole.image, whole.run_image).astype(np.int64)
        sums = {
            (sequences[code], label): measure_tracks(scene, settings.match_threshold)
            for code, label, scene in self._iter_scenes(whole, sequence, ranks)
        }
        overall = _sum(sums.values())
        labels = sorted({label for _, label in sums})
        return Tracking(
            overall=_scores(None, None, overall),
            labels=[
                _scores(None, label, _sum(s for (_, other), s in sums.items() if other == label))
                for label in labels
            ],
            sequences=[
                _scores(name, None, _sum(s for (other, _), s in sums.items() if other == name))
                for name in sequences
                if any(other == name for other, _ in sums)
            ],
            parts=[_scores(*key, sums[key]) for key in sorted(sums)],
            curve=_curve(overall),
            truths_without_track=self._without_track[0],
            annotations_without_track=self._without_track[1],
            images_without_frame=int(np.count_nonzero(sequence[tracked] < 0)),
        )

    def _iter_scenes(
        self, whole: _Part, sequence: IndexArray, ranks: IndexArray
    ) -> Iterator[tuple[int, str, Scene]]:
        """Each label in each sequence that has tracks of it: its sequence, its label, and what is there."""
        labels = list(self._labels)
        count = max(len(labels), 1)
        sides = []
        for image, label, track in (
            (whole.image, whole.label, whole.track),
            (whole.run_image, whole.run_label, whole.run_track),
        ):
            code = sequence[image]
            unit = np.where(code < 0, -1, code * count + label)
            order = np.lexsort((track, ranks[image], unit))
            columns = unit[order], ranks[image][order], track[order]
            self._refuse_repeats(columns, image[order], label[order], labels)
            rows_of = np.empty(len(order), np.int64)
            rows_of[order] = np.arange(len(order))
            sides.append((columns, rows_of))
        (truth, truth_rows), (run, run_rows) = sides
        pair_truth, pair_run = truth_rows[whole.truth], run_rows[whole.run]
        pair_unit = truth[0][pair_truth]
        order = np.argsort(pair_unit, kind="stable")
        for unit in np.union1d(truth[0], run[0]).tolist():
            if unit < 0:
                continue
            of_truth, of_run = _rows(truth[0], unit), _rows(run[0], unit)
            pairs = order[_rows(pair_unit[order], unit)]
            code, label = divmod(unit, count)
            yield (
                code,
                labels[label],
                Scene(
                    frame=truth[1][of_truth],
                    track=np.unique(truth[2][of_truth], return_inverse=True)[1],
                    run_frame=run[1][of_run],
                    run_track=np.unique(run[2][of_run], return_inverse=True)[1],
                    truth=pair_truth[pairs] - of_truth.start,
                    run=pair_run[pairs] - of_run.start,
                    similarity=whole.similarity[pairs],
                ),
            )

    def _refuse_repeats(
        self,
        columns: tuple[IndexArray, IndexArray, IndexArray],
        image: IndexArray,
        label: IndexArray,
        labels: list[str],
    ) -> None:
        is_same = [np.diff(column) == 0 for column in columns]
        repeats = np.flatnonzero(np.all(is_same, axis=0) & (columns[0][1:] >= 0))
        if not len(repeats):
            return
        row = int(repeats[0])
        track = list(self._tracks)[int(columns[2][row])]
        message = f"has the track {track} twice with the label {labels[int(label[row])]!r}"
        raise DataError(Problem(self._images[int(image[row])], message))


def _is_on_ignored(
    run: Columns, truth: Columns, pairs: Pairs, threshold: float
) -> NDArray[np.bool_]:
    """Which annotations are on a truth that does not count: a match of it, or in a crowd and no match of another."""
    is_on = np.zeros(run.count, np.bool_)
    if not truth.ignore.any():
        return is_on
    near = pairs.where(pairs.similarity >= threshold)
    single = near.where(~truth.crowd[near.truth])
    matched = assign(run.image[single.run], (single.run, single.truth), single.similarity)
    is_matched = np.zeros(run.count, np.bool_)
    is_matched[single.run[matched]] = True
    is_on[single.run[matched]] = truth.ignore[single.truth[matched]]
    in_crowd = near.run[truth.crowd[near.truth]]
    is_on[in_crowd[~is_matched[in_crowd]]] = True
    return is_on


def _joined(parts: list[_Part]) -> _Part:
    """One part of several."""
    columns: dict[str, list[Any]] = {
        field.name: [np.zeros(0, float if field.name == "similarity" else np.int64)]
        for field in struct_fields(_Part)
    }
    truths = runs = 0
    for part in parts:
        for name, column in columns.items():
            shift = truths if name == "truth" else runs if name == "run" else 0
            column.append(getattr(part, name) + shift)
        truths += len(part.image)
        runs += len(part.run_image)
    return _Part(**{name: np.concatenate(column) for name, column in columns.items()})


def _rows(units: IndexArray, unit: int) -> slice:
    """The rows of a unit in a sorted column."""
    return slice(*np.searchsorted(units, [unit, unit + 1]).tolist())


def _sum(sums: Any) -> TrackSums:
    return sum(sums, start=TrackSums())


def _scores(sequence: str | None, label: str | None, sums: TrackSums) -> TrackScores:
    return TrackScores(sequence=sequence, label=label, scores=sums.scores(), counts=sums.counts())


def _curve(sums: TrackSums) -> TrackingCurve:
    curves = {
        name: [None if np.isnan(value) else float(value) for value in np.atleast_1d(values)]
        for name, values in sums.curves().items()
    }
    return TrackingCurve(
        alpha=[*TRACKING_ALPHAS],
        hota=curves["HOTA"],
        det_a=curves["DetA"],
        ass_a=curves["AssA"],
        loc_a=curves["LocA"],
    )
