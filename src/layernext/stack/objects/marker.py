"""The one object that is nobody's file: it says which database the others belong to."""

from __future__ import annotations

from layernext.errors import NotFound
from layernext.stack.objects.face import ObjectStore

MARKER_PATH = "layernext-stack"
"""Files are in folders, so none of them has this path. `ObjectStore.list_objects` leaves it out."""


def read_marker(objects: ObjectStore) -> str | None:
    """What `write_marker` wrote last; None if it never did."""
    try:
        return b"".join(objects.read(MARKER_PATH)).decode("ascii", "replace")
    except NotFound:
        return None


def write_marker(objects: ObjectStore, database: str) -> None:
    """Note that the objects belong to a database.

    Args:
        objects: where to note it.
        database: `StackIdentity.location_digest`.
    """
    objects.put([(MARKER_PATH, database.encode("ascii"))])
