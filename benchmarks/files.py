"""Files up and down: our SDK, the published client, plain curl, and the disk, in one run.

    python3 dev.py bench --files            10,000 images of 50 KB, and one file of 1 GiB
    python3 dev.py bench --files --large    and one file of 5 GiB

Starts a stack on an empty folder for each client. The published client (`layernext` 1.1.1) gets fewer
small files, because it is slow, and is compared by files/s. *curl* sends the same bytes to a server on
loopback that throws them away, or has them from one that makes no effort: the limit of the machine
without a disk; *curl, disk* is the plain copy: written to the disk and flushed at the other end. *disk* writes
the bytes into one file and flushes it. Memory is private, the peak, in MB.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loopback import running_server
from upload import DATA as USUAL_DATA
from upload import MemoryPeak, RunningStack, published_python, running_stack

DATA = Path(os.environ.get("LAYERNEXT_BENCH_DATA", USUAL_DATA))
SMALL_BYTES = 50_000
LARGE = {"medium": 1 << 30, "large": 5 << 30}

OURS_UP = """
import sys, layernext
url, key, secret, kind, source = sys.argv[1:]
with layernext.LayerNextClient(key, secret, url) as client:
    client.files.upload(source, kind, "bench", progress=False)
"""
OURS_DOWN = """
import sys, layernext
url, key, secret, kind, target = sys.argv[1:]
with layernext.LayerNextClient(key, secret, url) as client:
    client.files.download("bench", target, content_type=kind, progress=False)
"""
THEIRS_UP = """
import sys, layernext
url, key, secret, kind, source = sys.argv[1:]
client = layernext.LayerNextClient(key, secret, url)
client.files.upload(source, kind, "bench")
"""
THEIRS_DOWN = """
import sys, layernext, requests, base64
url, key, secret, kind, target = sys.argv[1:]
client = layernext.LayerNextClient(key, secret, url)
answer = requests.post(url + "/datalake/api/client/metadata/getCollectionIdByName",
                       json={"collectionName": "bench", "objectType": 5}, auth=(key, secret))
