"""Commands and groups of the command line, each loaded only when it is called or completed.

The modules of the commands import the SDK, which takes a while; `--version`, `--help` and the
completion of a command's name do without.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from layernext.cli.option_groups import with_options
from layernext.errors import ConfigurationError, NotFound

MARKUP: Literal["markdown"] = "markdown"
"""Of the help of each command. The list of all commands is plain text, which is shown in half the time: without Rich."""

ANNOTATIONS = "Annotations"
CONTENTS = "Contents of a stack"
ACCESS = "Access to a stack"
OPERATION = "Operation of a stack"


class Location(NamedTuple):
    """Where a command or a group of commands is defined, its line in `layernext --help`, and under which heading."""

    module: str
    name: str
    summary: str
    panel: str


COMMANDS = {
    "upload": Location(
        "upload", "upload", "Upload a model run or ground truth from a file.", ANNOTATIONS
    ),
    "download": Location(
        "download", "download", "Download annotations into a LayerNext JSON file.", ANNOTATIONS
    ),
    "export": Location(
        "export", "export", "Write a run of a collection in another format.", ANNOTATIONS
    ),
    "validate": Location(
        "validate",
        "validate",
        "Check a file or folder as an upload would, without a stack.",
        ANNOTATIONS,
    ),
    "convert": Location(
        "convert",
        "convert",
        "Convert annotations from one format to another, without a stack.",
        ANNOTATIONS,
    ),
    "evaluate": Location(
        "evaluate", "evaluate", "Evaluate a model run against a ground truth.", ANNOTATIONS
    ),
    "compare": Location(
        "compare", "compare", "Compare two model runs on a ground truth.", ANNOTATIONS
    ),
    "demo": Location(
        "demo", "demo", "Show what a stack does, with sample data on a temporary one.", OPERATION
    ),
    "doctor": Location(
        "doctor",
        "doctor",
        "Check this machine, the configuration, the connection and the stack.",
        OPERATION,
    ),
    "serve": Location("serve", "serve", "Start a stack.", OPERATION),
    "worker": Location(
        "worker", "worker", "Run the jobs of a stack without serving it.", OPERATION
    ),
    "backup": Location("backup", "backup", "Back up the database and files of a stack.", OPERATION),
    "restore": Location("backup", "restore", "Restore a backup into an empty stack.", OPERATION),
    "check": Location("check", "check", "Compare a stack's database with its files.", OPERATION),
    "audit": Location(
        "audit",
        "audit",
        "Show who did what to which collection, and when; for administrators.",
        ACCESS,
    ),
}
GROUPS = {
    "runs": Location(
        "runs", "runs", "List, show and delete model runs and ground truths.", CONTENTS
    ),
    "collections": Location(
        "collections", "collections", "List, show and create collections of files.", CONTENTS
    ),
    "labels": Location("labels", "labels", "List labels.", CONTENTS),
    "files": Location(
        "files", "files", "Upload, download and list images, videos and other files.", CONTENTS
    ),
    "items": Location(
        "items", "items", "Find, trash, restore and purge files in the stack.", CONTENTS
    ),
    "datasets": Location(
        "datasets", "datasets", "Manage frozen selections of images, divided into splits.", CONTENTS
    ),
    "exports": Location(
        "exports", "exports", "Manage files that the stack writes in other formats.", CONTENTS
    ),
    "projects": Location(
        "projects", "projects", "Manage annotation projects and their tasks.", CONTENTS
    ),
    "users": Location("users", "users", "Manage the people and services that use a stack.", ACCESS),
    "grants": Location("grants", "grants", "Manage roles in individual collections.", ACCESS),
    "keys": Location("keys", "keys", "Manage the API keys of a stack on this machine.", ACCESS),
    "backups": Location(
        "backup", "backups", "Manage the snapshots in a backup folder or bucket.", OPERATION
    ),
}
PANELS = (ANNOTATIONS, CONTENTS, ACCESS, OPERATION)


class CommandPath(NamedTuple):
    """A group and a command in it."""

    group: str
    command: str

    def __str__(self) -> str:
        return f"{self.group} {self.command}"

    def load(self) -> Any:
        """The command."""
        return lazy_command(self.group).load().commands[self.command]


ALIASES = {
    "rm": CommandPath("runs", "delete"),
    "grant": CommandPath("grants", "add"),
    "revoke": CommandPath("grants", "remove"),
}
"""Earlier names of commands. They keep working, and are not listed."""

COUNTERPARTS = {
    "evaluate": CommandPath("runs", "evaluate"),
    "compare": CommandPath("runs", "compare"),
}
"""Commands on files, with those that do the same in a stack."""

TRUTH = "--truth"
"""The option that makes a command on files call its counterpart."""

# Typer has click inside or beside it, depending on its version; this is its class either way.
UsageError: type[Any] = typer.BadParameter.__mro__[1]


def load(location: Location) -> Any:
    """The function of a command, or the group of commands."""
    return getattr(import_module(f"layernext.cli.{location.module}"), location.name)


def _flags_without_type(parameters: list[Any]) -> list[Any]:
    """Typer shows some type behind every option; a flag takes no value."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return parameters


class Command(TyperCommand):
    """A command whose help shows flags as flags."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Every argument and option."""
        return _flags_without_type(super().get_params(ctx))


