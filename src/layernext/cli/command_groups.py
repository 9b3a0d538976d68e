"""Commands and groups of the command line, each loaded only when it is called or completed.

The modules of the commands import the SDK, which takes a while; `--version`, `--help` and the
completion of a command's name do without.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

MARKUP: Literal["markdown"] = "markdown"
"""Of the help of each command. The list of all commands is parsed as Rich markup, which takes a tenth of the time."""


class Location(NamedTuple):
    """Where a command or a group of commands is defined, and its line in the list of commands."""

    module: str
    name: str
    summary: str


COMMANDS = {
    "convert": Location(
        "convert", "convert", "Convert annotations from one format to another, without a stack."
    ),
    "export": Location("convert", "export", "Write a run of a collection in another format."),
    "evaluate": Location("evaluate", "evaluate", "Evaluate a model run against a ground truth."),
    "compare": Location("compare", "compare", "Compare two model runs on a ground truth."),
    "serve": Location("serve", "serve", "Start a stack."),
    "worker": Location("worker", "worker", "Run the jobs of a stack without serving it."),
    "backup": Location("backup", "backup", "Back up the database and files of a stack."),
    "restore": Location("backup", "restore", "Restore a backup into an empty stack."),
    "check": Location("check", "check", "Compare a stack's database with its files."),
    "demo": Location("demo", "demo", "Show a round trip on a temporary stack."),
    "upload": Location("data", "upload", "Upload a model run or ground truth from a file."),
    "validate": Location(
        "data", "validate", "Check a file or folder as an upload would, without a stack."
    ),
    "runs": Location("listings", "runs", "List model runs and ground truths with their counts."),
    "collections": Location("listings", "collections", "List the stack's collections."),
    "labels": Location("listings", "labels", "List labels with their colors and attributes."),
    "download": Location("data", "download", "Download annotations into a LayerNext JSON file."),
    "rm": Location("data", "rm", "Remove a run's annotations from a collection."),
    "grant": Location("users", "grant", "Grant a user a role in a collection."),
    "revoke": Location("users", "revoke", "Revoke a user's role in a collection."),
    "grants": Location("users", "grants", "List roles granted in collections."),
    "audit": Location(
        "audit", "audit", "Show who did what to which collection, and when; for administrators."
    ),
    "doctor": Location(
        "doctor", "doctor", "Check this machine, the configuration, the connection and the stack."
    ),
}
GROUPS = {
    "files": Location(
        "files", "files", "Upload, download and list images, videos and other files."
    ),
    "items": Location("item_search", "items", "Find, trash, restore and purge files in the stack."),
    "datasets": Location("exports", "datasets", "Manage frozen selections, divided into splits."),
    "exports": Location("exports", "exports", "Manage files in other formats, made by the stack."),
    "projects": Location("library", "projects", "Manage annotation projects and their tasks."),
    "backups": Location("backup", "backups", "Manage the snapshots in a backup folder or bucket."),
    "users": Location("users", "users", "Manage the people and services that use a stack."),
    "keys": Location("keys", "keys", "Manage the API keys of a stack on this machine."),
}


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
        """Register a command, as in Typer."""
        return super().command(name, **{"cls": Command, **settings})


class LazyCommand(TyperCommand):
    """The name and summary of a command or group; the rest is loaded when it is called."""

    def __init__(self, name: str, location: Location, *, is_group: bool) -> None:
        super().__init__(name=name, help=location.summary, rich_markup_mode=MARKUP)
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


class LazyGroup(Group):
    """All commands and groups of the command line."""

    def __init__(self, **settings: Any) -> None:
        commands = {
            name: LazyCommand(name, location, is_group=locations is GROUPS)
            for locations in (COMMANDS, GROUPS)
            for name, location in locations.items()
        }
        super().__init__(**{**settings, "commands": commands, "rich_markup_mode": "rich"})
