"""Loads the stack, an optional extra, or says how to install it.

The SDK works without it.
"""

from __future__ import annotations

from types import ModuleType

from layernext.errors import ConfigurationError

INSTALL = "pip install '.[stack]' in the source folder"


def load_stack() -> ModuleType:
    """The module `layernext.stack.app`.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        from layernext.stack import app  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("layernext"):
            raise  # not an extra that is missing, but a part of this package
        raise ConfigurationError(
            f"this command needs the stack, which is not installed; run: {INSTALL}"
        ) from error
    return app
