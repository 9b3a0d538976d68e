"""Counts what the annotations of a run are like, in as many processes as there are processors."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct, defstruct, field
from numpy.typing import NDArray

from layernext.errors import Conflict, NotFound
from layernext.model import KINDS, Histogram, RunStatistics, built_from_kinds
from layernext.stack.jobs.engines import Engine
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.jobs.spans import ATTEMPTS, SPAN_ANNOTATIONS, span_pool
from layernext.stack.store import Changed, CountedRun, SideSet, Span, Statistics, Store

CONFIDENCE_BINS = 20
LARGEST_POWER = 40

_SIZES = np.array([0.0, *(2.0**power for power in range(LARGEST_POWER + 1))])
# 0, 1, 2, 3-4, 5-8, 9-16 …: an edge is the lowest number of its interval.
_NUMBERS = np.array([0, 1, 2, *(2**power + 1 for power in range(1, LARGEST_POWER))])

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class _Annotation(Struct, gc=False):
    label: str
    confidence: float | None = None
    type: str | None = None


class _Set(Struct, gc=False):
    annotations: list[Any]
    isNormalized: bool | None = None  # noqa: N815 - the format's name


@built_from_kinds
def _decoder() -> Callable[[bytes], _Set]:
    """Decodes what is counted: of annotations of every kind the coordinates."""
    types: dict[str, Any] = {}
    for kind in KINDS.values():
        types |= kind.types
    fields = [(key, coordinates | None, None) for key, coordinates in types.items()]
    annotation = defstruct("_CountedAnnotation", fields, bases=(_Annotation,), gc=False)
    image = defstruct(
        "_CountedSet",
        [("annotations", list[annotation])],  # type: ignore[valid-type]
        bases=(_Set,),
        gc=False,
    )
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(image)
    return decoder.decode


class Tally(Struct):
    """What was counted of some sets."""

    images: int = 0
    annotations: int = 0
    empty_images: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    images_by_label: Counter[str] = field(default_factory=Counter)
    geometries: Counter[str] = field(default_factory=Counter)
    without_confidence: int = 0
    unsized: int = 0
    confidence: Counts = field(default_factory=lambda: np.zeros(CONFIDENCE_BINS, np.int64))
    per_image: Counts = field(default_factory=lambda: np.zeros(len(_NUMBERS), np.int64))
    sizes: Counts = field(default_factory=lambda: np.zeros((3, len(_SIZES)), np.int64))

    def add(self, other: Tally) -> None:
        """Add what another has counted."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def statistics_handler(store: Store, engine: Engine) -> Handler:
    """Counts a run and stores what came of it.

    Args:
        store: where everything is.
        engine: where parts are counted.
    """

    def handle(context: JobContext) -> None:
        payload = context.payload
        for _ in range(ATTEMPTS):
            run = store.statistics.find_run(payload["collection"], payload["run"], payload["mode"])
            if run is None:
                raise NotFound("the run is no longer there", status=404)
            try:
                _count(store, run, context, engine)
            except Changed:
                continue
            return
        raise Conflict(f"annotations changed while they were counted, {ATTEMPTS} times", status=409)

    return handle


def _count(store: Store, run: CountedRun, context: JobContext, engine: Engine) -> None:
    context.progress(0.0, "reading")
    spans = store.statistics.spans(run, SPAN_ANNOTATIONS)
    whole = Tally()
    with span_pool(store, engine, run.annotations) as pool:
        arguments = [(run, span) for span in spans]
        for part, _ in pool.work(context, Statistics, count_span, arguments):
            whole.add(part)
    store.statistics.store(run, described(run, whole))


def count_now(statistics: Statistics, run: CountedRun) -> RunStatistics:
    """Count a run here and now. Nothing is written: this process remembers what came of it.

    Raises:
        Changed: its sets are not those of `run` any more.
    """
    whole = Tally()
    for span in statistics.spans(run, SPAN_ANNOTATIONS):
        whole.add(count_span(statistics, run, span))
    return statistics.remember(run, described(run, whole))


