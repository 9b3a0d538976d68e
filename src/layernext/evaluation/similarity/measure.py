"""How alike shapes are: a function for each kind and protocol, and the pairs it gives.

A `Measure` holds such a function: it takes the N shapes of the run and the M shapes of the truth in one
image, in pixels, and gives (N, M). If a lower number is better (a distance), `is_distance` says so, and
`Measure.candidates` negates it, there and nowhere else: everything behind it can assume that higher is
better.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from layernext.evaluation.columns import Columns, FloatArray, IndexArray, Source
from layernext.model import EvaluationSettings

Shapes: TypeAlias = Any
"""Boxes (N, 4) as x, y, width, height, or (N, 5) with a rotation; or a list of N arrays (K, 2) of points."""

ImageWh: TypeAlias = tuple[float, float]

Similarity: TypeAlias = Callable[[Shapes, Shapes, ImageWh | None], FloatArray]
"""(N shapes of the run, M of the truth, width and height of the image if known) to (N, M)."""


class Pairs(NamedTuple):
    """Pairs of annotation and truth of one image that are alike enough to matter.

    Attributes:
        run: (P,) index of the annotation in the batch.
        truth: (P,) index of the truth in the batch.
        similarity: (P,) higher is better.
    """

    run: IndexArray
    truth: IndexArray
    similarity: FloatArray

    @staticmethod
    def none() -> Pairs:
        """No pairs."""
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    @staticmethod
    def joined(pairs: list[Pairs]) -> Pairs:
        """Several, appended; at least one."""
        run, truth, similarity = zip(*pairs, strict=True)
        return Pairs(np.concatenate(run), np.concatenate(truth), np.concatenate(similarity))

    def where(self, mask: NDArray[np.bool_]) -> Pairs:
        """The pairs for which `mask` is true."""
        return Pairs(self.run[mask], self.truth[mask], self.similarity[mask])


class Measure(Struct, frozen=True):
    """A way to compare shapes.

    Attributes:
        similarity: for one image.
        is_distance: whether `similarity` gives distances.
        batch: candidates of a whole batch at once, where that is faster; as `candidates`.
        prepare: applied once to all shapes of both sides of a batch, for example to draw them;
            `similarity` and `batch` get its result in place of the shapes.
    """

    similarity: Similarity
    is_distance: bool = False
    batch: Callable[[Columns, Columns, float], Pairs] | None = None
    prepare: Callable[[Columns, Columns, list[ImageWh | None]], tuple[Columns, Columns]] | None = (
        None
    )

    def candidates(
        self,
        run: Columns,
        truth: Columns,
        floor: float,
        image_whs: list[ImageWh | None],
    ) -> Pairs:
        """Pairs within the same image, of any labels, at least as similar as `floor`.

        Args:
            run, truth: of the same batch, sorted by image.
            floor: lowest similarity; for distances, a negated distance.
            image_whs: width and height of each image of the batch.

        Returns:
            Sorted by annotation, then truth.
        """
        if self.batch is not None:
            return self.batch(run, truth, floor)
        pairs = [Pairs.none()]
        of_truth = dict(slices_of_images(truth.image, len(image_whs)))
        for image, rows in slices_of_images(run.image, len(image_whs)):
            others = of_truth[image]
            if rows.start == rows.stop or others.start == others.stop:
                continue
            alike = self.similarity(run.shapes[rows], truth.shapes[others], image_whs[image])
            if self.is_distance:
                alike = -alike
            near = np.nonzero(alike >= floor)
            pairs.append(Pairs(near[0] + rows.start, near[1] + others.start, alike[near]))
        return Pairs.joined(pairs)

    def prepared(
        self, run: Columns, truth: Columns, image_whs: list[ImageWh | None]
    ) -> tuple[Columns, Columns]:
        """Both sides as `similarity` needs them."""
        return self.prepare(run, truth, image_whs) if self.prepare else (run, truth)


class Gatherer(ABC):
    """Gathers the shapes of a kind, of one side of a batch."""

    @abstractmethod
    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Append the shapes of an image.

        Args:
            annotations: decoded, with the JSON keys of the kind as attributes.
            scale: width and height of the image if its coordinates are fractions of them, else None.
            source: how the set is to be read.

        Raises:
            TypeError: an annotation has no coordinates.
        """

    @abstractmethod
    def take(self) -> tuple[Shapes, FloatArray]:
        """The shapes gathered and their areas (N,) in square pixels; then start empty.

        An area that is known only once the shape is prepared is NaN.
        """


class KindSimilarity(ABC):
    """How the shapes of a kind are gathered and compared.

    Attributes:
        name: of the kind, as in `layernext.model.KINDS`.
        kinds: names of the kinds that are compared with each other under this name; only its own if empty.
    """

    name: str
    kinds: tuple[str, ...] = ()

    def kinds_for(self, protocol: str | None) -> tuple[str, ...]:
        """Names of the kinds of annotations that an evaluation by this protocol takes."""
        del protocol
        return self.kinds or (self.name,)

    @abstractmethod
    def gatherer(self) -> Gatherer:
        """An empty gatherer."""

    @abstractmethod
    def measure(self, settings: EvaluationSettings) -> Measure:
        """The measure of completed settings."""


def slices_of_images(image: IndexArray, count: int) -> Iterator[tuple[int, slice]]:
    """For each of `count` images the rows that are in it; `image` is sorted."""
    bounds = np.searchsorted(image, np.arange(count + 1)).tolist()
    for number, (start, end) in enumerate(pairwise(bounds)):
        yield number, slice(start, end)


def pairs_of_images(
    run_image: IndexArray, truth_image: IndexArray
) -> tuple[IndexArray, IndexArray]:
    """Every pair of annotation and truth that are in the same image; both are sorted by image."""
    starts = np.searchsorted(truth_image, run_image, side="left")
    counts = np.searchsorted(truth_image, run_image, side="right") - starts
    run_index = np.repeat(np.arange(len(run_image)), counts)
    before = np.cumsum(counts) - counts
    truth_index = np.arange(len(run_index)) + np.repeat(starts - before, counts)
    return run_index, truth_index


def pairs_by_iou(
    pairs: tuple[IndexArray, IndexArray],
    inter: FloatArray,
    areas: tuple[FloatArray, FloatArray],
    truth: Columns,
    floor: float,
) -> Pairs:
    """The pairs whose intersection over union is at least `floor`; of a crowd, intersection over the annotation.

    Args:
        pairs: (P,) annotations and (P,) truths that overlap.
        inter: (P,) area that both share.
        areas: (N,) of the annotations, (M,) of the truths.
        truth: the truths.
        floor: lowest overlap.
    """
    run_index, truth_index = pairs
    union = areas[0][run_index] + areas[1][truth_index] - inter
    if truth.crowd.any():
        union = np.where(truth.crowd[truth_index], areas[0][run_index], union)
    iou = inter / union
    similar = np.flatnonzero(iou >= floor)
    return Pairs(run_index[similar], truth_index[similar], iou[similar])
