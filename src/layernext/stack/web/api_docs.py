"""The description of the API, in the frame of the other pages."""

from __future__ import annotations

from typing import ClassVar

from litestar import Response
from markupsafe import Markup

from layernext.stack.api.browser import session_token
from layernext.stack.api.messages import Call
from layernext.stack.api.services import services_of
from layernext.stack.web.page import Page, Viewer, answer_page


class ApiDocsPage(Page, frozen=True, kw_only=True):
    """What the API can do.

    Attributes:
        body: the description, as HTML.
    """

    template: ClassVar[str] = "api_docs.html"

    body: Markup


async def show_docs(request: Call, body: str) -> Response[bytes]:
    """The page, for everybody; who is signed in sees the way to the other pages, too."""
    viewer, token, services = None, session_token(request), services_of(request)
    if token is not None:
        key = await services.call(services.store.sessions.find, token)
        viewer = None if key is None else Viewer(key_name=key.name, role=key.role)
    shown = ApiDocsPage(
        title="API docs",
        here="/api/docs",
        viewer=viewer,
        body=Markup(body),  # noqa: S704 - the API made it and has escaped what is in it
    )
    return answer_page(request, shown)
