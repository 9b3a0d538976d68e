"""Images: every type that is read, hostile ones, and a decoder that ends badly."""

from __future__ import annotations

import io
import os
import random
import signal
import struct
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from layernext import LayerNextClient
from layernext.formats import image_sizes
from layernext.stack.media import Decoder, Look
from layernext.stack.media.picture import open_image
from tests.integration.client.conftest import native_stack
from tests.support.stack_process import StackProcess

__all__ = ["native_stack"]

IMAGES = 5
MUTANTS = int(os.environ.get("LAYERNEXT_MUTANTS", "2000"))
"""More of them: LAYERNEXT_MUTANTS=80000 pytest tests/integration/media/test_images.py -k damaged"""

TYPES = ["JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF"]
TYPES += ["AVIF"] if features.check("avif") else []
RED = (200, 40, 40)


def picture(mode: str = "RGB", size: tuple[int, int] = (80, 60)) -> Image.Image:
    image = Image.new("RGB", size, RED)
    return image.quantize(2) if mode == "P" else image.convert(mode)  # `convert` would dither


def encoded(kind: str, image: Image.Image | None = None) -> bytes:
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": [Image.new("RGB", (40, 30))]}
    (image or picture()).save(buffer, kind, **(options if kind == "MPO" else {}))
    return buffer.getvalue()


def look(path: Path) -> Look:
    with Decoder() as decoder:
        return decoder.look_into(path, IMAGES, lambda: None)


def look_at(tmp_path: Path, content: bytes) -> Look:
    path = tmp_path / "image"
    path.write_bytes(content)
    return look(path)


def thumbnail(result: Look) -> Image.Image:
    assert result.failure is None
    assert result.thumbnail is not None
    return Image.open(io.BytesIO(result.thumbnail))


def is_near(pixel: object, color: tuple[int, ...]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) < 12 for a, b in zip(pixel, color, strict=True))


def png(width: int, height: int, bits: int = 8, rows: bytes | None = None) -> bytes:
    """A gray PNG; black without rows, which never are in memory at once."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    packer, content = zlib.compressobj(9), b""
    for _ in range(height if rows is None else 0):
        content += packer.compress(bytes(1 + width * bits // 8))
    content += packer.compress(rows or b"") + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("kind", TYPES)
def test_types(tmp_path: Path, kind: str) -> None:
    """Size, type and thumbnail; of several pictures in a file the first."""
    result = look_at(tmp_path, encoded(kind))
    assert (result.width, result.height) == (80, 60)
    media_type = "image/jpeg" if kind == "MPO" else f"image/{kind.lower()}"
    assert result.content_type == media_type
    assert is_near(thumbnail(result).convert("RGB").getpixel((40, 30)), RED)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("PNG", "P"), ("GIF", "P"), ("JPEG", "L"), ("PNG", "LA")],
)
def test_thumbnail_colors(tmp_path: Path, kind: str, mode: str) -> None:
    """As the image has them, whatever its mode, also when it is made smaller."""
    image = picture(mode, (600, 400))
    shown = thumbnail(look_at(tmp_path, encoded(kind, image)))
    assert shown.size == (256, 171)
    assert is_near(shown.convert("RGB").getpixel((128, 80)), image.convert("RGB").getpixel((9, 9)))


def turned_picture(orientation: int, kind: str = "JPEG") -> bytes:
    """A picture that is red at its top left and blue at its top right, once it stands upright."""
    stored = Image.new("RGB", (60, 80), "white")
    stored.paste(RED, (0, 0, 30, 40))
    stored.paste((40, 40, 200), (30, 0, 60, 40))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    if orientation in back:
        stored = stored.transpose(back[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    stored.save(buffer, kind, exif=exif, quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(tmp_path: Path, orientation: int) -> None:
    """Size and thumbnail are of the picture as it is seen, whatever its EXIF orientation; so is its folder's size."""
    (tmp_path / "p.jpg").write_bytes(turned_picture(orientation))
    result = look(tmp_path / "p.jpg")
    assert (result.width, result.height) == (60, 80)
    small = thumbnail(result).convert("RGB")
    assert small.size == (60, 80)
    red, blue = small.getpixel((10, 10)), small.getpixel((50, 10))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > 150 > red[2]
    assert blue[2] > 150 > blue[0]
    assert image_sizes(tmp_path)["p"] == (60, 80, "p.jpg")
    opened = open_image(tmp_path / "p.jpg")
    assert opened.size == (60, 80)
    assert opened.getpixel((10, 10))[0] > 150


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_other_types_stand_upright(tmp_path: Path, kind: str) -> None:
    """So do pictures of other types that say how they are turned."""
    path = tmp_path / f"p.{kind.lower()}"
    path.write_bytes(turned_picture(6, kind))
    result = look(path)
    assert (result.width, result.height) == (60, 80)
    assert thumbnail(result).size == (60, 80)
    assert image_sizes(tmp_path)["p"][:2] == (60, 80)


