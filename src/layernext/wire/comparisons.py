"""Until the client imports from `layernext.wire.native`."""

from layernext.wire.native.comparisons import *  # noqa: F403