class Group(TyperGroup):
    """A group whose help shows flags as flags."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Every argument and option."""
        return _flags_without_type(super().get_params(ctx))


class CommandGroup(typer.Typer):
    """A Typer application with this command line's settings and classes."""

    def __init__(self, **settings: Any) -> None:
        defaults = {
            "cls": Group,
            "add_completion": False,
            "pretty_exceptions_enable": False,
            "rich_markup_mode": MARKUP,
            "context_settings": {"help_option_names": ["-h", "--help"]},
        }
        super().__init__(**{**defaults, **settings})

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Register a command, as in Typer, with the options of its groups of options."""
        register = super().command(name, **{"cls": Command, **settings})

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            register(with_options(function))
            return function

        return decorate


_LISTED = "layernext.listed"
"""In a context: the argument that was taken for one of the command `list`."""


class _ListingGroup(Group):
    """A group whose command is `list` if the command line names none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the name of the command first."""
        first = args[0] if args else ""
        is_completion = ctx.resilient_parsing and not args
        if not is_completion and first not in {*self.commands, *ctx.help_option_names}:
            ctx.meta[_LISTED] = first
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it lists may be the name of a command, mistyped."""
        try:
            return super().invoke(ctx)
        except (NotFound, UsageError) as error:
            word = ctx.meta.get(_LISTED, "")
            close = get_close_matches(word, self.commands, n=1)
            if close and isinstance(error, NotFound):
                error.hint = f"did you mean {ctx.command_path} {close[0]}?"
            elif close:
                error.message = f"no command {word!r}; did you mean {ctx.command_path} {close[0]}?"
            raise


class ListingGroup(CommandGroup):
    """A Typer application that lists unless another of its commands is named."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"cls": _ListingGroup, **settings})


class LazyCommand(TyperCommand):
    """The name and summary of a command or group; the rest is loaded when it is called."""

    def __init__(self, name: str, location: Location, *, is_group: bool) -> None:
        super().__init__(
            name=name,
            help=location.summary,
            rich_markup_mode=MARKUP,
            rich_help_panel=location.panel,
        )
        self.location = location
        self.is_group = is_group

    def load(self) -> Any:
        """The command itself."""
        application = CommandGroup()
        if self.is_group:
            application.add_typer(load(self.location), name=self.name)
        else:
            application.command(self.name)(load(self.location))
        application.callback()(lambda: None)
        return typer.main.get_group(application).commands[str(self.name)]

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """The context of the command itself, so that it is what runs and completes."""
        return self.load().make_context(*arguments, **settings)


class Alias(TyperCommand):
    """Another name of a command in a group, which is not listed."""

    def __init__(self, name: str, path: CommandPath) -> None:
        super().__init__(name=name, hidden=True)
        self.path = path

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **settings: Any
    ) -> Any:
        """The context of the command, under its present name."""
        del info_name
        return self.path.load().make_context(str(self.path), args, parent, **settings)


class FileCommand(LazyCommand):
    """A command on files that has a counterpart in a stack, which an option of it calls."""

    def __init__(self, name: str, location: Location, counterpart: CommandPath) -> None:
        super().__init__(name, location, is_group=False)
        self.counterpart = counterpart

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **settings: Any
    ) -> Any:
        """The context of the command that the options are for.

        Raises:
            ConfigurationError: an option is for the other command.
        """
        is_in_stack = any(text == TRUTH or text.startswith(f"{TRUTH}=") for text in args)
        try:
            if is_in_stack:
                command = self.counterpart.load()
                return command.make_context(str(self.counterpart), args, parent, **settings)
            return super().make_context(info_name, args, parent, **settings)
        except UsageError as error:
            option = getattr(error, "option_name", None)
            other = self.load() if is_in_stack else self.counterpart.load()
            if not any(option in parameter.opts for parameter in other.params):
                raise
            if is_in_stack:
                text = f"{option} is for files, but {TRUTH} names a ground truth in a stack"
                raise ConfigurationError(text, hint=f"omit {TRUTH} for files") from error
            raise ConfigurationError(
                f"{option} is for runs in a stack", hint=f"name their ground truth with {TRUTH}"
            ) from error


def lazy_command(name: str) -> LazyCommand:
    """A command or a group of commands, not loaded yet."""
    if name in COUNTERPARTS:
        return FileCommand(name, COMMANDS[name], COUNTERPARTS[name])
    return LazyCommand(name, COMMANDS.get(name) or GROUPS[name], is_group=name in GROUPS)


class LazyGroup(Group):
    """All commands and groups of the command line."""

    def __init__(self, **settings: Any) -> None:
        commands = [*map(lazy_command, COMMANDS), *map(lazy_command, GROUPS)]
        commands.sort(key=lambda command: PANELS.index(command.location.panel))
        by_name: dict[str | None, TyperCommand] = {command.name: command for command in commands}
        by_name |= {name: Alias(name, path) for name, path in ALIASES.items()}
        super().__init__(**{**settings, "commands": by_name, "rich_markup_mode": None})

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every command with its summary, under its heading."""
        del ctx
        for panel in PANELS:
            commands = [
                command
                for command in self.commands.values()
                if isinstance(command, LazyCommand) and command.location.panel == panel
            ]
            with formatter.section(panel):
                formatter.write_dl(
                    [(str(command.name), command.location.summary) for command in commands]
                )
