"""Whether the stack lives, and whether it can serve. Open to everybody; they say nothing else."""

from __future__ import annotations

from anyio.to_thread import run_sync
from litestar import get

from layernext.errors import StackUnavailable
from layernext.stack.api.dependencies import TheStore
from layernext.stack.api.openapi import errors
from layernext.stack.store import Store


@get("/health", tags=["health"], security=[{}])
async def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@get("/ready", tags=["health"], security=[{}], responses=errors(503))
async def ready(store: TheStore) -> dict[str, str]:
    """The database answers, too."""
    try:
        await run_sync(store.ping)
    except Exception as error:
        raise StackUnavailable("the database does not answer", status=503) from error
    return {"status": "ok"}


ROUTES = [health, ready]
