"""COCO's run-length encoding of masks, in plain Python: it is read, checked and measured without numpy.

A mask's pixels are counted column by column from the top left, in turns of pixels outside and inside, beginning
outside. The counts are a list of numbers, or a string: from the fourth on each is written as its difference to the
count two before, in groups of five bits, the lowest bits first, each as one character. Source: ``rleToString`` and
``rleFrString`` in the COCO API (maskApi.c). That code trusts its input; here it is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

from msgspec import Struct

from layernext.errors import ConfigurationError, DataError, Problem

MAX_PIXELS = 500_000_000
"""The limit of one mask, which is that of an image."""

_FIRST_CHARACTER = 48
_MORE, _NEGATIVE, _VALUE, _BITS = 0x20, 0x10, 0x1F, 5
_PLAIN_COUNTS = 3
"""So many counts at the beginning are written as they are, not as differences."""

_ALPHABET = bytes(range(_FIRST_CHARACTER, _FIRST_CHARACTER + (_MORE << 1)))
_FIRST_CONTINUED = _FIRST_CHARACTER + _MORE
"""From this character on another one follows."""

_CONTINUED = re.compile(b"[P-o]+[0-O]")
_CONTINUING = bytes(range(_FIRST_CONTINUED, _FIRST_CONTINUED + _MORE))
_TOKEN = re.compile(b"[P-o]*[0-O]")
_TOO_LONG = re.compile(b"[P-o]{13}")
_FEW = 0.9
"""Below this share of characters that end a number, it is faster to look up each number as a whole."""

_READABLE = re.compile("(?:[P-o]{0,12}[0-O])*")
_LONGEST = 13
"""Characters of a number: 65 bits."""

_HIGHEST_BYTE = 255

_INSIDE = re.compile(b"\x01+")


class RunLengths(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The pixels of a mask in COCO's run-length encoding, kept as it was written.

    Attributes:
        size: height and width of the mask in pixels, the same as those of its image.
        counts: lengths of the runs, column by column from the top left, alternating between pixels outside
            and inside, starting outside; as numbers, or as the string that COCO's tools write.
    """

    size: tuple[int, int]
    counts: str | list[int]

    @classmethod
    def from_array(cls, array: Any) -> RunLengths:
        """The mask of an array or of nested lists (H, W): bool, or whole numbers 0 and 1.

        Raises:
            DataError: it has other values, or is not two-dimensional.
        """
        height, width, pixels = _column_bytes(array)
        return cls((height, width), compressed(_counts_of_pixels(pixels)))

    def to_array(self) -> Any:
        """The mask as a numpy array (H, W) of bool.

        Raises:
            ConfigurationError: numpy is not installed.
            DataError: the run lengths are not valid.
        """
        try:
            import numpy as np  # noqa: PLC0415 - the base install is without it
        except ImportError as error:
            raise ConfigurationError("arrays need numpy", hint="pip install numpy") from error
        height, width = self.size
        return np.frombuffer(pixels_of(self), np.bool_).reshape(width, height).T.copy()


@lru_cache(1 << 16)
def _value_of(token: bytes) -> int:
    """What the characters of one number stand for."""
    number = shift = code = 0
    for character in token:
        code = character - _FIRST_CHARACTER
        number |= (code & _VALUE) << shift
        shift += _BITS
    return number - (1 << shift) if code & _NEGATIVE else number


_SINGLE = [0] * _FIRST_CHARACTER + [_value_of(bytes([character])) for character in _ALPHABET]
"""What a number of one character stands for, by its code."""


def counts_of(mask: RunLengths) -> list[int]:
    """The lengths of a mask's runs as numbers.

    Raises:
        DataError: a string that is not run lengths; the place is ``counts``.
    """
    if not isinstance(mask.counts, str):
        return mask.counts
    raw = mask.counts.encode("utf-8", "surrogatepass")
    if raw.translate(None, _ALPHABET) or raw[-1:] >= bytes([_FIRST_CONTINUED]):
        raise _unreadable(mask.counts)
    # Most numbers have one character, and are looked up without a step for each: this runs for every mask.
    many = len(raw.translate(None, _CONTINUING)) < _FEW * len(raw)
    numbers: list[int] = _numbers_of_tokens(raw, mask.counts) if many else []
    position = len(raw) if many else 0
    for match in () if many else _CONTINUED.finditer(raw):
        start, end = match.span()
        if end - start > _LONGEST:
            raise _unreadable(mask.counts)
        numbers += map(_SINGLE.__getitem__, raw[position:start])
        numbers.append(_value_of(raw[start:end]))
        position = end
    numbers += map(_SINGLE.__getitem__, raw[position:])
    numbers[1::2] = accumulate(numbers[1::2])
    numbers[2::2] = accumulate(numbers[2::2])
    return numbers


