"""The command ``layernext``: puts the commands together and turns errors into lines and codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from layernext import __version__
from layernext.cli import (
    audit,
    backup,
    check,
    compare,
    convert,
    data,
    demo,
    doctor,
    evaluate,
    exit_codes,
    exports,
    files,
    item_search,
    keys,
    library,
    listings,
    serve,
    worker,
)
from layernext.cli.output import Interrupted, say, tell

# Typer has click inside or beside it, depending on its version; this is its class either way.
_UsageError: type[Any] = typer.BadParameter.__mro__[1]

_HELP = """
Move model runs and ground truth between this machine and a LayerNext stack.

Key, secret and URL of the stack come from options, else from LAYERNEXT_API_KEY, LAYERNEXT_SECRET
and LAYERNEXT_URL, else from a configuration file. Data goes to standard output, all else to
standard error.

Examples:

    layernext demo

    layernext serve --data ./stack

    layernext upload path1/path2 "test model v1.0.1" example_bbox.json --geometry rectangle
"""

EPILOG = "Exit codes:\n\n" + "\n\n".join(
    f"* {code}: {meaning}" for code, meaning in exit_codes.MEANINGS.items()
)


class _Debug:
    """Whether tracebacks are wanted: by the option or by the variable."""

    is_on = False


app = typer.Typer(
    name="layernext",
    help=_HELP,
    epilog=EPILOG,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        tell(f"layernext {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and logs; also LAYERNEXT_DEBUG=1.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version
    if debug or _Debug.is_on:
        _Debug.is_on = True
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("layernext").setLevel(logging.DEBUG)


for command in (
    convert.convert,
    convert.export,
    evaluate.evaluate,
    compare.compare,
    serve.serve,
    worker.worker,
    backup.backup,
    backup.restore,
    check.check,
    demo.demo,
    data.upload,
    data.validate,
    listings.runs,
    listings.collections,
    listings.labels,
    data.download,
    data.rm,
):
    app.command(command.__name__)(command)
app.add_typer(files.files, name="files")
app.add_typer(item_search.items, name="items")
library.datasets.command("export")(exports.export_dataset)
app.add_typer(library.datasets, name="datasets")
app.add_typer(exports.exports, name="exports")
app.add_typer(library.projects, name="projects")
app.add_typer(backup.backups, name="backups")
app.add_typer(keys.keys, name="keys")
app.command("audit")(audit.audit)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the command line; never returns."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows another one; that is no reason to fail.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Shells without job control start background processes so. Ctrl-C, or `kill -INT`, ends
        # every command in order, so it must reach this one, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
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
    """Say what went wrong and give its exit code."""
    if isinstance(error, _UsageError):
        say(f"error: {_usage_line(error)}")
        return exit_codes.USAGE
    if _Debug.is_on:
        sys.excepthook(type(error), error, error.__traceback__)
    for line in exit_codes.lines_of(error):
        say(f"error: {' '.join(line.split())}")
    return exit_codes.code_of(error)


def _usage_line(error: Any) -> str:
    text = error.format_message().replace("Value error, ", "") or "a command is missing"
    where = error.ctx.command_path if error.ctx else "layernext"
    return f"{text.rstrip('.')}; see: {where} --help"


def _close_output() -> None:
    """Whoever read the output has seen enough; there is nobody left to tell."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