def test_damaged_exif_is_ignored(tmp_path: Path) -> None:
    """The picture is read as it is stored."""
    content = (
        turned_picture(6)
        .replace(b"Exif\0\0MM", b"Exif\0\0XX")
        .replace(b"Exif\0\0II", b"Exif\0\0XX")
    )
    result = look_at(tmp_path, content)
    assert (result.width, result.height, result.failure) == (80, 60, None)


def test_thumbnails_keep_transparency(tmp_path: Path) -> None:
    """Of an alpha channel, and of a palette with a transparent color."""
    image = Image.new("RGBA", (600, 400), (200, 40, 40, 255))
    image.paste((0, 0, 0, 0), (0, 0, 300, 400))
    palette = picture("P", (600, 400))
    palette.info["transparency"] = palette.getpixel((0, 0))  # its only color
    for content in (encoded("PNG", image), encoded("WEBP", image)):
        alpha = thumbnail(look_at(tmp_path, content)).getchannel("A")
        assert alpha.getpixel((10, 80)) == 0
        assert alpha.getpixel((250, 80)) == 255
    assert thumbnail(look_at(tmp_path, encoded("PNG", palette))).getpixel((9, 9))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(("kind", "order"), [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2")])
def test_gray_of_16_bits(tmp_path: Path, kind: str, order: str) -> None:
    """Its thumbnail runs from dark to bright, though the values use a small part of the range."""
    values = np.tile(np.linspace(1000, 5000, 2000), (1500, 1)).astype(order)
    result = look_at(tmp_path, encoded(kind, Image.fromarray(values)))
    assert (result.width, result.height) == (2000, 1500)
    row = np.asarray(thumbnail(result).convert("L"))[96]
    assert row[0] < 20
    assert row[-1] > 235
    assert abs(int(row[128]) - 128) < 20


def test_large_images(tmp_path: Path) -> None:
    """200 megapixels are read; more than 500 are refused in a sentence, with their size."""
    result = look_at(tmp_path, png(20_000, 10_000))
    assert (result.width, result.height) == (20_000, 10_000)
    assert thumbnail(result).size == (256, 128)
    result = look_at(tmp_path, png(30_000, 20_000, rows=b""))
    assert (result.width, result.height) == (30_000, 20_000)
    assert result.failure == "it has 30000 x 20000 pixels; at most 500,000,000 are read"


def test_images_that_would_fill_the_memory(tmp_path: Path) -> None:
    """They have a size and no thumbnail."""
    content = bytearray(png(20_000, 20_000, rows=b""))
    content[25] = 2  # RGB
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    result = look_at(tmp_path, bytes(content))
    assert (result.width, result.height) == (20_000, 20_000)
    assert (result.thumbnail, result.failure) == (None, None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
def test_truncated_images_show_what_is_there(tmp_path: Path, kind: str) -> None:
    """The upper half in its place, so that annotations are where they belong; and a failure that says so."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(200, 255, (600, 800, 3), dtype=np.uint8))
    content = encoded(kind, noise)
    result = look_at(tmp_path, content[: len(content) // 2])
    assert result.failure == "it is not a readable image: its content ends early"
    assert (result.width, result.height) == (800, 600)
    assert result.thumbnail is not None
    small = np.asarray(Image.open(io.BytesIO(result.thumbnail)).convert("L"))
    assert small.shape == (192, 256)
    if kind == "BMP":
        small = small[::-1]  # it begins with its last row
    assert small[:60].min() > 150
    # What is missing is gray or black, by type; GIF keeps its background.
    assert kind == "GIF" or small[-20:].max() < 150


@pytest.mark.parametrize(
    ("brand", "media_type", "why"),
    [
        (b"heic", "image/heic", "it is a HEIC image, which is not read: convert it"),
        (b"hevc", "image/heic", "it is a HEIC image, which is not read: convert it"),
        (b"avif", "image/avif", "it is not a readable image"),
        (b"isom", "video/mp4", "it is a video, not an image: upload it to a collection of videos"),
    ],
)
def test_pictures_and_videos_of_one_container(
    tmp_path: Path, brand: bytes, media_type: str, why: str
) -> None:
    """What a file is, is said, also if it is not read."""
    result = look_at(tmp_path, b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1miaf" + b"\0" * 200)
    assert result.content_type == media_type
    assert str(result.failure).startswith(why)


def test_float_images_are_tone_mapped(tmp_path: Path) -> None:
    """From their darkest to their brightest percent; pixels that are no numbers do not matter."""
    values = np.tile(np.linspace(-1, 1, 800, dtype=np.float32), (600, 1))
    values[0, 0], values[1, 1] = np.nan, np.inf
    row = np.asarray(thumbnail(look_at(tmp_path, encoded("TIFF", Image.fromarray(values)))))[96]
    assert row[0].max() < 20
    assert row[-1].min() > 235


def test_failures_name_no_paths_and_no_exceptions(tmp_path: Path) -> None:
    """They are plain sentences."""
    cases = {
        b"no image": "it is not a readable image of a supported type",
        encoded("PNG", picture(size=(900, 900)))[:60]: "it is not a readable image: its content",
        encoded("JPEG")[:400]: "it is not a readable image: its content ends early",
    }
    for content, why in cases.items():
        failure = look_at(tmp_path, content).failure
        assert failure is not None
        assert failure.startswith(why)
        assert str(tmp_path) not in failure


def test_a_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    """Between two files, and at a file, which then gets a new process to itself."""
    path = tmp_path / "image"
    path.write_bytes(encoded("JPEG"))
    with Decoder() as decoder:
        for _ in range(3):
            assert decoder.look_into(path, IMAGES, lambda: None).failure is None
            process = decoder._process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        pytest.param("import os; os.kill(os.getpid(), 9)", "lack of memory", id="killed"),
        pytest.param("import os; os.kill(os.getpid(), 11)", "crash", id="crash"),
        pytest.param("raise SystemExit(1)", "fail", id="fails"),
    ],
)
def test_decoders_that_end_badly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    """It costs this file its thumbnail, and nobody else anything."""
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}"\n')
    fake.chmod(0o700)
    path = tmp_path / "image"
    path.write_bytes(encoded("JPEG"))
    with Decoder() as decoder:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(fake))
            failure = decoder.look_into(path, IMAGES, lambda: None).failure
        assert failure is not None
        assert why in failure
        assert decoder.look_into(path, IMAGES, lambda: None).failure is None


def damaged(content: bytes, numbers: random.Random) -> bytes:
    """Bytes changed, cut out, repeated or cut off."""
    result = bytearray(content)
    kind = numbers.randrange(5)
    at = numbers.randrange(len(result))
    if kind == 0:
        del result[at:]
    elif kind == 1:
        del result[at : at + numbers.randrange(1, 40)]
    elif kind == 2:
        result[at:at] = result[at : at + numbers.randrange(1, 200)]
    else:
        # Half of them in the head, where sizes and types are.
        end = len(result) if kind == 3 else min(len(result), 200)
        for _ in range(numbers.choice((1, 4, 30))):
            result[numbers.randrange(end)] = numbers.choice(
                (0, 1, 127, 255, numbers.randrange(256))
            )
    return bytes(result)


def test_damaged_images_never_raise(tmp_path: Path) -> None:
    """A size or a sentence for each, from a decoder that goes on."""
    numbers = random.Random(18)
    noise = Image.effect_noise((60, 40), 80)
    sources = [encoded(kind, noise.convert("RGB")) for kind in TYPES]
    sources += [encoded("PNG", noise.convert("P")), encoded("JPEG", noise.convert("CMYK"))]
    sources += [encoded("PNG", noise.convert("I;16")), encoded("TIFF", noise.convert("F"))]
    compressed = io.BytesIO()
    noise.save(compressed, "TIFF", compression="tiff_lzw")
    sources.append(compressed.getvalue())
    path = tmp_path / "image"
    outcomes: Counter[str] = Counter()
    with Decoder() as decoder:
        for number in range(MUTANTS):
            path.write_bytes(damaged(sources[number % len(sources)], numbers))
            result = decoder.look_into(path, IMAGES, lambda: None)
            assert result.failure or (result.width and result.height), number
            assert str(tmp_path) not in (result.failure or "")
            outcomes["failed" if result.failure else "read"] += 1
            if "decoder" in (result.failure or ""):
                outcomes["ended the decoder"] += 1
    assert outcomes["read"] > MUTANTS // 20
    assert outcomes["failed"] > MUTANTS // 20


def test_one_bad_file_stops_no_other(native_stack: StackProcess, tmp_path: Path) -> None:
    """An MPO file, a damaged one and a good one, uploaded together."""
    source = tmp_path / "images"
    source.mkdir()
    (source / "a.jpg").write_bytes(encoded("MPO"))
    (source / "b.jpg").write_bytes(encoded("JPEG")[:300])
    (source / "c.png").write_bytes(encoded("PNG"))
    with LayerNextClient(*native_stack.arguments) as client:
        report = client.upload_files_to_collection(source, "image", "phones", progress=False)
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        items = {item.name: item for item in client.items.iter("phones")}
    assert [items[name].state for name in sorted(items)] == ["ready", "failed", "ready"]
    assert (items["a.jpg"].width, items["a.jpg"].height) == (80, 60)
    assert items["a.jpg"].media_type == "image/jpeg"
    assert "not a readable image" in str(items["b.jpg"].failure)
