"""Collections and selections, as records."""

from __future__ import annotations

from msgspec import Struct


class CollectionRow(Struct, frozen=True, kw_only=True):
    """A collection by its numbers and names. `kind`: 5 of images, 4 of videos, 7 of other files."""

    row_id: int
    id: str
    name: str
    kind: int
    storage_path: str
    is_provisional: bool
    is_trashed: bool
    created_at: str


class Selection(Struct, frozen=True):
    """Images that were chosen; see `selections`."""

    row_id: int
    id: str
    count: int
    collection_ids: tuple[int, ...]
