"""The native protocol: uploads in batches, downloads as streams, listings, keys."""

from layernext.stack.api.native import (
    annotation_files,
    annotations,
    comparisons,
    datasets,
    declared,
    embeddings,
    evaluations,
    exports,
    file_listing,
    files,
    items,
    keys,
    listings,
    matches,
    overlays,
    projects,
    run_statistics,
    status,
    uploads,
    viewer,
)

ROUTES = [
    *uploads.ROUTES,
    *annotations.ROUTES,
    *annotation_files.ROUTES,
    *listings.ROUTES,
    *files.ROUTES,
    *items.ROUTES,
    *declared.ROUTES,
    *file_listing.ROUTES,
    *datasets.ROUTES,
    *embeddings.ROUTES,
    *projects.ROUTES,
    *evaluations.ROUTES,
    *exports.ROUTES,
    *matches.ROUTES,
    *comparisons.ROUTES,
    *run_statistics.ROUTES,
    *keys.ROUTES,
    *status.ROUTES,
    *overlays.ROUTES,
    *viewer.ROUTES,
]

__all__ = ["ROUTES"]
