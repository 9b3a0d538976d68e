"""Until the client imports from `layernext.wire.native`."""

from layernext.wire.native.evaluations import *  # noqa: F403
