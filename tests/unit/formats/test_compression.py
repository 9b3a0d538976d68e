"""Reading and creating files that may be compressed."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import pytest
import zstandard

from layernext.errors import FormatError
from layernext.formats import iter_file, open_decompressed

TEXT = b'{"images": []}\n'


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_own_errors_of_the_block(tmp_path: Path, pack) -> None:
    """What the code inside the block raises comes out as it is, and is not blamed on the file."""
    path = tmp_path / "r.json"
    path.write_bytes(pack(TEXT))
    mine = OSError(errno.ENOSPC, "No space left on device", "elsewhere")

    def use() -> None:
        with open_decompressed(path) as stream:
            assert stream.read(1_000)
            raise mine

    with pytest.raises(OSError, match="elsewhere") as caught:
        use()
    assert caught.value is mine


def test_reading_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails while the file is read is an error about that file."""

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "r.json"
    path.write_bytes(TEXT)
    monkeypatch.setattr("layernext.formats.compression._decompressed", fail)
    with (
        open_decompressed(path) as stream,
        pytest.raises(FormatError, match=r"r\.json: cannot be read: Input/output error"),
    ):
        stream.read(10)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_cut_files(tmp_path: Path, pack, kept: float) -> None:
    """A compressed file that was cut off is called broken, wherever the cut is."""
    path = tmp_path / "r.json"
    whole = pack(b'{"images": [\n' + b",\n".join(b'{"image": "%d"}' % n for n in range(50_000)))
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(FormatError, match=r"^r\.json: the compressed data is broken: "):
        list(iter_file(path))


def test_cut_behind_the_content(tmp_path: Path) -> None:
    """A zstd file whose text is there, but not its checksum, is broken, too."""
    path = tmp_path / "r.json"
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(TEXT)
    path.write_bytes(packed)
    assert list(iter_file(path)) == []
    path.write_bytes(packed[:-2])
    with pytest.raises(FormatError, match="the compressed data is broken"):
        list(iter_file(path))


def test_many_zstd_frames(tmp_path: Path) -> None:
    """Frames behind one another are one text, with those between that readers are to skip."""
    path = tmp_path / "r.json"
    text = os.urandom(300_000)
    skipped = b"\x50\x2a\x4d\x18" + (9_000).to_bytes(4, "little") + bytes(9_000)
    frames = [zstandard.compress(text[start : start + 7_001]) for start in range(0, 300_000, 7_001)]
    path.write_bytes(skipped.join(frames) + skipped)
    with open_decompressed(path) as stream:
        assert b"".join(iter(lambda: stream.read(50_000), b"")) == text
    path.write_bytes(path.read_bytes() + b"what is this")
    with open_decompressed(path) as stream, pytest.raises(FormatError, match="broken"):
        list(iter(lambda: stream.read(50_000), b""))
