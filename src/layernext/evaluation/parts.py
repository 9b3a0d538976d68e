"""What remains of a batch of images once it is matched: a few numbers per annotation, no shapes.

A `Part` is all that grows while an evaluation runs: some 55 bytes an annotation of the run, 20 a
truth. Parts of different images can be made anywhere and put together in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import fields as struct_fields
from msgspec.structs import replace
from numpy.typing import NDArray

from layernext.evaluation.columns import Columns, FloatArray, IndexArray
from layernext.evaluation.error_kinds import kinds_of
from layernext.evaluation.matching import (
    BitArray,
    Matches,
    match_by_claim,
    match_greedily,
    repeat_bits,
    threshold_bits,
)
from layernext.evaluation.similarity import Measure, Pairs, pixel_cells, stuff_labels
from layernext.model import EvaluationSettings

Int32Array = NDArray[np.int32]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


class Part(Struct):
    """Matched annotations of some images.

    Attributes:
        image, label, score, rank: (N,) of the run, sorted by image, label and falling score; rank is
            the place within image and label.
        matched: (N,) bit ``t * areas + a``: found a truth that counts at this threshold and size.
        ignored: (N,) bit: counts neither for nor against.
        matched_truth: (N,) the truth found at the match threshold, as index in the part, or -1.
        similarity: (N,) of that pair.
        is_ignored: (N,) counts neither for nor against at the match threshold.
        error: (N,) kind of the error at the match threshold, of `error_kinds.Kind`.
        about: (N,) the truth that a wrong place or label is about, or -1.
        truth_image, truth_label: (M,).
        truth_ignored: (M,) bit ``a``: the truth does not count at this size.
        found_by: (M,) the annotation that found it at the match threshold, or -1.
        pair_run, pair_truth, pair_similarity: (P,) pairs of different labels at the match threshold
            whose annotation found no truth of its own label.
        own_run, own_truth, own_similarity: (Q,) pairs of the same label that overlap at all; only
            for ``lane-f1``, which matches them again at each confidence, and for ``panoptic``.
        pixel_image, pixel_truth, pixel_run, pixel_count: (C,) pixels by label of the truth and of the run, -1 for
            none; only for ``semantic``.
        truth_stuff, run_stuff: labels of semantic masks of either side; only for ``panoptic``.
        tag_kind, tag_row, tag_value: (V,) values for tables by part: of annotations of the run (0),
            truths (1) and images (2); which one; and the code of the value.
    """

    image: Int32Array
    label: Int32Array
    score: FloatArray
    rank: Int32Array
    matched: BitArray
    ignored: BitArray
    matched_truth: Int32Array
    similarity: Float32Array
    is_ignored: BoolArray
    error: NDArray[np.uint8]
    about: Int32Array
    truth_image: Int32Array
    truth_label: Int32Array
    truth_ignored: BitArray
    found_by: Int32Array
    pair_run: Int32Array
    pair_truth: Int32Array
    pair_similarity: Float32Array
    own_run: Int32Array
    own_truth: Int32Array
    own_similarity: FloatArray
    pixel_image: Int32Array
    pixel_truth: Int32Array
    pixel_run: Int32Array
    pixel_count: NDArray[np.int64]
    truth_stuff: Int32Array
    run_stuff: Int32Array
    tag_kind: NDArray[np.uint8]
    tag_row: Int32Array
    tag_value: Int32Array


CLAIM_PROTOCOLS = {"voc", "voc2007", "chamfer"}
"""Whose annotations have no second choice; the others match as COCO does."""

_RUN_INDEXES = ("found_by", "pair_run", "own_run")
_TRUTH_INDEXES = ("matched_truth", "about", "pair_truth", "own_truth")
_IMAGE_INDEXES = ("image", "truth_image", "pixel_image")
_LABELS = ("label", "truth_label", "pixel_truth", "pixel_run", "truth_stuff", "run_stuff")
_PIXELS = ("pixel_image", "pixel_truth", "pixel_run", "pixel_count")
_TAGS = ("tag_kind", "tag_row", "tag_value")
_PAIRS = ("pair_run", "pair_truth", "pair_similarity")
_OWN = ("own_run", "own_truth", "own_similarity")
_TRUTHS = ("truth_image", "truth_label", "truth_ignored", "found_by")


def concatenate(parts: list[Part], image_counts: list[int]) -> Part:
    """One part of several; indexes go on counting."""
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Any] = {field.name: [] for field in struct_fields(Part)}
    runs = truths = images = 0
    for part, image_count in zip(parts, image_counts, strict=True):
        for name, column in columns.items():
            values = getattr(part, name)
            if name in _IMAGE_INDEXES:
                values = values + np.int32(images)
            elif name in _RUN_INDEXES:
                values = np.where(values < 0, values, values + np.int32(runs))
            elif name in _TRUTH_INDEXES:
                values = np.where(values < 0, values, values + np.int32(truths))
            elif name == "tag_row":
                values = values + np.array([runs, truths, images], np.int32)[part.tag_kind]
            column.append(values)
        runs += len(part.label)
        truths += len(part.truth_label)
        images += image_count
    return Part(**{name: np.concatenate(column) for name, column in columns.items()})


def in_order(part: Part, new_numbers: IndexArray) -> Part:
    """The part by image, and within an image by label: nothing tells how it came about.

    Args:
        part: with the label codes that are to stay.
        new_numbers: the new number of each image.
    """
    image = new_numbers[part.image]
    run = np.lexsort((part.label, image))
    truth = np.argsort(new_numbers[part.truth_image], kind="stable")
    columns = {field.name: getattr(part, field.name) for field in struct_fields(Part)}
    columns |= {name: new_numbers[columns[name]] for name in _IMAGE_INDEXES}
    columns |= {name: _moved(columns[name], run) for name in _RUN_INDEXES}
    columns |= {name: _moved(columns[name], truth) for name in _TRUTH_INDEXES}
    pair = np.lexsort((columns["pair_truth"], columns["pair_run"]))
    same_label = np.lexsort((columns["own_truth"], columns["own_run"]))
    for kind, order in enumerate((run, truth, np.argsort(new_numbers))):
        is_kind = part.tag_kind == kind
        columns["tag_row"] = np.where(is_kind, 0, columns["tag_row"])
        columns["tag_row"][is_kind] = _moved(part.tag_row[is_kind], order)
    tag = np.lexsort((part.tag_value, columns["tag_row"], part.tag_kind))
    orders = dict.fromkeys(_PAIRS, pair) | dict.fromkeys(_OWN, same_label)
    orders |= dict.fromkeys(_TRUTHS, truth) | dict.fromkeys(_TAGS, tag)
    pixel = np.lexsort((part.pixel_run, part.pixel_truth, columns["pixel_image"]))
    orders |= dict.fromkeys(_PIXELS, pixel)
    orders |= {name: np.argsort(columns[name]) for name in ("truth_stuff", "run_stuff")}
    for name, values in columns.items():
        columns[name] = values[orders.get(name, run)].astype(getattr(part, name).dtype)
    return Part(**columns)


def _moved(indexes: Int32Array, order: IndexArray) -> Int32Array:
    """Indexes of rows that were put in `order`; -1 stays."""
    now = np.empty(len(order) + 1, np.int32)
    now[order] = np.arange(len(order))
    now[-1] = -1
    return now[indexes]


def relabelled(part: Part, codes: Int32Array, values: Int32Array) -> Part:
    """The part with other codes for labels and values: the new one for each old one."""
    none_last = np.append(codes, np.int32(-1))
    changed: dict[str, Any] = {name: none_last[getattr(part, name)] for name in _LABELS}
    return replace(part, tag_value=values[part.tag_value], **changed)


def match_batch(
    run: Columns,
    truth: Columns,
    image_whs: list[tuple[float, float] | None],
    settings: EvaluationSettings,
    measure: Measure,
    image_values: Sequence[tuple[int, int]] = (),
) -> Part:
    """Match a batch of images.

    Args:
        run, truth: of the same images.
        image_whs: width and height of each, where known.
        settings: completed.
        measure: for their geometry and protocol.
        image_values: images and codes of their metadata's values.
    """
    order, rank = turns_of(run, settings)
    run, truth = measure.prepared(run.in_order(order), truth, image_whs)
    is_lanes = settings.protocol == "lane-f1"
    thresholds, match_threshold, background_threshold = _similarities(settings)
    floor = min(*thresholds, match_threshold, background_threshold)
    # Of lanes, every overlap weighs in the matching.
    floor = np.finfo(float).tiny if is_lanes else floor
    pairs = measure.candidates(run, truth, floor, image_whs)
    is_same = run.label[pairs.run] == truth.label[pairs.truth]
    same = pairs.where(is_same)
    group = _numbered(run.image, run.label)

    areas = len(settings.areas)
    truth_ignored = _outside(truth.area, settings)
    truth_ignored[truth.ignore] = (1 << areas) - 1
    first = truth_ignored & np.uint64(1)

    def matched(thresholds: tuple[float, ...], ignored: BitArray, areas: int) -> Matches:
        reached = threshold_bits(same.similarity, thresholds, areas)
        ignored = repeat_bits(ignored, len(thresholds), areas)
        if settings.protocol in CLAIM_PROTOCOLS:
            return match_by_claim(same, run.count, reached, ignored)
        return match_greedily(same, group, reached, ignored, truth.crowd)

    matches = matched(thresholds, truth_ignored, areas)
    uncounted = _outside(run.area, settings)
    uncounted[run.ignore] = (1 << areas) - 1
    outside = repeat_bits(uncounted, len(thresholds), areas)
    plain = matched((match_threshold,), first, 1)
    is_unmatched = plain.matched == 0
    is_ignored = (plain.ignored != 0) | (is_unmatched & (outside & np.uint64(1) != 0))
    is_wrong = is_unmatched & ~is_ignored
    countable = pairs.where(is_wrong[pairs.run] & (first[pairs.truth] == 0))
    matched_truth = np.where(is_ignored, -1, plain.truth)
    error, about = kinds_of(countable, run, truth, is_wrong, match_threshold, background_threshold)
    is_other = run.label[countable.run] != truth.label[countable.truth]
    other = countable.where(is_other & (countable.similarity >= match_threshold))
    same_label = same if is_lanes or settings.protocol == "panoptic" else Pairs.none()
    return Part(
        image=run.image.astype(np.int32),
        label=run.label.astype(np.int32),
        score=run.score,
        rank=rank.astype(np.int32),
        matched=matches.matched & ~matches.ignored,
        ignored=matches.ignored | (outside & ~matches.matched),
        matched_truth=matched_truth.astype(np.int32),
        similarity=plain.similarity.astype(np.float32),
        is_ignored=is_ignored,
        error=error,
        about=about,
        truth_image=truth.image.astype(np.int32),
        truth_label=truth.label.astype(np.int32),
        truth_ignored=truth_ignored,
        found_by=_inverse(matched_truth, truth.count).astype(np.int32),
        pair_run=other.run.astype(np.int32),
        pair_truth=other.truth.astype(np.int32),
        pair_similarity=other.similarity.astype(np.float32),
        own_run=same_label.run.astype(np.int32),
        own_truth=same_label.truth.astype(np.int32),
        own_similarity=same_label.similarity,
        **_pixels(run, truth, settings),
        **_tags(run, truth, image_values),
    )


def _pixels(run: Columns, truth: Columns, settings: EvaluationSettings) -> dict[str, Any]:
    """The columns of pixels and of stuff, which two protocols have."""
    cells = np.zeros((4, 0), np.int64)
    truth_stuff: IndexArray = np.zeros(0, np.int64)
    run_stuff: IndexArray = np.zeros(0, np.int64)
    if settings.protocol == "semantic":
        cells = pixel_cells(run, truth)
    elif settings.protocol == "panoptic":
        truth_stuff, run_stuff = stuff_labels(truth), stuff_labels(run)
    image, truth_label, run_label = cells[:3].astype(np.int32)
    return {
        "pixel_image": image,
        "pixel_truth": truth_label,
        "pixel_run": run_label,
        "pixel_count": cells[3],
        "truth_stuff": truth_stuff.astype(np.int32),
        "run_stuff": run_stuff.astype(np.int32),
    }


def _tags(run: Columns, truth: Columns, image_values: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """The columns of tags: values of annotations of the run, of the truth, and of images."""
    images = np.array(image_values, np.int32).reshape(-1, 2)
    counts = [len(run.value), len(truth.value), len(images)]
    rows = np.concatenate([run.value_row, truth.value_row, images[:, 0]])
    values = np.concatenate([run.value, truth.value, images[:, 1]])
    return {
        "tag_kind": np.repeat(np.arange(3, dtype=np.uint8), counts),
        "tag_row": rows.astype(np.int32),
        "tag_value": values.astype(np.int32),
    }


def _similarities(settings: EvaluationSettings) -> tuple[tuple[float, ...], float, float]:
    """The thresholds of completed settings as similarities; of distances, less is more similar.

    Returns:
        Those of the curves, that of a match, and that below which an annotation is background.
    """
    sign = -1.0 if settings.is_distance else 1.0
    assert settings.match_threshold is not None  # noqa: S101 - they are completed
    assert settings.background_threshold is not None  # noqa: S101 - likewise
    return (
        tuple(sign * threshold for threshold in settings.thresholds),
        sign * settings.match_threshold,
        sign * settings.background_threshold,
    )


def turns_of(run: Columns, settings: EvaluationSettings) -> tuple[IndexArray, IndexArray]:
    """The order in which annotations take turns, without those beyond the limit, and their ranks."""
    order = np.lexsort((-run.score, run.label, run.image))
    group = _numbered(run.image[order], run.label[order])
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    rank = np.arange(len(group)) - starts[group]
    is_within = rank < settings.max_annotations[-1]
    if settings.protocol == "lvis":
        is_within = _best_of_images(run, settings.max_annotations[-1])[order]
    return order[is_within], rank[is_within]


def _best_of_images(run: Columns, limit: int) -> BoolArray:
    """(N,) whether an annotation is among the most confident of its image."""
    order = np.lexsort((-run.score, run.image))
    starts = np.searchsorted(run.image[order], run.image[order])
    is_within = np.zeros(run.count, bool)
    is_within[order[np.arange(run.count) - starts < limit]] = True
    return is_within


def _numbered(image: IndexArray, label: IndexArray) -> IndexArray:
    """0, 1, 2 … for each run of equal image and label."""
    if not len(image):
        return np.zeros(0, np.int64)
    is_new = (image[1:] != image[:-1]) | (label[1:] != label[:-1])
    return np.concatenate([[0], np.cumsum(is_new)])


def _outside(area: FloatArray, settings: EvaluationSettings) -> BitArray:
    bits = np.zeros(len(area), np.uint64)
    for number, area_range in enumerate(settings.areas):
        bits[(area < area_range.low) | (area > area_range.high)] |= np.uint64(1 << number)
    return bits


def _inverse(matched_truth: IndexArray, count: int) -> IndexArray:
    found_by = np.full(count, -1, np.int64)
    finders = np.flatnonzero(matched_truth >= 0)
    found_by[matched_truth[finders]] = finders
    return found_by
