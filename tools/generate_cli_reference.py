"""Writes docs/cli.md from the commands themselves: the same words that ``--help`` shows.

python tools/generate_cli_reference.py            write the file
python tools/generate_cli_reference.py --check    only say whether it is up to date
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import typer
from typer.models import ArgumentInfo, OptionInfo

from layernext.cli import exit_codes
from layernext.cli.command_groups import ALIASES, COMMANDS, GROUPS, load
from layernext.cli.connection import Connection
from layernext.cli.option_groups import with_options

TARGET = Path(__file__).parents[1] / "docs" / "cli.md"

INTRODUCTION = """\
# The command line

<!-- Written by tools/generate_cli_reference.py from the commands themselves; do not edit. -->

`layernext COMMAND --help` shows the same. Results go to standard output, as a table or text, or with
`--json` as exactly one JSON document. Progress, notes and errors go to standard error; an error is one
line, or one line per problem of a file.

`layernext --install-completion` sets up completion of commands and options in bash, zsh, fish and
PowerShell. `python -m layernext` is the same program.

## Connection

Commands that talk to a stack need its URL, an API key and the key's secret. They have the options
below, and take each value from the first of these that sets it:

1. the options `--api-key`, `--secret`, `--url`;
2. the environment variables `LAYERNEXT_API_KEY`, `LAYERNEXT_SECRET`, `LAYERNEXT_URL`;
3. a TOML file: that of `--config`, or `config.toml` in the per-user configuration folder
   (`layernext doctor` shows its path):

```toml
api_key = "key_…"
secret = "…"
url = "http://127.0.0.1:8750"
```

The file contains a secret: `chmod 600` it. `layernext doctor` shows where each value comes from.

"""

COMMON = """\
## Options of `layernext` itself

They precede the command: `layernext --debug upload …`.

| option | meaning |
| --- | --- |
| `--debug` | Show tracebacks and logs; also `LAYERNEXT_DEBUG=1`. |
| `--version` | Show the version and exit. |
| `--install-completion` | Install completion for the current shell. |
| `--show-completion` | Print the completion script for the current shell. |
| `--help`, `-h` | Show help; every command has this option. |
"""


def _stack_command(*, connection: Connection) -> None:
    """A command that has the options of a connection."""


CONNECTION = list(inspect.signature(with_options(_stack_command)).parameters.values())


def document() -> str:
    """The whole page."""
    connection = _table("option", _options(CONNECTION))
    parts = [INTRODUCTION + "\n".join(connection), COMMON, _exit_codes(), _aliases()]
    parts += ["## Commands\n", *(_section(name, function) for name, function in commands())]
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, Callable[..., None]]]:
    """Every command with its full name, groups last."""
    for name, location in COMMANDS.items():
        yield f"layernext {name}", with_options(load(location))
    for group, location in GROUPS.items():
        for command in typing.cast("typer.Typer", load(location)).registered_commands:
            function = typing.cast("Callable[..., None]", command.callback)
            yield f"layernext {group} {command.name}", with_options(function)


def _exit_codes() -> str:
    rows = "\n".join(f"| {code} | {meaning} |" for code, meaning in exit_codes.MEANINGS.items())
    return f"## Exit codes\n\n| code | meaning |\n| --- | --- |\n{rows}\n"


def _aliases() -> str:
    rows = "\n".join(
        f"| `layernext {name}` | `layernext {path}` |" for name, path in ALIASES.items()
    )
    return (
        "## Earlier spellings\n\nThese keep working. `layernext evaluate` and `layernext compare` with "
        "`--truth` are\n`layernext runs evaluate` and `layernext runs compare`. Without a command, "
        "`runs`, `collections`,\n`labels` and `grants` list.\n\n"
        f"| earlier | now |\n| --- | --- |\n{rows}\n"
    )


def _section(name: str, function: Callable[..., None]) -> str:
    text, _, examples = inspect.cleandoc(function.__doc__ or "").partition("Examples:")
    connection = {option.name for option in CONNECTION}
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    is_connected = connection <= {parameter.name for parameter in parameters}
    arguments, options = _parameters(
        [each for each in parameters if not (is_connected and each.name in connection)]
    )
    usage = " ".join([name, *(usage for usage, _ in arguments), "[OPTIONS]"])
    lines = [f"### `{name}`\n", text.strip(), f"\n```text\n{usage}\n```\n"]
    lines += _table("argument", [(f"`{usage}`", meaning) for usage, meaning in arguments])
    lines += _table("option", options)
    if is_connected:
        lines.append("Also takes the [connection options](#connection).\n")
    shown = [line.strip() for line in examples.splitlines() if line.strip()]
    lines += ["```sh", *shown, "```", ""]
    return "\n".join(lines)


def _table(title: str, rows: list[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    head = f"| {title} | meaning |\n| --- | --- |"
    return [head, *(f"| {what} | {meaning} |" for what, meaning in rows), ""]


def _options(parameters: list[inspect.Parameter]) -> list[tuple[str, str]]:
    return _parameters(parameters)[1]


def _parameters(
    parameters: list[inspect.Parameter],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Arguments and options, each as what to write and what it means."""
    arguments, options = [], []
    for parameter in parameters:
        name, (base, info) = parameter.name, _annotation(parameter.annotation)
        if isinstance(info, ArgumentInfo):
            arguments.append((_argument(name, base, parameter), _sentence(info.help)))
        elif isinstance(info, OptionInfo):
            names = ", ".join(f"`{each}`" for each in _spellings(info))
            value = info.metavar or _value(base)
            meaning = _sentence(info.help)
            if info.envvar:
                meaning += f" Also `{info.envvar}`."
            if parameter.default is inspect.Parameter.empty:
                meaning += " Required."
            elif value and parameter.default not in {None, ""}:
                meaning += f" Default: `{_default(parameter.default)}`."
            options.append((f"{names} {value}".strip(), meaning))
    return arguments, options


