"""The first page: every collection."""

from __future__ import annotations

from typing import Any, ClassVar

from litestar import Response

from layernext.stack.api.messages import Call
from layernext.stack.web.page import Page, answer_page, page, viewer_of


class CollectionsPage(Page, frozen=True, kw_only=True):
    """Collections, which the page's module asks for."""

    template: ClassVar[str] = "collections.html"


@page("/")
async def collections_page(request: Call) -> Response[Any]:
    """Every collection, with a picture of it and its counts."""
    shown = CollectionsPage(title="Collections", here="/", viewer=viewer_of(request))
    return answer_page(request, shown)


ROUTES = [collections_page]
