"""Inspection of videos: real ones, hostile ones, and decoders that end badly."""

from __future__ import annotations

import io
import random
import struct
import sys
from pathlib import Path

import pytest
from PIL import Image

from layernext import LayerNextClient
from layernext.stack.media import Decoder, Look, decoder
from tests.integration.client.conftest import native_stack
from tests.support.stack_process import StackProcess
from tests.support.videos import write_sound, write_video

__all__ = ["native_stack"]

VIDEOS = 4


def look(path: Path) -> Look:
    with Decoder() as process:
        return process.look_into(path, VIDEOS, lambda: None)


def poster(found: Look) -> Image.Image:
    assert found.thumbnail is not None
    return Image.open(io.BytesIO(found.thumbnail))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("a.mp4", {}, id="mp4"),
        pytest.param("a.mp4", {"movflags": "frag_keyframe"}, id="mp4 in fragments"),
        pytest.param("a.mp4", {"movflags": "empty_moov+frag_keyframe"}, id="mp4 without index"),
        pytest.param("a.mp4", {"movflags": "faststart", "codec": "libx264"}, id="h264"),
        pytest.param("a.mkv", {}, id="mkv"),
        pytest.param("a.webm", {"codec": "libvpx-vp9"}, id="webm"),
    ],
)
def test_videos(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    """Frames, rate, size in pixels, duration and a poster, whatever the container says of itself."""
    found = look(write_video(tmp_path / name, frames=45, rate=30, wh=(640, 360), **options))
    assert found.failure is None
    assert (found.width, found.height) == (640, 360)
    assert (found.frame_count, found.frame_rate) == (45, 30.0)
    assert found.duration_s == pytest.approx(1.5, abs=0.05)
    assert poster(found).size == (256, 144)


def test_a_video_that_was_turned(tmp_path: Path) -> None:
    """Sizes are as stored, the poster as players show it."""
    path = write_video(tmp_path / "a.mp4", wh=(64, 32))
    content = bytearray(path.read_bytes())
    # The matrix of the track's header, ISO/IEC 14496-12 section 8.3.2: a quarter turn.
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30)
    path.write_bytes(content)
    found = look(path)
    assert (found.width, found.height, poster(found).size) == (64, 32, (32, 64))


def test_what_is_no_video(tmp_path: Path) -> None:
    """A sentence that says why; never an exception."""
    whole = write_video(tmp_path / "a.mp4", movflags="faststart").read_bytes()
    sound = write_sound(tmp_path / "sound.mp4").read_bytes()
    (tmp_path / "secret.mp4").write_bytes(whole)
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n"
    cases = {
        "text": (b"no video at all", "not an MP4 or Matroska"),
        "playlist": (playlist, "not an MP4 or Matroska"),
        "disguised": (b"\0\0\0\x18ftyp" + playlist, "not a readable video"),
        "header": (whole[:32], "not a readable video"),
        "ebml": (b"\x1aE\xdf\xa3" + bytes(1000), "not a readable video"),
        "sound": (sound, "no video stream"),
        "empty": (b"", "not an MP4 or Matroska"),
    }
    for name, (content, why) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        found = look(path)
        assert found.failure is not None, name
        assert why in found.failure, name
        assert found.thumbnail is None


def test_a_video_that_was_cut_off(tmp_path: Path) -> None:
    """What is there counts, not what its index claims."""
    path = write_video(tmp_path / "a.mp4", frames=300, wh=(320, 240), movflags="faststart")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    found = look(path)
    assert found.failure is None
    assert found.frame_count is not None
    assert 0 < found.frame_count < 300


def test_damaged_videos_never_raise(tmp_path: Path) -> None:
    """Bytes changed anywhere: a result or a sentence."""
    rng = random.Random(7)
    contents = [write_video(tmp_path / f"a.{kind}").read_bytes() for kind in ("mp4", "mkv")]
    for number in range(12):
        content = bytearray(contents[number % 2])
        for _ in range(rng.choice((1, 20, 200))):
            content[rng.randrange(12, len(content))] = rng.randrange(256)
        path = tmp_path / "damaged"
        path.write_bytes(content)
        found = look(path)
        assert found.failure or found.frame_count


@pytest.mark.parametrize(
    ("code", "why"),
    [
        pytest.param("import os; os.kill(os.getpid(), 11)", "crash", id="crash"),
        pytest.param("import time; time.sleep(60)", "longer than", id="hangs"),
        pytest.param("raise SystemExit(1)", "fail", id="fails"),
        pytest.param("print('x' * 10_000_000)", "fail", id="floods"),
    ],
)
def test_decoders_that_end_badly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    """It costs the process of the look alone."""
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nexec {sys.executable} -c {code!r}\n".replace('"', "'"))
    fake.chmod(0o700)
    monkeypatch.setattr(decoder.sys, "executable", str(fake))
    monkeypatch.setattr(decoder, "SECONDS", 2)
    found = look(write_video(tmp_path / "a.mp4"))
    assert found.failure is not None
    assert why in found.failure


def test_a_stack_that_stops_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `alive` raises ends the process and passes on."""
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o700)
    monkeypatch.setattr(decoder.sys, "executable", str(fake))
    path = write_video(tmp_path / "a.mp4")

    def stop() -> None:
        raise InterruptedError

    with Decoder() as process, pytest.raises(InterruptedError):
        process.look_into(path, VIDEOS, stop)


def test_secrets_are_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that reads strangers' bytes has none of the stack's environment."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nenv > {tmp_path}/environment\n")
    fake.chmod(0o700)
    monkeypatch.setattr(decoder.sys, "executable", str(fake))
    look(write_video(tmp_path / "a.mp4"))
    assert "AWS" not in (tmp_path / "environment").read_text()


def test_videos_in_a_collection(native_stack: StackProcess, tmp_path: Path) -> None:
    """Uploaded, inspected, found by what was seen, and back byte for byte; a broken one says why."""
    source = tmp_path / "videos"
    source.mkdir()
    write_video(source / "a.mp4", frames=10, rate=5, wh=(320, 240))
    write_video(source / "b.mkv", frames=50)
    (source / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and nothing else")
    with LayerNextClient(*native_stack.arguments) as client:
        report = client.upload_files_to_collection(source, "video", "clips", progress=False)
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        items = {item.name: item for item in client.items.iter("clips")}
        assert (items["a.mp4"].frame_count, items["a.mp4"].frame_rate) == (10, 5.0)
        assert (items["a.mp4"].width, items["a.mp4"].height) == (320, 240)
        assert items["a.mp4"].duration_s == pytest.approx(2.0)
        assert (items["b.mkv"].media_type, items["b.mkv"].state) == ("video/x-matroska", "ready")
        assert items["broken.mp4"].state == "failed"
        assert "not a readable video" in str(items["broken.mp4"].failure)
        (short,) = client.items.iter("clips", query="duration < 2.1 AND frame_count = 10")
        assert short.name == "a.mp4"
        client.files.download("clips", tmp_path / "back", progress=False)
        for path in source.iterdir():
            assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no such choice before 3.11")
def test_modules_of_the_folder_it_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not taken for the libraries'."""
    path = write_video(tmp_path / "a.mp4")
    (tmp_path / "av.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert look(path).failure is None
