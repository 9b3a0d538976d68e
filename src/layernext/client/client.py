"""The client: every call of the SDK, group by group from `calls`.

Names and argument order of the published clients' methods stay as they were published; what is new
is keyword-only.
"""

from __future__ import annotations

from typing import Any, Literal

import httpx

from layernext.client.calls.analysis import AnalysisCalls
from layernext.client.calls.audit import AuditCalls
from layernext.client.calls.collections import CollectionCalls
from layernext.client.calls.datasets import DatasetCalls
from layernext.client.calls.embeddings import EmbeddingCalls
from layernext.client.calls.evaluations import EvaluationCalls
from layernext.client.calls.exports import ExportCalls
from layernext.client.calls.labels import LabelCalls
from layernext.client.calls.metadata import MetadataCalls
from layernext.client.calls.published_names import PublishedNames
from layernext.client.calls.users import UserCalls
from layernext.client.connection import Connection
from layernext.client.transport import DEFAULT_RETRY_FOR_S, DEFAULT_TIMEOUT_S, Transport
from layernext.errors import NotFound
from layernext.wire import native


class LayerNextClient(
    PublishedNames,
    CollectionCalls,
    ExportCalls,
    DatasetCalls,
    MetadataCalls,
    LabelCalls,
    EmbeddingCalls,
    EvaluationCalls,
    AnalysisCalls,
    AuditCalls,
    UserCalls,
):
    """Talks to one stack.

    Safe to share by threads and by processes: a forked process opens its own connections, and a
    client can be pickled for a process that is spawned. A pickle contains the secret; do not store
    it. Connections stay open between calls; `close` ends them, or use the client as a context
    manager. Nothing is sent before the first call.

    Args:
        api_key: the key's id, such as ``key_w7cu…``.
        secret: the key's secret. It appears in no log and no repr.
        layernext_url: the stack's origin, such as ``https://api.example.com``.
        timeout_s: seconds for each step of a request.
        retry_for_s: seconds to try a request again after it first failed; 0 means a single attempt.
        protocol: ``"published"`` to use only the published protocol; None for the best there is.
        http: another httpx transport, for tests.

    Raises:
        ConfigurationError: a value is missing or cannot be right.

    Example:
        >>> client = LayerNextClient("key_abc", "secret", "https://api.example.com/")
        >>> client
        LayerNextClient('https://api.example.com', api_key='key_abc')
    """

    def __init__(
        self,
        api_key: str,
        secret: str,
        layernext_url: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retry_for_s: float = DEFAULT_RETRY_FOR_S,
        protocol: Literal["published"] | None = None,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        transport = Transport(
            layernext_url, api_key, secret, timeout_s=timeout_s, retry_for_s=retry_for_s, http=http
        )
        self._api_key = api_key
        self._connection = Connection(transport, protocol)
        self._arguments: dict[str, Any] = {
            "api_key": api_key,
            "secret": secret,
            "layernext_url": layernext_url,
            "timeout_s": timeout_s,
            "retry_for_s": retry_for_s,
            "protocol": protocol,
            "http": http,
        }

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to connect by itself, the secret included."""
        return self._arguments

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Create the client again, with connections of its own."""
        LayerNextClient.__init__(self, **state)

    def __repr__(self) -> str:
        return f"LayerNextClient({self._connection.transport.url!r}, api_key={self._api_key!r})"

    def __enter__(self) -> LayerNextClient:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections. May be called twice."""
        self._connection.transport.close()

    def get_stack_info(self) -> dict[str, Any] | None:
        """The stack's version and the key's name and role; None from a published-only stack.

        Raises:
            NotAuthenticated, ConnectionFailed, IncompatibleStack: see `layernext.errors`.
        """
        if self._connection.native is None:
            return None
        info: dict[str, Any] = self._connection.transport.request_json("GET", native.BASE_PATH)
        return info

    def get_stack_status(self) -> dict[str, Any] | None:
        """Database, files, free bytes and jobs of the server that answers; for administrators.

        Returns:
            The fields of `GET /api/v1/status` in docs/protocol.md; None from a stack that has no such route.

        Raises:
            NotAuthenticated, NotAllowed, ConnectionFailed, IncompatibleStack: see `layernext.errors`.
        """
        if self._connection.native is None:
            return None
        try:
            status: dict[str, Any] = self._connection.transport.request_json(
                "GET", native.STATUS_PATH
            )
        except NotFound:  # an earlier version
            return None
        return status
