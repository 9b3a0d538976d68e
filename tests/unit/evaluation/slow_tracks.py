"""Tracking by its published definitions: dense matrices, one frame after the other, one assignment each."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from tests.unit.evaluation.slow import overlap

ALPHAS = [step / 20 for step in range(1, 20)]
TINY = np.finfo(float).eps


def best_pairs(scores):
    """The pairs of the assignment with the highest sum whose score is above 0."""
    pairs = zip(*linear_sum_assignment(-scores), strict=True)
    return [pair for pair in pairs if scores[pair] > 0]


def numbers(frames):
    """Every number of one label in one sequence.

    Args:
        frames: (truths, annotations) of each frame: track to box.
    """
    frames = [(list(truths.items()), list(run.items())) for truths, run in frames]
    alike = [
        np.array([[overlap(box, other) for _, other in run] for _, box in truths]).reshape(
            len(truths), len(run)
        )
        for truths, run in frames
    ]
    truth_length, run_length = ({}, {})
    for sides in frames:
        for side, length in zip(sides, (truth_length, run_length), strict=True):
            for track, _ in side:
                length[track] = length.get(track, 0) + 1
    scenes = list(zip(frames, alike, strict=True))
    lengths = truth_length, run_length
    return hota(scenes, *lengths) | clear(scenes, truth_length) | identity(scenes, *lengths)


def hota(scenes, truth_length, run_length):
    """HOTA's parts, averaged over the alphas."""
    potential = {}
    for (truths, run), alike in scenes:
        for i, (track, _) in enumerate(truths):
            for j, (other, _) in enumerate(run):
                around = alike[i].sum() + alike[:, j].sum() - alike[i, j]
                share = alike[i, j] / around if around > TINY else 0
                potential[track, other] = potential.get((track, other), 0) + share
    matches = []
    for (truths, run), alike in scenes:
        scores = np.zeros(alike.shape)
        for i, (track, _) in enumerate(truths):
            for j, (other, _) in enumerate(run):
                both = potential[track, other]
                whole = truth_length[track] + run_length[other] - both
                scores[i, j] = alike[i, j] * both / whole
        matches += [(truths[i][0], run[j][0], alike[i, j]) for i, j in best_pairs(scores)]
    truths, run = sum(truth_length.values()), sum(run_length.values())
    rows = []
    for alpha in ALPHAS:
        near = [match for match in matches if match[2] >= alpha - TINY]
        count = {}
        for track, other, _ in near:
            count[track, other] = count.get((track, other), 0) + 1
        found = [
            (count[pair], truth_length[pair[0]], run_length[pair[1]])
            for *pair, _ in [(track, other, 0) for track, other, _ in near]
            for pair in [tuple(pair)]
        ]
        hits = len(near)
        detection = hits / (truths + run - hits)
        association = sum(c / (a + b - c) for c, a, b in found) / max(hits, 1)
        rows.append(
            {
                "HOTA": (detection * association) ** 0.5, "DetA": detection, "AssA": association,
                "DetRe": hits / truths, "DetPr": hits / run,
                "AssRe": sum(c / a for c, a, _ in found) / max(hits, 1),
                "AssPr": sum(c / b for c, _, b in found) / max(hits, 1),
                "LocA": sum(similarity for *_, similarity in near) / hits if hits else 1,
            }
        )  # fmt: skip
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def clear(scenes, truth_length):
    """MOTA, MOTP, and what happens to the tracks of the truth."""
    last, before, matched, starts = {}, {}, {}, {}
    hits = similarity = switches = truth_count = run_count = 0
    for (truths, run), alike in scenes:
        truth_count, run_count = truth_count + len(truths), run_count + len(run)
        if not truths or not run:
            continue
        scores = np.where(alike >= 0.5 - TINY, alike, 0)
        for i, (track, _) in enumerate(truths):
            for j, (other, _) in enumerate(run):
                if scores[i, j] and before.get(track) == other:
                    scores[i, j] += 1000
        pairs = best_pairs(scores)
        now = {truths[i][0]: run[j][0] for i, j in pairs}
        switches += sum(last.get(track, other) != other for track, other in now.items())
        for track in now:
            matched[track] = matched.get(track, 0) + 1
            starts[track] = starts.get(track, 0) + (track not in before)
        last, before = last | now, now
        hits += len(pairs)
        similarity += sum(alike[pair] for pair in pairs)
    shares = [matched.get(track, 0) / length for track, length in truth_length.items()]
    mostly = sum(share > 0.8 for share in shares)
    partly = sum(share >= 0.2 for share in shares) - mostly
    return {
        "MOTA": (2 * hits - run_count - switches) / truth_count,
        "MOTP": similarity / hits if hits else None,
        "true_positives": hits, "false_positives": run_count - hits, "missed": truth_count - hits,
        "id_switches": switches, "fragmentations": sum(starts.values()) - len(starts),
        "mostly_tracked": mostly, "partly_tracked": partly,
        "mostly_lost": len(shares) - mostly - partly,
    }  # fmt: skip


def identity(scenes, truth_length, run_length):
    """IDF1 and its parts: each track of the truth has one partner for the whole sequence."""
    rows, columns = list(truth_length), list(run_length)
    shared = np.zeros((len(rows), len(columns)))
    for (truths, run), alike in scenes:
        for i, j in zip(*np.nonzero(alike >= 0.5), strict=True):
            shared[rows.index(truths[i][0]), columns.index(run[j][0])] += 1
    hits = shared[linear_sum_assignment(-shared)].sum()
    truths, run = sum(truth_length.values()), sum(run_length.values())
    return {"IDF1": 2 * hits / (truths + run), "IDP": hits / run, "IDR": hits / truths}
