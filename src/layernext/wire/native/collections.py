"""Collections."""

from __future__ import annotations

from msgspec import Struct

from layernext.wire.native.protocol import BASE_PATH

COLLECTIONS_PATH = f"{BASE_PATH}/collections"


class CollectionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Makes a collection, unless there is one of that name."""

    name: str