def count_span(statistics: Statistics, run: CountedRun, span: Span) -> Tally:
    """Count the sets of a span.

    Raises:
        Changed: they are not those of `run` any more.
    """
    tally = Tally()
    scores, numbers, boxes = array("d"), array("q"), array("d")
    for side, wh in statistics.iter_sets(run, span):
        _add(tally, side, wh, scores, numbers, boxes)
    wh_array = np.array(boxes).reshape(-1, 2)
    # Published clients may send confidences below 0 and above 1: they count in the outer bins.
    bins = np.clip(np.array(scores) * CONFIDENCE_BINS, 0, CONFIDENCE_BINS - 1).astype(np.int64)
    tally.confidence += np.bincount(bins, minlength=CONFIDENCE_BINS)
    tally.per_image += _binned(np.array(numbers, float), _NUMBERS)
    for axis, values in enumerate((wh_array[:, 0], wh_array[:, 1], wh_array.prod(axis=1))):
        tally.sizes[axis] += _binned(values, _SIZES)
    return tally


def _add(
    tally: Tally,
    side: SideSet,
    wh: tuple[int, int] | None,
    scores: array[float],
    numbers: array[int],
    boxes: array[float],
) -> None:
    decoded = _decoder()(side.raw)
    annotations = decoded.annotations
    tally.images += 1
    tally.annotations += len(annotations)
    tally.empty_images += not annotations
    numbers.append(len(annotations))
    labels = Counter([annotation.label for annotation in annotations])
    tally.labels.update(labels)
    tally.images_by_label.update(labels.keys())
    geometries = [annotation.type or side.geometry or "?" for annotation in annotations]
    tally.geometries.update(geometries)
    confidences = [
        annotation.confidence for annotation in annotations if annotation.confidence is not None
    ]
    tally.without_confidence += len(annotations) - len(confidences)
    scores.extend(confidences)
    is_normalized = side.normalized or bool(decoded.isNormalized)
    if is_normalized and wh is None:
        tally.unsized += len(annotations)
        return
    size = wh if is_normalized else None
    for annotation, geometry in zip(annotations, geometries, strict=True):
        kind = KINDS[geometry]
        coordinates = kind.read(annotation)
        box = kind.box(coordinates) if size is None else kind.box_in_pixels(coordinates, *size)
        if box is not None:
            boxes.append(box[2])
            boxes.append(box[3])


def _binned(values: Floats, edges: NDArray[Any]) -> Counts:
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 1)
    return np.bincount(bins, minlength=len(edges))


def described(run: CountedRun, whole: Tally) -> RunStatistics:
    """What was counted, as a record; labels by falling number."""
    width, height, area = (_histogram(_SIZES, counts) for counts in whole.sizes)
    return RunStatistics(
        run=run.run,
        mode=run.mode,
        collection=run.collection,
        images=whole.images,
        empty_images=whole.empty_images,
        annotations=whole.annotations,
        labels=_by_number(whole.labels),
        images_by_label=_by_number(whole.images_by_label),
        geometries=_by_number(whole.geometries),
        confidence=Histogram(
            edges=[number / CONFIDENCE_BINS for number in range(CONFIDENCE_BINS + 1)],
            counts=whole.confidence.tolist(),
        ),
        without_confidence=whole.without_confidence,
        annotations_per_image=_histogram(_NUMBERS, whole.per_image),
        width=width,
        height=height,
        area=area,
        unsized=whole.unsized,
    )


def _by_number(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _histogram(edges: NDArray[Any], counts: Counts) -> Histogram:
    """Up to the last interval in which there is something."""
    used = np.flatnonzero(counts)
    end = int(used[-1]) + 1 if len(used) else 1
    bounds = [float(edge) for edge in edges[: end + 1]]
    if len(bounds) == end:  # the very last interval has no upper edge
        bounds.append(2 * bounds[-1])
    return Histogram(edges=bounds, counts=counts[:end].tolist())
