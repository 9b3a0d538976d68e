"""The demo's stack: `layernext serve` as a process of its own, on a free loopback port."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from layernext.errors import ConfigurationError

START_SECONDS = 60
STOP_SECONDS = 30

SERVE_VARIABLES = {"LAYERNEXT_DATABASE", "LAYERNEXT_OBJECTS", "LAYERNEXT_PUBLIC_URL"}
"""Settings of `layernext serve` that may come from the environment."""

SIGN_IN_LINKS_PATH = "/api/v1/sign-in-links"


class DemoStack(Struct, frozen=True):
    """A running stack and its first key."""

    url: str
    api_key: str
    secret: str
    process: subprocess.Popen[bytes]


@contextmanager
def running_stack(folder: Path) -> Iterator[DemoStack]:
    """A stack that runs while the block does, with its data in `folder`.

    Raises:
        ConfigurationError: it did not start, and why.
    """
    folder.mkdir()
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    key_file, log_file = folder / "key.json", folder / "stack.log"
    command = [sys.executable, "-m", "layernext.cli", "serve", "--json", "--data", str(folder)]
    # The key belongs to this stack; what is set for the user's own stack must not reach it.
    environment = {k: v for k, v in os.environ.items() if k not in SERVE_VARIABLES}
    with key_file.open("wb") as out, log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - this very program
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=out,
            stderr=log,
            env=environment,
            # Ctrl-C is for the demo, which then stops the stack.
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, url, log_file)
        key = json.loads(key_file.read_bytes())
        yield DemoStack(url, key["api_key"], key["secret"], process)
    finally:
        _stop(process)


def sign_in_link(stack: DemoStack) -> str:
    """A URL that signs one browser in to the stack's pages, once."""
    credentials = base64.b64encode(f"{stack.api_key}:{stack.secret}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - our own URL
        stack.url + SIGN_IN_LINKS_PATH,
        method="POST",
        headers={"Authorization": f"Basic {credentials}"},
    )
    with _opener().open(request, timeout=START_SECONDS) as answer:
        url: str = json.load(answer)["url"]
    return url


def _opener() -> urllib.request.OpenerDirector:
    # A proxy that the environment names has no business with the loopback interface.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    opener = _opener()
    while time.monotonic() < deadline and process.poll() is None:
        try:
            opener.open(f"{url}/ready", timeout=1).close()
        except OSError:  # noqa: PERF203 - waiting is what this loop is for
            time.sleep(0.05)
        else:
            return
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no reason stated"]
    raise ConfigurationError(f"the demo's stack did not start: {last[0]}")
