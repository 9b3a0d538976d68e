"""Every route of the pages."""

from __future__ import annotations

from layernext.stack.web import collections, grid, jobs, sign_in, static_files

ROUTES = [
    *static_files.ROUTES,
    *sign_in.ROUTES,
    *collections.ROUTES,
    *grid.ROUTES,
    *jobs.ROUTES,
]
