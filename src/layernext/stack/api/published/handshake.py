"""The handshake: whether a client and this stack understand each other."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from layernext.stack.api.access import HANDLER
from layernext.stack.api.operation import Operation, operation
from layernext.stack.settings import Settings
from layernext.wire.native import NativeOffer
from layernext.wire.published import HandshakeAnswer, handshake_path, title_of


@operation(
    "GET",
    handshake_path.route,
    Operation(
        summary=title_of(handshake_path),
        tag="Published protocol",
        role="read",
        scope=HANDLER,
    ),
)
def handshake(
    version: Annotated[str, Meta(description="The client's version, such as `2.3.4`.")],  # noqa: ARG001
    settings: Settings,
) -> HandshakeAnswer:
    """Every published client is compatible. `native` says where to find the native protocol."""
    offer = NativeOffer() if settings.native else None
    return HandshakeAnswer(is_compatible=True, native=offer)


ROUTES = [handshake]
