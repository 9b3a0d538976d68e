"""The native protocol: uploads in batches, downloads as streams, listings, keys."""

from layernext.stack.api.native import (
    annotations,
    embeddings,
    file_listing,
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
    *files.ROUTES,
    *items.ROUTES,
    *file_listing.ROUTES,
    *embeddings.ROUTES,
    *keys.ROUTES,
]

__all__ = ["ROUTES"]
