"""Reads one video. Runs in the decoder's process; see `decoder`.

Only the container's own demuxer is allowed, and only files: a playlist that calls itself a video can
name no other file and no server.
"""

from __future__ import annotations

import io
import time
from contextlib import suppress
from typing import Any

import av
import av.error

from layernext.stack.media.found import Look
from layernext.stack.media.image import THUMBNAIL_SIDE

MAX_PIXELS = 100_000_000
COUNT_SECONDS = 60.0
"""For counting frames; of a video that takes longer the container's own number counts."""

MAX_PACKETS = 500
"""That are decoded until a frame comes, for the poster."""

POSTER_AT = 0.1
"""Of the duration: the first frame of many a video is black."""

_FORMATS = {"video/mp4": "mp4", "video/x-matroska": "matroska", "video/webm": "matroska"}


def read_video(path: str, kind: str) -> Look:
    """Read a video; what cannot be read gives a `Look` with a failure.

    Args:
        path: of the file.
        kind: its media type, by its first bytes.
    """
    av.logging.set_level(None)
    options = {"protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path}", format=_FORMATS[kind], options=options) as container:
            stream = next((s for s in container.streams.video if not _is_cover(s)), None)
            if stream is None:
                return Look(content_type=kind, failure="it has no video stream")
            return _look_into(container, stream, kind)
    except MemoryError:
        why = "it is not a readable video: it takes too much memory"
        return Look(content_type=kind, failure=why)
    except Exception as error:  # noqa: BLE001 - decoders raise anything at damaged content
        return Look(content_type=kind, failure=f"it is not a readable video: {_reason(error)}")


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _reason(error: BaseException) -> str:
    # Other texts than the decoder's own may have the path in them.
    text = getattr(error, "strerror", None) if isinstance(error, av.error.FFmpegError) else None
    return str(text).splitlines()[0] if text else "its content is damaged"


def _look_into(container: Any, stream: Any, kind: str) -> Look:
    width, height = stream.codec_context.width, stream.codec_context.height
    if width <= 0 or height <= 0:
        return Look(content_type=kind, failure="its frame size is missing")
    if width * height > MAX_PIXELS:
        why = f"it has {width} x {height} pixels; at most {MAX_PIXELS:,} are read"
        return Look(content_type=kind, width=width, height=height, failure=why)
    rate = stream.average_rate or stream.guessed_rate
    frames = _count(container, stream) or stream.frames or None
    if frames is None:
        why = "it has no frames"
        return Look(content_type=kind, width=width, height=height, failure=why)
    return Look(
        content_type=kind,
        width=width,
        height=height,
        frame_count=frames,
        frame_rate=float(rate) if rate else None,
        duration_s=_duration(container, stream),
        thumbnail=_poster(container, stream),
    )


def _count(container: Any, stream: Any) -> int | None:
    """The packets with content, each of which is a frame; None if that takes too long.

    A container's own number is only what it says: fragmented ones count their first fragment, Matroska
    has none, and a file that was cut off claims the frames that it lost.
    """
    until = time.monotonic() + COUNT_SECONDS
    count = 0
    for packet in container.demux(stream):
        count += bool(packet.size)
        if time.monotonic() > until:
            return None
    return count


def _duration(container: Any, stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _poster(container: Any, stream: Any) -> bytes | None:
    """A small picture of a frame near the beginning; None if no frame can be decoded."""
    context = stream.codec_context
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    for share in (POSTER_AT, 0.0):
        with suppress(av.error.FFmpegError, ValueError):
            container.seek(int((container.duration or 0) * share))
            frame = _first_frame(container, stream)
            if frame is not None:
                return _picture(frame)
    return None


def _first_frame(container: Any, stream: Any) -> Any:
    for number, packet in enumerate(container.demux(stream)):
        # Players show the rest of a video with a broken packet in it; so does this.
        with suppress(av.error.InvalidDataError):
            for frame in packet.decode():
                return frame
        if number > MAX_PACKETS:
            break
    return None


def _picture(frame: Any) -> bytes:
    scale = min(1.0, THUMBNAIL_SIDE / max(frame.width, frame.height))
    size = (max(round(frame.width * scale), 1), max(round(frame.height * scale), 1))
    picture = frame.to_image(width=size[0], height=size[1])
    if frame.rotation:
        picture = picture.rotate(frame.rotation, expand=True)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()
