"""`layernext doctor`: what is set up, what answers, and what to do where something does not."""

from __future__ import annotations

import importlib.util
import platform
import sys
from typing import Any

import typer
from msgspec import Struct

from layernext import __version__
from layernext.cli import configuration, exit_codes
from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url
from layernext.cli.output import print_json
from layernext.cli.stack_extra import INSTALL
from layernext.client import LayerNextClient
from layernext.errors import LayerNextError


class Finding(Struct, frozen=True):
    """One thing that was looked at; `ok` is None where there is nothing to judge."""

    what: str
    ok: bool | None
    detail: str


def doctor(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Check versions, configuration, connection, credentials and protocol.

    Example:

        layernext doctor
    """
    findings = [
        Finding("layernext", None, f"{__version__} on Python {platform.python_version()}"),
        _stack_extra(),
    ]
    code = exit_codes.OK
    try:
        found = configuration.find(api_key, secret, url, config)
        for name in configuration.FIELDS:
            source = found.sources.get(name)
            detail = f"from {source}" if source else f"set {configuration.VARIABLES[name]}"
            findings.append(Finding(name.replace("_", " "), source is not None, detail))
        with configuration.connect(api_key, secret, url, config) as client:
            findings += _stack(client)
    except LayerNextError as error:
        code = exit_codes.code_of(error)
        findings.append(Finding("stack", False, " ".join(str(error).split())))
    if as_json:
        print_json({"ok": code == exit_codes.OK, "findings": findings})
    else:
        signs = {True: "✓", False: "✗", None: "·"}
        for finding in findings:
            sys.stdout.write(f"{signs[finding.ok]} {finding.what}: {finding.detail}\n")
    raise typer.Exit(code)


def _stack_extra() -> Finding:
    is_there = all(
        importlib.util.find_spec(name) for name in ("litestar", "sqlalchemy", "uvicorn", "alembic")
    )
    detail = "installed" if is_there else f"not installed; to serve a stack: {INSTALL}"
    return Finding("stack extra", None, detail)


def _stack(client: LayerNextClient) -> list[Finding]:
    info: dict[str, Any] | None = client.get_stack_info()
    if info is None:
        return [Finding("stack", True, "answers; it speaks only the published protocol")]
    return [
        Finding("stack", True, f"version {info['stack']} answers, native protocol"),
        Finding("key", True, f"{info['key_name']!r} has the role {info['role']}"),
    ]
