"""Which images are frames of one sequence, and in what order: their names say it.

A frame of a video is addressed by the name of the video and the frame's number, ``clip.mp4#frame=12``, from 0. A frame
that is an image of its own is numbered by the end of its name: ``seq/img1/000012.jpg``, ``frame_000012.PNG``. See
decision 37 for why no field of its own says it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

VIDEO_FRAME = "#frame="
"""What stands between the name of a video and the number of a frame."""

_OF_VIDEO = re.compile(r"(?P<video>.+)#frame=(?P<number>\d{1,9})", re.DOTALL)
_EXTENSION = re.compile(r"\.[^./\d][^./]{0,9}$")
_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d{1,18})", re.DOTALL)
_WORDS = re.compile(r"(?:^|(?<=[/_\-. ]))(?:frame|img|image)[_\-. ]*$", re.IGNORECASE)
_IMAGE_FOLDER = "img1"
"""Where MOT Challenge keeps the images of a sequence."""


class Frame(NamedTuple):
    """The place of an image in a sequence.

    Attributes:
        sequence: its name: of the video, or what the names of all its frames begin with; may be empty.
        number: of the frame; a later frame has a higher one.
    """

    sequence: str
    number: int


def frame_of(image: str) -> Frame | None:
    """The frame that an image is, by its name; None if that has no number.

    Example:
        >>> frame_of("MOT17-02/img1/000012.jpg")
        Frame(sequence='MOT17-02', number=12)
        >>> frame_of("clip.mp4#frame=12")
        Frame(sequence='clip.mp4', number=12)
    """
    of_video = _OF_VIDEO.fullmatch(image)
    if of_video is not None:
        return Frame(of_video["video"], int(of_video["number"]))
    numbered = _NUMBERED.fullmatch(_EXTENSION.sub("", image))
    if numbered is None:
        return None
    stem = _WORDS.sub("", numbered["stem"]).rstrip("_-. ")
    folder, slash, last = stem.rpartition("/")
    if slash and not last:
        stem = folder.removesuffix(f"/{_IMAGE_FOLDER}") if folder != _IMAGE_FOLDER else ""
    return Frame(stem, int(numbered["number"]))


def video_frame(video: str, number: int) -> str:
    """The name of a frame of a video.

    Example:
        >>> video_frame("clip.mp4", 12)
        'clip.mp4#frame=12'
    """
    return f"{video}{VIDEO_FRAME}{number}"


def neighboring_frames(image: str, reach: int) -> dict[str, int]:
    """Names that frames near an image may have, with their distance from it; that of the image itself, too.

    Args:
        image: the name of a frame.
        reach: how far, in both directions.

    Returns:
        Name to distance; empty if the image is no frame. Of frames without leading zeros, both ways to write the
        number are listed where they differ.

    Example:
        >>> neighboring_frames("f_10.png", 1)
        {'f_09.png': -1, 'f_9.png': -1, 'f_10.png': 0, 'f_11.png': 1}
    """
    of_video = _OF_VIDEO.fullmatch(image)
    extension = "" if of_video else (_EXTENSION.search(image) or [""])[0]
    numbered = of_video or _NUMBERED.fullmatch(image.removesuffix(extension))
    if numbered is None:
        return {}
    digits = numbered["number"]
    stem = image[: numbered.start("number")]
    names: dict[str, int] = {}
    for distance in range(-reach, reach + 1):
        number = int(digits) + distance
        if number >= 0:
            texts = [f"{number:0{len(digits)}}"]
            if not digits.startswith("0"):
                texts.append(str(number))
            names |= {f"{stem}{text}{extension}": distance for text in texts}
    return names
