"""`layernext doctor`: what is set up, what answers, and what to do where something does not."""

from __future__ import annotations

import email.utils
import importlib.metadata
import importlib.util
import platform
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import typer
from msgspec import Struct

from layernext import __version__
from layernext.cli import configuration, exit_codes
from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url
from layernext.cli.output import print_json, tell
from layernext.cli.stack_extra import INSTALL
from layernext.client import LayerNextClient
from layernext.errors import ConnectionFailed, IncompatibleStack, LayerNextError, StackError

OLDEST_PYTHON = (3, 10)
LIBRARIES = ("httpx", "msgspec", "stamina", "typer", "rich", "zstandard")
STACK_LIBRARIES = ("alembic", "litestar", "PIL", "psycopg", "sqlalchemy", "uvicorn")
MOST_CLOCK_SECONDS = 300
"""Basic credentials need no clock; but certificates and the times of runs do."""
TIMEOUT_S = 10.0
OTHERS_MAY_READ = 0o077


class Finding(Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        what: the thing.
        ok: whether it is as it should be; None where there is nothing to judge.
        detail: what was found, or what to do.
        code: the exit code it asks for.
    """

    what: str
    ok: bool | None
    detail: str
    code: int = exit_codes.OK


def doctor(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Check Python, versions, configuration, connection, credentials, role, protocol and clock.

    The exit code is that of the first failed check.

    Examples:

        layernext doctor

        layernext doctor --json
    """
    findings = [_python(), _versions(), _stack_extra()]
    try:
        found = configuration.find(api_key, secret, url, config)
        findings += [_file(config), *_settings(found)]
        if all(finding.ok is not False for finding in findings):
            options = {"retry_for_s": 0.0, "timeout_s": TIMEOUT_S}
            with configuration.connect(api_key, secret, url, config, **options) as client:
                findings += _stack(client)
            if findings[-1].ok:
                findings.append(_clock(found.values["url"]))
    except LayerNextError as error:
        code = exit_codes.code_of(error)
        findings.append(Finding("configuration", False, str(error), code))
    code = next((finding.code for finding in findings if finding.code), exit_codes.OK)
    if as_json:
        print_json({"ok": code == exit_codes.OK, "exit_code": code, "findings": findings})
    else:
        signs = {True: "✓", False: "✗", None: "·"}
        for finding in findings:
            tell(f"{signs[finding.ok]} {finding.what}: {finding.detail}")
    raise typer.Exit(code)


def _python() -> Finding:
    is_fine = sys.version_info >= OLDEST_PYTHON
    code = exit_codes.OK if is_fine else exit_codes.CONFIGURATION
    return Finding("python", is_fine, f"{platform.python_version()}, {sys.executable}", code)


def _versions() -> Finding:
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return Finding("layernext", True, f"{__version__}; {libraries}")


def _stack_extra() -> Finding:
    is_there = all(importlib.util.find_spec(name) for name in STACK_LIBRARIES)
    detail = "installed" if is_there else f"not installed; to serve a stack: {INSTALL}"
    return Finding("stack extra", None, detail)


def _file(config: Path | None) -> Finding:
    path = config or configuration.default_file()
    if not path.exists():
        return Finding("configuration file", None, f"none at {path}")
    if sys.platform != "win32" and path.stat().st_mode & OTHERS_MAY_READ:
        return Finding("configuration file", None, f"{path}; others may read it: chmod 600")
    return Finding("configuration file", True, str(path))


def _settings(found: configuration.Configuration) -> list[Finding]:
    findings = []
    for name in configuration.FIELDS:
        source = found.sources.get(name)
        detail = f"from {source}" if source else f"not set; set {configuration.VARIABLES[name]}"
        code = exit_codes.OK if source else exit_codes.CONFIGURATION
        findings.append(Finding(name.replace("_", " "), source is not None, detail, code))
    return findings


def _stack(client: LayerNextClient) -> list[Finding]:
    """What the handshake tells, step by step up to the first that fails."""
    try:
        info = client.get_stack_info()
    except ConnectionFailed as error:
        return [Finding("connection", False, str(error), exit_codes.code_of(error))]
    except StackError as error:
        what = "protocol" if isinstance(error, IncompatibleStack) else "credentials"
        return [
            Finding("connection", True, "something answers"),
            Finding(what, False, str(error), exit_codes.code_of(error)),
        ]
    findings = [
        Finding("connection", True, "the stack answers"),
        Finding("credentials", True, "accepted"),
    ]
    if info is None:
        findings.append(Finding("protocol", True, "the published one only"))
    else:
        role = f"{info['role']}, of the key {info['key_name']!r}"
        findings.append(Finding("role", True, role))
        findings.append(Finding("protocol", True, f"native and published, stack {info['stack']}"))
    return findings


def _clock(url: str) -> Finding:
    """This machine's clock against the stack's."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=TIMEOUT_S) as answer:  # noqa: S310 - the client has checked the scheme
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
    except (OSError, ValueError):
        date = None
    if not date:
        return Finding("clock", None, "the stack did not say its time")
    apart_s = abs(time.time() - email.utils.parsedate_to_datetime(date).timestamp())
    is_fine = apart_s <= MOST_CLOCK_SECONDS
    code = exit_codes.OK if is_fine else exit_codes.CONFIGURATION
    return Finding("clock", is_fine, f"{apart_s:.0f} s from the stack's", code)
