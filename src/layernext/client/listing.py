"""Listings of the native protocol: fetched page after page, given one record after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from layernext.client.transport import Transport
from layernext.wire import native


def iter_records(transport: Transport, path: str, kind: Any, **params: Any) -> Iterator[Any]:
    """The records of a listing, each of type `kind`.

    Args:
        transport: to the stack.
        path: of the listing.
        kind: type of its records.
        params: its query; None values are left out.
    """
    after: str | None = None
    while True:
        page = transport.request_json(
            "GET", path, native.PageOf[kind], params={**params, "after": after}
        )
        yield from page.items
        if page.next is None:
            return
        after = page.next
