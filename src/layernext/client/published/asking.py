"""A request of the published protocol whose answer is an object."""

from __future__ import annotations

from typing import Any

from layernext.client.transport import Transport


def ask(transport: Transport, method: str, path: str, body: object) -> dict[str, Any]:
    """Send a message; the fields of the answer.

    Raises:
        IncompatibleStack: the answer is not an object.
    """
    answer: dict[str, Any] = transport.request_json(method, path, dict[str, Any], json=body)
    return answer
