"""Metrics of tracking: HOTA, CLEAR MOT (MOTA, MOTP, identity switches) and IDF1, for one label in one sequence.

Sources: Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, IJCV 2021; Bernardin and
Stiefelhagen, Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics, 2008; Ristani et al., Performance
Measures and a Data Set for Multi-Target, Multi-Camera Tracking, ECCVW 2016. Where they leave something open, it is done
as in TrackEval, their authors' implementation.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from msgspec import Struct
from msgspec.structs import fields as struct_fields

from layernext.evaluation.assignment import assign
from layernext.evaluation.columns import FloatArray, IndexArray
from layernext.model import TRACKING_ALPHAS

_EPSILON = float(np.finfo(float).eps)
_ALPHAS = np.array(TRACKING_ALPHAS)
_MOSTLY, _BARELY = 0.8, 0.2


class Scene(Struct, frozen=True):
    """One label in one sequence.

    Attributes:
        frame: (M,) of each truth, rising.
        track: (M,) of each truth, from 0; at most one of each track in a frame.
        run_frame, run_track: (N,) likewise, of each annotation of the run.
        truth, run, similarity: (P,) pairs of one frame that are alike at all.
    """

    frame: IndexArray
    track: IndexArray
    run_frame: IndexArray
    run_track: IndexArray
    truth: IndexArray
    run: IndexArray
    similarity: FloatArray


def _zeros() -> FloatArray:
    return np.zeros(len(_ALPHAS))


class TrackSums(Struct):
    """What scores are computed from; those of several scenes are their sums.

    Attributes:
        truths, annotations: that count; truth_tracks, run_tracks: their tracks.
        hits, similarity: matches by CLEAR, and their similarities.
        switches, fragmentations, mostly_tracked, partly_tracked: by CLEAR.
        id_hits: matches by IDF1.
        hota_hits, hota_similarity: (19,) matches by HOTA, and their similarities.
        association, association_recall, association_precision: (19,) summed over the matches.
    """

    truths: int = 0
    annotations: int = 0
    truth_tracks: int = 0
    run_tracks: int = 0
    hits: int = 0
    similarity: float = 0.0
    switches: int = 0
    fragmentations: int = 0
    mostly_tracked: int = 0
    partly_tracked: int = 0
    id_hits: int = 0
    hota_hits: FloatArray = _zeros()
    hota_similarity: FloatArray = _zeros()
    association: FloatArray = _zeros()
    association_recall: FloatArray = _zeros()
    association_precision: FloatArray = _zeros()

    def __add__(self, other: TrackSums) -> TrackSums:
        return TrackSums(
            **{
                field.name: getattr(self, field.name) + getattr(other, field.name)
                for field in struct_fields(TrackSums)
            }
        )

    def curves(self) -> dict[str, FloatArray]:
        """HOTA and its parts at each alpha; NaN where undefined."""
        with np.errstate(invalid="ignore", divide="ignore"):
            hits, nothing = self.hota_hits, self.hota_hits == 0
            either = self.truths + self.annotations - hits
            detection = hits / np.where(either > 0, either, np.nan)
            association = self.association / np.maximum(1, hits)
            return {
                "HOTA": np.sqrt(detection * association),
                "DetA": detection,
                "AssA": association,
                "DetRe": hits / (self.truths or np.nan),
                "DetPr": hits / (self.annotations or np.nan),
                "AssRe": self.association_recall / np.maximum(1, hits),
                "AssPr": self.association_precision / np.maximum(1, hits),
                # Where nothing is matched, nothing is in the wrong place.
                "LocA": np.where(nothing, 1.0, self.hota_similarity / np.where(nothing, 1, hits)),
            }

    def scores(self) -> dict[str, float | None]:
        """Every score by name; None where it is undefined."""
        curves = {name: float(np.mean(values)) for name, values in self.curves().items()}
        if not self.hota_hits.any():
            curves["LocA"] = np.nan
        if not self.truths and not self.annotations:
            curves |= {"AssA": np.nan, "AssRe": np.nan, "AssPr": np.nan}
        false, missed = self.annotations - self.hits, self.truths - self.hits
        return {
            **{name: None if np.isnan(value) else value for name, value in curves.items()},
            "MOTA": _ratio(self.truths - missed - false - self.switches, self.truths),
            "MOTP": _ratio(self.similarity, self.hits),
            "IDF1": _ratio(2 * self.id_hits, self.truths + self.annotations),
            "IDP": _ratio(self.id_hits, self.annotations),
            "IDR": _ratio(self.id_hits, self.truths),
        }

    def counts(self) -> dict[str, int]:
        """Every count by name."""
        return {
            "truths": self.truths,
            "annotations": self.annotations,
            "true_positives": self.hits,
            "false_positives": self.annotations - self.hits,
            "missed": self.truths - self.hits,
            "id_switches": self.switches,
            "fragmentations": self.fragmentations,
            "truth_tracks": self.truth_tracks,
            "run_tracks": self.run_tracks,
            "mostly_tracked": self.mostly_tracked,
            "partly_tracked": self.partly_tracked,
            "mostly_lost": self.truth_tracks - self.mostly_tracked - self.partly_tracked,
        }


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None


def measure_tracks(scene: Scene, threshold: float) -> TrackSums:
    """The sums of one label in one sequence.

    Args:
        scene: what is there.
        threshold: IoU from which a pair matches, for CLEAR and IDF1.
    """
    lengths = np.bincount(scene.track), np.bincount(scene.run_track)
    sums = TrackSums(
        truths=len(scene.track),
        annotations=len(scene.run_track),
        truth_tracks=len(lengths[0]),
        run_tracks=len(lengths[1]),
    )
    if not len(scene.track) or not len(scene.run_track):
        return sums
    _add_hota(sums, scene, lengths)
    _add_clear(sums, scene, threshold, lengths[0])
    sums.id_hits = _id_hits(scene, threshold, len(lengths[1]))
    return sums


def _add_hota(sums: TrackSums, scene: Scene, lengths: tuple[IndexArray, IndexArray]) -> None:
    """Matches that favor pairs of tracks that fit over the whole sequence, and how well these fit."""
    truth, run, similarity = scene.truth, scene.run, scene.similarity
    around = np.bincount(truth, similarity, len(scene.track))[truth]
    around += np.bincount(run, similarity, len(scene.run_track))[run]
    shares = similarity / (around - similarity)
    keys = scene.track[truth] * len(lengths[1]) + scene.run_track[run]
    pairs, pair = np.unique(keys, return_inverse=True)
    both = lengths[0][pairs // len(lengths[1])], lengths[1][pairs % len(lengths[1])]
    potential = np.bincount(pair, shares, len(pairs))
    alignment = potential / (both[0] + both[1] - potential)
    matched = assign(scene.frame[truth], (truth, run), alignment[pair] * similarity)
    alike, pair = similarity[matched], pair[matched]
    results: list[tuple[float, ...]] = []
    for alpha in _ALPHAS:
        near = alike >= alpha - _EPSILON
        matches = np.bincount(pair[near], minlength=len(pairs))
        results.append(
            (
                float(np.count_nonzero(near)),
                float(alike[near].sum()),
                float(np.sum(matches * (matches / (both[0] + both[1] - matches)))),
                float(np.sum(matches * (matches / both[0]))),
                float(np.sum(matches * (matches / both[1]))),
            )
        )
    (
        sums.hota_hits, sums.hota_similarity, sums.association, sums.association_recall,
        sums.association_precision,
    ) = np.array(results, float).T  # fmt: skip


def _add_clear(sums: TrackSums, scene: Scene, threshold: float, lengths: IndexArray) -> None:
    """Matches frame by frame: whoever was matched in the frame before stays so, if it can.

    TrackEval finds them by one assignment in which staying weighs 1,000 times the similarity. Matches of a frame are
    one to one, so those that stay exclude each other never: they can be taken first.
    """
    track, run_track = scene.track.tolist(), scene.run_track.tolist()
    last: dict[int, int] = {}
    before: dict[int, int] = {}
    hits, starts = np.zeros((2, len(lengths)), np.int64)
    for rows in _pairs_by_frame(scene, threshold):
        truths, runs = scene.truth[rows].tolist(), scene.run[rows].tolist()
        stays = [
            index
            for index, (truth, run) in enumerate(zip(truths, runs, strict=True))
            if before.get(track[truth]) == run_track[run]
        ]
        taken = {truths[index] for index in stays}
        run_taken = {runs[index] for index in stays}
        free = [
            index
            for index, (truth, run) in enumerate(zip(truths, runs, strict=True))
            if truth not in taken and run not in run_taken
        ]
        chosen_rows = rows[[*stays, *_best(free, truths, runs, scene.similarity[rows])]]
        matches = {
            track[truth]: run_track[run]
            for truth, run in zip(
                scene.truth[chosen_rows].tolist(), scene.run[chosen_rows].tolist(), strict=True
            )
        }
        for of_truth, of_run in matches.items():
            sums.switches += last.get(of_truth, of_run) != of_run
            hits[of_truth] += 1
            starts[of_truth] += of_truth not in before
        last |= matches
        before = matches
        sums.hits += len(matches)
        sums.similarity += float(scene.similarity[chosen_rows].sum())
    sums.fragmentations = int(np.sum(starts[starts > 0] - 1))
    share = hits / lengths
    sums.mostly_tracked = int(np.count_nonzero(share > _MOSTLY))
    sums.partly_tracked = int(np.count_nonzero(share >= _BARELY)) - sums.mostly_tracked


def _pairs_by_frame(scene: Scene, threshold: float) -> Iterator[IndexArray]:
    """The pairs of each frame that has truths and annotations, also if it has no pairs."""
    near = np.flatnonzero(scene.similarity >= threshold - _EPSILON)
    frame = scene.frame[scene.truth[near]]
    order = np.argsort(frame, kind="stable")
    near, frame = near[order], frame[order]
    frames = np.intersect1d(scene.frame, scene.run_frame)
    starts = np.searchsorted(frame, frames, "left")
    ends = np.searchsorted(frame, frames, "right")
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield near[start:end]


def _best(free: list[int], truths: list[int], runs: list[int], similarity: FloatArray) -> list[int]:
    """The pairs among some that are matched, so that their similarities sum up highest."""
    if len({truths[index] for index in free}) == len({runs[index] for index in free}) == len(free):
        return free
    ends = (np.array([truths[index] for index in free]), np.array([runs[index] for index in free]))
    group = np.zeros(len(free), np.int64)
    return [free[index] for index in assign(group, ends, similarity[free]).tolist()]


def _id_hits(scene: Scene, threshold: float, run_tracks: int) -> int:
    """The most matches that a single partner for each track can have."""
    near = scene.similarity >= threshold
    keys = scene.track[scene.truth[near]] * run_tracks + scene.run_track[scene.run[near]]
    pairs, hits = np.unique(keys, return_counts=True)
    ends = pairs // run_tracks, pairs % run_tracks
    matched = assign(_components(*ends), ends, hits.astype(float))
    return int(hits[matched].sum())


def _components(first: IndexArray, second: IndexArray) -> IndexArray:
    """For each pair a number that all pairs share that are connected through their ends."""
    if not len(first):
        return first
    parents = list(range(int(first.max()) + 1))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    order = np.argsort(second, kind="stable")
    nodes, shared = first[order].tolist(), second[order].tolist()
    for (node, end), (other, other_end) in pairwise(zip(nodes, shared, strict=True)):
        if end == other_end:
            parents[root(node)] = root(other)
    return np.array([root(node) for node in first.tolist()])
