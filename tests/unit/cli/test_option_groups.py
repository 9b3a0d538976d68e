"""Groups of options: defined once, parameters of every command that takes them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, get_args

import pytest
import typer

from layernext.cli.command_groups import (
    ALIASES,
    COMMANDS,
    COUNTERPARTS,
    GROUPS,
    PANELS,
    LazyCommand,
    lazy_command,
)
from layernext.cli.connection import Connection
from layernext.cli.option_groups import OptionGroup, with_options


@dataclass(frozen=True)
class Size(OptionGroup):
    """Width and height."""

    panel = "Size"

    width: Annotated[int, typer.Option("--width")] = 1
    height: Annotated[int, typer.Option("--height", rich_help_panel="Other")] = 2


def draw(
    name: Annotated[str, typer.Argument()], quiet: bool = False, *, size: Size
) -> tuple[str, bool, Size]:
    """Draw something."""
    return name, quiet, size


def test_options_take_the_place_of_their_group():
    """Typer sees each option, in the group's place and under its heading; the command gets the group."""
    command = with_options(draw)
    parameters = inspect.signature(command).parameters
    assert list(parameters) == ["name", "quiet", "width", "height"]
    assert parameters["width"].default == 1
    panels = [
        get_args(parameters[name].annotation)[1].rich_help_panel for name in ("width", "height")
    ]
    assert panels == ["Size", "Other"]
    assert (command.__doc__, command.__name__) == (draw.__doc__, "draw")
    result = command(name="a", quiet=True, width=3, height=4)
    assert result == ("a", True, Size(width=3, height=4))


def test_a_command_without_groups_stays_as_it_is():
    def plain(name: str) -> None:
        del name

    assert with_options(plain) is plain


def commands(name: str) -> dict[str, typer.core.TyperCommand]:
    command = lazy_command(name).load()
    return getattr(command, "commands", {name: command})


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_connection_is_taken_whole(name: str):
    """A command has all options of a connection, or none."""
    names = set(inspect.signature(Connection).parameters)
    for command in commands(name).values():
        taken = names & {parameter.name for parameter in command.params}
        # `keys revoke` takes a key as its argument.
        assert taken in (set(), names, {"api_key"})


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_each_option_has_one_meaning_in_a_command(name: str):
    """No spelling is defined twice."""
    for command in commands(name).values():
        spellings = [each for parameter in command.params for each in parameter.opts]
        assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_every_command_has_help_and_examples(name: str):
    """`--help` says what a command does and shows how; every option has a sentence."""
    group = name if name in GROUPS else ""
    for command_name, command in commands(name).items():
        spelling = f"layernext {group} {command_name}".replace("  ", " ")
        assert f"    {spelling}" in command.help.partition("Examples:")[2], spelling
        for parameter in command.params:
            assert parameter.help, (spelling, parameter.name)
            assert parameter.help.endswith((".", "]}")), (spelling, parameter.help)


def test_headings_are_known():
    assert {location.panel for location in [*COMMANDS.values(), *GROUPS.values()]} == set(PANELS)


@pytest.mark.parametrize("path", [*ALIASES.values(), *COUNTERPARTS.values()], ids=str)
def test_other_names_lead_to_commands(path):
    """Earlier names, and the commands that do in a stack what others do with files."""
    assert path.load().callback is not None
    assert isinstance(lazy_command(path.group), LazyCommand)


def test_files_and_stack_have_options_of_their_own():
    """`evaluate` shows no option of a stack, `runs evaluate` none of files."""
    for name, path in COUNTERPARTS.items():
        of_files = {option for each in lazy_command(name).load().params for option in each.opts}
        in_stack = {option for each in path.load().params for option in each.opts}
        assert not {"--truth", "--url", "--again"} & of_files
        assert not {"--truth-format", "--names", "--processes"} & in_stack
