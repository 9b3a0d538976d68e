"""Classification: what labels of whole images are worth, as scikit-learn defines the numbers.

If no image of the ground truth has more than one label, the run's answer for an image is its most confident label;
otherwise every label with at least the evaluation's confidence. A label that the run does not give an
image has the confidence 0 there.

Every number is a function of how often each image counts, so the same code serves evaluations, parts of the data
and resampling.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from layernext.evaluation.columns import FloatArray, IndexArray
from layernext.evaluation.parts import BoolArray, Part
from layernext.model import EvaluationSettings


def truths_that_count(part: Part) -> BoolArray:
    """(M,) whether each truth counts."""
    counts: BoolArray = (part.truth_ignored & np.uint64(1)) == 0
    return counts


def is_single_label(part: Part) -> bool:
    """Whether no image has more than one true label."""
    images = part.truth_image[truths_that_count(part)]
    return not len(images) or int(np.bincount(images).max()) <= 1


def find_answers(part: Part) -> BoolArray:
    """(N,) which annotations may be the run's answers, whatever the confidence.

    Of equally confident labels of an image the first in order counts, as for ``numpy.argmax``.
    """
    if not is_single_label(part):
        return ~part.is_ignored
    order = np.lexsort((part.label, -part.score, part.image))
    is_first = np.ones(len(order), bool)
    is_first[1:] = part.image[order][1:] != part.image[order][:-1]
    is_answer = np.zeros(len(order), bool)
    is_answer[order[is_first]] = True
    return is_answer


class _Ranking(Struct):
    """Annotations by label and falling confidence, equal ones in one group.

    Attributes:
        group: (N,) of each annotation, rising with its label.
        image: (N,) its image.
        is_true: (N,) whether its image has the label.
        label: (G,) of each group.
        is_zero: (G,) whether the confidence is 0, as that of labels that were not given.
    """

    group: IndexArray
    image: IndexArray
    is_true: BoolArray
    label: IndexArray
    is_zero: BoolArray


class Classification(Struct):
    """Gathered numbers of an evaluation of labels.

    Attributes:
        is_single: whether the most confident label of an image is the answer.
        label_count: labels, with codes below.
        limits: the k for which the truth is looked for among the k most confident labels.
        truth_image, truth_label: (M,) of the truths that count.
        answer_image, answer_label, is_right: (A,) of the answers.
        truth_place: (M,) place of the truth among the labels of its image, 0 for the most confident; a large
            number for what the run does not give.
        ranking: of all annotations that count.
    """

    is_single: bool
    label_count: int
    limits: tuple[int, ...]
    truth_image: IndexArray
    truth_label: IndexArray
    answer_image: IndexArray
    answer_label: IndexArray
    is_right: BoolArray
    truth_place: IndexArray
    ranking: _Ranking

    @classmethod
    def of(
        cls,
        part: Part,
        settings: EvaluationSettings,
        label_count: int,
        confidence: float,
    ) -> Classification:
        """Gather what the numbers are made of.

        Args:
            part: everything matched.
            settings: completed.
            label_count: codes are below.
            confidence: annotations below are no answers.
        """
        truths = np.flatnonzero(truths_that_count(part))
        rows = np.flatnonzero(~part.is_ignored)
        image = part.image[rows].astype(np.int64)
        label = part.label[rows].astype(np.int64)
        truth_image = part.truth_image[truths].astype(np.int64)
        truth_label = part.truth_label[truths].astype(np.int64)
        keys, truth_keys = image * label_count + label, truth_image * label_count + truth_label
        is_true = np.isin(keys, truth_keys)
        answers = find_answers(part)[rows] & (part.score[rows] >= confidence)
        return cls(
            is_single=is_single_label(part),
            label_count=label_count,
            limits=settings.max_annotations,
            truth_image=truth_image,
            truth_label=truth_label,
            answer_image=image[answers],
            answer_label=label[answers],
            is_right=is_true[answers],
            truth_place=_places(keys, image, label, part.score[rows], truth_keys),
            ranking=_ranked(image, label, part.score[rows], is_true),
        )

    def numbers(self, weights: FloatArray) -> dict[str, float | None]:
        """The numbers by name, if each image counts as often as its weight (I,) says; None where undefined."""
        right, answers, truths = self._counted(weights)
        is_used = (answers > 0) | (truths > 0)
        precision = np.divide(right, answers, out=np.zeros_like(right), where=answers > 0)
        recall = np.divide(right, truths, out=np.zeros_like(right), where=truths > 0)
        f1 = np.divide(
            2 * right, answers + truths, out=np.zeros_like(right), where=answers + truths > 0
        )
        average, area = self.by_label(weights)
        return {
            **self._accuracies(weights),
            "macro_f1": _mean(f1[is_used]),
            "macro_precision": _mean(precision[is_used]),
            "macro_recall": _mean(recall[is_used]),
            "AP": _mean(average[~np.isnan(average)]),
            "AUC": _mean(area[~np.isnan(area)]),
        }

    def _counted(self, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Weight of right answers, answers and truths of each label."""
        of_answers = weights[self.answer_image]
        right, answers, truths = (
            _sums(labels, values, self.label_count)
            for labels, values in (
                (self.answer_label, of_answers * self.is_right),
                (self.answer_label, of_answers),
                (self.truth_label, weights[self.truth_image]),
            )
        )
        return right, answers, truths

    def _accuracies(self, weights: FloatArray) -> dict[str, float | None]:
        if not self.is_single:
            right = np.bincount(self.answer_image[self.is_right], minlength=len(weights))
            answers = np.bincount(self.answer_image, minlength=len(weights))
            truths = np.bincount(self.truth_image, minlength=len(weights))
            is_same = (right == answers) & (right == truths)
            return {"accuracy": _ratio(float(weights @ is_same), float(weights.sum()))}
        total = float(weights[self.truth_image].sum())
        hits = float(weights[self.answer_image[self.is_right]].sum())
        numbers = {"accuracy": _ratio(hits, total)}
        for limit in self.limits:
            if limit > 1:
                near = float(weights[self.truth_image[self.truth_place < limit]].sum())
                numbers[f"top{limit}"] = _ratio(near, total)
        return numbers

    def by_label(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Average precision and area under the ROC curve of each label (L,), NaN where undefined.

        Source: ``average_precision_score`` and ``roc_auc_score`` of scikit-learn, each label against the rest.
        """
        ranking, count = self.ranking, self.label_count
        groups = len(ranking.label)
        of_annotations = weights[ranking.image]
        true, false = (
            _sums(ranking.group, of_annotations * which, groups)
            for which in (ranking.is_true, ~ranking.is_true)
        )
        positives = _sums(self.truth_label, weights[self.truth_image], count)
        negatives = weights.sum() - positives
        # The last group of a label: confidence 0, given or not.
        is_listed = ~ranking.is_zero
        last_true = positives - _sums(ranking.label[is_listed], true[is_listed], count)
        last_false = negatives - _sums(ranking.label[is_listed], false[is_listed], count)
        label, true, false = ranking.label[is_listed], true[is_listed], false[is_listed]
        true_so_far, false_so_far = (_within(label, values) for values in (true, false))
        precision = np.divide(
            true_so_far, true_so_far + false_so_far, out=np.zeros_like(true),
            where=true_so_far + false_so_far > 0,
        )  # fmt: skip
        area = _sums(label, true * precision, count) + last_true * np.divide(
            positives, positives + negatives, out=np.zeros_like(positives),
            where=positives + negatives > 0,
        )  # fmt: skip
        below = negatives[label] - false_so_far + false / 2
        wins = _sums(label, true * below, count) + last_true * last_false / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return area / positives, np.where(
                (positives > 0) & (negatives > 0), wins / (positives * negatives), np.nan
            )


def _places(
    keys: IndexArray,
    image: IndexArray,
    label: IndexArray,
    score: FloatArray,
    truth_keys: IndexArray,
) -> IndexArray:
    """Place of each truth among the labels of its image; of equally confident ones the last in order goes first.

    That is the order of ``top_k_accuracy_score`` of scikit-learn.
    """
    order = np.lexsort((-label, -score, image))
    rank = np.arange(len(order)) - np.searchsorted(image[order], image[order])
    by_key = np.argsort(keys[order], kind="stable")
    sorted_keys = keys[order][by_key]
    position = np.searchsorted(sorted_keys, truth_keys)
    is_listed = np.append(sorted_keys, -1)[position] == truth_keys
    last = np.iinfo(np.int64).max
    return np.where(is_listed, np.append(rank[by_key], last)[position], last)


def _ranked(
    image: IndexArray, label: IndexArray, score: FloatArray, is_true: BoolArray
) -> _Ranking:
    order = np.lexsort((-score, label))
    label, score = label[order], score[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (label[1:] != label[:-1]) | (score[1:] != score[:-1])
    return _Ranking(
        group=np.cumsum(is_new) - 1,
        image=image[order],
        is_true=is_true[order],
        label=label[is_new],
        is_zero=score[is_new] <= 0,
    )


def _sums(index: IndexArray, values: FloatArray, count: int) -> FloatArray:
    """Sum of the values of each index; floats also where there are none."""
    return np.bincount(index, values, count).astype(float)


def _within(label: IndexArray, values: FloatArray) -> FloatArray:
    """Sums up to each group within its label; groups are sorted by label."""
    sums = np.cumsum(values)
    starts = np.searchsorted(label, label)
    so_far: FloatArray = sums - np.append(0.0, sums)[starts]
    return so_far


def _mean(values: FloatArray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
