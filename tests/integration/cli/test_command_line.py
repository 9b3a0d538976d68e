"""The command line itself: what starts fast, how help looks, completion, `python -m layernext`."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import layernext
from layernext.cli.command_groups import COMMANDS, GROUPS, LazyCommand, load

HEAVY = ("httpx", "layernext.client", "layernext.model", "layernext.formats", "numpy", "litestar")
IMPORTED = """
import json, sys
from layernext.cli.app import run
code = run(sys.argv[1:])
print(json.dumps([code, [name for name in {heavy!r} if name in sys.modules]]))
"""


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], [], ["uplaod"]], ids=str)
def test_nothing_heavy_is_imported(arguments):
    """Version, help and a mistyped command load no command and no SDK: that is what takes time."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(heavy=HEAVY), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    code, imported = json.loads(done.stdout.splitlines()[-1])
    assert imported == []
    assert code == (2 if arguments == ["uplaod"] else 0)


def test_a_mistyped_command_gets_a_suggestion(cli):
    """The names of all commands are known without loading them."""
    assert "Did you mean 'upload'?" in cli("uplaod", code=2).stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_summary_begins_the_docstring(name):
    """The list of commands and the help of a command say the same."""
    first = (inspect.getdoc(load(COMMANDS[name])) or "").splitlines()[0]
    assert first == COMMANDS[name].summary


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_flags_are_shown_as_flags(name):
    """No option without a value is shown with one, such as `--json <bool>`."""
    location = COMMANDS.get(name) or GROUPS[name]
    command = LazyCommand(name, location, is_group=name in GROUPS).load()
    context = command.make_context(name, [], resilient_parsing=True)
    commands = getattr(command, "commands", {name: command}).values()
    shown = [
        (each.name, parameter.name, parameter.metavar)
        for each in commands
        for parameter in each.get_params(context)
        if getattr(parameter, "is_flag", False)
    ]
    assert shown
    assert {metavar for _, _, metavar in shown} == {""}


def test_help_of_a_command(cli):
    """The help of a command lists its options, flags without a type."""
    lines = cli("files", "upload", "--help", COLUMNS="100").stdout.splitlines()
    (json_option,) = [line for line in lines if "--json" in line and "│" in line]
    assert json_option.strip("│ ").split("  ")[0] == "--json"
    assert "<" not in json_option


@pytest.mark.parametrize("module", ["layernext", "layernext.cli"])
def test_module_is_the_command(module):
    """`python -m layernext` is the command."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"layernext {layernext.__version__}\n"


def completions(cli, line):
    """What bash is offered at the end of a line."""
    words = line.split(" ")
    done = cli(_LAYERNEXT_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("layernext up", {"upload"}, id="command"),
        pytest.param(
            "layernext files ",
            {"upload", "download", "link", "list", "match"},
            id="command-of-a-group",
        ),
        pytest.param("layernext upload --ge", {"--geometry"}, id="option"),
        pytest.param("layernext upload --geometry r", {"rectangle"}, id="value"),
    ],
)
def test_completion(cli, line, expected):
    """A shell with the completion script completes commands, options and their values."""
    assert completions(cli, line) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown(cli, shell):
    """`--show-completion` prints a script; the name of the shell is passed, not detected."""
    shown = cli("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_LAYERNEXT_COMPLETE" in shown.stdout
