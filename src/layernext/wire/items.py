"""Images and other files as the native protocol lists them."""

from __future__ import annotations

from msgspec import Struct

from layernext.wire.native import BASE_PATH

ITEMS_PATH = f"{BASE_PATH}/items"
"""GET (query: collection, query, type, after, limit), answer `PageOf` of `Item`."""

TRASH_PATH = f"{BASE_PATH}/trash"
"""GET, answer `PageOf` of `Item`; DELETE removes for good what is in it."""

RESTORE_PATH = f"{TRASH_PATH}/restore"
"""POST `RestoreRequest`, answer `Counted`."""


class RestoreRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to take out of the trash: all that a query finds there."""

    collection: str | None = None
    query: str = ""


class Counted(Struct, frozen=True):
    """How many items something was done to."""

    count: int
