"""Groups of options that several commands share: one parameter of each command.

A group is a frozen dataclass whose fields are annotated as Typer expects of parameters. A command
takes it as a keyword argument; `with_options` shows Typer the options in its place::

    @dataclass(frozen=True)
    class Connection(OptionGroup):
        url: Annotated[str | None, typer.Option("--url")] = None

    def list_runs(*, connection: Connection) -> None: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from copy import copy
from typing import Annotated, Any, ClassVar, get_args, get_type_hints


class OptionGroup:
    """The base of every group of options.

    Attributes:
        panel: heading of the options in ``--help``; None for that of the command's own options.
    """

    panel: ClassVar[str | None] = None


def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the options of its groups as parameters, for Typer to read."""
    signature = inspect.signature(function, eval_str=True)
    groups = {
        name: (parameter.annotation, list(_options(parameter.annotation)))
        for name, parameter in signature.parameters.items()
        if inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, OptionGroup)
    }
    if not groups:
        return function

    def command(**values: Any) -> Any:
        for name, (group, options) in groups.items():
            values[name] = group(**{option.name: values.pop(option.name) for option in options})
        return function(**values)

    parameters = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        for option in (groups[name][1] if name in groups else [parameter])
    ]
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__module__ = function.__module__
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command


def _options(group: type[OptionGroup]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for name, parameter in inspect.signature(group).parameters.items():
        kind, option = get_args(hints[name])
        if option.rich_help_panel is None:
            option = copy(option)
            option.rich_help_panel = group.panel
        yield parameter.replace(annotation=Annotated[kind, option])
