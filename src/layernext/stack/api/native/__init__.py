"""The native protocol: uploads in batches, downloads as streams, listings, keys."""

from layernext.stack.api.native import annotations, keys, listings, uploads

ROUTES = [*uploads.ROUTES, *annotations.ROUTES, *listings.ROUTES, *keys.ROUTES]

__all__ = ["ROUTES"]
