"""The accumulator: annotation sets go in image by image, an evaluation comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from layernext.errors import DataError, Problem
from layernext.evaluation.averages import (
    Averages,
    averages,
    integral_for,
    iter_labels,
    summary,
)
from layernext.evaluation.classification import Classification, is_single_label
from layernext.evaluation.columns import IndexArray, Source
from layernext.evaluation.curves import Best, calibration, curve
from layernext.evaluation.error_costs import error_kinds
from layernext.evaluation.federated import Checked, Frequency, frequencies, frequency_summary
from layernext.evaluation.lane_scores import LaneMatches, match_lanes
from layernext.evaluation.packing import AnySet, LabelCodes, Packer, metadata_key
from layernext.evaluation.parts import Part, concatenate, in_order, match_batch, relabelled
from layernext.evaluation.protocol_scores import ProtocolScores, scores_of_protocol
from layernext.evaluation.similarity import measure_for
from layernext.evaluation.slices import slice_scores
from layernext.evaluation.tallies import Outcome, confusion_matrix, iter_tallies, outcome
from layernext.evaluation.track_gatherer import TrackGatherer
from layernext.model import (
    Curve,
    Evaluation,
    EvaluationSettings,
    ImageTally,
    LabelScores,
)

BATCH_IMAGES = 256
"""Images matched at once: enough for numpy to be fast, few enough for its arrays to stay in cache."""

BATCH_MAPS = 16
"""Likewise, of label maps, which may have hundreds of kilobytes each."""

BATCH_ANNOTATIONS = 20_000
"""Fewer images are matched at once when they have more annotations than this."""


class Evaluator:
    """Evaluates a run against a ground truth, image by image.

    It keeps about 60 bytes per annotation; shapes are dropped once a batch is matched. An
    evaluator can be pickled and merged, so that parts of the images can be evaluated in other
    processes. The result depends neither on the order of the images nor on their division: where the order
    matters, between equal confidences, images are sorted by their ``order``, then by name.

    Args:
        settings: settings of the evaluation; missing ones are the protocol's defaults.
        truth: how to read the sets of the ground truth.
        run: how to read the sets of the run.

    Raises:
        ConfigurationError: the settings contradict each other.

    Example:
        >>> evaluator = Evaluator()
        >>> box = b'{"annotations": [{"type": "rectangle", "label": "cup", "bbox": [0, 0, 4, 4]}]}'
        >>> evaluator.add("a.jpg", box, box)
        >>> round(evaluator.result().summary["AP"], 9)
        1.0
    """

    def __init__(
        self,
        settings: EvaluationSettings | None = None,
        *,
        truth: Source | None = None,
        run: Source | None = None,
    ) -> None:
        self.settings = (settings or EvaluationSettings()).complete()
        self._sources = (truth or Source(), run or Source())
        self._labels = LabelCodes()
        self._values = LabelCodes()
        self._track_ids = LabelCodes()
        self._tracks = TrackGatherer()
        self._image_values: list[tuple[int, int]] = []
        self._checked = Checked()
        self._packers = self._new_packers()
        self._image_whs: list[tuple[float, float] | None] = []
        self._images: list[str] = []
        self._orders: list[float] = []
        self._parts: list[Part] = []
        self._part_images: list[int] = []
        self._counts = {
            "images_without_truth": 0,
            "images_without_run": 0,
            "other_geometry": 0,
        }
        self._is_whole = False  # whether there is one part, in order
        self._over_limit = 0
        self._without_confidence = 0

    def _new_packers(self) -> tuple[Packer, Packer]:
        values = self._values if self.settings.slices else None
        truths, runs = (
            Packer(
                self.settings,
                self._labels,
                is_truth=is_truth,
                values=values,
                names=self.settings.slices,
                tracks=self._track_ids if self.settings.tracking else None,
            )
            for is_truth in (True, False)
        )
        return truths, runs

    def add(
        self,
        image: str,
        truth: AnySet | None,
        run: AnySet | None,
        *,
        image_wh: tuple[float, float] | None = None,
        truth_source: Source | None = None,
        run_source: Source | None = None,
        metadata: Mapping[str, Any] | None = None,
        order: float = 0.0,
    ) -> None:
        """Add an image.

        Args:
            image: its name; each may come once.
            truth: its annotation set in the ground truth; None counts as empty.
            run: its annotation set in the run; None means that the run has no set for it, which counts as
                empty.
            image_wh: width and height in pixels, needed where coordinates are fractions.
            metadata: metadata of the image, for tables over the fields that the settings name, and for
                ``lvis`` (see `federated`).
            truth_source, run_source: how to read these two sets, if not as all the others.
            order: annotations of equal confidence count in this order of their images; images of the same
                order are sorted by name.

        Raises:
            DataError: a set is not valid; the message names the image and the location.
        """
        truths, runs = self._packers
        image_wh = truths.add(truth, truth_source or self._sources[0], image_wh, image)
        image_wh = runs.add(run, run_source or self._sources[1], image_wh, image)
        self._counts["images_without_run"] += run is None
        if self.settings.protocol == "lvis":
            self._checked.add(len(self._image_whs), image, metadata, self._labels)
        for name in self.settings.slices:
            if metadata and name in metadata:
                code = self._values[metadata_key(name, metadata[name])]
                self._image_values.append((len(self._image_whs), code))
        self._images.append(image)
        self._orders.append(order)
        self._image_whs.append(image_wh)
        gathered = truths.annotation_count + runs.annotation_count
        batch_images = BATCH_MAPS if self.settings.geometry == "semantic_mask" else BATCH_IMAGES
        if len(self._image_whs) >= batch_images or gathered >= BATCH_ANNOTATIONS:
            self._match()

    def count_images_without_truth(self, count: int) -> None:
        """Note how many images of the run are left out because the ground truth does not have them."""
        self._counts["images_without_truth"] += count

    def _match(self) -> None:
        """Match everything gathered, and drop its shapes."""
        if not self._image_whs:
            return
        truths, runs = (packer.take() for packer in self._packers)
        measure = measure_for(self.settings)
        if self.settings.tracking:
            names = self._images[-len(self._image_whs) :], list(self._labels), list(self._track_ids)
            self._tracks.add(runs, truths, self._image_whs, measure, self.settings, names)
        said = runs.count
        if self.settings.protocol == "lvis":
            runs, self._checked = self._checked.apply(runs, truths), Checked()
        part = match_batch(
            runs, truths, self._image_whs, self.settings, measure, self._image_values
        )
        self._image_values = []
        self._over_limit += said - len(part.label)
        for packer in self._packers:
            self._counts["other_geometry"] += packer.other_geometry
            packer.other_geometry = 0
        self._without_confidence += self._packers[1].without_confidence
        self._packers[1].without_confidence = 0
        self._parts.append(part)
        self._part_images.append(len(self._image_whs))
        self._image_whs = []
        self._is_whole = False

    def merge(self, other: Evaluator) -> None:
        """Add everything from another evaluator, which must not be used afterwards.

        Raises:
            ValueError: it has other settings.
        """
        if other.settings != self.settings:
            raise ValueError("evaluators with different settings cannot be merged")
        self._match()
        other._match()
        codes = np.array([self._labels[label] for label in other._labels], np.int32)
        values = np.array([self._values[value] for value in other._values], np.int32)
        self._parts += [relabelled(part, codes, values) for part in other._parts]
        self._part_images += other._part_images
        self._tracks.merge(other._tracks)
        self._is_whole = False
        self._images += other._images
        self._orders += other._orders
        for name, count in other._counts.items():
            self._counts[name] += count
        self._over_limit += other._over_limit
        self._without_confidence += other._without_confidence

    def __getstate__(self) -> dict[str, Any]:
        self._match()
        state = self.__dict__.copy()
        del state["_packers"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._packers = self._new_packers()

    def _whole(self) -> Part:
        """Everything in one part, with images sorted by order and name, and labels by name.

        Raises:
            DataError: an image was added twice.
        """
        self._match()
        if self._is_whole:
            return self._parts[0]
        if not self._parts:
            empty = [packer.take() for packer in self._packers]
            measure = measure_for(self.settings)
            return match_batch(empty[1], empty[0], [], self.settings, measure)
        part = concatenate(self._parts, self._part_images)
        for before, after in pairwise(sorted(self._images)):
            if before == after:
                raise DataError(Problem(before, "was given twice"))
        images = list(zip(self._orders, self._images, strict=True))
        sequence = sorted(range(len(images)), key=images.__getitem__)
        self._images = [self._images[number] for number in sequence]
        self._orders = [self._orders[number] for number in sequence]
        codes, values = self._labels.sort(), self._values.sort()
        new_numbers = np.empty(len(sequence), np.int64)
        new_numbers[sequence] = np.arange(len(sequence))
        part = in_order(relabelled(part, codes, values), new_numbers)
        self._parts, self._part_images = [part], [len(self._images)]
        self._is_whole = True
        return part

    def matched(self) -> tuple[Part, list[str], list[str]]:
        """Everything added so far: its part, and the images and labels that its numbers refer to.

        Images are sorted by order and name, labels by name.

        Raises:
            DataError: an image was added twice.
        """
        part = self._whole()
        return part, list(self._images), list(self._labels)

    def result(self) -> Evaluation:
        """The evaluation of everything added so far.

        Raises:
            DataError: an image was added twice.
        """
        part = self._whole()
        labels = list(self._labels)
        order = np.lexsort((-part.score, part.label))
        members, truths = _by_label(part.label, labels), _by_label(part.truth_label, labels)
        means = averages(part, self.settings, len(labels), order)
        groups: list[Frequency] = []
        if self.settings.protocol == "lvis":
            groups = frequencies(part, len(labels))
        everything = _curve(None, part, np.argsort(-part.score, kind="stable"), slice(None))
        single = [
            _curve(label, part, by_score, truths[code])
            for code, (label, by_score) in enumerate(
                zip(labels, iter_labels(part.label, order, len(labels)), strict=True)
            )
        ]
        confidence = self._confidence(part, everything[1])
        outcomes = outcome(part, self.settings, confidence or 0.0)
        lanes = self._lanes(part, confidence or 0.0)
        overall = _scores(outcomes, slice(None), slice(None), part, self._sign)
        special = scores_of_protocol(part, self.settings, len(labels), confidence or 0.0)
        is_counted = ~part.is_ignored
        if isinstance(special, Classification) and special.is_single:
            is_counted = outcomes.counts
        counted = part.score[is_counted]
        has_confidence = len(counted) > 0 and not self._without_confidence
        return Evaluation(
            settings=self.settings,
            summary=(
                special.numbers(np.ones(len(self._images)))
                | _rates(overall, _LABEL_RATES if isinstance(special, Classification) else _RATES)
                if special
                else (lanes.scores(self.settings) if lanes else {})
                | summary(means, self.settings)
                | (frequency_summary(means, groups) if groups else {})
                | _rates(overall)
            ),
            confidence=confidence,
            counts=self._all_counts(part),
            labels=self._with_scores(
                special,
                [
                    replace(
                        self._label_scores(
                            label,
                            part,
                            (members[code], truths[code]),
                            outcomes,
                            lanes,
                            means.of_label(code),
                            single[code][1],
                        ),
                        frequency=groups[code] if groups else None,
                    )
                    for code, label in enumerate(labels)
                ],
            ),
            curves=[everything[0], *(points for points, _ in single)],
            confusion=confusion_matrix(part, outcomes, labels, self.settings, confidence or 0.0),
            calibration=(
                calibration(counted, part.matched_truth[is_counted] >= 0, self.settings.bins)
                if has_confidence
                else None
            ),
            errors=None
            if special
            else error_kinds(part, len(labels), integral_for(self.settings), self._background),
            slices=slice_scores(part, outcomes, list(self._values), self.settings),
            tracking=self._tracks.result(self.settings) if self.settings.tracking else None,
        )

    def iter_tallies(self, confidence: float | None = None) -> Iterator[ImageTally]:
        """The tally of every image, sorted by order and name.

        Args:
            confidence: annotations with a lower confidence are left out; None: that of `result`.
        """
        part = self._whole()
        if confidence is None:
            order = np.argsort(-part.score, kind="stable")
            best = _curve(None, part, order, slice(None))[1]
            confidence = self._confidence(part, best) or 0.0
        outcomes = outcome(part, self.settings, confidence)
        yield from iter_tallies(part, outcomes, list(self._labels), self._images, self.settings)

    @property
    def _background(self) -> float:
        assert self.settings.background_threshold is not None  # noqa: S101 - they are completed
        return self.settings.background_threshold

    @property
    def _sign(self) -> float:
        return -1.0 if self.settings.is_distance else 1.0

    def _confidence(self, part: Part, best: Best | None) -> float | None:
        """The confidence of tables: the requested one, or the best for F1.

        Of a classifier every image's best label is the answer, however confident; of a label map every pixel's.
        """
        if self.settings.confidence is not None:
            return self.settings.confidence
        if self.settings.protocol == "classification" and is_single_label(part):
            return 0.0
        if self.settings.protocol in {"semantic", "panoptic"}:
            return 0.0
        return best.confidence if best is not None else None

    def _with_scores(
        self, special: ProtocolScores | None, labels: list[LabelScores]
    ) -> list[LabelScores]:
        """The numbers of each label; those of labels of images by the ranking of all images."""
        if special is None:
            return labels
        if not isinstance(special, Classification):
            rows = special.by_label(np.ones(len(self._images)))
            return [
                replace(label, scores=scores) for label, scores in zip(labels, rows, strict=True)
            ]
        averages_of, areas_of = (
            [None if np.isnan(value) else float(value) for value in values]
            for values in special.by_label(np.ones(len(self._images)))
        )
        return [
            replace(label, mean_similarity=None, scores={"AP": average, "AUC": area})
            for label, average, area in zip(labels, averages_of, areas_of, strict=True)
        ]

    def _lanes(self, part: Part, confidence: float) -> LaneMatches | None:
        if self.settings.protocol != "lane-f1":
            return None
        return match_lanes(part, self.settings, confidence)

    def _label_scores(
        self,
        label: str,
        part: Part,
        members: tuple[IndexArray, IndexArray],
        outcomes: Outcome,
        lanes: LaneMatches | None,
        means: Averages,
        best: Best | None,
    ) -> LabelScores:
        """The numbers of a label, from its annotations and truths alone."""
        runs, truths = members
        scores = _scores(outcomes, runs, truths, part, self._sign)
        return LabelScores(
            label=label,
            truths=int(means.truths[0, 0]),
            annotations=int(np.count_nonzero(~part.is_ignored[runs])),
            best_f1=best.f1 if best else None,
            best_confidence=best.confidence if best else None,
            scores=(lanes.scores(self.settings, runs, truths) if lanes else {})
            | summary(means, self.settings),
            **scores,
        )

    def _all_counts(self, part: Part) -> dict[str, int]:
        ignored = (part.truth_ignored & np.uint64(1)) != 0
        return {
            "images": len(self._images),
            "truths": int(np.count_nonzero(~ignored)),
            "ignored_truths": int(np.count_nonzero(ignored)),
            "annotations": int(np.count_nonzero(~part.is_ignored)),
            "ignored_annotations": int(np.count_nonzero(part.is_ignored)),
            "annotations_over_limit": self._over_limit,
            **self._counts,
        }


def _by_label(codes: NDArray[np.int32], labels: Sequence[str]) -> list[IndexArray]:
    """For each label the indexes of its annotations, in their order."""
    return list(iter_labels(codes, np.argsort(codes, kind="stable"), len(labels)))


def _curve(
    label: str | None, part: Part, members: IndexArray, truths: IndexArray | slice
) -> tuple[Curve, Best | None]:
    """The curve of some annotations, by falling score, and some truths."""
    counted = members[~part.is_ignored[members]]
    counts = (part.truth_ignored[truths] & np.uint64(1)) == 0
    return curve(
        label,
        part.score[counted],
        part.matched_truth[counted] >= 0,
        int(np.count_nonzero(counts)),
    )


def _scores(outcomes: Outcome, runs: Any, truths: Any, part: Part, sign: float) -> dict[str, Any]:
    right = outcomes.is_right[runs]
    hits = int(np.count_nonzero(right))
    false = int(np.count_nonzero(outcomes.counts[runs])) - hits
    missed = int(np.count_nonzero(outcomes.truth_counts[truths])) - hits
    alike = part.similarity[runs][right]
    return {
        "true_positives": hits,
        "false_positives": false,
        "missed": missed,
        "precision": hits / (hits + false) if hits + false else None,
        "recall": hits / (hits + missed) if hits + missed else None,
        "f1": 2 * hits / (2 * hits + false + missed) if hits + false + missed else None,
        "mean_similarity": sign * float(np.mean(alike, dtype=float)) if hits else None,
    }


_LABEL_RATES = ("precision", "recall", "f1")
_RATES = (*_LABEL_RATES, "mean_similarity")


def _rates(scores: dict[str, Any], names: Sequence[str] = _RATES) -> dict[str, float | None]:
    return {name: scores[name] for name in names}
