"""What a key may do: each route names the role it needs, `guard` compares."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from layernext.errors import NotAllowed
from layernext.stack.store import Role

_RANKS: dict[Role, int] = {"read": 0, "write": 1, "admin": 2}

READ: dict[str, Any] = {"role": "read"}
WRITE: dict[str, Any] = {"role": "write"}
ADMIN: dict[str, Any] = {"role": "admin"}


def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse a key whose role is too small for the route.

    Raises:
        NotAllowed: it is.
    """
    needed: Role | None = handler.opt.get("role")
    if needed is None:
        return
    key = connection.scope["api_key"]  # type: ignore[typeddict-item]
    if _RANKS[key.role] < _RANKS[needed]:
        raise NotAllowed(f"this needs a key with the role {needed}; yours has {key.role}", status=403)
