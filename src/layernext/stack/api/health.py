"""Whether the stack lives, and whether it can serve. Open to everybody; they say nothing else."""

from __future__ import annotations

import logging

from msgspec import Struct

from layernext.errors import StackUnavailable
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import Store

logger = logging.getLogger("layernext.stack")


class HealthAnswer(Struct, frozen=True):
    """All is well."""

    status: str


@operation(
    ["GET", "HEAD"],
    "/health",
    Operation(summary="Is the process alive?", tag="Health", role=None),
)
async def health() -> HealthAnswer:
    """Says so as long as the process runs."""
    # On the event loop: it answers even while every thread waits for the database.
    return HealthAnswer("ok")


@operation(
    ["GET", "HEAD"],
    "/ready",
    Operation(summary="Can the stack serve?", tag="Health", role=None, errors=(503,)),
)
def ready(store: Store) -> HealthAnswer:
    """Says so while the database answers."""
    try:
        store.ping()
    except StackUnavailable:  # the store has logged it, once
        raise
    except Exception as error:
        logger.warning("the database does not answer", exc_info=error)
        raise StackUnavailable("the database does not answer", status=503) from error
    return HealthAnswer("ready")


ROUTES = [health, ready]
