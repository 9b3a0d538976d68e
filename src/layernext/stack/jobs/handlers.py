"""Which kinds of jobs there are, and who does them."""

from __future__ import annotations

from layernext.stack.jobs.runner import Handler
from layernext.stack.store import Store


def handlers_for(store: Store) -> dict[str, Handler]:
    """The handlers of every kind of job, by kind.

    Args:
        store: what they work on.
    """
    del store
    return {}
