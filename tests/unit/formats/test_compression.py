"""Reading and creating files that may be compressed."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import pytest
import zstandard

from layernext.errors import FormatError
from layernext.formats import open_decompressed

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
