"""The run lengths of masks as arrays: decoded at once, where `layernext.model` must do without numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layernext.model import RunLengths

_FIRST, _MORE, _NEGATIVE, _VALUE, _BITS = 48, 0x20, 0x10, 0x1F, 5
_LONGEST = 12
"""Characters of a number: one with more is beyond any number of pixels."""


def counts_array(mask: RunLengths) -> NDArray[np.int64]:
    """The lengths of a mask's runs; as `layernext.model.counts_of`.

    Raises:
        TypeError: they are not run lengths of so many pixels as the mask has.
    """
    counts = mask.counts
    numbers = (
        _decompressed(counts) if isinstance(counts, str) else np.array(counts or [0], np.int64)
    )
    height, width = mask.size
    if numbers.min(initial=0) < 0 or int(numbers.sum()) != height * width:
        raise TypeError("not the run lengths of a mask")
    return numbers


def _decompressed(text: str) -> NDArray[np.int64]:
    codes = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.int64) - _FIRST
    if not len(codes):
        return np.zeros(0, np.int64)
    is_last = (codes & _MORE) == 0
    if codes.min() < 0 or codes.max() >= _MORE << 1 or not is_last[-1]:
        raise TypeError("not a compressed run-length string")
    lasts = np.flatnonzero(is_last)
    starts = np.concatenate([[0], lasts[:-1] + 1])
    lengths = lasts + 1 - starts
    if lengths.max() > _LONGEST:
        raise TypeError("not a compressed run-length string")
    shifts = _BITS * (np.arange(len(codes)) - np.repeat(starts, lengths))
    numbers: NDArray[np.int64] = np.add.reduceat((codes & _VALUE) << shifts, starts)
    numbers -= np.where(codes[lasts] & _NEGATIVE, 1 << (_BITS * lengths), 0)
    # From the fourth on each number is the difference to the one two before.
    for start in (1, 2):
        numbers[start::2] = np.cumsum(numbers[start::2])
    return numbers
