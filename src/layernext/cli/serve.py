"""`layernext serve`: the stack in this process."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from layernext.cli.oidc import OidcOptions
from layernext.cli.option_groups import OptionGroup
from layernext.cli.output import print_json, say, tell
from layernext.cli.stack_extra import load_stack
from layernext.cli.stack_location import StackLocation
from layernext.errors import ConfigurationError

DEFAULT_PORT = 8750
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(?:/(s|min|h))?")
_SECONDS = {"s": 1, "min": 60, "h": 3600}


@dataclass(frozen=True)
class Housekeeping(OptionGroup):
    """What servers and workers of a stack do by themselves, and what they log."""

    purge_trash_after: Annotated[
        float | None,
        typer.Option(
            "--purge-trash-after",
            min=0.0,
            max=36500.0,
            metavar="DAYS",
            help="Permanently delete files after this many days in the trash. Default: never.",
        ),
    ] = None
    audit_days: Annotated[
        float,
        typer.Option(
            "--audit-days",
            min=0.0,
            max=36500.0,
            metavar="DAYS",
            help="Delete entries of the audit log after this many days.",
        ),
    ] = 365.0
    traces: Annotated[
        str | None,
        typer.Option(
            "--traces",
            envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
            show_envvar=True,
            metavar="URL",
            help="Send OpenTelemetry traces to this collector, such as http://collector:4318.",
        ),
    ] = None
    log_format: Annotated[
        Literal["text", "json"],
        typer.Option("--log-format", help="Log as text, or as one JSON object per line."),
    ] = "text"
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            envvar="LAYERNEXT_ENGINE",
            show_envvar=True,
            metavar="ENGINE",
            help="Where large evaluations, comparisons and statistics are computed: processes (of this machine)"
            " or the Dask cluster dask://HOST:PORT.",
        ),
    ] = "processes"

    def settings(self) -> dict[str, Any]:
        """These as settings of the stack."""
        return {
            "purge_trash_after_days": self.purge_trash_after,
            "audit_days": self.audit_days,
            "traces": self.traces or None,
            "log_format": self.log_format,
            "engine": self.engine,
        }


@dataclass(frozen=True)
class Listening(OptionGroup):
    """Where the server listens, and under which URL clients reach it."""

    panel = "Network"

    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = (
        DEFAULT_PORT
    )
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url",
            envvar="LAYERNEXT_PUBLIC_URL",
            show_envvar=True,
            metavar="URL",
            help="URL under which clients reach the stack, such as https://stack.example.org; used in links."
            " Default: the request's Host header.",
        ),
    ] = None
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            metavar="ADDRESS",
            help="Address or network of a proxy whose X-Forwarded-For is trusted; repeatable.",
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """These as settings of the stack."""
        return {
            "host": self.host,
            "port": self.port,
            "public_url": self.public_url or None,
            "trusted_proxies": tuple(self.trusted_proxy or ()),
        }


@dataclass(frozen=True)
class Serving(OptionGroup):
    """What the server offers, and how much of it to each key."""

    rate_limit: Annotated[
        str | None,
        typer.Option(
            "--rate-limit",
            metavar="N/s",
            help="Maximum requests per second, such as 50/s, of a key without its own rate."
            " Default: no limit.",
        ),
    ] = None
    uploads_per_key: Annotated[
        int,
        typer.Option(
            "--uploads-per-key", min=1, help="Maximum number of simultaneous uploads of a key."
        ),
    ] = 256
    strict_metadata: Annotated[
        bool,
        typer.Option("--strict-metadata", help="Accept only declared metadata fields and tags."),
    ] = False
    published_only: Annotated[
        bool, typer.Option("--published-only", help="Do not offer the native protocol.")
    ] = False
    jobs: Annotated[
        Literal["on", "off"],
        typer.Option("--jobs", help="off: leave jobs and housekeeping to `layernext worker`."),
    ] = "on"
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Serve metrics at /metrics, for admin keys.")
    ] = False

    def settings(self) -> dict[str, Any]:
        """These as settings of the stack.

        Raises:
            ConfigurationError: the rate is not one.
        """
        return {
            "rate_limit": read_rate(self.rate_limit),
            "uploads_per_key": self.uploads_per_key,
            "strict_metadata": self.strict_metadata,
            "native": not self.published_only,
            "jobs": self.jobs == "on",
            "metrics": self.metrics,
        }


def serve(
    *,
    stack: StackLocation,
    listening: Listening,
    serving: Serving,
    oidc: OidcOptions,
    housekeeping: Housekeeping,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Turn off the access log.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the first API key as one JSON document.")
    ] = False,
) -> None:
    """Start a stack.

    The first start creates an API key and shows its secret, once. Everything is stored in one
    folder, unless --database and --objects name another location. Ctrl-C or SIGTERM stops the
    stack after requests in flight have finished.

    Examples:

        layernext serve

        layernext serve --data ./stack --port 8800

        layernext serve --host 0.0.0.0 --database postgresql://layernext@db.internal/layernext
    """
    app: Any = load_stack()
    # Also while it starts, a service manager's SIGTERM is an orderly stop.
    signal.signal(signal.SIGTERM, interrupt)
    settings = stack.settings(
        **listening.settings(),
        **serving.settings(),
        **housekeeping.settings(),
        oidc=oidc.settings(),
        quiet=quiet,
    )
    # Before a key is created and shown that nobody could use here.
    check_address(settings.host, settings.port)
    _load_extras(app, settings)
    # Whatever is written is for this user alone.
    os.umask(0o077)
    app.set_up_logging(settings)
    with app.hold_folder(settings) as holds_folder:
        store, first = app.open_stack(settings)
        _greet(settings, store, first, as_json=as_json)
        # The server has finished the requests in flight when this arrives: that is how a stack stops.
        with contextlib.suppress(KeyboardInterrupt):
            app.serve(store, settings, holds_folder=holds_folder)


def _load_extras(app: Any, settings: Any) -> None:
    """Load what the settings need; a missing library is reported before anything starts."""
    if settings.metrics:
        app.load_metrics()
    if settings.oidc is not None:
        app.load_oidc()
    if settings.traces is not None:
        app.load_tracing().traces_url(settings.traces)


def read_rate(text: str | None) -> float | None:
    """Requests a second, as ``50/s`` or ``50``; None for None.

    Raises:
        ConfigurationError: it is not a rate.
    """
    if text is None:
        return None
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) / _SECONDS[match[2] or "s"] if match else 0.0
    if rate <= 0:
        raise ConfigurationError(f"the rate limit {text!r} is not a rate such as 50/s or 600/min")
    return rate


def _greet(settings: Any, store: Any, first: Any, *, as_json: bool) -> None:
    url = settings.public_url or f"http://{_reachable(settings.host)}:{settings.port}"
    url = url.rstrip("/")
    if first is not None:
        show_key(first, url, as_json=as_json)
    if not _is_loopback(settings.host):
        say(
            "warning: other machines can reach this address, and keys cross the network unencrypted;"
            " put a proxy with TLS in front of it"
        )
    listening = f" (listening on {settings.host}:{settings.port})" if settings.public_url else ""
    say(f"LayerNext stack on {url}{listening}, data in {data_text(settings)}")
    if settings.native:
        say(f"Pages: {url}/ (sign in with an API key and its secret)")
        if first is not None and not as_json:
            caller = store.keys.authenticate(first.api_key, first.secret)
            token = store.sessions.create_link(caller)
            say(
                f"Or sign in with this link, which works once, within ten minutes: {url}/sign-in#{token}"
            )
    say(f"API description: {url}/api/docs")
    sys.stdout.flush()


def data_text(settings: Any) -> str:
    """Location of a stack's data, without a password."""
    where = settings.database or settings.data if settings.database_file else "PostgreSQL"
    return str(where)


def interrupt(*_: object) -> None:
    """End the process as Ctrl-C does; a handler of signals."""
    raise KeyboardInterrupt


def show_key(key: Any, url: str | None, *, as_json: bool) -> None:
    """Print a new key on standard output, the only time that its secret is shown."""
    if as_json:
        fields = {"api_key": key.api_key, "secret": key.secret, "name": key.name, "role": key.role}
        print_json(fields | ({"url": url} if url else {}))
        return
    say(f"the secret of {key.name!r} (role {key.role}) is shown only once; in a shell, run:")
    tell(f"export LAYERNEXT_API_KEY={key.api_key}")
    tell(f"export LAYERNEXT_SECRET={key.secret}")
    if url:
        tell(f"export LAYERNEXT_URL={url}")


def check_address(host: str, port: int) -> None:
    """Check that the stack can listen on the address.

    Raises:
        ConfigurationError: it cannot; the message says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.closing(socket.socket(family, kind, protocol)) as probe:
            if os.name == "posix":
                # As the server does; without it a port is taken for a minute after a stop.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _reachable(host: str) -> str:
    """The host part of a URL under which this machine finds what listens on `host`."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognized, not bound
    host = everywhere.get(host, host)
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
