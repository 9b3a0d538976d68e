"""What the stack and its decoder process say to each other; see `decoder`."""

from __future__ import annotations

from typing import IO, TypeAlias

import msgspec

from layernext.stack.media.found import Look, Picture
from layernext.wire.augmentations import Augmentation

HEAD_BYTES = 4


class InspectRequest(msgspec.Struct, frozen=True, array_like=True, tag="inspect"):
    """A file to inspect.

    Attributes:
        path: as bytes: names of files need not be text.
        video_type: the media type of a video; None of an image.
        only_size: of an image read its type and size only.
    """

    path: bytes
    video_type: str | None
    only_size: bool = False


class AugmentRequest(msgspec.Struct, frozen=True, array_like=True, tag="augment"):
    """An image to make pictures of.

    Attributes:
        path: of the image.
        folder: that the pictures are written to, each under the number of its augmentation.
        augmentations: each makes one picture.
        seed, name: as in `layernext.stack.media.picture.augment`.
    """

    path: bytes
    folder: bytes
    augmentations: tuple[Augmentation, ...]
    seed: int
    name: str


class LookReply(msgspec.Struct, frozen=True, array_like=True, tag="look"):
    """What came of an inspection; the last of its replies has ``is_last``."""

    is_last: bool
    look: Look


class PictureReply(msgspec.Struct, frozen=True, array_like=True, tag="picture"):
    """A picture has been written, or why there are no more; the last of the replies has ``is_last``.

    Attributes:
        picture: None if it failed.
        failure: why; for the log.
    """

    is_last: bool
    picture: Picture | None = None
    failure: str | None = None


Request: TypeAlias = InspectRequest | AugmentRequest
Reply: TypeAlias = LookReply | PictureReply


def read_frame(stream: IO[bytes], max_bytes: int) -> bytes | None:
    """The next message; None at the end of the stream, or if it is not a message."""
    head = stream.read(HEAD_BYTES)
    size = int.from_bytes(head, "big")
    if len(head) < HEAD_BYTES or size > max_bytes:
        return None
    content = stream.read(size)
    return content if len(content) == size else None


def write_frame(stream: IO[bytes], content: bytes) -> None:
    """Send a message."""
    stream.write(len(content).to_bytes(HEAD_BYTES, "big") + content)
    stream.flush()
