"""`layernext worker`: runs the jobs of a stack without serving it."""

from __future__ import annotations

import os
import signal
from typing import Any

from layernext.cli.output import say
from layernext.cli.serve import (
    AuditDays,
    DatabaseUrl,
    DataFolder,
    LogFormat,
    ObjectsEndpoint,
    ObjectsUrl,
    PurgeTrashAfter,
    Traces,
    data_folder,
    data_text,
    interrupt,
)
from layernext.cli.stack_extra import load_stack


def worker(
    data: DataFolder = None,
    database: DatabaseUrl = None,
    objects: ObjectsUrl = None,
    objects_endpoint: ObjectsEndpoint = None,
    purge_trash_after: PurgeTrashAfter = None,
    audit_days: AuditDays = 365.0,
    traces: Traces = None,
    log_format: LogFormat = "text",
) -> None:
    """Run the jobs of a stack without serving it.

    Pass the --data, --database and --objects of the server. Any number of workers may share a
    PostgreSQL database; with SQLite, they must run on the server's machine. Ctrl-C or SIGTERM
    stops the worker, and its jobs are queued again for another one.

    Examples:

        layernext serve --data ./stack --jobs off

        layernext worker --data ./stack
    """
    app: Any = load_stack()
    signal.signal(signal.SIGTERM, interrupt)
    settings = app.Settings(
        data=data_folder(data),
        database=database,
        objects=objects,
        objects_options={"endpoint": objects_endpoint} if objects_endpoint else {},
        purge_trash_after_days=purge_trash_after,
        audit_days=audit_days,
        traces=traces or None,
        log_format=log_format,
    )
    # As in serve: whatever is written is for this user alone.
    os.umask(0o077)
    app.set_up_logging(settings)
    store = app.open_store(settings)
    say(f"LayerNext worker, data in {data_text(settings)}")
    app.work(store, settings)
