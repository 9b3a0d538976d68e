"""Bodies of requests, compressed in every way that the formats allow."""

from __future__ import annotations

import gzip
import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from layernext.errors import InvalidRequest, TooLarge
from layernext.stack.api import body as bodies
from layernext.stack.api.body import Body, Pile

LIMIT = 4 << 20
SKIPPABLE_FRAME = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"

PARTS = st.lists(st.binary(max_size=200) | st.binary(min_size=1_000, max_size=3_000), max_size=30)


def decompress(packed: bytes, encoding: str) -> bytes:
    pile = Pile()
    pile.add(packed)
    with Body(pile, encoding).content(LIMIT) as content:
        return bytes(content)


@given(PARTS)
def test_gzip_members(parts: list[bytes]) -> None:
    """Members, empty ones too, are one body."""
    packed = b"".join(map(gzip.compress, [b"", *parts]))
    assert decompress(packed, "gzip") == b"".join(parts)


@given(PARTS, st.booleans())
def test_zstd_frames(parts: list[bytes], has_size: bool) -> None:
    """Frames, empty and skippable ones too, are one body, whichever comes first."""
    pack = zstandard.ZstdCompressor(write_content_size=has_size).compress
    for first in (b"", pack(b""), SKIPPABLE_FRAME):
        packed = first + SKIPPABLE_FRAME.join([*map(pack, parts), pack(b"end")])
        assert decompress(packed, "zstd") == b"".join(parts) + b"end"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_members_across_slices(encoding: str) -> None:
    """Where a slice of the body ends makes no difference."""
    noise = random.Random(4)
    parts = [noise.randbytes(noise.randrange(40_000)) for _ in range(40)]
    pack = gzip.compress if encoding == "gzip" else zstandard.ZstdCompressor().compress
    assert decompress(b"".join(map(pack, parts)), encoding) == b"".join(parts)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_too_many_members(encoding: str) -> None:
    """Members that hold nothing cost time: there is an end to them."""
    empty = gzip.compress(b"") if encoding == "gzip" else zstandard.ZstdCompressor().compress(b"")
    assert decompress(empty * bodies.MAX_PARTS, encoding) == b""
    with pytest.raises(TooLarge, match=r"more than 20000 (gzip members|zstd frames)"):
        decompress(empty * (bodies.MAX_PARTS + 1), encoding)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [1, 5, 12])
def test_cut_short(encoding: str, cut: int) -> None:
    """A last member that is not whole is refused."""
    pack = gzip.compress if encoding == "gzip" else zstandard.ZstdCompressor().compress
    packed = pack(b"first") + pack(b"second, which is longer")
    with pytest.raises(InvalidRequest, match=f"not {encoding} data"):
        decompress(packed[:-cut], encoding)
