"""`layernext doctor`: checks the setup and the connection, and says how to fix problems."""

from __future__ import annotations

import email.utils
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import typer
from msgspec import Struct

from layernext import __version__
from layernext.cli import configuration, exit_codes, installation
from layernext.cli.connection import Connection
from layernext.cli.options import AsJson
from layernext.cli.output import print_json, tell
from layernext.cli.stack_extra import INSTALL
from layernext.client import LayerNextClient, state_folder
from layernext.errors import (
    ConnectionFailed,
    IncompatibleStack,
    LayerNextError,
    NotAllowed,
    StackError,
)

OLDEST_PYTHON = (3, 10)
LIBRARIES = ("httpx", "msgspec", "typer", "rich", "zstandard")
STACK_LIBRARIES = ("alembic", "litestar", "PIL", "psycopg", "sqlalchemy", "uvicorn")
MOST_CLOCK_SECONDS = 300
"""Credentials do not depend on the clock, but certificates and the times of runs do."""
TIMEOUT_S = 10.0
OTHERS_MAY_READ = 0o077
LOW_DISK_BYTES = 512 << 20
LONG_WAIT_S = 60.0
"""If no job runs in the meantime, nothing seems to process the queue."""
OTHER_PACKAGE = "layerx-sdk"
"""A published client whose files have a folder of their own."""


class Finding(Struct, frozen=True):
    """The result of one check.

    Attributes:
        what: the subject of the check.
        ok: whether the check passed; None if there is nothing to judge.
        detail: the result, or what to do.
        code: the exit code that it leads to.
    """

    what: str
    ok: bool | None
    detail: str
    code: int = exit_codes.OK


