"""The options of commands that work on a stack's data themselves: where it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer

from layernext.cli.option_groups import OptionGroup
from layernext.cli.stack_extra import load_stack
from layernext.errors import ConfigurationError


@dataclass(frozen=True)
class StackDatabase(OptionGroup):
    """Where the database of a stack is."""

    panel = "Data of the stack"

    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of the stack's data. Default: a per-user folder."),
    ] = None
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            envvar="LAYERNEXT_DATABASE",
            show_envvar=True,
            help="URL of a PostgreSQL database, postgresql://…, instead of the embedded one.",
        ),
    ] = None

    def settings(self, **more: Any) -> Any:
        """The settings of the stack, with `more` of them."""
        app: Any = load_stack()
        return app.Settings(data=self.data_folder, database=self.database, **more)

    def existing(self, **more: Any) -> Any:
        """The settings of the stack, with `more` of them.

        Raises:
            ConfigurationError: there is no stack; SQLite would create an empty one.
        """
        settings = self.settings(**more)
        path = settings.database_url.removeprefix("sqlite:///")
        if path != settings.database_url and not Path(path).exists():
            raise ConfigurationError(f"no stack found in {settings.data}", hint="pass its --data")
        return settings

    @property
    def data_folder(self) -> Path:
        """The folder of the option, or the per-user one."""
        folder = self.data or Path(platformdirs.user_data_dir("layernext", appauthor=False))
        return folder.expanduser().absolute()


@dataclass(frozen=True)
class StackLocation(StackDatabase):
    """Where the database and the files of a stack are."""

    objects: Annotated[
        str | None,
        typer.Option(
            "--objects",
            envvar="LAYERNEXT_OBJECTS",
            show_envvar=True,
            help="Bucket for uploaded files, s3://bucket/prefix, gs:// or az://, instead of a folder.",
        ),
    ] = None
    objects_endpoint: Annotated[
        str | None,
        typer.Option("--objects-endpoint", help="URL of an S3-compatible store other than AWS."),
    ] = None

    allow_link: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-link",
            metavar="ROOT",
            envvar="LAYERNEXT_ALLOW_LINK",
            show_envvar=True,
            help="Folder or bucket prefix whose files may be linked without copying them; repeatable. "
            "Default: none.",
        ),
    ] = None

    def settings(self, **more: Any) -> Any:
        """The settings of the stack, with `more` of them."""
        endpoint = {"endpoint": self.objects_endpoint} if self.objects_endpoint else {}
        roots = tuple(self.allow_link or ())
        return super().settings(
            objects=self.objects, objects_options=endpoint, allow_link=roots, **more
        )
