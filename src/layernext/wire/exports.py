"""Until the client imports from `layernext.wire.native`."""

from layernext.wire.native.exports import *  # noqa: F403
