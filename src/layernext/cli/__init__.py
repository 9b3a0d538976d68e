"""The command line. `main` is what the command ``layernext`` runs."""

from __future__ import annotations

import sys

__all__ = ["main"]

_INTERRUPTED = 130
"""As in `exit_codes`, which cannot be imported before `main`."""


def main() -> None:
    """Run the command line; never returns."""
    try:
        # Takes a moment, in which Ctrl-C must not end in a traceback.
        from layernext.cli import app  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)
    app.main()
