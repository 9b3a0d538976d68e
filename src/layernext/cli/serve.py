"""`layernext serve`: the stack in this process."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer

from layernext.cli.output import print_json, say
from layernext.cli.stack_extra import load_stack

DEFAULT_PORT = 8750

DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Folder that holds the stack's data.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="LAYERNEXT_DATABASE",
        show_envvar=True,
        help="postgresql://… instead of the embedded database.",
    ),
]


def data_folder(given: Path | None) -> Path:
    """The folder that was given, or the per-user one."""
    return (given or Path(platformdirs.user_data_dir("layernext"))).expanduser().absolute()


def serve(
    data: DataFolder = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")
    ] = DEFAULT_PORT,
    database: DatabaseUrl = None,
    published_only: Annotated[
        bool, typer.Option("--published-only", help="Leave the native protocol out.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No access log.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a first key as a JSON document.")
    ] = False,
) -> None:
    """Start a stack. The first start makes an API key and shows it once.

    Everything is kept in one folder, unless --database names a PostgreSQL database. Ctrl-C or
    SIGTERM ends it: requests in flight finish first.

    Examples:

        layernext serve

        layernext serve --data ./stack --port 8800

        layernext serve --host 0.0.0.0 --database postgresql://layernext@db.internal/layernext
    """
    app: Any = load_stack()
    settings = app.Settings(
        data=data_folder(data),
        host=host,
        port=port,
        database=database,
        native=not published_only,
        quiet=quiet,
    )
    store, first = app.open_stack(settings)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if first is not None:
        show_key(first, url, as_json=as_json)
    if not _is_loopback(host):
        say("note: other machines can reach this; put a proxy with TLS in front of it")
    say(f"LayerNext stack on {url}, data in {database and 'PostgreSQL' or settings.data}")
    say(f"API description: {url}/api/docs")
    app.serve(store, settings)


def show_key(key: Any, url: str | None, *, as_json: bool) -> None:
    """Print a new key on standard output: the only time its secret is seen."""
    if as_json:
        fields = {"api_key": key.api_key, "secret": key.secret, "name": key.name, "role": key.role}
        print_json(fields | ({"url": url} if url else {}))
        return
    say(f"this is the only time the secret of {key.name!r} ({key.role}) is shown:")
    typer.echo(f"export LAYERNEXT_API_KEY={key.api_key}")
    typer.echo(f"export LAYERNEXT_SECRET={key.secret}")
    if url:
        typer.echo(f"export LAYERNEXT_URL={url}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
