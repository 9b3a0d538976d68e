"""Starts stacks in processes that have imported them already.

Each new interpreter spends more than a second of processor time on imports, which a suite with
hundreds of stacks feels. A fork server imports them once. What runs is the same program, in a
process of its own, which can be signaled and killed like any other.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = [
    "layernext.cli.app",
    "layernext.cli.serve",
    "layernext.stack.app",
    "layernext.stack.jobs.handlers",
    "litestar.plugins.attrs",
    "litestar.plugins.pydantic",
    "psycopg",
    "sqlalchemy.dialects.sqlite",
    "typer._adapters",
    "typer.rich_utils",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
]
_running: set[BaseProcess] = set()
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(PRELOADED)


class PreloadedProcess:
    """A process that calls a function: the part of `subprocess.Popen` that tests use.

    Args:
        function, arguments: what runs; both can be pickled.
        log: the file that its standard output and error are appended to.
        errors: a file of their own for errors.
        folder: where it runs; by default where this process does.
        environment: its variables; by default those of this process.
    """

    def __init__(
        self,
        function: Callable[..., None],
        *arguments: object,
        log: Path,
        errors: Path | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        files = (str(log), str(errors or log))
        surroundings = (str(folder or Path.cwd()), dict(environment or os.environ))
        self._process = _context.Process(
            target=_run, args=(function, arguments, files, *surroundings)
        )
        self._process.start()
        _running.add(self._process)

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; none while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit code; none while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        _running.discard(self._process)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)


def _run(
    function: Callable[..., None],
    arguments: tuple[object, ...],
    files: tuple[str, str],
    folder: str,
    environment: dict[str, str],
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(files, 1):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    function(*arguments)


def run_command_line(*arguments: str) -> None:
    """The command `layernext` with these arguments."""
    from layernext.cli import main

    sys.argv = ["layernext", *arguments]
    main()


def completed_command(
    arguments: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float,
) -> subprocess.CompletedProcess[str]:
    """What `layernext` prints with these arguments, and its exit code.

    Raises:
        subprocess.TimeoutExpired: it has not ended after so many seconds.
    """
    with tempfile.TemporaryDirectory() as printed:
        log, errors = Path(printed, "stdout"), Path(printed, "stderr")
        process = PreloadedProcess(
            run_command_line,
            *arguments,
            log=log,
            errors=errors,
            folder=folder,
            environment=environment,
        )
        code = process.wait(seconds)
        texts = [path.read_text(encoding="utf-8") for path in (log, errors)]
    return subprocess.CompletedProcess(list(arguments), code, *texts)


@atexit.register
def _end_those_left() -> None:
    for process in _running:
        process.kill()
