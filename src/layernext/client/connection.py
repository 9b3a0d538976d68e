"""One stack, as this client knows it: its transport, and the protocol it speaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from layernext.client.addresses import hint_about_path
from layernext.client.forks import refresh_after_fork
from layernext.client.protocols import Native, Published, needs_native
from layernext.client.transport import Transport
from layernext.errors import IncompatibleStack, NotFound
from layernext.wire import published
from layernext.wire.native import BASE_PATH, VERSION, NativeOffer
from layernext.wire.published import Received


class Connection:
    """A transport, and the protocol that the handshake chose at the first use.

    Args:
        transport: how to reach the stack.
        protocol: ``published`` to leave the native protocol unused; None to use the best.
    """

    def __init__(self, transport: Transport, protocol: str | None = None) -> None:
        self.transport = transport
        self._requested = protocol
        self._lock = threading.Lock()
        self._protocol: Native | Published | None = None
        refresh_after_fork(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process needs to connect by itself, the secret included."""
        return Connection, (self.transport, self._requested)

    def after_fork(self) -> None:
        """Take a new lock; a thread of the parent process may hold the old one."""
        self._lock = threading.Lock()

    @property
    def protocol(self) -> Native | Published:
        """What the stack speaks; asked once.

        Raises:
            NotAuthenticated: wrong credentials.
            IncompatibleStack: no stack, or one that refuses this client.
            ConnectionFailed: no answer.
        """
        with self._lock:
            if self._protocol is None:
                self._protocol = self._shake_hands()
            return self._protocol

    @property
    def is_native(self) -> bool:
        """Whether the stack speaks the native protocol; errors as `protocol`."""
        return self.protocol.is_native

    def require_native(self, what: str) -> None:
        """Raise `IncompatibleStack` if the stack has no native protocol, which `what` needs."""
        if not self.is_native:
            raise needs_native(what)

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """For a call of the published protocol that deletes something.

        A stack that speaks only this protocol may not recognize a repeated attempt. If an answer was lost,
        `NotFound` counts as success: an earlier attempt deleted it.
        """
        try:
            yield
        except NotFound as error:
            if not error.after_lost_answer or self.is_native:
                raise

    def _shake_hands(self) -> Native | Published:
        path = published.handshake_path(published.HANDSHAKE_VERSION)
        try:
            answer: Any = self.transport.request_json("GET", path)
        except NotFound as error:
            raise IncompatibleStack(
                f"{self.transport.url} is not a LayerNext stack",
                status=404,
                hint=hint_about_path(self.transport.url),
            ) from error
        if not Received(published.HandshakeAnswer, answer).is_compatible:
            reason = answer.get("message") if isinstance(answer, dict) else None
            raise IncompatibleStack(
                str(reason or f"{self.transport.url} is not a LayerNext stack"), status=200
            )
        if self._requested == "published" or "native" not in answer:
            return Published(self.transport)
        try:
            offer = msgspec.convert(answer["native"], NativeOffer)
        except msgspec.ValidationError:
            # Newer than this client; the published protocol still works.
            return Published(self.transport)
        if (offer.version, offer.base_path) == (VERSION, BASE_PATH):
            return Native(self.transport, offer)
        return Published(self.transport)
