"""Sizes of images by their heads: of every size that a stack reads, whatever Pillow's limits are."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import Image

from layernext.errors import FormatError
from layernext.formats import image_sizes


def png_head(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and ends there."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = (
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, data)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "bmp", "tiff"])
def test_every_type(tmp_path: Path, kind: str) -> None:
    """The size as Pillow says it."""
    Image.new("RGB", (31, 17)).save(tmp_path / f"a.{kind}")
    assert image_sizes(tmp_path)["a"] == (31, 17, f"a.{kind}")


def test_the_host_keeps_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 megapixels are read without a warning, and Pillow's limit stays what the host set."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    (tmp_path / "large.png").write_bytes(png_head(20_000, 20_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_sizes(tmp_path)["large"] == (20_000, 20_000, "large.png")
    assert Image.MAX_IMAGE_PIXELS == 1_000
    (tmp_path / "larger.png").write_bytes(png_head(25_000, 20_001))
    with pytest.raises(
        FormatError, match=r"larger\.png: has 25000 x 20001 pixels; at most 500,000,000"
    ):
        image_sizes(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff", png_head(2, 2)[:20]])
def test_damaged_images(tmp_path: Path, content: bytes) -> None:
    """One sentence with the file's name."""
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.jpg: is not a readable image"):
        image_sizes(tmp_path)
