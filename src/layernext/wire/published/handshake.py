"""The handshake: whether a client and a stack understand each other (E01)."""

from __future__ import annotations

from msgspec import Struct

from layernext.wire.native import NativeOffer
from layernext.wire.published.paths import CLIENT, PathTemplate

HANDSHAKE_VERSION = "2.3.4"
"""The version that our client sends: the newest release whose calls it can make."""

handshake_path = PathTemplate(f"{CLIENT}/sdk/compatibility/{{version}}")
"""E01, GET."""


class HandshakeAnswer(
    Struct, frozen=True, omit_defaults=True, kw_only=True, rename={"is_compatible": "isCompatible"}
):
    """The answer to the handshake; ``native`` is there if the native protocol is."""

    is_compatible: bool
    native: NativeOffer | None = None
