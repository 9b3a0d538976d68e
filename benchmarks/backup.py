"""Backup and restore of a stack, beside a plain copy of the same bytes.

    python3 dev.py bench --backup                 5,000 files of 50 KB and 500,000 annotations
    python3 dev.py bench --backup --files 50000

Each command runs as a user runs it, in a process of its own, beside the stack that serves. `cp -r` copies the
data folder and flushes it to the disk with `sync`, as a backup flushes what it writes. Data is in the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthetic import write_run

from layernext import LayerNextClient

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.stack_process import COMMAND, running_stack

FILE_BYTES = 50_000
BOXES = 100


def fill(arguments: tuple[str, str, str], folder: Path, count: int) -> None:
    """Files of random bytes, and a run with `BOXES` annotations on each of as many images."""
    files = folder / "files"
    files.mkdir()
    for number in range(count):
        (files / f"{number:012d}.bin").write_bytes(os.urandom(FILE_BYTES))
    run = write_run(folder / "run.json", count, BOXES)
    with LayerNextClient(*arguments) as client:
        client.files.upload(files, "other", "files", progress=False)
        client.upload_modelrun("images", "run", run, progress=False)


def timed(what: str, command: list[str]) -> None:
    """Run a command, and print its seconds by the clock and of the processor."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{what}: {done.stderr}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rss = after.ru_maxrss // 1024
    print(
        f"{what:20} {seconds:7.2f} s  processor {processor:6.2f} s  memory up to {rss:4,} MB",
        flush=True,
    )


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Fill a stack, copy it, back it up, restore it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="layernext-backup-", dir=options.folder))
    data, target = folder / "stack", folder / "backups"
    try:
        with running_stack(data) as stack:
            fill(stack.arguments, folder, options.files)
            time.sleep(5)
            print(f"{options.files:,} files, {options.files * BOXES:,} annotations:", end=" ")
            print(f"{size_of(data) / 1e6:,.0f} MB in the data folder", flush=True)
            copy = f"cp -r {data} {folder / 'copy'} && sync -f {folder / 'copy'}"
            timed("cp -r and sync", ["sh", "-c", copy])
            backup = [*COMMAND, "backup", str(target), "--data", str(data)]
            timed("backup", backup)
            timed("again, nothing new", backup)
            timed("verify", [*COMMAND, "backups", "verify", str(target)])
            restore = [*COMMAND, "restore", str(target), "--data", str(folder / "restored")]
            timed("restore", restore)
            timed("check", [*COMMAND, "check", "--data", str(data)])
            timed("check --checksums", [*COMMAND, "check", "--checksums", "--data", str(data)])
        print(f"{size_of(target) / 1e6:,.0f} MB in the backup of two snapshots")
        listed = subprocess.run(
            [*COMMAND, "backups", "list", str(target), "--json"], capture_output=True, check=True
        )
        print(f"rows: {json.loads(listed.stdout)[-1]['rows']:,}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
