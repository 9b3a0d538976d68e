"""Label Studio's masks: run lengths of the bytes of an RGBA image, packed in bits.

32 bits for the number of bytes; 5 bits for the bits of a value, less one; 4 times 4 bits for the bits of a length, less
one. Then blocks: a bit that says whether one value is repeated, 2 bits for which size of length follows, the length less
one, and the value or values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layernext.formats.core.outlines import Run
from layernext.formats.core.pixels import MAX_PIXELS

_CHANNELS = 4
_ALPHA = 3


class _Bits:
    def __init__(self, content: bytes) -> None:
        self._content, self._position = content, 0

    def take(self, count: int) -> int:
        """The next bits as a number.

        Raises:
            ValueError: there are fewer.
        """
        first, last = self._position // 8, (self._position + count + 7) // 8
        if last > len(self._content):
            raise ValueError("the bits end too early")
        number = int.from_bytes(self._content[first:last], "big")
        self._position += count
        return (number >> (last * 8 - self._position)) & ((1 << count) - 1)


def runs_of_brush(content: Sequence[int], width: int, height: int) -> dict[int, list[Run]]:
    """The runs of painted pixels in each row.

    Raises:
        ValueError: it is not such a mask, or not of an image of this size.
    """
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError("the image has no size, or is too large")
    rows: dict[int, list[Run]] = {}
    for start, end in _painted(bytes(content), width * height):
        at = start
        while at < end:
            row, left = divmod(at, width)
            right = min(width, left + end - at)
            runs = rows.setdefault(row, [])
            if runs and runs[-1][1] == left:
                runs[-1] = (runs[-1][0], right)
            else:
                runs.append((left, right))
            at += right - left
    return rows


def _painted(content: bytes, pixels: int) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each row of painted pixels, counted through all rows."""
    bits = _Bits(content)
    total, value_bits = bits.take(32), bits.take(5) + 1
    length_bits = [bits.take(4) + 1 for _ in range(4)]
    if total != pixels * _CHANNELS:
        raise ValueError("it has another number of pixels")
    position = 0
    while position < total:
        is_repeated = bits.take(1)
        end = position + bits.take(length_bits[bits.take(2)]) + 1
        if end > total:
            raise ValueError("it has too many pixels")
        if is_repeated:
            first = (position + _CHANNELS - 1 - _ALPHA) // _CHANNELS
            last = (end + _CHANNELS - 1 - _ALPHA) // _CHANNELS
            if bits.take(value_bits) and first < last:
                yield first, last
        else:
            for at in range(position, end):
                if bits.take(value_bits) and at % _CHANNELS == _ALPHA:
                    yield at // _CHANNELS, at // _CHANNELS + 1
        position = end


_LENGTH_BITS = (3, 4, 8, 16)
"""Bits of the four lengths of blocks that we write."""

_VALUE_BITS = 8
_PAINTED = 255


def brush_of_runs(rows: dict[int, list[Run]], width: int, height: int) -> list[int]:
    """A mask as Label Studio's bits: painted and other pixels in turn, each a block of the same value.

    Args:
        rows: the runs of painted pixels in each row.
        width, height: of the image.
    """
    total = width * height * _CHANNELS
    bits = [f"{total:032b}{_VALUE_BITS - 1:05b}", *(f"{size - 1:04b}" for size in _LENGTH_BITS)]
    done = 0
    for row, runs in sorted(rows.items()):
        for start, stop in runs:
            bits += _blocks((row * width + start - done) * _CHANNELS, 0)
            bits += _blocks((stop - start) * _CHANNELS, _PAINTED)
            done = row * width + stop
    bits += _blocks(total - done * _CHANNELS, 0)
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [*int(text, 2).to_bytes(len(text) // 8, "big")]


def _blocks(count: int, value: int) -> Iterator[str]:
    """The bits of `count` equal values."""
    while count:
        index = next((i for i, size in enumerate(_LENGTH_BITS) if count <= 1 << size), 3)
        length = min(count, 1 << _LENGTH_BITS[index])
        yield f"1{index:02b}{length - 1:0{_LENGTH_BITS[index]}b}{value:0{_VALUE_BITS}b}"
        count -= length
