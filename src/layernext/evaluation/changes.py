"""Two runs against each other, without any ground truth: what stayed, moved, came and went."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from layernext.evaluation.columns import Columns, FloatArray, Source
from layernext.evaluation.packing import AnySet, LabelCodes, Packer
from layernext.evaluation.similarity import Pairs, measure_for
from layernext.model import EvaluationSettings, RunChanges

BATCH_IMAGES = 256
BATCH_ANNOTATIONS = 20_000
"""What is paired at once, as in `Evaluator`: enough for numpy to be fast, with bounded memory."""


class RunPairing:
    """Pairs the annotations of two runs, image by image; shapes are not kept.

    Annotations of any labels are paired if they are at least as similar as the match threshold, the most
    similar first; among equally similar pairs, those with the same label come first.

    Args:
        settings: geometry, protocol, match threshold.
        confidence_a, confidence_b: annotations with a lower confidence are left out; None keeps all.
        a, b: how to read the sets of each run.

    Raises:
        ConfigurationError: the settings contradict each other.

    Example:
        >>> pairing = RunPairing()
        >>> cup = b'{"annotations": [{"type": "rectangle", "label": "cup", "bbox": [0, 0, 4, 4]}]}'
        >>> pairing.add("a.jpg", cup, cup.replace(b"cup", b"mug"))
        >>> pairing.result().relabelled
        1
    """

    def __init__(
        self,
        settings: EvaluationSettings | None = None,
        *,
        confidence_a: float | None = None,
        confidence_b: float | None = None,
        a: Source | None = None,
        b: Source | None = None,
    ) -> None:
        self.settings = (settings or EvaluationSettings()).complete()
        self._sign = -1.0 if self.settings.is_distance else 1.0
        self._sources = (a or Source(), b or Source())
        self._confidences = (confidence_a or 0.0, confidence_b or 0.0)
        self._packers = self._new_packers()
        self._waiting: list[tuple[str, tuple[float, float] | None]] = []
        self._cells: Counter[tuple[str | None, str | None]] = Counter()
        self._totals: Counter[str] = Counter()
        self._images: dict[str, Counter[str]] = {}
        self._sums = np.zeros(2)

    def _new_packers(self) -> tuple[Packer, Packer]:
        self._labels = LabelCodes()
        return (
            Packer(self.settings, self._labels, is_truth=False),
            Packer(self.settings, self._labels, is_truth=False),
        )

    def __getstate__(self) -> dict[str, Any]:
        self._pair()
        state = self.__dict__.copy()
        del state["_packers"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._packers = self._new_packers()

    @property
    def sources(self) -> tuple[Source, Source]:
        """How to read the sets of a and of b."""
        return self._sources

    def empty(self) -> RunPairing:
        """A pairing with the same settings and no images."""
        return RunPairing(
            self.settings,
            confidence_a=self._confidences[0],
            confidence_b=self._confidences[1],
            a=self._sources[0],
            b=self._sources[1],
        )

    def merge(self, other: RunPairing) -> None:
        """Add everything from another pairing, which has other images.

        Raises:
            ValueError: it has other settings.
        """
        if other.settings != self.settings or other._confidences != self._confidences:
            raise ValueError("pairings with different settings cannot be merged")
        other._pair()
        self._cells += other._cells
        self._totals += other._totals
        self._images |= other._images
        self._sums += other._sums

    def add(
        self,
        image: str,
        a: AnySet | None,
        b: AnySet | None,
        *,
        image_wh: tuple[float, float] | None = None,
        source_a: Source | None = None,
        source_b: Source | None = None,
    ) -> None:
        """Add an image.

        Args:
            image: its name; each may come once.
            a, b: its annotation set in each run; None counts as empty.
            image_wh: width and height in pixels, needed where coordinates are fractions.
            source_a, source_b: how to read these sets, if not as all the others.

        Raises:
            DataError: a set is not valid; the message names the image and the location.
        """
        sources = source_a or self._sources[0], source_b or self._sources[1]
        for packer, annotation_set, source in zip(self._packers, (a, b), sources, strict=True):
            image_wh = packer.add(annotation_set, source, image_wh, image)
        self._waiting.append((image, image_wh))
        gathered = sum(packer.annotation_count for packer in self._packers)
        if len(self._waiting) >= BATCH_IMAGES or gathered >= BATCH_ANNOTATIONS:
            self._pair()

    def result(self) -> RunChanges:
        """What changed in all images added so far."""
        self._pair()
        labels = sorted({label for cell in self._cells for label in cell if label is not None})
        index: dict[str | None, int] = {label: number for number, label in enumerate(labels)}
        index[None] = len(labels)
        counts = np.zeros((len(labels) + 1, len(labels) + 1), np.int64)
        for (row, column), count in self._cells.items():
            counts[index[row], index[column]] = count
        pairs = counts[:-1, :-1]
        paired = int(pairs.sum())
        removed, added = int(counts[:, -1].sum()), int(counts[-1].sum())
        similarity, confidence = self._sums / paired if paired else (None, None)
        return RunChanges(
            a=paired + removed,
            b=paired + added,
            paired=paired,
            unchanged=self._totals["unchanged"],
            moved=self._totals["moved"],
            relabelled=self._totals["relabelled"],
            confidence_changed=self._totals["confidence_changed"],
            added=added,
            removed=removed,
            mean_similarity=None if similarity is None else self._sign * float(similarity),
            mean_confidence_change=None if confidence is None else float(confidence),
            labels=labels,
            counts=counts.tolist(),
            kappa=cohen_kappa(pairs),
        )

    def image_counts(self, image: str) -> dict[str, int]:
        """How many annotations of an image were added, removed, moved and relabelled, by name."""
        self._pair()
        counts = self._images.get(image, Counter())
        return {name: counts[name] for name in ("added", "removed", "moved", "relabelled")}

    def _pair(self) -> None:
        """Pair what was gathered, and forget its shapes."""
        if not self._waiting:
            return
        a, b = (
            _confident(packer.take(), confidence)
            for packer, confidence in zip(self._packers, self._confidences, strict=True)
        )
        threshold = self.settings.match_threshold
        assert threshold is not None  # noqa: S101 - the settings are completed
        sizes = [image_wh for _, image_wh in self._waiting]
        measure = measure_for(self.settings)
        prepared = measure.prepared(b, a, sizes)
        pairs = measure.candidates(*prepared, self._sign * threshold, sizes)
        of_a = np.full(a.count, -1)
        of_b = np.full(b.count, -1)
        similarity = np.zeros(b.count)
        for first, second, alike in _closest(pairs, a, b):
            of_a[first], of_b[second], similarity[second] = second, first, alike
        self._count(a, b, of_a, of_b)
        paired = np.flatnonzero(of_b >= 0)
        change = b.score[paired] - a.score[of_b[paired]]
        self._sums += similarity[paired].sum(), change.sum()
        self._waiting = []

    def _count(self, a: Columns, b: Columns, of_a: Any, of_b: Any) -> None:
        paired = np.flatnonzero(of_b >= 0)
        mates = of_b[paired]
        is_moved = _differ(a, b, mates, paired)
        is_relabelled = a.label[mates] != b.label[paired]
        is_other = a.score[mates] != b.score[paired]
        removed, added = np.flatnonzero(of_a < 0), np.flatnonzero(of_b < 0)
        self._totals["moved"] += int(is_moved.sum())
        self._totals["relabelled"] += int(is_relabelled.sum())
        self._totals["confidence_changed"] += int(is_other.sum())
        self._totals["unchanged"] += int((~is_moved & ~is_relabelled & ~is_other).sum())
        names = [*self._labels]
        self._cells.update(
            (names[first], names[second])
            for first, second in zip(a.label[mates].tolist(), b.label[paired].tolist(), strict=True)
        )
        self._cells.update((names[code], None) for code in a.label[removed].tolist())
        self._cells.update((None, names[code]) for code in b.label[added].tolist())
        for name, images in (
            ("added", b.image[added]),
            ("removed", a.image[removed]),
            ("moved", b.image[paired[is_moved]]),
            ("relabelled", b.image[paired[is_relabelled]]),
        ):
            for number, count in zip(*np.unique(images, return_counts=True), strict=True):
                image = self._waiting[number][0]
                self._images.setdefault(image, Counter())[name] += int(count)


def cohen_kappa(counts: Any) -> float | None:
    """Agreement of two raters beyond what their label frequencies give by chance.

    Args:
        counts: (L, L): a row for each label of one rater, a column for each label of the other.

    Returns:
        1 for full agreement, 0 for what chance gives, negative for less; None without counts, or if both
        raters used only one and the same label.

    Source: Cohen, A Coefficient of Agreement for Nominal Scales, 1960.
    """
    counts = np.asarray(counts, np.float64)
    total = counts.sum()
    if not total:
        return None
    agreed = np.trace(counts) / total
    by_chance = counts.sum(axis=0) @ counts.sum(axis=1) / total**2
    return None if by_chance == 1 else float((agreed - by_chance) / (1 - by_chance))


def _confident(columns: Columns, confidence: float) -> Columns:
    return columns.in_order(np.flatnonzero(columns.score >= confidence))


def _closest(pairs: Pairs, a: Columns, b: Columns) -> list[tuple[int, int, float]]:
    """(index in a, index in b, similarity) of the pairs that are made, the most similar first."""
    is_other = b.label[pairs.run] != a.label[pairs.truth]
    order = np.lexsort((pairs.truth, pairs.run, is_other, -pairs.similarity))
    free_a, free_b = bytearray(b"\1") * a.count, bytearray(b"\1") * b.count
    pieces = []
    for first, second, alike in zip(
        pairs.truth[order].tolist(),
        pairs.run[order].tolist(),
        pairs.similarity[order].tolist(),
        strict=True,
    ):
        if free_a[first] and free_b[second]:
            free_a[first] = free_b[second] = 0
            pieces.append((first, second, alike))
    return pieces


def _differ(a: Columns, b: Columns, of_a: Any, of_b: Any) -> Any:
    """(P,) whether the shapes of each pair differ in any number."""
    if isinstance(a.shapes, np.ndarray):
        boxes: FloatArray = np.asarray(b.shapes)
        return (a.shapes[of_a] != boxes[of_b]).any(axis=1)
    pairs = zip(of_a.tolist(), of_b.tolist(), strict=True)
    return np.array(
        [not _is_same(a.shapes[first], b.shapes[second]) for first, second in pairs], bool
    )


def _is_same(shape: Any, other: Any) -> bool:
    """Whether two shapes have the same numbers; one may have parts, and the other not."""
    if isinstance(shape, Struct | np.ndarray) and type(shape) is not type(other):
        return False
    if isinstance(shape, Struct):
        return _is_same(msgspec.structs.astuple(shape), msgspec.structs.astuple(other))
    if isinstance(shape, list | tuple) and isinstance(other, list | tuple):
        return len(shape) == len(other) and all(map(_is_same, shape, other))
    return np.array_equal(shape, other)
