"""Reading and creating files that may be compressed."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import sys
import threading
from pathlib import Path

import pytest
import zstandard

from layernext.errors import FormatError
from layernext.formats import create_compressed, iter_file, open_decompressed

TEXT = b'{"images": []}\n'
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="no such files there")


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
    monkeypatch.setattr("layernext.formats.core.compression._decompressed", fail)
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
    """Frames one after another are one text, with those between that readers are to skip."""
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


def write(path: Path, text: bytes = TEXT) -> None:
    with create_compressed(path) as stream:
        stream.write(text)


def written_to(target: Path, pipe: Path) -> bytes:
    """What comes out of the pipe when the text is written to the target."""
    # Both ends are open, so nothing waits; a short text fits into the pipe.
    descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        write(target)
        return os.read(descriptor, 1_000)
    finally:
        os.close(descriptor)


@on_posix
@pytest.mark.parametrize("name", ["pipe", "pipe.gz", "pipe.zst"])
def test_target_that_is_no_file(tmp_path: Path, name: str) -> None:
    """What exists and is not a regular file is written to, not replaced."""
    pipe = tmp_path / name
    os.mkfifo(pipe)
    (tmp_path / "seen").write_bytes(written_to(pipe, pipe))
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with open_decompressed(tmp_path / "seen") as stream:
        assert b"".join(iter(lambda: stream.read(1_000), b"")) == TEXT
    assert sorted(tmp_path.iterdir()) == sorted([pipe, tmp_path / "seen"])


@on_posix
def test_target_that_is_a_link_to_no_file(tmp_path: Path) -> None:
    """A link to a pipe is followed, as /dev/stdout has to be."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    assert written_to(link, pipe) == TEXT
    assert link.is_symlink()


@on_posix
@pytest.mark.parametrize("is_there", [True, False])
def test_target_that_is_a_link(tmp_path: Path, is_there: bool) -> None:
    """A link stays one, and what it leads to gets the text, wherever that is."""
    real, link = tmp_path / "elsewhere" / "real.json", tmp_path / "link.json"
    real.parent.mkdir()
    if is_there:
        real.write_bytes(b"old")
    link.symlink_to(real)
    write(link)
    assert link.is_symlink()
    assert real.read_bytes() == TEXT
    assert list(real.parent.iterdir()) == [real]


@pytest.mark.parametrize("name", ["folder", "folder.json.gz"])
def test_target_that_is_a_folder(tmp_path: Path, name: str) -> None:
    """A folder is refused before the block begins, by its name."""
    (tmp_path / name).mkdir()
    has_begun = False

    def use() -> None:
        nonlocal has_begun
        with create_compressed(tmp_path / name):
            has_begun = True

    with pytest.raises(IsADirectoryError) as caught:
        use()
    assert caught.value.filename == str(tmp_path / name)
    assert not has_begun


def test_long_name(tmp_path: Path) -> None:
    """Every name that the file system takes can be the target's."""
    path = tmp_path / ("n" * 250)
    write(path)
    assert path.read_bytes() == TEXT


def test_two_writers_of_one_target(tmp_path: Path) -> None:
    """Two that write the same target at the same time do not mix: one of both texts is there."""
    path = tmp_path / "r.json"
    meeting = threading.Barrier(2)
    faults: list[Exception] = []

    def use(text: bytes) -> None:
        try:
            with create_compressed(path) as stream:
                meeting.wait(180)
                stream.write(text)
                meeting.wait(180)
        except Exception as error:  # noqa: BLE001 - told to the test
            faults.append(error)

    texts = [b"a" * 100_000, b"b" * 50_000]
    threads = [threading.Thread(target=use, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert path.read_bytes() in texts
    assert list(tmp_path.iterdir()) == [path]


@on_posix
def test_new_name_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the file itself the folder is synchronised, when the name is there."""
    synchronised: list[tuple[bool, bool]] = []

    def note(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synchronised.append((is_folder, (tmp_path / "r.json").exists()))

    monkeypatch.setattr(os, "fsync", note)
    write(tmp_path / "r.json")
    assert synchronised == [(False, False), (True, True)]


@on_posix
@pytest.mark.parametrize(("number", "is_error"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_folder_that_cannot_be_synchronised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_error: bool
) -> None:
    """A file system without that step does no harm; a disk that fails is an error."""

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    if is_error:
        with pytest.raises(OSError, match=os.strerror(number)):
            write(tmp_path / "r.json")
    else:
        write(tmp_path / "r.json")
    assert (tmp_path / "r.json").read_bytes() == TEXT


def test_block_that_fails(tmp_path: Path) -> None:
    """After an error in the block the old file is there, and nothing beside it."""
    path = tmp_path / "r.json.gz"
    path.write_bytes(b"old")

    def use() -> None:
        with create_compressed(path) as stream:
            stream.write(TEXT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
