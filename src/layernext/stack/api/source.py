"""Where a request comes from: the peer's address, or the one that a trusted proxy says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from litestar.connection import ASGIConnection

from layernext.stack.api.services import services_of
from layernext.stack.settings import read_networks

Connection = ASGIConnection[Any, Any, Any, Any]
Networks = tuple[IPv4Network | IPv6Network, ...]

FORWARDED = b"x-forwarded-for"
MAX_HOPS = 32
"""Proxies one after another that are looked at."""


def source_address(connection: Connection) -> str:
    """The address of whoever sent a request; empty if the server has none, as on a Unix socket.

    ``X-Forwarded-For`` is believed as far as trusted proxies have written it: read from its end, up to
    the first address that is not one of theirs.
    """
    return source_in(connection.scope, services_of(connection).settings.trusted_proxies)


def source_in(scope: Mapping[str, Any], proxies: tuple[str, ...]) -> str:
    """Likewise, of a request's ASGI scope."""
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    trusted = _networks(proxies)
    if not trusted or not _is_in(peer, trusted):
        return peer
    values = [value for name, value in scope["headers"] if name == FORWARDED]
    hops = b",".join(values).decode("latin-1").split(",")
    for hop in reversed(hops[-MAX_HOPS:]):
        address = hop.strip()
        if not _is_address(address):
            break
        peer = address
        if not _is_in(address, trusted):
            break
    return peer


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> Networks:
    return read_networks(texts)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(text: str, networks: Networks) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
