"""`layernext worker`: runs the jobs of a stack without serving it."""

from __future__ import annotations

import os
import signal
from typing import Any

from layernext.cli.output import say
from layernext.cli.serve import Housekeeping, data_text, interrupt
from layernext.cli.stack_extra import load_stack
from layernext.cli.stack_location import StackLocation


def worker(*, stack: StackLocation, housekeeping: Housekeeping) -> None:
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
    settings = stack.settings(**housekeeping.settings())
    # As in serve: whatever is written is for this user alone.
    os.umask(0o077)
    app.set_up_logging(settings)
    store = app.open_store(settings)
    say(f"LayerNext worker, data in {data_text(settings)}")
    app.work(store, settings)
