"""Pages of downloads: how many images a page has."""

from __future__ import annotations

PAGE_SIZE = 250
MAX_PAGE_SIZE = 1_000
MAX_PAGE_NUMBER = 1_000_000_000
