"""What every group of calls works with."""

from __future__ import annotations

from typing import Any

from layernext.client.connection import Connection
from layernext.errors import DataError, Problem
from layernext.model import find_names_problem
from layernext.wire import native


class Calls:
    """A group of the client's calls; `LayerNextClient` is all of them together."""

    _connection: Connection
    _api_key: str

    def _all(self, path: str, kind: Any, what: str, **params: Any) -> list[Any]:
        """All records of a listing, page after page."""
        self._connection.require_native(what)
        records: list[Any] = []
        after: str | None = None
        while True:
            page = self._connection.transport.request_json(
                "GET", path, native.PageOf[kind], params={**params, "after": after}
            )
            records += page.items
            if page.next is None:
                return records
            after = page.next


def check_text(value: object, where: str, what: str) -> str:
    """A name that an argument must be.

    Raises:
        DataError: it is none, with the argument's name.
    """
    problem = find_names_problem(value, what)
    if problem:
        raise DataError(Problem(where, problem))
    return str(value)
