"""Prompts before something is deleted or changed for good."""

from __future__ import annotations

import sys

import typer

from layernext.cli import exit_codes
from layernext.cli.command_groups import UsageError
from layernext.cli.output import say


def confirm(question: str, unchanged: str) -> None:
    """Prompt on standard error; go on only after a yes.

    Args:
        question: what is about to happen, as a question.
        unchanged: what to print after a no.

    Raises:
        UsageError: standard input is not a terminal.
        typer.Exit: the answer was no.
    """
    if not sys.stdin.isatty():
        raise UsageError("cannot prompt: stdin is not a terminal; pass --yes")
    if not typer.confirm(question, err=True):
        say(unchanged)
        raise typer.Exit(exit_codes.INTERRUPTED)
