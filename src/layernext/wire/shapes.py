"""Until the client imports from `layernext.wire.published`."""

from layernext.wire.published.shapes import *  # noqa: F403