def _numbers_of_tokens(raw: bytes, text: str) -> list[int]:
    """The numbers of a string many of which have several characters, as those of large masks."""
    if _TOO_LONG.search(raw):
        raise _unreadable(text)
    return list(map(_value_of, _TOKEN.findall(raw)))


def _unreadable(text: str) -> DataError:
    readable = _READABLE.match(text)
    end = readable.end() if readable is not None else 0
    error = "ends within a number" if end == len(text) else f"is wrong from character {end + 1}"
    return DataError(Problem("counts", f"is not a compressed run-length string: it {error}"))


def find_mismatch(mask: RunLengths) -> str | None:
    """What is wrong with the counts of a mask of a valid size, or None.

    Raises:
        DataError: as `counts_of`.
    """
    counts, (height, width) = counts_of(mask), mask.size
    if counts and min(counts) < 0:
        return f"has the run length {min(counts)}, must have none below 0"
    total = sum(counts)
    if total != height * width:
        return (
            f"sums to {total} pixels, must be height x width: {height} x {width} = {height * width}"
        )
    return None


def compressed(counts: Sequence[int]) -> str:
    """Lengths of runs as the string that COCO's tools write."""
    characters: list[str] = []
    for position, count in enumerate(counts):
        number = count - counts[position - 2] if position >= _PLAIN_COUNTS else count
        is_last = False
        while not is_last:
            code = number & _VALUE
            number >>= _BITS
            is_last = number == (-1 if code & _NEGATIVE else 0)
            characters.append(chr(_FIRST_CHARACTER + (code if is_last else code | _MORE)))
    return "".join(characters)


