"""Lines measured the slow way, point by point: shares no code with what it is compared to."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np


def distance(x, y, start, end):
    """Of a point to a straight part, by projection."""
    (ax, ay), (bx, by) = start, end
    squared = (bx - ax) ** 2 + (by - ay) ** 2
    along = 0.0 if squared == 0 else ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / squared
    along = min(1.0, max(0.0, along))
    return math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))


def margin(line, width, image_wh):
    """(rows, columns) of an image: how far inside of the drawn line each pixel's center is."""
    parts = list(pairwise(line)) or [(line[0], line[0])]
    return np.array(
        [
            [
                width / 2 - min(distance(x + 0.5, y + 0.5, *part) for part in parts)
                for x in range(image_wh[0])
            ]
            for y in range(image_wh[1])
        ]
    )


def walk(line, count):
    """Points equally far apart, by walking from corner to corner."""
    lengths = [math.dist(*part) for part in pairwise(line)]
    total = sum(lengths)
    points = []
    for step in range(count):
        left = total * step / (count - 1)
        place = line[0]
        for length, start, end in zip(lengths, line, line[1:], strict=False):
            if length == 0:
                continue
            share = min(left / length, 1.0)
            place = tuple(a + share * (b - a) for a, b in zip(start, end, strict=True))
            if left <= length:
                break
            left -= length
        points.append(place)
    return points


def chamfer(line, other, count=100):
    """The two-sided mean of nearest distances, with no array in sight."""
    ours, theirs = walk(line, count), walk(other, count)
    there = sum(min(math.dist(a, b) for b in theirs) for a in ours) / count
    back = sum(min(math.dist(a, b) for a in ours) for b in theirs) / count
    return (there + back) / 2
