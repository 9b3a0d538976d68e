"""Annotations: a download is a stream of lines, closed by a last line that says how many there were."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from layernext.model import Geometry, Mode
from layernext.wire.native.protocol import BASE_PATH

ANNOTATIONS_PATH = f"{BASE_PATH}/annotations"
"""GET (query: collection, run (repeated), mode, image, after), answer a stream of `DownloadLine`;
DELETE (query: collection, run, mode), answer `RemoveResult`."""


class DownloadLine(Struct, frozen=True, kw_only=True):
    """One annotation set of a download, or its last line.

    Attributes:
        cursor: give it as ``after`` to go on behind this set.
        run, mode: the operation the set belongs to.
        geometry: of annotations in `set` without a ``type``; None if `set` is form v2.
        normalized: whether coordinates are fractions of the image's size.
        set: ``{"image": …, "annotations": […]}``, its values as they were uploaded.
        is_only_run: only in the first line of a whole download: whether all its sets are of one model run or
            ground truth. Earlier stacks do not say.
        file_keys: in the same line, if they are: keys beside ``images`` in the files that were uploaded.
        end: only in the last line: how many sets the stream had.
    """

    cursor: str = ""
    run: str = ""
    mode: Mode = "machine"
    geometry: Geometry | None = None
    normalized: bool = False
    set: Raw = field(default_factory=Raw)
    is_only_run: bool | None = None
    file_keys: Raw = Raw(b"{}")
    end: int | None = None


class RemoveResult(Struct, frozen=True, kw_only=True):
    """What a removal took away."""

    sets: int
    annotations: int
