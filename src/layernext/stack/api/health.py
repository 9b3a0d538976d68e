"""Whether the stack lives, and whether it can serve. Open to everybody; they say nothing else."""

from __future__ import annotations

import logging

from litestar import Response
from msgspec import Struct

from layernext.errors import StackUnavailable
from layernext.stack.api.messages import Call, answer
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import services_of

logger = logging.getLogger("layernext.stack")


class HealthAnswer(Struct, frozen=True):
    """All is well."""

    status: str


@operation(
    ["GET", "HEAD"],
    "/health",
    Operation(summary="Is the process alive?", tag="Health", role=None, answer=HealthAnswer),
)
async def health(request: Call) -> Response[bytes]:  # noqa: ARG001 - every handler takes it
    """Says so as long as the process runs."""
    return answer(HealthAnswer("ok"))


@operation(
    ["GET", "HEAD"],
    "/ready",
    Operation(
        summary="Can the stack serve?", tag="Health", role=None, answer=HealthAnswer, errors=(503,)
    ),
)
async def ready(request: Call) -> Response[bytes]:
    """Says so while the database answers."""
    services = services_of(request)
    try:
        await services.call(services.store.ping)
    except StackUnavailable:  # the store has logged it, once
        raise
    except Exception as error:
        logger.warning("the database does not answer", exc_info=error)
        raise StackUnavailable("the database does not answer", status=503) from error
    return answer(HealthAnswer("ready"))


ROUTES = [health, ready]
