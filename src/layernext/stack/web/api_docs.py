"""The description of the API, in the frame of the other pages."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from litestar import Response
from markupsafe import Markup

from layernext.stack.api.browser import session_token
from layernext.stack.api.documents import Document, make_document
from layernext.stack.api.messages import Call
from layernext.stack.api.services import services_of
from layernext.stack.web.page import Page, Viewer, page_headers, render, viewer_from

KEPT_PAGES = 8
"""The page of who is not signed in, and those of the last who were."""


class ApiDocsPage(Page, frozen=True, kw_only=True):
    """What the API can do.

    Attributes:
        body: the description, as HTML.
    """

    template: ClassVar[str] = "api_docs.html"

    body: Markup


def show_docs(request: Call, body: str) -> Response[bytes]:
    """The page, for everybody; who is signed in sees the way to the other pages, too. For a thread."""
    viewer, token, services = None, session_token(request), services_of(request)
    if token is not None:
        viewer = viewer_from(services.store.sessions.find(token))
    return _document(viewer, body).answer(request.headers, page_headers(services.objects))


@lru_cache(maxsize=KEPT_PAGES)
def _document(viewer: Viewer | None, body: str) -> Document:
    content = ApiDocsPage(
        title="API docs",
        section="/api/docs",
        viewer=viewer,
        body=Markup(body),  # noqa: S704 - the API made it and has escaped what is in it
    )
    return make_document(render(content).encode(), "text/html")
