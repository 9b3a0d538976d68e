"""Progress of long work: a bar on a terminal, nothing elsewhere, or a callback of the user."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from layernext.client.cancellation import go_on_unless_cancelled, is_cancelled

ProgressChoice: TypeAlias = bool | Callable[[str, int, int | None], None] | None
"""None: a bar if standard error is a terminal. True or False: always or never a bar. A callable
gets what is being done, images (of files: bytes) done so far, and how many in all (None if
unknown)."""

Advance: TypeAlias = Callable[[int], None]

Unit: TypeAlias = Literal["images", "bytes", "percent"]
"""What is counted; bytes are shown with their rate."""


@contextmanager
def show_progress(
    choice: ProgressChoice, what: str, total: int | None, *, unit: Unit = "images"
) -> Iterator[Advance]:
    """Give a function to call with the number of images, or bytes, just done.

    It is also where work ends of which the caller has cancelled the call.
    """
    with _shown(choice, what, total, unit) as advance:
        if is_cancelled.get() is None:
            yield advance
            return

        def go_on(count: int) -> None:
            go_on_unless_cancelled()
            advance(count)

        yield go_on


@contextmanager
def _shown(choice: ProgressChoice, what: str, total: int | None, unit: Unit) -> Iterator[Advance]:
    if callable(choice):
        done = 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            choice(what, done, total)

        yield tell
        return
    if choice is False or (choice is None and not sys.stderr.isatty()):
        yield lambda _count: None
        return
    # rich costs time to import; only a bar needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    counts = {
        "bytes": (DownloadColumn(), TransferSpeedColumn()),
        "images": (MofNCompleteColumn(), TextColumn("images")),
        "percent": (TaskProgressColumn(),),
    }[unit]
    columns = (
        TextColumn("{task.description}", markup=False),  # names are no markup
        BarColumn(),
        *counts,
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # A bar that has done its work leaves a terminal, and stays in a log.
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
