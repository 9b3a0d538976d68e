"""Open files of the server's process, and how many of them connections may take."""

from __future__ import annotations

import asyncio
import errno
import logging
import sys
from typing import Any

if sys.platform != "win32":
    import resource

logger = logging.getLogger("layernext.stack")

MAX_CONNECTIONS = 10_000
RESERVED_FILES = 256
"""For the database, uploaded files, temporary files and libraries, where the limit is large."""

UNLIMITED_FILES = 1 << 20
"""Stands for no limit at all."""


def raise_file_limit() -> None:
    """Let this process open as many files as the system permits; many shells start with 1,024."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = UNLIMITED_FILES if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= limit:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    except (OSError, ValueError) as error:
        # macOS has a limit of its own below the one that it names.
        logger.warning("the limit of %s open files cannot be raised: %s", soft, error)


def connection_limit() -> int:
    """How many connections there may be at a time: what the limit of open files leaves."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, soft - min(RESERVED_FILES, soft // 2))


class AcceptFailures:
    """An event loop's exception handler: says once that no connection can be accepted."""

    def __init__(self) -> None:
        self._is_said = False

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle what the loop complains of."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in {errno.EMFILE, errno.ENFILE}:
            loop.default_exception_handler(context)
            return
        if not self._is_said:
            self._is_said = True
            logger.error("no connection can be accepted: %s; raise `ulimit -n`", error.strerror)
