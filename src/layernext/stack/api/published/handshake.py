"""The handshake: whether a client and this stack understand each other."""

from __future__ import annotations

from litestar import Response

from layernext.stack.api.access import HANDLER
from layernext.stack.api.messages import Call, answer
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
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
        path=(Parameter("version", "The client's version, such as `2.3.4`."),),
        answer=HandshakeAnswer,
    ),
)
async def handshake(request: Call) -> Response[bytes]:
    """Every published client is compatible. `native` says where to find the native protocol."""
    offer = NativeOffer() if services_of(request).settings.native else None
    return answer(HandshakeAnswer(is_compatible=True, native=offer))


ROUTES = [handshake]
