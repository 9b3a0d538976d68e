"""Small real videos."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path,
    *,
    frames: int = 30,
    rate: int = 25,
    wh: tuple[int, int] = (64, 48),
    codec: str = "mpeg4",
    **options: str,
) -> Path:
    """Frames that grow brighter, in the container that the file's extension names.

    Args:
        path: where to.
        frames, rate: how many, and how many a second.
        wh: width and height in pixels.
        codec: by ffmpeg's name.
        options: of the container.
    """
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *wh, "yuv420p"
        for number in range(frames):
            pixels = np.full((wh[1], wh[0], 3), 255 * number // frames, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def write_sound(path: Path) -> Path:
    """A container of sound alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate = 8000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for packet in stream.encode(frame):
            container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
