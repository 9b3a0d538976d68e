"""The files of a collection: listed with what they are, and many at a time in one answer.

A bundle of files is, for each one asked for, a line of JSON (`BundledFile`), and behind it the file's bytes.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from layernext.wire.native.protocol import BASE_PATH

FILES_PATH = f"{BASE_PATH}/files"
"""GET (query: collection, after, limit), answer a page of `FileRecord`, oldest first."""

BUNDLES_PATH = f"{FILES_PATH}/bundle"
"""POST `FilesRequest`, answer a stream: for each file a line and its bytes, in the order asked for."""

MAX_BUNDLED_FILES = 1_000
"""In one answer."""


class FilesRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose bytes are wanted, by id."""

    ids: list[str]


class BundledFile(Struct, frozen=True, kw_only=True):
    """The line before a file's bytes.

    A file that is gone has no bytes and the size None. If its content was lost, `problem` says so;
    the line has this key only then.
    """

    id: str
    size: int | None = None
    problem: str | UnsetType = UNSET
