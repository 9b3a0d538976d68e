"""Files that stay where they lie, linked to a collection."""

from __future__ import annotations

from msgspec import Struct

from layernext.wire.native.protocol import BASE_PATH

LINKS_PATH = f"{BASE_PATH}/file-links"
"""POST `LinkRequest`, answer `LinkStarted`."""


class LinkRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for the images below a folder or prefix to be linked.

    Attributes:
        collection: its name; created if missing.
        source: absolute path of a folder where the stack runs, or ``s3://bucket/prefix``.
    """

    collection: str
    source: str


class LinkStarted(Struct, frozen=True):
    """The job that links the files."""

    job_id: str
