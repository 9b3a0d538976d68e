"""The summary beside each annotation set: what queries need of it, without its JSON.

A summary is pairs of 32-bit little-endian numbers, a label's id and how many annotations have it; then,
label by label, one 16-bit code for the confidence of each annotation. A code is even for a multiple of
1/10,000, as nearly all confidences are, and odd for what lies between two of them: so comparing codes
decides nearly every comparison of confidences.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

STEPS = 10_000
BELOW_0 = 0xFFFD
ABOVE_1 = 0xFFFE
"""Published clients can send such confidences, and they are kept."""
NO_CONFIDENCE = 0xFFFF
CODE_BYTES = 2

Counts = Mapping[int, int]
"""Label id to number of annotations, none of them 0."""


def confidence_codes(confidences: Sequence[float | None]) -> NDArray[np.uint16]:
    """The code of each confidence.

    Args:
        confidences: most often 0 to 1; or None.

    Returns:
        (N,): twice the confidence in 1/10,000 if it is a whole number of them; else one more than
        twice the whole number below it; `BELOW_0`, `ABOVE_1`, and `NO_CONFIDENCE` for None.
    """
    values = np.array(confidences, dtype=np.float64)
    is_known = ~np.isnan(values)
    values[~is_known] = 0.0
    is_low, is_high = values < 0, values > 1
    values = np.clip(values, 0.0, 1.0)
    below = np.floor(values * STEPS)
    # The product may have been rounded over a step, or not quite up to it.
    below -= below / STEPS > values
    below += (below + 1) / STEPS <= values
    codes = 2 * below + (below / STEPS != values)
    codes[is_low] = BELOW_0
    codes[is_high] = ABOVE_1
    codes[~is_known] = NO_CONFIDENCE
    result: NDArray[np.uint16] = codes.astype("<u2")
    return result


def pack(counts: Iterable[tuple[int, int]], codes: bytes) -> bytes:
    """A summary: label ids with their numbers of annotations, and the codes in the same order."""
    return array("I", list(chain.from_iterable(counts))).tobytes() + codes


def unpack(summary: bytes, annotation_count: int) -> tuple[dict[int, int], bytes]:
    """Counts and codes of a summary."""
    end = len(summary) - CODE_BYTES * annotation_count
    numbers = array("I", summary[:end])
    return dict(zip(numbers[::2], numbers[1::2], strict=True)), summary[end:]


def merged(parts: Iterable[tuple[Counts, bytes]]) -> bytes:
    """One summary of several sets, each given by its counts and codes."""
    counts: dict[int, int] = {}
    codes: dict[int, list[bytes]] = {}
    for chunk, packed in parts:
        start = 0
        for label_id, count in chunk.items():
            end = start + CODE_BYTES * count
            counts[label_id] = counts.get(label_id, 0) + count
            codes.setdefault(label_id, []).append(packed[start:end])
            start = end
    return pack(counts.items(), b"".join(chain.from_iterable(codes.values())))
