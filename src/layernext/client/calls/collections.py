"""Calls about collections."""

from __future__ import annotations

from layernext.client.calls.base import Calls
from layernext.model import (
    Collection,
)
from layernext.wire import native


class CollectionCalls(Calls):
    """Collections: listed and made."""

    def list_collections(self) -> list[Collection]:
        """The stack's collections, oldest first."""
        return self._all(native.COLLECTIONS_PATH, Collection, "list collections")

    def create_collection(self, name: str) -> Collection:
        """The collection of this name, made if there is none.

        Raises:
            DataError: the name cannot be a collection's.
        """
        self._connection.require_native("create a collection")
        collection: Collection = self._connection.transport.request_json(
            "POST", native.COLLECTIONS_PATH, Collection, json={"name": name}
        )
        return collection
