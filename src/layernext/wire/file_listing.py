"""Until the client imports from `layernext.wire.native`."""

from layernext.wire.native.file_listing import *  # noqa: F403
