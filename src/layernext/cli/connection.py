"""The options of every command that talks to a stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layernext.cli import configuration
from layernext.cli.option_groups import OptionGroup

if TYPE_CHECKING:
    from layernext.client import LayerNextClient


@dataclass(frozen=True)
class Connection(OptionGroup):
    """URL, API key and secret of a stack, as far as the command line sets them."""

    panel = "Connection"

    api_key: Annotated[
        str | None,
        typer.Option("--api-key", help="API key. Default: LAYERNEXT_API_KEY."),
    ] = None
    secret: Annotated[
        str | None,
        typer.Option(
            "--secret",
            help="Secret of the API key. Default: LAYERNEXT_SECRET, which keeps it out of process lists.",
        ),
    ] = None
    url: Annotated[
        str | None,
        typer.Option("--url", help="URL of the stack. Default: LAYERNEXT_URL."),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="TOML file with api_key, secret and url. Default: the per-user file.",
        ),
    ] = None

    def find(self) -> configuration.Configuration:
        """API key, secret and URL, as far as they are set.

        Raises:
            ConfigurationError: the configuration file cannot be read.
        """
        return configuration.find(self.api_key, self.secret, self.url, self.config)

    def open(self, **settings: Any) -> LayerNextClient:
        """A client of the stack, with further `settings` of `LayerNextClient`.

        Raises:
            ConfigurationError: the API key, the secret or the URL is not set.
        """
        values = configuration.require_all(self.find(), self.config)
        # The SDK takes most of the time of `--help`, which does without it.
        from layernext.client import LayerNextClient  # noqa: PLC0415

        configuration.show_warnings()
        return LayerNextClient(values["api_key"], values["secret"], values["url"], **settings)
