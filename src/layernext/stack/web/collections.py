"""The first page: every collection."""

from __future__ import annotations

from typing import ClassVar

from layernext.stack.web.page import Page, page


class CollectionsPage(Page, frozen=True, kw_only=True):
    """Collections, which the page's module asks for."""

    template: ClassVar[str] = "collections.html"


@page("/")
def collections_page() -> CollectionsPage:
    """Every collection, with a picture of it and its counts."""
    return CollectionsPage(title="Collections", section="/")


ROUTES = [collections_page]
