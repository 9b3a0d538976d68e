"""Files in bundles: many small files in one request, spoken by our client and our stack.

A bundle is, for each file, a line of JSON (`BundleEntry`), and behind it the file's bytes. The stack stores
all files of a bundle durably and makes them visible in one transaction.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from layernext.wire.native.protocol import BASE_PATH
from layernext.wire.paths import segment

MAX_BUNDLE_BYTES = 32 << 20
"""Of a bundle, lines included."""

MAX_BUNDLE_FILES = 1_000

MAX_ASKED_NAMES = 5_000
"""Files that can be asked about at a time."""


class BundleEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """The line before a file's bytes: its name, how many bytes, and their SHA-256 in hexadecimal."""

    name: str
    size: int
    checksum: str


class StoredEntry(Struct, frozen=True):
    """What became of a file.

    Attributes:
        name: the file.
        outcome: ``stored``; or ``existing`` if the same content is there under this name, or
            ``different`` if other content is: then that stays.
    """

    name: str
    outcome: Literal["stored", "existing", "different"]


class BundleResult(Struct, frozen=True):
    """What became of a bundle's files, in their order."""

    files: list[StoredEntry]


class KnownFile(Struct, frozen=True):
    """A file that a collection has; the checksum is None until the stack has computed it."""

    name: str
    size: int
    checksum: str | None


class KnownRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of these names does the upload's collection have?"""

    names: list[str]


class KnownAnswer(Struct, frozen=True):
    """Those that it has."""

    files: list[KnownFile]


def bundle_path(upload_id: str) -> str:
    """POST a bundle, answer `BundleResult`. The upload is one of `OpenFilesRequest`."""
    return f"{BASE_PATH}/file-uploads/{segment(upload_id)}/bundle"


def known_path(upload_id: str) -> str:
    """POST `KnownRequest`, answer `KnownAnswer`."""
    return f"{BASE_PATH}/file-uploads/{segment(upload_id)}/known"
