"""The published protocol: what the published clients speak, endpoint numbers as in its contract."""

from layernext.stack.api.published import (
    annotations,
    collections,
    datasets,
    embeddings,
    files,
    handshake,
    items,
    jobs,
    labels,
    left_out,
    metadata,
    operation_data,
    projects,
    references,
    virtual_collections,
)

ROUTES = [
    *handshake.ROUTES,
    *references.ROUTES,
    *labels.ROUTES,
    *operation_data.ROUTES,
    *collections.ROUTES,
    *files.ROUTES,
    *items.ROUTES,
    *virtual_collections.ROUTES,
    *metadata.ROUTES,
    *datasets.ROUTES,
    *embeddings.ROUTES,
    *left_out.ROUTES,
    *annotations.ROUTES,
    *jobs.ROUTES,
    *projects.ROUTES,
]

__all__ = ["ROUTES"]
