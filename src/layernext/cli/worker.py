"""`layernext worker`: runs the jobs of a stack without serving it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from layernext.cli.option_groups import OptionGroup
from layernext.cli.output import say
from layernext.cli.serve import Housekeeping, data_text, interrupt
from layernext.cli.stack_extra import load_stack
from layernext.cli.stack_location import StackLocation
from layernext.model import counted


@dataclass(frozen=True)
class Cluster(OptionGroup):
    """How a worker takes part in a cluster."""

    panel = "Cluster"

    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            help="With --engine dask://…: how many worker processes. Default: one for each processor.",
        ),
    ] = None
    name: Annotated[
        str | None,
        typer.Option("--name", help="With --engine dask://…: name of the workers in the cluster."),
    ] = None


def worker(*, stack: StackLocation, housekeeping: Housekeeping, cluster: Cluster) -> None:
    """Run the jobs of a stack without serving it.

    Pass the --data, --database and --objects of the server. Any number of workers may share a
    PostgreSQL database; with SQLite, they must run on the server's machine. Ctrl-C or SIGTERM
    stops the worker, and its jobs are queued again for another one.

    With --engine dask://HOST:PORT, the worker joins that Dask cluster and computes parts of the jobs
    of servers with the same --engine. It needs --database, but not the files.

    Examples:

        layernext serve --data ./stack --jobs off

        layernext worker --data ./stack

        layernext worker --engine dask://scheduler:8786 --database postgresql://layernext@db.internal/layernext
    """
    app: Any = load_stack()
    signal.signal(signal.SIGTERM, interrupt)
    settings = stack.settings(**housekeeping.settings())
    # As in serve: whatever is written is for this user alone.
    os.umask(0o077)
    app.set_up_logging(settings)
    store = app.open_store(settings)
    if settings.engine != "processes":
        processes = cluster.processes or os.cpu_count() or 1
        say(
            f"{counted(processes, 'LayerNext worker')} of {settings.engine}, data in {data_text(settings)}"
        )
        app.help_cluster(store, settings, processes, cluster.name)
        return
    say(f"LayerNext worker, data in {data_text(settings)}")
    app.work(store, settings)
