"""Until the client imports from `layernext.wire.native`."""

from layernext.wire.native.items import *  # noqa: F403
