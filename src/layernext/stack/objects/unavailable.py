"""What is said when a bucket fails: to the log why, to clients nothing about where it is."""

from __future__ import annotations

import logging

from layernext.errors import StackUnavailable

log = logging.getLogger("layernext.stack.objects")

MOST_CHARACTERS = 300


def unavailable(error: Exception) -> StackUnavailable:
    """The error that a client gets; the reason, which may name hosts and paths, is logged."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    log.warning("the bucket does not answer as it should: %s", lines[0][:MOST_CHARACTERS])
    return StackUnavailable(
        "the store of objects does not answer as it should; the stack's log says why", status=503
    )
