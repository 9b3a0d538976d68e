"""Until the client imports from `layernext.wire.native`."""

from layernext.wire.native.file_bundles import *  # noqa: F403
from layernext.wire.native.file_bundles import MAX_ASKED_NAMES

MAX_NAMES = MAX_ASKED_NAMES
