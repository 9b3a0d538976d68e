"""The page of the audit log: who did what."""

from __future__ import annotations

from typing import ClassVar

from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec import Struct

from layernext.stack.web.page import Page, page

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
def activity_page(app: Litestar) -> ActivityPage:
    """Who did what to which collection, newest first."""
    records = (
        handler.opt.get("operation")
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
    )
    actions = {record.action for record in records if record is not None and record.action}
    data = ActivityData(sorted(actions | OTHER_ACTIONS))
    return ActivityPage(title="Activity", section="/activity", data=data)


ROUTES = [activity_page]