def doctor(
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Check this machine, the configuration, the connection and the stack.

    This machine: Python, versions, conflicting published clients, disk space, proxy. The stack:
    credentials, role, version, clock; with an admin key also database, files, disk space and jobs.
    The exit code is that of the first failed check.

    Examples:

        layernext doctor

        layernext doctor --json
    """
    findings = [_python(), _versions(), _published_packages(), _stack_extra(), *_disks()]
    try:
        configured = connection.find()
        settings = _settings(configured)
        findings += [_file(connection.config), *settings, _proxy(configured.values.get("url", ""))]
        if all(finding.ok for finding in settings):
            options = {"retry_for_s": 0.0, "timeout_s": TIMEOUT_S}
            with connection.open(**options) as client:
                findings += _stack(client)
                if findings[-1].ok is not False:
                    findings += _stack_status(client)
                    findings.append(_clock(configured.values["url"]))
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


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _published_packages() -> Finding:
    """Whether a published client is installed beside this one, and whether they conflict."""
    what = "published clients"
    problem = installation.find_problem()
    if problem is not None:
        return Finding(what, False, problem, exit_codes.CONFIGURATION)
    other = _version_of(OTHER_PACKAGE)
    if other is not None:
        return Finding(
            what, None, f"{OTHER_PACKAGE} {other}, which does not conflict with this package"
        )
    return Finding(what, True, "not installed")


def _disks() -> list[Finding]:
    """Space for the state of unfinished uploads, and for temporary files."""
    return [
        _disk("disk of the state folder", state_folder()),
        _disk("disk of temporary files", Path(tempfile.gettempdir())),
    ]


def _disk(what: str, folder: Path) -> Finding:
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if existing is None:
        return Finding(what, None, f"{folder} does not exist")
    return _room(what, shutil.disk_usage(existing).free, str(folder))


def _room(what: str, free_bytes: int, where: str) -> Finding:
    is_fine = free_bytes >= LOW_DISK_BYTES
    detail = f"{_gigabytes(free_bytes)} free, {where}"
    if not is_fine:
        detail += f"; less than {_gigabytes(LOW_DISK_BYTES)} may not be enough"
    return Finding(what, is_fine, detail, exit_codes.OK if is_fine else exit_codes.CONFIGURATION)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def _proxy(url: str) -> Finding:
    """Whether requests to the stack go through a proxy; its URL may have a password in it."""
    address = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    names = {f"{address.scheme}_proxy", "all_proxy"}
    variables = sorted(name for name in os.environ if name.lower() in names and os.environ[name])
    if not (address.scheme in proxies or "all" in proxies):
        return Finding("proxy", None, "none")
    source = " and ".join(variables) or "the system's settings"
    if urllib.request.proxy_bypass(address.hostname or ""):
        return Finding("proxy", None, f"{source} is set, and not used for {address.hostname}")
    return Finding("proxy", None, f"requests go through the one in {source}")


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


def _settings(configured: configuration.Configuration) -> list[Finding]:
    findings = []
    for name in configuration.FIELDS:
        source = configured.sources.get(name)
        detail = f"from {source}" if source else f"not set; set {configuration.VARIABLES[name]}"
        code = exit_codes.OK if source else exit_codes.CONFIGURATION
        findings.append(Finding(name.replace("_", " "), source is not None, detail, code))
    return findings


def _stack(client: LayerNextClient) -> list[Finding]:
    """The steps of the handshake, up to the first that fails."""
    try:
        info = client.get_stack_info()
    except ConnectionFailed as error:
        return [Finding("connection", False, str(error), exit_codes.code_of(error))]
    except StackError as error:
        what = "protocol" if isinstance(error, IncompatibleStack) else "credentials"
        return [
            Finding("connection", True, "a server answers"),
            Finding(what, False, str(error), exit_codes.code_of(error)),
        ]
    findings = [
        Finding("connection", True, "the stack answers"),
        Finding("credentials", True, "accepted"),
    ]
    if info is None:
        findings.append(Finding("protocol", True, "published only"))
    else:
        role = f"{info['role']}, of the key {info['key_name']!r}"
        findings.append(Finding("role", True, role))
        findings.append(Finding("protocol", True, f"native and published, stack {info['stack']}"))
        if info["stack"] != __version__:
            detail = f"this client is {__version__}, the stack is {info['stack']}"
            findings.append(Finding("versions", None, detail))
    return findings


def _stack_status(client: LayerNextClient) -> list[Finding]:
    """The state of the stack, which only administrators see."""
    what = "state of the stack"
    try:
        status = client.get_stack_status()
    except NotAllowed:
        return [Finding(what, None, "shown to keys with the role admin")]
    except LayerNextError as error:
        return [Finding(what, False, str(error), exit_codes.code_of(error))]
    if status is None:
        return [Finding(what, None, "not reported by this stack")]
    is_reachable = status["are_objects_reachable"]
    findings = [
        Finding("database", True, f"{status['database']} answers"),
        Finding(
            "files",
            is_reachable,
            f"the {status['objects']} {'answers' if is_reachable else 'cannot be used'}",
            exit_codes.OK if is_reachable else exit_codes.NO_CONNECTION,
        ),
    ]
    if status["free_bytes"] is not None:
        findings.append(_room("disk of the stack", status["free_bytes"], "data folder"))
    temporary = _room("disk of the stack", status["free_temporary_bytes"], "temporary files")
    findings.append(temporary)
    return [*findings, _jobs(status)]


def _jobs(status: dict[str, Any]) -> Finding:
    queued, running = status["queued_jobs"], status["running_jobs"]
    detail = f"{queued} queued, {running} running"
    wait_s = status["oldest_queued_s"]
    if queued and not running and wait_s > LONG_WAIT_S:
        detail += (
            f"; the oldest has waited for {wait_s:.0f} s: start `layernext worker`,"
            " or serve with --jobs on"
        )
        return Finding("jobs", False, detail, exit_codes.NO_CONNECTION)
    return Finding("jobs", True, detail)


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
        return Finding("clock", None, "the stack did not report its time")
    apart_s = abs(time.time() - email.utils.parsedate_to_datetime(date).timestamp())
    is_fine = apart_s <= MOST_CLOCK_SECONDS
    code = exit_codes.OK if is_fine else exit_codes.CONFIGURATION
    return Finding("clock", is_fine, f"{apart_s:.0f} s from the stack's", code)
