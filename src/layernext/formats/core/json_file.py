"""Small JSON files, decoded as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_decompressed
from layernext.model import refuse_repeated_keys

MAX_JSON_BYTES = 512 << 20
"""The limit of a file that is decoded as a whole: it takes several times that in memory."""


def read_json(path: Path) -> Any:
    """The content of a file: plain, ``.gz`` or ``.zst``.

    Raises:
        FormatError: it cannot be read, is too large, or is not JSON.
    """
    pieces: list[bytes] = []
    size = 0
    with open_decompressed(path) as stream:
        while piece := stream.read(1 << 20):
            size += len(piece)
            if size > MAX_JSON_BYTES:
                raise FormatError(Problem(str(path), f"is larger than {MAX_JSON_BYTES:,} bytes"))
            pieces.append(piece)
    raw = b"".join(pieces)
    try:
        content = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(Problem(str(path), f"is not JSON: {error}")) from error
    refuse_repeated_keys(raw, file=str(path))
    return content
