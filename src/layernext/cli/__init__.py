"""The command line. `main` is what the command ``layernext`` runs."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]

_INTERRUPTED = 130
_CONFIGURATION = 3
"""As in `exit_codes`, which cannot be imported before `main`."""


def main() -> None:
    """Run the command line; never returns."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Shells without job control start background processes with SIGINT ignored. Ctrl-C, or
        # `kill -INT`, must still end this command in an orderly way, also while it loads.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Takes a moment, in which Ctrl-C must not end in a traceback.
        from layernext.cli import app  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)
    except ImportError:
        # A published client was installed or removed beside this package, and files of it are gone.
        from layernext.cli.installation import find_problem  # noqa: PLC0415

        problem = find_problem()
        if problem is None:
            raise
        sys.stderr.write(f"layernext is damaged: {problem}\n")
        sys.exit(_CONFIGURATION)
    app.main()
