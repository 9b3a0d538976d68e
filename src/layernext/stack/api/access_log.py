"""One line of log for each request: who, what, how long, how much. Never a secret or a body."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import MutableMapping
from typing import Any

from litestar.types import HTTPScope, Message, Send

logger = logging.getLogger("layernext.stack.access")

CLIENT_CLOSED_REQUEST = 499
"""Logged for a client that went away before its answer began; the word is nginx's."""


class Exchange:
    """One request and its answer, watched from outside for the log.

    Args:
        scope: of the request; gets the state key ``request_id``.
        request_id: goes into the log and into the answer's header ``X-Request-Id``.
        send: the server's.
        source: the address that it came from.
    """

    def __init__(self, scope: HTTPScope, request_id: str, send: Send, source: str) -> None:
        self.request_id = request_id
        self.has_started = False
        self._scope: MutableMapping[str, Any] = scope  # type: ignore[assignment]
        self._send = send
        self._source = source
        self.status = CLIENT_CLOSED_REQUEST
        self.sent_bytes = 0
        self._began = time.perf_counter()
        # The path as it came; routing rewrites the one in the scope.
        self._path = self._scope["path"]

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on, with the request's id in the headers."""
        if message["type"] == "http.response.start":
            self.has_started = True
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.request_id.encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
        elif message["type"] == "http.response.body":
            self.sent_bytes += len(message["body"])
        await self._send(message)

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.perf_counter() - self._began

    @property
    def received_bytes(self) -> int:
        """Of the body that was read, as it crossed the network."""
        count: int = self._scope["state"].get("received_bytes", 0)
        return count

    @property
    def route(self) -> str | None:
        """The template of the route that answered; None if no route fits."""
        return self._scope.get("path_template")

    @property
    def method(self) -> str:
        """Of the request."""
        method: str = self._scope["method"]
        return method

    @property
    def carries_files(self) -> bool:
        """Whether the bytes in the body or in the answer are those of files."""
        handler = self._scope.get("route_handler")
        record = handler.opt.get("operation") if handler is not None else None
        return record is not None and record.is_binary and record.tag == "Files"

    def log(self) -> None:
        """Write the line."""
        if not logger.isEnabledFor(logging.INFO):
            return
        key = self._scope.get("auth")
        fields = {
            "request_id": self.request_id,
            "client": self._source or None,
            "key": key.api_key if key else None,
            "method": self._scope["method"],
            "path": self._path,
            "status": self.status,
            "ms": round(self.seconds * 1000, 1),
            "received": self.received_bytes,
            "sent": self.sent_bytes,
        }
        # JSON escapes control characters, so a path cannot forge a line.
        text = " ".join(f"{name}={json.dumps(value)}" for name, value in fields.items())
        logger.info("%s", text, extra={"fields": fields})


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        line |= fields if isinstance(fields, dict) else {"message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
