"""API keys."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from layernext.wire.native.protocol import BASE_PATH

KEYS_PATH = f"{BASE_PATH}/keys"

MAX_RATE = 1e6
"""Requests a second: what may be said at most."""


class KeyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Makes an API key.

    Attributes:
        name: display name.
        role: what it may do.
        rate: requests a second that it may send; left out for what the stack permits every key.
        user: name of the user it belongs to; left out for a service named after the key.
    """

    name: str
    role: Literal["read", "write", "admin"]
    rate: Annotated[float, Meta(gt=0, le=MAX_RATE)] | None = None
    user: str | None = None
