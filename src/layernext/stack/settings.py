"""How a stack is set up. Filled in by whoever starts one: the command line, or a test."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from layernext.errors import ConfigurationError

DATABASE_FILE = "stack.sqlite3"
OBJECTS_FOLDER = "objects"


class OidcSettings(Struct, frozen=True, kw_only=True):
    """The OpenID Connect provider that people sign in with.

    Attributes:
        issuer: its URL, without the path of its discovery document.
        client_id: of the stack, as the provider knows it.
        client_secret: likewise; None for a public client.
        default_role: in the whole stack, of a person who signs in for the first time.
        domains: only people with a verified email address of one of these; empty for all.
    """

    issuer: str
    client_id: str
    client_secret: str | None = None
    default_role: Literal["none", "read", "write"] = "none"
    domains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what was set.

        Raises:
            ConfigurationError: the issuer is not a URL that can be trusted.
        """
        try:
            parts = urlsplit(self.issuer)
            host = parts.hostname
        except ValueError as error:
            raise ConfigurationError(f"the issuer {self.issuer!r} is not a URL: {error}") from error
        is_here = host in {"localhost", "127.0.0.1", "::1"}
        if not host or parts.query or parts.fragment:
            raise ConfigurationError(f"the issuer {self.issuer!r} is not the URL of a provider")
        if parts.scheme != "https" and not (is_here and parts.scheme == "http"):
            raise ConfigurationError(
                f"the issuer {self.issuer!r} must begin with https://, unless it is on this machine"
            )
        if not self.client_id:
            raise ConfigurationError(
                "OpenID Connect needs a client id", hint="pass --oidc-client-id"
            )

    @property
    def host(self) -> str:
        """What people call the provider."""
        return urlsplit(self.issuer).hostname or ""


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one stack.

    Attributes:
        data: the folder that holds everything of an embedded stack.
        host, port: where it listens; port 0 takes any free one.
        database: a ``postgresql://`` or ``sqlite:///`` URL; None is SQLite in `data`.
        objects: URL of a bucket for uploaded files: ``s3://``, ``gs://`` or ``az://``; None is a folder in
            `data`. Credentials come from the environment.
        objects_options: for that store, such as ``endpoint``.
        jobs: whether jobs and housekeeping run in the server; else ``layernext worker`` runs them.
        engine: where the parts of large jobs are worked on: ``processes`` of this machine, or a Dask cluster,
            ``dask://HOST:PORT``.
        native: whether it speaks the native protocol beside the published one.
        metrics: whether administrators can read metrics at ``/metrics``.
        traces: URL of the collector that traces are sent to; None sends none.
        quiet: no access log.
        log_format: of the log on standard error: for people, or one JSON object a line.
        max_body_bytes: of one published request, decompressed. The published clients limit their
            requests by images, not by bytes; beyond memory such a body goes to a temporary file.
        max_file_bytes: of one uploaded file.
        public_url: how clients reach the stack, such as ``https://stack.example.org``. Every absolute URL
            that the stack hands out begins with it; None takes what the request's headers say.
        ingest_slots: batches that are decoded and stored at a time. Together with the size of a
            batch this bounds the memory; more than a few gain nothing.
        download_slots: downloads at a time; each holds a connection to the database.
        transfer_slots: files, or parts of them, that come in or go out at a time, each.
        idle_timeout_s: a client that neither sends nor takes anything for so long is dropped; in a
            download, after 10 s already while another download waits for its place.
        strict_metadata: only metadata fields and tags that were declared are taken.
        purge_trash_after_days: what has been in the trash for so long is removed for good; None never.
        rate_limit: requests a second that a key may send; None for any number. A key may have a rate of
            its own.
        uploads_per_key: uploads at a time that a key may have: batches, bundles of files, files of
            annotations, and large files or their parts.
        audit_days: entries of the audit log that are older are deleted.
        oidc: the provider that people sign in with, beside API keys; None for none.
        trusted_proxies: addresses or networks of proxies whose ``X-Forwarded-For`` is believed.
        stop_timeout_s: what requests in flight get to finish after SIGTERM.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    database: str | None = None
    objects: str | None = None
    objects_options: dict[str, str] = {}
    jobs: bool = True
    engine: str = "processes"
    native: bool = True
    metrics: bool = False
    traces: str | None = None
    quiet: bool = False
    log_format: Literal["text", "json"] = "text"
    max_body_bytes: int = 1 << 30
    max_file_bytes: int = 64 << 30
    public_url: str | None = None
    ingest_slots: int = 3
    download_slots: int = 8
    transfer_slots: int = 16
    idle_timeout_s: float = 120.0
    strict_metadata: bool = False
    purge_trash_after_days: float | None = None
    rate_limit: float | None = None
    uploads_per_key: int = 256
    audit_days: float = 365.0
    oidc: OidcSettings | None = None
    trusted_proxies: tuple[str, ...] = ()
    stop_timeout_s: int = 30

    def __post_init__(self) -> None:
        """Check what was set.

        Raises:
            ConfigurationError: `public_url` is not the URL of a server, or a proxy is not an address.
        """
        read_networks(self.trusted_proxies)
        if self.public_url is not None:
            check_public_url(self.public_url)

    @property
    def objects_folder(self) -> Path:
        """The folder of uploaded files, where they are in no bucket."""
        return self.data / OBJECTS_FOLDER

    @property
    def database_url(self) -> str:
        """The URL that the store is opened with."""
        return self.database or f"sqlite:///{self.data / DATABASE_FILE}"

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None for PostgreSQL."""
        prefix = "sqlite:///"
        url = self.database_url
        return Path(url.removeprefix(prefix)) if url.startswith(prefix) else None


def read_networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks, such as ``10.0.0.7`` and ``10.0.0.0/8``.

    Raises:
        ConfigurationError: one is neither.
    """
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise ConfigurationError(
            f"a trusted proxy is not an address or network: {error}"
        ) from error


def check_public_url(url: str) -> None:
    """Refuse a URL that links cannot begin with.

    Raises:
        ConfigurationError: and why.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"the public URL {url!r} is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        problem = "must begin with http:// or https:// and a host"
    elif not url.isascii() or not url.isprintable() or " " in url:
        problem = "must have only printable ASCII characters and no spaces"
    elif "@" in parts.netloc:
        problem = "must not have a user name or password"
    elif parts.path.strip("/") or "?" in url or "#" in url:
        problem = "must not have a path or query: a stack is served at the root of its host"
    else:
        return
    raise ConfigurationError(f"the public URL {url!r} {problem}")
