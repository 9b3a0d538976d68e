"""The published protocol's routes, held against its home in `wire/published`."""

from __future__ import annotations

from layernext.stack.api import published as handlers
from layernext.wire import published


def test_every_route_has_its_title() -> None:
    """Every route of the published protocol is served under a path and a title of `wire/published`."""
    titles = {
        path if isinstance(path, str) else path.route: title
        for path, title in published.TITLES.items()
    }
    served = {
        path: handler.opt["operation"].summary
        for handler in handlers.ROUTES
        for path in handler.paths
        if not handler.opt["operation"].summary.endswith("not part of a stack")
    }
    assert served == titles
