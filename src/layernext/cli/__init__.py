"""The command line. `main` is what the command ``layernext`` runs."""

from layernext.cli.app import main

__all__ = ["main"]
