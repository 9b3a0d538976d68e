"""Annotation sets, as records."""

from __future__ import annotations

from msgspec import Struct

from layernext.model import Geometry, Mode


class StoredSet(Struct, frozen=True, kw_only=True, gc=False):
    """An annotation set as stored.

    Attributes:
        cursor: continue behind this set by giving it as `after`.
        run, mode: its operation.
        geometry: of annotations without a ``type`` in `raw`.
        normalized: whether coordinates are fractions of the image's size.
        image: the image's name in its collection.
        raw: the set's JSON; its ``image`` is `image`.
        width, height: of the image in pixels, where the reader looked and they are known.
        is_only_run: in the first set of a whole stream: whether all its sets are of one operation.
        file_keys: in the same, if they are: JSON of the keys beside ``images`` of the files that they came in.
    """

    cursor: str
    run: str
    mode: Mode
    geometry: Geometry | None
    normalized: bool
    image: str
    raw: bytes
    width: int | None = None
    height: int | None = None
    is_only_run: bool | None = None
    file_keys: bytes = b""


class ImageSets(Struct, frozen=True):
    """An image with its annotation sets; `size` is its width and height, once they are known."""

    id: int
    name: str
    size: tuple[int, int] | None
    sets: list[StoredSet]
