"""A stack as users run it: `layernext serve`, its own process, a folder, a loopback port."""

from __future__ import annotations

import fcntl
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from layernext.stack.app import Settings, open_store
from layernext.stack.store.access.records import Role
from tests.support.preloaded import PreloadedProcess, run_command_line

COMMAND = [sys.executable, "-m", "layernext.cli"]
START_SECONDS = 240


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def create_key(folder: Path, role: Role = "admin", database: str | None = None) -> tuple[str, str]:
    """Make an API key on the stack's data folder: what `layernext keys create` does, but quicker.

    A process of its own would take longer to import the stack than a server takes to start.
    """
    store = open_store(Settings(data=folder, database=database))
    try:
        key = store.keys.create(f"test {role}", role)
    finally:
        store.close()
    return key.api_key, key.secret


@dataclass
class StackProcess:
    """A stack that can be started, stopped, killed and started again on the same folder.

    Attributes:
        command: the program and its first arguments, if it is not `layernext` as it is.
    """

    folder: Path
    database: str | None = None
    native: bool = True
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    api_key: str = ""
    secret: str = ""
    process: PreloadedProcess | subprocess.Popen[bytes] | None = None
    command: list[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def arguments(self) -> tuple[str, str, str]:
        """What the clients' constructors take."""
        return self.api_key, self.secret, self.url

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.api_key:
            self.api_key, self.secret = create_key(self.folder, database=self.database)
        where = ["--data", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)]
        if self.database:
            where += ["--database", self.database]
        if not self.native:
            where.append("--published-only")
        where += self.options
        log = self.folder / "serve.log"
        if self.command is None:
            self.process = PreloadedProcess(run_command_line, "serve", *where, log=log)
        else:
            with log.open("ab") as output:
                self.process = subprocess.Popen(
                    [*self.command, "serve", *where], stdout=output, stderr=output
                )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/ready", timeout=10).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self.folder / "serve.log").read_text())

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(180)


@contextmanager
def running_stack(
    folder: Path,
    *options: str,
    database: str | None = None,
    native: bool = True,
    command: list[str] | None = None,
) -> Iterator[StackProcess]:
    """A stack that runs while the block does."""
    stack = StackProcess(folder, database=database, native=native, options=options, command=command)
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()


def published_environment(name: str, requirement: str) -> Path:
    """The interpreter of a virtual environment that holds one published client, unchanged.

    Made once, beside the checkout's other environments; safe when several processes ask at once.
    """
    home = Path(__file__).parents[2] / f".venv-{name}"
    python = home / "bin" / "python"
    ready = home / "ready"
    # Whoever comes second waits; the lock of a process that was killed is free.
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            # With this environment's pip, and modules compiled when they are used: half the time.
            venv = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(home)]
            pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
            pip += ["--constraint", str(home.with_name("constraints.txt"))]
            subprocess.run(venv, check=True)
            subprocess.run([*pip, "--quiet", "--no-compile", requirement], check=True)
            ready.touch()
    return python
