"""What every group of calls is made of."""

from __future__ import annotations

from typing import Any

from layernext.client.connection import Connection
from layernext.client.listing import iter_records
from layernext.client.transport import Transport


class Group:
    """The calls about one noun. An attribute of the client; costs nothing until it is used.

    Args:
        connection: the stack, shared by all groups of a client.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._transport.url}>"

    @property
    def _transport(self) -> Transport:
        return self._connection.transport

    def _records(self, path: str, kind: Any, what: str, **params: Any) -> list[Any]:
        """All records of a listing that only the native protocol has."""
        self._connection.require_native(what)
        return list(iter_records(self._transport, path, kind, **params))
