"""Where the command line finds key, secret and URL: flags, then the environment, then a file.

The file is TOML with the keys ``api_key``, ``secret`` and ``url``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer
from msgspec import Struct

from layernext.client import LayerNextClient
from layernext.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = ("api_key", "secret", "url")
VARIABLES = {
    "api_key": "LAYERNEXT_API_KEY",
    "secret": "LAYERNEXT_SECRET",
    "url": "LAYERNEXT_URL",
}

ApiKey = Annotated[str | None, typer.Option("--api-key", help="API key.", rich_help_panel="Stack")]
Secret = Annotated[
    str | None,
    typer.Option("--secret", help="Its secret; safer in the environment.", rich_help_panel="Stack"),
]
Url = Annotated[
    str | None, typer.Option("--url", help="The stack's URL.", rich_help_panel="Stack")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Configuration file.", rich_help_panel="Stack")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


class Configuration(Struct, frozen=True):
    """What was found, and where."""

    values: dict[str, str]
    sources: dict[str, str]


def default_file() -> Path:
    """The per-user configuration file."""
    return Path(platformdirs.user_config_dir("layernext")) / "config.toml"


def find(
    api_key: str | None, secret: str | None, url: str | None, config: Path | None
) -> Configuration:
    """Key, secret and URL as far as they are given anywhere.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    flags = {"api_key": api_key, "secret": secret, "url": url}
    in_file = _read(config)
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name in FIELDS:
        candidates = (
            (flags[name], f"--{name.replace('_', '-')}"),
            (os.environ.get(VARIABLES[name]), VARIABLES[name]),
            (in_file.get(name), str(config or default_file())),
        )
        for value, source in candidates:
            if value:
                values[name], sources[name] = value, source
                break
    return Configuration(values, sources)


def _read(config: Path | None) -> dict[str, str]:
    path = config or default_file()
    try:
        fields: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if config is not None:
            raise ConfigurationError(f"there is no configuration file {config}") from None
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    for name, value in fields.items():
        if name not in FIELDS or not isinstance(value, str):
            raise ConfigurationError(
                f"{path}: {name!r} is not known here; known are api_key, secret and url, all texts"
            )
    return fields


def connect(
    api_key: str | None, secret: str | None, url: str | None, config: Path | None
) -> LayerNextClient:
    """A client of the configured stack.

    Raises:
        ConfigurationError: one of key, secret and URL is nowhere.
    """
    found = find(api_key, secret, url, config).values
    for name in FIELDS:
        if name not in found:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigurationError(
                f"no {name.replace('_', ' ')} given; use {flag}, {VARIABLES[name]}, "
                f"or {config or default_file()}"
            )
    return LayerNextClient(found["api_key"], found["secret"], found["url"])
