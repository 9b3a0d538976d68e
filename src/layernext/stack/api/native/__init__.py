"""The native protocol: uploads in batches, downloads as streams, listings, keys."""

from layernext.stack.api.native import (
    annotations,
    embeddings,
    files,
    items,
    keys,
    listings,
    uploads,
)

ROUTES = [
    *uploads.ROUTES,
    *annotations.ROUTES,
    *listings.ROUTES,
    *embeddings.ROUTES,
    *files.ROUTES,
    *items.ROUTES,
    *keys.ROUTES,
]

__all__ = ["ROUTES"]
