"""The command ``layernext``: its global options, and errors as lines and exit codes."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from typing import Annotated, Any

import typer

from layernext import __version__
from layernext.cli import exit_codes
from layernext.cli.command_groups import CommandGroup, LazyGroup, UsageError
from layernext.cli.output import Interrupted, say, tell

_HELP = """
Move model runs and ground truth between this machine and a LayerNext stack.

The stack's URL, API key and secret come from options, from LAYERNEXT_URL, LAYERNEXT_API_KEY and \
LAYERNEXT_SECRET, or from a configuration file. Data goes to standard output, everything else to \
standard error.

Examples:

\b
  layernext demo
  layernext serve --data ./stack
  layernext upload path1/path2 "test model v1.0.1" run.json --geometry rectangle
"""

EPILOG = "\b\nExit codes:\n" + "\n".join(
    f"  {code}: {meaning}" for code, meaning in exit_codes.MEANINGS.items()
)


class _Debug:
    """Whether to show tracebacks: set by the option or by the variable."""

    is_on = False


app = CommandGroup(
    name="layernext",
    cls=LazyGroup,
    help=_HELP,
    epilog=EPILOG,
    add_completion=True,
)


def _show_version(is_requested: bool) -> None:
    if is_requested:
        tell(f"layernext {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and logs. Same as LAYERNEXT_DEBUG=1.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    del version
    if debug or _Debug.is_on:
        _Debug.is_on = True
        import logging  # noqa: PLC0415 - takes longer than everything else in --version

        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("layernext").setLevel(logging.DEBUG)


def main() -> None:
    """Run the command line; never returns."""
    for stream in (sys.stdout, sys.stderr):
        # Replace characters that the terminal cannot show, instead of failing.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    warnings.simplefilter("ignore", UserWarning)  # for programs; commands print those of the report
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code."""
    _Debug.is_on = os.environ.get("LAYERNEXT_DEBUG", "") not in {"", "0"}
    try:
        result = app(arguments or ["--help"], standalone_mode=False, prog_name="layernext")
    except BrokenPipeError:
        _close_output()
        return exit_codes.OK
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return exit_codes.INTERRUPTED
    except Interrupted as interruption:
        say(str(interruption))
        return exit_codes.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a line and a code, not a traceback
        return _report(error)
    if result == exit_codes.INTERRUPTED:
        say("interrupted")
    return result if isinstance(result, int) else exit_codes.OK


def _report(error: Exception) -> int:
    """Print what went wrong and return its exit code."""
    if isinstance(error, UsageError):
        say(f"error: {_usage_line(error)}")
        return exit_codes.USAGE
    if _Debug.is_on:
        sys.excepthook(type(error), error, error.__traceback__)
    for line in exit_codes.lines_of(error):
        say(f"error: {' '.join(line.split())}")
    return exit_codes.code_of(error)


def _usage_line(error: Any) -> str:
    text = error.format_message().replace("Value error, ", "") or "missing command"
    where = error.ctx.command_path if error.ctx else "layernext"
    return f"{text.rstrip('.')}; see: {where} --help"


def _close_output() -> None:
    """The reader closed the pipe; discard the rest of the output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
