"""Independent, slow ways to the same numbers: one annotation after the other, in plain Python."""

from __future__ import annotations

import numpy as np


def overlap(box, other):
    """Intersection over union of two boxes (x, y, width, height)."""
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    return inter / (box[2] * box[3] + other[2] * other[3] - inter)


def by_confidence(images):
    """(image, annotation) of all images, the most confident first."""
    found = [(image, one) for image, _, said in images for one in said]
    return sorted(found, key=lambda each: -each[1]["confidence"])


def voc_curve(images, label, threshold=0.5):
    """(whether right) of each annotation of a label that counts, by confidence; and the truths."""
    truths = {image: [one for one in there if one["label"] == label] for image, there, _ in images}
    total = sum(not is_ignored(one) for there in truths.values() for one in there)
    taken, outcomes = set(), []
    for image, one in by_confidence(images):
        if one["label"] != label:
            continue
        best = max(
            range(len(truths[image])),
            key=lambda k: overlap(one["bbox"], truths[image][k]["bbox"]),
            default=None,
        )
        if best is None or overlap(one["bbox"], truths[image][best]["bbox"]) < threshold:
            outcomes.append(False)
        elif is_ignored(truths[image][best]):
            continue
        else:
            outcomes.append((image, best) not in taken)
            taken.add((image, best))
    return outcomes, total


def is_ignored(truth):
    flags = truth.get("metadata", {})
    return bool(flags.get("difficult") or flags.get("ignore") or flags.get("iscrowd"))


def points(outcomes, total):
    """Recall and precision after each annotation."""
    found, right = [], 0
    for place, is_right in enumerate(outcomes, 1):
        right += is_right
        found.append((right / total, right / place))
    return found


def area_under(outcomes, total):
    """Area under the envelope of the curve, by its definition: precision at a recall or any higher."""
    curve = points(outcomes, total)
    recalls = sorted({recall for recall, _ in curve})
    area, before = 0.0, 0.0
    for recall in recalls:
        area += (recall - before) * max(p for r, p in curve if r >= recall)
        before = recall
    return area


def at_recalls(outcomes, total, recalls):
    """Mean over some recalls of the highest precision there or at any higher recall."""
    curve = points(outcomes, total)
    return sum(max((p for r, p in curve if r >= recall), default=0.0) for recall in recalls) / len(
        recalls
    )


class Tide:
    """TIDE's kinds and costs for boxes, from the paper's sections 2.2 and 2.3, one by one."""

    def __init__(self, images, right=0.5, nowhere=0.1):
        self.images, self.right, self.nowhere = images, right, nowhere
        self.truths = [(image, one) for image, there, _ in images for one in there]
        self.said = by_confidence(images)
        self.found = {}  # place of a truth: place of what found it
        self.outcome = {}  # place of an annotation: place of its truth
        for place, (image, one) in enumerate(self.said):
            candidates = [
                (overlap(one["bbox"], truth["bbox"]), number)
                for number, (where, truth) in enumerate(self.truths)
                if where == image and truth["label"] == one["label"] and number not in self.found
            ]
            alike, number = max(candidates, default=(0, None))
            if alike >= right:
                self.found[number] = place
                self.outcome[place] = number
        self.kinds = {
            place: self.kind(image, one)
            for place, (image, one) in enumerate(self.said)
            if place not in self.outcome
        }

    def kind(self, image, one):
        """The kind of an error and the truth it is about."""
        same, other = (0, None), (0, None)
        for number, (where, truth) in enumerate(self.truths):
            if where != image:
                continue
            alike = (overlap(one["bbox"], truth["bbox"]), number)
            if truth["label"] == one["label"]:
                same = max(same, alike, key=lambda pair: pair[0])
            else:
                other = max(other, alike, key=lambda pair: pair[0])
        if self.nowhere <= same[0] <= self.right:
            return "localisation", same[1]
        if other[0] >= self.right:
            return "classification", other[1]
        if same[0] >= self.right:
            return "duplicate", None
        if max(same[0], other[0]) <= self.nowhere:
            return "background", None
        return "both", None

    def count(self, kind):
        """How many errors are of a kind."""
        return sum(each == kind for each, _ in self.kinds.values())

    def missed(self):
        """Truths that were not found and that no error is about."""
        about = {number for _, number in self.kinds.values() if number is not None}
        return [n for n in range(len(self.truths)) if n not in self.found and n not in about]

    def ap(self, kind=None, gone=()):
        """Mean of the labels' averages with the errors of a kind fixed and some truths gone."""
        rows = []
        fixed = set()
        for place, (_, one) in enumerate(self.said):
            if place in self.outcome:
                rows.append((one["label"], True))
                continue
            own, number = self.kinds[place]
            # Whoever is most confident fixes the truth, whichever of the two kinds it is.
            is_first = number is not None and number not in self.found and number not in fixed
            if is_first:
                fixed.add(number)
            if own != kind:
                rows.append((one["label"], False))
            elif is_first:
                rows.append((self.truths[number][1]["label"], True))
        averages = []
        kept = [one["label"] for n, (_, one) in enumerate(self.truths) if n not in gone]
        for label in sorted(set(kept)):
            outcomes = [is_right for each, is_right in rows if each == label]
            averages.append(at_recalls(outcomes, kept.count(label), np.linspace(0, 1, 101)))
        return sum(averages) / len(averages)