def _annotation(hint: Any) -> tuple[Any, Any]:
    """Type and Typer's part of an annotation; Python 3.10 puts an Optional around it."""
    if typing.get_origin(hint) is not typing.Annotated:
        hint = next(each for each in typing.get_args(hint) if each is not type(None))
    base, info = typing.get_args(hint)[:2]
    return base, info


def _spellings(info: OptionInfo) -> list[str]:
    # Inside Annotated there is no default, and Typer keeps the first spelling in its place.
    first = [info.default] if isinstance(info.default, str) else []
    return [each for decl in (*first, *(info.param_decls or ())) for each in decl.split("/")]


def _argument(name: str, base: Any, parameter: inspect.Parameter) -> str:
    word = name.upper()
    if list in {typing.get_origin(each) for each in (base, *typing.get_args(base))}:
        word = f"{word.removesuffix('S')} …"
    is_required = parameter.default is inspect.Parameter.empty
    return word if is_required else f"[{word}]"


def _value(base: Any) -> str:
    """What an option takes: a word for its kind, its choices, or nothing for a flag."""
    if typing.get_origin(base) in {typing.Union, types.UnionType}:
        (base,) = (each for each in typing.get_args(base) if each is not type(None))
    if typing.get_origin(base) is Literal:
        return "&#124;".join(f"`{choice}`" for choice in typing.get_args(base))
    if typing.get_origin(base) is list:
        (base,) = typing.get_args(base)
    words: dict[Any, str] = {bool: "", str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}
    if typing.get_origin(base) is tuple:
        return " ".join(_value(each) for each in typing.get_args(base))
    return words[base]


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(_default(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(text: str | None) -> str:
    return (text or "").replace("|", "&#124;")


def main() -> int:
    """Write or check; the exit code."""
    text = document()
    if "--check" in sys.argv:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print("docs/cli.md is not up to date; run: python3 dev.py docs", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
