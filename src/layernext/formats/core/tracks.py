"""Ids of tracks, as formats write them: numbers, numbers as decimals, or text."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from layernext.errors import FormatError, Problem
from layernext.model import Track, find_tracks_problem

_NUMBER = re.compile(r"-?\d{1,19}")


def track_of(value: Any, where: str) -> Track | None:
    """The id of a track; a decimal that is a whole number counts as that, as Python's tools write it.

    Args:
        value: as it is in the file; None if the annotation has no track.
        where: its location.

    Raises:
        FormatError: it is not one.
    """
    if value is None:
        return None
    track = int(value) if isinstance(value, float) and value.is_integer() else value
    problem = find_tracks_problem(track)
    if problem:
        raise FormatError(Problem(where, problem))
    result: Track = track
    return result


def track_text(track: Track) -> str:
    """A track in a cell of text: text that looks like a number is in quotes, so that it stays text."""
    if isinstance(track, str) and not _NUMBER.fullmatch(track) and not track.startswith('"'):
        return track
    return msgspec.json.encode(track).decode()


def track_in_text(cell: Any, where: str) -> Track | None:
    """The track that `track_text` wrote; a cell may also be a number.

    Raises:
        FormatError: it is not a track.
    """
    if isinstance(cell, str) and (cell.startswith('"') or _NUMBER.fullmatch(cell)):
        try:
            cell = msgspec.json.decode(cell)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            message = "is not a track: it begins with a quote and is not JSON"
            raise FormatError(Problem(where, message)) from error
    return track_of(cell, where)
