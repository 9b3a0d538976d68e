"""Every route of the pages."""

from __future__ import annotations

from layernext.stack.web import (
    activity,
    collections,
    grid,
    jobs,
    labels,
    runs,
    sign_in,
    static_files,
    upload,
)

ROUTES = [
    *static_files.ROUTES,
    *sign_in.ROUTES,
    *collections.ROUTES,
    *grid.ROUTES,
    *jobs.ROUTES,
    *activity.ROUTES,
    *upload.ROUTES,
    *labels.ROUTES,
    *runs.ROUTES,
]
