"""Checks of annotations that need no stack."""

from __future__ import annotations

import os

from layernext.client.annotations.sources import check_with_progress
from layernext.client.progress import ProgressChoice
from layernext.errors import ConfigurationError
from layernext.formats import DEFAULT_PROBLEM_LIMIT, FileSummary
from layernext.model import Geometry

_FILE_GEOMETRIES: tuple[Geometry, ...] = ("rectangle", "polygon", "line")


def validate_file(
    path: str | os.PathLike[str],
    geometry: str | None = None,
    *,
    limit: int = DEFAULT_PROBLEM_LIMIT,
    strict: bool = False,
    progress: ProgressChoice = None,
) -> FileSummary:
    """Check a file as an upload would, without a stack.

    Args:
        path: LayerNext JSON, plain, ``.gz`` or ``.zst``; read as a stream.
        geometry: geometry of annotations without a ``type`` (form v1); None for form v2.
        limit: stop looking after this many problems.
        strict: refuse keys that the format does not know; otherwise they are warnings.
        progress: None shows a bar on a terminal; True, False or a callable override that.

    Returns:
        How many images and annotations the file has, and what may be a mistake.

    Raises:
        DataError: the file is not valid; every problem has its location. `FormatError` if it is not a
            LayerNext JSON file at all.
    """
    shape = None if geometry is None else check_geometry(geometry)
    return check_with_progress(path, shape, progress, limit, strict=strict)


def check_geometry(word: str) -> Geometry:
    """The geometry of this name.

    Raises:
        ConfigurationError: there is no such geometry.
    """
    for geometry in _FILE_GEOMETRIES:
        if geometry == word:
            return geometry
    raise ConfigurationError(f"geometry must be 'rectangle', 'polygon' or 'line', not {word!r}")
