"""How much average precision each kind of error costs.

Source: TIDE (see `error_kinds`), section 2.3: the oracle of a kind corrects all errors of this kind and
nothing else; what it adds to AP is the kind's cost.

Two things are as in pycocotools, not as in the authors' program: an annotation that is ignored is no
error, and a label without truths has no AP, in place of one of zero.
"""

from __future__ import annotations

import numpy as np

from layernext.evaluation.averages import Integral
from layernext.evaluation.columns import IndexArray
from layernext.evaluation.error_kinds import Kind
from layernext.evaluation.parts import BoolArray, Part
from layernext.model import ErrorKind, ErrorKinds


class _Oracle:
    """Average precision of what a part would be with some errors corrected."""

    def __init__(self, part: Part, label_count: int, integral: Integral) -> None:
        self.part, self._integral = part, integral
        self._label_count = label_count
        self.is_hit = part.matched_truth >= 0
        counts = (part.truth_ignored & np.uint64(1)) == 0
        self.truth_label = part.truth_label[counts]
        self.totals = self._counted(self.truth_label)
        self.is_missed = counts & (part.found_by < 0)
        self.rows = np.flatnonzero(~part.is_ignored)
        self.rows = self.rows[np.lexsort((-part.score[self.rows], part.label[self.rows]))]

    def _counted(self, label: IndexArray) -> IndexArray:
        return np.bincount(label, minlength=self._label_count)

    def ap(
        self,
        rows: IndexArray,
        label: IndexArray,
        is_hit: BoolArray,
        totals: IndexArray,
    ) -> float | None:
        """Mean over labels that have truths; `rows` are sorted by label and falling confidence."""
        hits = is_hit[rows]
        bounds = np.searchsorted(label[rows], np.arange(self._label_count + 1))
        precisions = []
        for code in np.flatnonzero(totals):
            hit_ranks = np.flatnonzero(hits[bounds[code] : bounds[code + 1]])
            precisions.append(self._integral(hit_ranks, hit_ranks + 1, int(totals[code])))
        return float(np.mean(precisions)) if precisions else None

    def plain(self) -> float | None:
        return self.ap(self.rows, self.part.label, self.is_hit, self.totals)

    def without(self, is_dropped: BoolArray) -> float | None:
        rows = self.rows[~is_dropped[self.rows]]
        return self.ap(rows, self.part.label, self.is_hit, self.totals)

    def corrected(self, kind: Kind) -> float | None:
        """With the best error of each truth that is still to be found made right, others removed."""
        part = self.part
        is_kind = part.error == kind
        is_corrected = self.corrections & is_kind
        is_hit = self.is_hit | is_corrected
        rows = self.rows[(~is_kind | is_corrected)[self.rows]]
        if kind == Kind.LOCALISATION:
            return self.ap(rows, part.label, is_hit, self.totals)
        label = part.label.copy()
        label[is_corrected] = part.truth_label[part.about[is_corrected]]
        rows = rows[np.lexsort((-part.score[rows], label[rows]))]
        return self.ap(rows, label, is_hit, self.totals)

    @property
    def corrections(self) -> BoolArray:
        """The most confident of the errors about each truth that was not found."""
        part = self.part
        rows = np.flatnonzero(part.about >= 0)
        rows = rows[self.is_missed[part.about[rows]]]
        rows = rows[np.lexsort((-part.score[rows], part.about[rows]))]
        is_first = np.diff(part.about[rows], prepend=-1) != 0
        is_corrected = np.zeros(len(part.label), bool)
        is_corrected[rows[is_first]] = True
        return is_corrected

    def unexplained(self) -> BoolArray:
        """(M,) truths that were not found and that no error is about."""
        is_about = np.zeros(len(self.is_missed), bool)
        is_about[self.part.about[self.part.about >= 0]] = True
        is_unexplained: BoolArray = self.is_missed & ~is_about
        return is_unexplained

    def all_right(self) -> float | None:
        """Without false positives: every true positive is more confident than they are."""
        rows = self.rows[self.is_hit[self.rows]]
        return self.ap(rows, self.part.label, self.is_hit, self.totals)

    def all_found(self, is_dropped: BoolArray) -> float | None:
        """Without some truths that were missed."""
        totals = self.totals - self._counted(self.part.truth_label[is_dropped])
        return self.ap(self.rows, self.part.label, self.is_hit, totals)


def error_kinds(
    part: Part, label_count: int, integral: Integral, background_threshold: float
) -> ErrorKinds:
    """Count and cost of every kind, over all labels and confidences."""
    oracle = _Oracle(part, label_count, integral)
    ap = oracle.plain()
    unexplained = oracle.unexplained()

    def kind(count: int, corrected: float | None) -> ErrorKind:
        cost = None if ap is None or corrected is None else max(0.0, corrected - ap)
        return ErrorKind(count=count, ap_cost=cost)

    def removed(error_kind: Kind) -> ErrorKind:
        is_kind = part.error == error_kind
        return kind(int(np.count_nonzero(is_kind)), oracle.without(is_kind))

    def corrected(error_kind: Kind) -> ErrorKind:
        return kind(int(np.count_nonzero(part.error == error_kind)), oracle.corrected(error_kind))

    wrong = int(np.count_nonzero(part.error != Kind.NONE))
    missed = int(np.count_nonzero(oracle.is_missed))
    return ErrorKinds(
        ap=ap,
        classification=corrected(Kind.CLASSIFICATION),
        localisation=corrected(Kind.LOCALISATION),
        both=removed(Kind.BOTH),
        duplicate=removed(Kind.DUPLICATE),
        background=removed(Kind.BACKGROUND),
        missed=kind(int(np.count_nonzero(unexplained)), oracle.all_found(unexplained)),
        false_positives=kind(wrong, oracle.all_right()),
        false_negatives=kind(missed, oracle.all_found(oracle.is_missed)),
        background_threshold=background_threshold,
    )
