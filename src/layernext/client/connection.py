"""One stack, as this client knows it: its transport, and which protocol it speaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from layernext.client.addresses import hint_about_path
from layernext.client.forks import refresh_after_fork
from layernext.client.transport import Transport
from layernext.errors import IncompatibleStack, NotFound
from layernext.wire import published
from layernext.wire.native import BASE_PATH, VERSION, NativeOffer


class Connection:
    """A transport with the handshake done once, at the first use.

    Args:
        transport: how to reach the stack.
        protocol: ``published`` to leave the native protocol unused; None to use the best.
    """

    def __init__(self, transport: Transport, protocol: str | None = None) -> None:
        self.transport = transport
        self._protocol = protocol
        self._lock = threading.Lock()
        self._is_known = False
        self._native: NativeOffer | None = None
        refresh_after_fork(self)

    def after_fork(self) -> None:
        """Take a new lock; a thread of the parent process may hold the old one."""
        self._lock = threading.Lock()

    @property
    def native(self) -> NativeOffer | None:
        """What the stack offers natively, or None if it speaks only the published protocol.

        Raises:
            NotAuthenticated: wrong credentials.
            IncompatibleStack: no stack, or one that refuses this client.
            ConnectionFailed: no answer.
        """
        with self._lock:
            if not self._is_known:
                self._native = self._shake_hands()
                self._is_known = True
            return self._native

    def _shake_hands(self) -> NativeOffer | None:
        path = published.handshake_path(published.HANDSHAKE_VERSION)
        try:
            answer: Any = self.transport.request_json("GET", path)
        except NotFound as error:
            raise IncompatibleStack(
                f"{self.transport.url} is not a LayerNext stack",
                status=404,
                hint=hint_about_path(self.transport.url),
            ) from error
        if not isinstance(answer, dict) or not answer.get("isCompatible"):
            reason = answer.get("message") if isinstance(answer, dict) else None
            raise IncompatibleStack(
                str(reason or f"{self.transport.url} is not a LayerNext stack"), status=200
            )
        if self._protocol == "published" or "native" not in answer:
            return None
        try:
            offer = msgspec.convert(answer["native"], NativeOffer)
        except msgspec.ValidationError:
            return None  # something newer than this client; the published protocol still works
        is_known = (offer.version, offer.base_path) == (VERSION, BASE_PATH)
        return offer if is_known else None

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """For a call of the published protocol that deletes something.

        A stack that speaks only this protocol may not know that an attempt is a repeated one. If an
        answer got lost, that nothing is there is taken for success: an earlier attempt deleted it.
        """
        try:
            yield
        except NotFound as error:
            if not error.after_lost_answer or self.native is not None:
                raise

    def require_native(self, what: str) -> None:
        """Raise `IncompatibleStack` if the stack has no native protocol, which `what` needs."""
        if self.native is None:
            raise IncompatibleStack(
                f"this stack speaks only the published protocol, which cannot {what}", status=501
            )
