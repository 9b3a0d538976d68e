"""Where the command line finds key, secret and URL: options, then the environment, then a file.

The file is TOML with the keys ``api_key``, ``secret`` and ``url``, all optional.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from layernext.cli.output import say
from layernext.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = ("api_key", "secret", "url")
OPTIONS = {"api_key": "--api-key", "secret": "--secret", "url": "--url"}
VARIABLES = {
    "api_key": "LAYERNEXT_API_KEY",
    "secret": "LAYERNEXT_SECRET",
    "url": "LAYERNEXT_URL",
}


class Configuration(NamedTuple):
    """The settings, and where each comes from."""

    values: dict[str, str]
    sources: dict[str, str]


def default_file() -> Path:
    """The per-user configuration file."""
    return Path(platformdirs.user_config_dir("layernext")) / "config.toml"


def find(
    api_key: str | None, secret: str | None, url: str | None, config: Path | None
) -> Configuration:
    """Key, secret and URL from options, environment and file, as far as they are set.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    options = {"api_key": api_key, "secret": secret, "url": url}
    in_file = _read(config)
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name in FIELDS:
        candidates = (
            (options[name], OPTIONS[name]),
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
            raise ConfigurationError(f"no such configuration file: {config}") from None
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{path} cannot be read: {reason}") from error
    for name, value in fields.items():
        if name not in FIELDS or not isinstance(value, str):
            raise ConfigurationError(
                f"{path}: {name!r} is not a setting; the settings are api_key, secret and url, all strings"
            )
    return fields


def require_all(configuration: Configuration, config: Path | None) -> dict[str, str]:
    """API key, secret and URL.

    Raises:
        ConfigurationError: one of them is not set.
    """
    missing = [name for name in FIELDS if name not in configuration.values]
    if missing:
        raise ConfigurationError(
            f"no {' and no '.join(name.replace('_', ' ') for name in missing)} set; "
            f"set {' and '.join(VARIABLES[name] for name in missing)}, "
            f"or {' and '.join(missing)} in {config or default_file()}"
        )
    return configuration.values


class _Notes(logging.Handler):
    """Prints warnings of the libraries on standard error, one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record."""
        say(f"note: {record.getMessage()}")


def show_warnings() -> None:
    """Print warnings of the libraries from now on, as notes."""
    logger = logging.getLogger("layernext")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes(logging.WARNING))
        logger.propagate = False
