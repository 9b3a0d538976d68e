"""The command ``layernext``: puts the commands together and turns errors into lines and codes."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import click
import typer

from layernext import __version__
from layernext.cli import admin, data, demo, doctor, exit_codes, serve
from layernext.cli.output import say
from layernext.errors import LayerNextError

EPILOG = "Exit codes: " + "; ".join(
    f"{code} {meaning}" for code, meaning in exit_codes.MEANINGS.items()
)

app = typer.Typer(
    name="layernext",
    help="Move model runs and ground truth between this machine and a LayerNext stack.",
    epilog=f"{EPILOG}.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"layernext {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="LAYERNEXT_DEBUG", help="Show tracebacks and logs.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    del version
    if debug:
        os.environ["LAYERNEXT_DEBUG"] = "1"
        logging.basicConfig(level=logging.DEBUG)


app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
for command in (
    data.upload, data.validate, data.runs, data.collections, data.labels, data.download, data.rm,
):  # fmt: skip
    app.command(command.__name__)(command)
app.add_typer(admin.keys, name="keys")
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the command line; never returns."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        result = app(arguments, standalone_mode=False)
    except LayerNextError as error:
        _show_traceback(error)
        for line in exit_codes.lines_of(error):
            say(f"error: {line}")
        return exit_codes.code_of(error)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return exit_codes.USAGE
    except click.UsageError as error:
        error.show()
        return exit_codes.USAGE
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return exit_codes.INTERRUPTED
    except click.ClickException as error:
        say(f"error: {error.format_message()}")
        return exit_codes.UNEXPECTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; there is nobody left to tell.
        sys.stdout = None  # type: ignore[assignment]
        return exit_codes.OK
    except Exception as error:  # noqa: BLE001 - a line and a code, not a traceback
        _show_traceback(error)
        say(f"error: unexpected {type(error).__name__}: {error} (--debug shows more)")
        return exit_codes.UNEXPECTED
    return result if isinstance(result, int) else exit_codes.OK


def _show_traceback(error: BaseException) -> None:
    if os.environ.get("LAYERNEXT_DEBUG"):
        sys.excepthook(type(error), error, error.__traceback__)
