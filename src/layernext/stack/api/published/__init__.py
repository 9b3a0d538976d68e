"""The published protocol: what the published clients speak, endpoint numbers as in its contract."""

from layernext.stack.api.published import (
    analytics,
    annotations,
    collections,
    embeddings,
    files,
    handshake,
    items,
    jobs,
    labels,
    metadata,
    operation_data,
)

ROUTES = [
    *handshake.ROUTES,
    *labels.ROUTES,
    *operation_data.ROUTES,
    *collections.ROUTES,
    *files.ROUTES,
    *items.ROUTES,
    *metadata.ROUTES,
    *embeddings.ROUTES,
    *analytics.ROUTES,
    *annotations.ROUTES,
    *jobs.ROUTES,
]

__all__ = ["ROUTES"]