client.collections.download(answer.json()["collectionId"], custom_download_path=target)
"""


@dataclass
class Row:
    """One measurement."""

    who: str
    files: int
    size: int
    seconds: float
    client_mb: float = 0.0
    stack_mb: float = 0.0

    @property
    def files_per_second(self) -> float:
        return self.files / self.seconds

    @property
    def mb_per_second(self) -> float:
        return self.size / 1e6 / self.seconds


def show(title: str, rows: list[Row]) -> None:
    print(f"\n{title}")
    print(f"{'':26}{'files/s':>10}{'MB/s':>8}{'seconds':>9}{'client MB':>11}{'stack MB':>10}")
    for row in rows:
        print(
            f"{row.who:26}{row.files_per_second:10,.1f}{row.mb_per_second:8,.0f}{row.seconds:9.2f}"
            f"{row.client_mb:11.0f}{row.stack_mb:10.0f}",
            flush=True,
        )


def write_small(folder: Path, count: int) -> None:
    """Pictures that decode, each of its own content."""
    import io  # noqa: PLC0415 - only here

    from PIL import Image  # noqa: PLC0415 - only here

    folder.mkdir()
    buffer = io.BytesIO()
    Image.effect_noise((96, 96), 60).convert("RGB").save(buffer, "JPEG", quality=85)
    head = buffer.getvalue()
    for number in range(count):
        rest = os.urandom(SMALL_BYTES - len(head))
        (folder / f"{number:06}.jpg").write_bytes(head + rest)


def write_large(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))


def run_client(who: str, python: Path, script: str, stack: RunningStack, kind: str, path: Path,
               files: int, size: int) -> Row:  # fmt: skip
    isolation = [] if python == Path(sys.executable) else ["-I"]
    os.sync()
    stack_memory = MemoryPeak(stack.pid)
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(python), *isolation, "-c", script, stack.url, stack.api_key, stack.secret, kind, str(path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "NO_PROXY": "*"},
    )  # fmt: skip
    memory = MemoryPeak(process.pid)
    if process.wait() != 0:
        raise SystemExit(f"{who} failed")
    seconds = time.perf_counter() - started
    return Row(who, files, size, seconds, memory.stop(), stack_memory.stop())


def check_stored(stack: RunningStack, kind: str, files: int, size: int) -> None:
    """All of it is there, and the stack has inspected it."""
    import layernext  # noqa: PLC0415 - the limits are measured without it

    with layernext.LayerNextClient(stack.api_key, stack.secret, stack.url) as client:
        while True:
            rows = client.files.list("bench", content_type=kind)
            if all(row.state != "pending" for row in rows):
                break
            time.sleep(0.5)
        if (len(rows), sum(row.size for row in rows)) != (files, size):
            raise SystemExit(f"{len(rows)} of {files} files are stored")


def check_files(folder: Path, files: int, size: int) -> None:
    found = [
        each for each in folder.rglob("*") if each.is_file() and each.suffix in {".jpg", ".bin"}
    ]
    if (len(found), sum(each.stat().st_size for each in found)) != (files, size):
        raise SystemExit(f"{len(found)} of {files} files came")


def both_ways(who: str, python: Path, up: str, down: str | None, kind: str, source: Path,
              files: int, size: int) -> Iterator[Row]:  # fmt: skip
    folder = scratch()
    with running_stack(folder) as stack:
        yield run_client(f"{who} up", python, up, stack, kind, source, files, size)
        check_stored(stack, kind, files, size)
        if down is None:
            return
        target = folder / "target"
        yield run_client(f"{who} down", python, down, stack, kind, target, files, size)
        check_files(target, files, size)


def curl(who: str, config: str, files: int, size: int) -> Row:
    """Curl with a list of transfers, eight at a time."""
    with tempfile.NamedTemporaryFile("w", suffix=".curl") as file:
        file.write(config)
        file.flush()
        os.sync()
        started = time.perf_counter()
        subprocess.run(
            ["curl", "-sSf", "--no-progress-meter", "--parallel", "--parallel-max", "8", "-K", file.name],
            check=True, stdout=subprocess.DEVNULL, env={**os.environ, "NO_PROXY": "*"},
        )  # fmt: skip
        return Row(who, files, size, time.perf_counter() - started)


KEPT = ExitStack()
"""Folders are deleted after the last measurement: disks take much longer for blocks that were never
written to than for those of a file that has just been deleted, so all measurements get fresh ones."""


def scratch() -> Path:
    return Path(KEPT.enter_context(tempfile.TemporaryDirectory(dir=DATA)))


def curl_rows(sources: list[Path]) -> Iterator[Row]:
    """To a server that throws away, to one that writes; from one that sends, to nowhere and the disk."""
    files, size = len(sources), sum(each.stat().st_size for each in sources)
    for who, flushes in (("curl up", False), ("curl up, disk", True)):
        folder = scratch() if flushes else None
        with running_server(folder) as url:
            lines = (f'upload-file = "{p}"\nurl = "{url}/{p.name}"\n' for p in sources)
            yield curl(who, "".join(lines), files, size)
    with running_server(sources[0].parent) as url:
        lines = (f'url = "{url}/{p.name}"\noutput = "/dev/null"\n' for p in sources)
        yield curl("curl down", "".join(lines), files, size)
        folder = scratch()
        lines = (f'url = "{url}/{p.name}"\noutput = "{folder / p.name}"\n' for p in sources)
        row = curl("curl down, disk", "".join(lines), files, size)
        started = time.perf_counter()
        os.sync()
        row.seconds += time.perf_counter() - started
        yield row


def disk_row(size: int) -> Row:
    """Write the bytes into one file and flush it."""
    block = os.urandom(1 << 20)
    os.sync()
    with (scratch() / "bytes").open("wb") as file:
        started = time.perf_counter()
        for at in range(0, size, len(block)):
            file.write(block[: size - at])
        file.flush()
        os.fsync(file.fileno())
        return Row("disk", 1, size, time.perf_counter() - started)


def ratio(rows: list[Row], one: str, other: str, what: str) -> None:
    found = {row.who: row for row in rows}
    if one in found and other in found:
        value = getattr(found[one], what) / getattr(found[other], what)
        print(f"{one} / {other}: {value:.2f} x {what.replace('_', ' ')}")


def bench_small(count: int, published: int) -> None:
    with KEPT:
        folder = scratch()
        source = folder / "images"
        write_small(source, count)
        sources = sorted(source.iterdir())
        size = count * SMALL_BYTES
        rows = [disk_row(size), *curl_rows(sources)]
        rows += both_ways("ours", Path(sys.executable), OURS_UP, OURS_DOWN, "image", source, count, size)  # fmt: skip
        if published:
            for each in sources[published:]:
                each.unlink()
            rows += both_ways("published", published_python(), THEIRS_UP, THEIRS_DOWN, "image", source,
                              published, published * SMALL_BYTES)  # fmt: skip
        show(f"{count:,} images of {SMALL_BYTES:,} bytes (published: {published:,})", rows)
        for way in ("up", "down"):
            ratio(rows, f"ours {way}", f"published {way}", "files_per_second")
            ratio(rows, f"ours {way}", f"curl {way}, disk", "files_per_second")


def bench_large(size: int, *, published: bool) -> None:
    with KEPT:
        folder = scratch()
        source = folder / "large.bin"
        write_large(source, size)
        rows = [disk_row(size), *curl_rows([source])]
        rows += both_ways(
            "ours", Path(sys.executable), OURS_UP, OURS_DOWN, "other", source, 1, size
        )
        if published:
            rows += both_ways("published", published_python(), THEIRS_UP, None, "other", source, 1, size)  # fmt: skip
        show(f"one file of {size / (1 << 30):g} GiB", rows)
        for way in ("up", "down"):
            ratio(rows, f"ours {way}", f"curl {way}, disk", "mb_per_second")
            ratio(rows, f"ours {way}", "disk", "mb_per_second")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", action="store_true", help="this benchmark")
    parser.add_argument("--large", action="store_true", help="also one file of 5 GiB")
    parser.add_argument("--count", type=int, default=10_000, help="small images")
    parser.add_argument(
        "--published", type=int, default=1_000, help="of these for the published client"
    )
    options = parser.parse_args()
    if shutil.which("curl") is None:
        raise SystemExit("this benchmark needs curl")
    DATA.mkdir(exist_ok=True)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}")
    if options.count:
        bench_small(options.count, options.published)
    bench_large(LARGE["medium"], published=bool(options.published))
    if options.large:
        bench_large(LARGE["large"], published=False)


if __name__ == "__main__":
    main()