def runs_inside(counts: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Start and end of each run of pixels inside, counted column by column; none is empty."""
    position, is_inside = 0, False
    for count in counts:
        if is_inside and count:
            yield position, position + count
        position += count
        is_inside = not is_inside


def box_of_counts(counts: list[int], height: int) -> tuple[int, int, int, int]:
    """x, y, width and height of the pixels inside; all 0 if there are none."""
    left, top, right, bottom = -1, height, 0, 0
    for start, end in runs_inside(counts):
        first, upper = divmod(start, height)
        last, lower = divmod(end - 1, height)
        left = first if left < 0 else left
        right = last + 1
        if first == last:
            top, bottom = min(top, upper), max(bottom, lower + 1)
        else:  # it reaches the lower edge, and goes on at the upper one
            top, bottom = 0, height
    return (left, top, right - left, bottom - top) if left >= 0 else (0, 0, 0, 0)


def sampled(
    counts: list[int], size: tuple[int, int], step: int
) -> tuple[list[int], tuple[int, int]]:
    """A mask of which every pixel of every `step`-th row and column is kept, and its size."""
    height, width = size
    rows, columns = -(-height // step), -(-width // step)
    smaller: list[int] = []
    done = 0
    for start, end in runs_inside(counts):
        first, upper = divmod(start, height)
        last, lower = divmod(end - 1, height)
        for column in range(-(-first // step) * step, last + 1, step):
            begin = -(-upper // step) if column == first else 0
            stop = lower // step + 1 if column == last else rows
            if begin < stop:
                at = column // step * rows
                if at + begin == done and smaller:
                    smaller[-1] += stop - begin
                else:
                    smaller += [at + begin - done, stop - begin]
                done = at + stop
    return [*smaller, rows * columns - done], (rows, columns)


def pixels_of(mask: RunLengths) -> bytes:
    """A byte for each pixel, 1 inside, column by column.

    Raises:
        DataError: the run lengths are not valid.
    """
    problem = find_mismatch(mask)
    if problem is not None:
        raise DataError(Problem("counts", problem))
    values = (b"\x00", b"\x01")
    return b"".join(
        [values[position % 2] * count for position, count in enumerate(counts_of(mask))]
    )


def mask_of_pixels(size: tuple[int, int], pixels: bytes) -> RunLengths:
    """The mask of a byte for each pixel, 1 inside, column by column."""
    return RunLengths(size, compressed(_counts_of_pixels(pixels)))


def masks_of_bytes(size: tuple[int, int], pixels: bytes) -> dict[int, RunLengths]:
    """The masks of a label map by class number: those of a byte for each pixel, column by column."""
    numbers = sorted(set(pixels))
    counts: dict[int, list[int]] = {number: [] for number in numbers}
    done = dict.fromkeys(numbers, 0)
    # One pass over the runs of all numbers: a pass for each would look at every pixel as often.
    for run in re.finditer(
        b"|".join(re.escape(bytes([n])) + b"+" for n in numbers), pixels, re.DOTALL
    ):
        start, end = run.span()
        number = pixels[start]
        counts[number] += (start - done[number], end - start)
        done[number] = end
    for number in numbers:
        if done[number] < len(pixels):
            counts[number].append(len(pixels) - done[number])
    return {number: RunLengths(size, compressed(counts[number])) for number in numbers}


def masks_of_map(array: Any) -> dict[int, RunLengths]:
    """The masks of a label map by class number.

    Args:
        array: (H, W) of whole numbers: a numpy array, a tensor or nested lists.

    Raises:
        DataError: it has other values, or is not two-dimensional; the place is ``map``.
    """
    values = _as_array(array)
    if not hasattr(values, "dtype"):
        rows = [list(row) for row in values]
        numbers = sorted({number for row in rows for number in row})
        if any(type(number) not in (int, bool) for number in numbers):
            raise DataError(Problem("map", "has values that are not whole numbers"))
        return {
            int(number): RunLengths.from_array([[value == number for value in row] for row in rows])
            for number in numbers
        }
    if len(values.shape) != 2 or 0 in values.shape:  # noqa: PLR2004 - height and width
        message = f"has the shape {tuple(values.shape)}, must be (height, width)"
        raise DataError(Problem("map", message))
    if values.dtype.kind not in "bui":
        message = f"has the type {values.dtype}, must be whole numbers: pass scores.argmax(0)"
        raise DataError(Problem("map", message))
    lowest, highest = int(values.min()), int(values.max())
    if lowest >= 0 and highest <= _HIGHEST_BYTE:
        height, width = values.shape
        return masks_of_bytes((height, width), values.astype("uint8").tobytes(order="F"))
    numbers = sorted(set(values.ravel().tolist()))
    return {number: RunLengths.from_array(values == number) for number in numbers}


def _counts_of_pixels(pixels: bytes) -> list[int]:
    counts: list[int] = []
    done = 0
    for run in _INSIDE.finditer(pixels):
        counts += (run.start() - done, run.end() - run.start())
        done = run.end()
    if done < len(pixels) or not counts:
        counts.append(len(pixels) - done)
    return counts


def _column_bytes(array: Any) -> tuple[int, int, bytes]:
    """Height, width and a byte for each pixel, column by column."""
    array = _as_array(array)
    is_array = hasattr(array, "dtype") and hasattr(array, "tobytes")
    height, width, pixels = _bytes_of_array(array) if is_array else _bytes_of_rows(array)
    if not height or not width:
        raise _wrong("has no pixels")
    if pixels.translate(None, b"\x00\x01"):
        raise _wrong("has values other than 0 and 1")
    return height, width, pixels


def _as_array(array: Any) -> Any:
    """A tensor, on any device, as an array; anything else as it is."""
    for method in ("detach", "cpu", "numpy"):
        if hasattr(array, method):
            array = getattr(array, method)()
    return array


def _bytes_of_array(array: Any) -> tuple[int, int, bytes]:
    if len(array.shape) != 2:  # noqa: PLR2004 - height and width
        raise _wrong(f"has the shape {tuple(array.shape)}, must be (height, width)")
    if array.dtype.kind not in "bui":
        raise _wrong(f"has the type {array.dtype}, must be bool: pass masks > 0.5")
    if array.dtype.itemsize > 1:  # 256 is not to become 0
        array = array.clip(-1, 2)
    return *array.shape, array.astype("uint8").tobytes(order="F")


def _bytes_of_rows(array: Any) -> tuple[int, int, bytes]:
    rows = [list(row) for row in array]
    height, width = len(rows), len(rows[0]) if rows else 0
    if any(len(row) != width for row in rows):
        raise _wrong("has rows of different lengths")
    try:
        return height, width, bytes(value for column in zip(*rows, strict=True) for value in column)
    except (TypeError, ValueError) as error:
        raise _wrong("has values that are not bool") from error


def _wrong(message: str) -> DataError:
    return DataError(Problem("mask", message))
