"""The page of the audit log: who did what."""

from __future__ import annotations

from typing import Any, ClassVar

from litestar import Response
from litestar.routes import HTTPRoute
from msgspec import Struct

from layernext.stack.api.messages import Call
from layernext.stack.web.page import Page, answer_page, page, viewer_of

OTHER_ACTIONS = {
    "authenticate",
    "repair stack",
    "restore backup",
    "sign in",
    "sign out",
    "withdraw metadata names",
}
"""Of no route, or of one beside its usual action."""


class ActivityData(Struct, frozen=True):
    """What entries can be filtered by."""

    actions: list[str]


class ActivityPage(Page, frozen=True, kw_only=True):
    """Entries of the audit log, which the page's module asks for."""

    template: ClassVar[str] = "activity.html"


@page("/activity", role="admin")
async def activity_page(request: Call) -> Response[Any]:
    """Who did what to which collection, newest first."""
    records = (
        handler.opt.get("operation")
        for route in request.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
    )
    actions = {record.action for record in records if record is not None and record.action}
    data = ActivityData(sorted(actions | OTHER_ACTIONS))
    shown = ActivityPage(title="Activity", here="/activity", viewer=viewer_of(request), data=data)
    return answer_page(request, shown)


ROUTES = [activity_page]
