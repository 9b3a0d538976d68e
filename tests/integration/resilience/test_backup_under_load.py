"""A backup of a stack that works hard: killed, resumed, restored elsewhere, and everything compared.

Clients upload files and annotations, trash and purge all the while. The backup is killed, then the stack is
killed under the next one. Both kinds of database and both kinds of store are gone from, and gone to.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from layernext import ImageAnnotations, LayerNextClient, LayerNextError, Rectangle
from layernext.stack.app import Settings, open_database, open_objects
from layernext.stack.backup import Target
from layernext.stack.store import Database
from layernext.stack.store.schema import file_item, file_part
from tests.contract.backup.stacks import rows_of
from tests.support.postgres import postgres_database
from tests.support.preloaded import PreloadedProcess, completed_command, run_command_line
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import StackProcess

__all__ = ["s3_server"]

SEED = 8
FIRST_FILES = 200
FILES_A_ROUND = 6
LARGE_BYTES = 5_000_000
"""Beyond what a backup holds in memory."""
ROUNDS_BEFORE = 3
IMAGES = 30
KILL_ATTEMPTS = 20
HANG_SECONDS = 300


def content_of(name: str) -> bytes:
    """What a file of this name contains: nobody has to remember it."""
    digest = hashlib.sha256(name.encode()).digest()
    size = LARGE_BYTES if name.startswith("large") else 20_000 + int.from_bytes(digest[:2], "big")
    return (digest * (size // 32 + 1))[:size]


def annotations(label: str) -> list[ImageAnnotations]:
    boxes = [Rectangle(label=label, bbox=(n, 2, 3.25, 0.1 + 0.2)) for n in range(20)]
    return [ImageAnnotations(image=f"{n}.jpg", annotations=boxes) for n in range(IMAGES)]


@dataclass
class StackData:
    """Where a stack's data is, and how the command line names that."""

    folder: Path
    database: str | None
    objects: str | None
    endpoint: str

    @property
    def options(self) -> list[str]:
        return [
            "--data",
            str(self.folder),
            *(["--database", self.database] if self.database else []),
            *(
                ["--objects", self.objects, "--objects-endpoint", self.endpoint]
                if self.objects
                else []
            ),
        ]

    def stack(self) -> StackProcess:
        bucket = self.options[self.options.index("--objects") :] if self.objects else []
        return StackProcess(self.folder, database=self.database, options=tuple(bucket))

    def settings(self) -> Settings:
        options = {"endpoint": self.endpoint} if self.objects else {}
        return Settings(
            data=self.folder, database=self.database, objects=self.objects, objects_options=options
        )

    def rows(self) -> dict[str, list[str]]:
        database = self.open()
        try:
            return rows_of(database)
        finally:
            database.close()

    def open(self) -> Database:
        return open_database(self.settings())


@pytest.fixture
def new_data(
    postgres_server: str, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], StackData]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    numbers = count()
    with ExitStack() as opened:

        def make(database: str, files: str) -> StackData:
            is_postgres = database == "postgresql"
            return StackData(
                tmp_path / f"stack {next(numbers)}",
                opened.enter_context(postgres_database(postgres_server)) if is_postgres else None,
                s3_server.new_bucket() if files == "bucket" else None,
                s3_server.url,
            )

        yield make


def command(*arguments: str, code: int = 0) -> Any:
    """What a command of `layernext` prints as JSON."""
    done = completed_command([*arguments, "--json"], seconds=HANG_SECONDS)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout)


@dataclass
class Load:
    """Clients at work; a call that fails because the stack was killed is made again."""

    stack: StackProcess
    folder: Path
    ended: threading.Event = field(default_factory=threading.Event)
    files: list[str] = field(default_factory=list)
    runs: dict[str, set[str]] = field(default_factory=dict)
    rounds: int = 0
    purged: int = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let the clients work; the block begins when each has done something."""
        with ThreadPoolExecutor(2) as executor:
            workers = [executor.submit(self.write), executor.submit(self.purge)]
            try:
                self.go_on(ROUNDS_BEFORE)
                yield
            finally:
                self.ended.set()
                for worker in workers:
                    worker.result(HANG_SECONDS)

    def go_on(self, rounds: int = 1) -> None:
        """Wait until each client has come further."""
        end, purges = self.rounds + rounds, self.purged + 1
        wait_for(lambda: self.rounds >= end and self.purged >= purges)

    def insist(self, work: Callable[[LayerNextClient], Any]) -> Any:
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            try:
                with LayerNextClient(*self.stack.arguments) as client:
                    return work(client)
            except LayerNextError:
                if time.monotonic() > deadline:
                    raise

    def send(self, names: list[str], collection: str) -> None:
        folder = self.folder / hashlib.sha256(" ".join(names).encode()).hexdigest()
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(content_of(name))
        self.insist(
            lambda client: client.upload_files_to_collection(
                folder, "other", collection, progress=False
            )
        )

    def write(self) -> None:
        """Files that stay, and a run that is replaced again and again."""
        rng = random.Random(SEED)
        while not self.ended.is_set():
            number = self.rounds
            names = [f"{number}-{n}-{rng.getrandbits(32)}.bin" for n in range(FILES_A_ROUND)]
            if number % 3 == 0:
                names.append(f"large-{number}.bin")
            self.send(names, "busy")
            self.files += names
            label, run = f"round {number}", f"run {number % 2}"
            self.runs.setdefault(run, set()).add(label)
            self.insist(
                lambda client, run=run, label=label: client.upload_modelrun(
                    "busy images", run, annotations(label), progress=False
                )
            )
            self.rounds += 1

    def purge(self) -> None:
        """Files that come and go for good."""
        while not self.ended.is_set():
            name = f"gone {self.purged}"
            self.send([f"{name}-{n}.bin" for n in range(FILES_A_ROUND)], name)

            def go(client: LayerNextClient, name: str = name) -> None:
                if any(entry.name == name for entry in client.collections.list()):
                    client.trash_objects_from_collection(name)

            self.insist(go)
            self.insist(lambda client: client.trash.purge())
            self.purged += 1


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def killed_backup(source: StackData, new_target: Callable[[], str], endpoint: str) -> str:
    """A target into which a backup was killed when it had copied some files and not all."""
    for _ in range(KILL_ATTEMPTS):
        where = new_target()
        target = Target(where, endpoint, is_new_fine=True)
        arguments = ["backup", where, "--endpoint", endpoint, *source.options]
        process = PreloadedProcess(run_command_line, *arguments, log=Path(os.devnull))
        while process.poll() is None:
            if next(target.store.list_objects("objects"), None) is not None:
                process.kill()
            time.sleep(0.002)
        if process.wait() < 0 and not target.list_snapshots():
            assert list(target.store.list_objects("objects"))
            return where
    raise AssertionError("no backup could be killed in its middle")


def download(stack: StackProcess, folder: Path) -> tuple[dict[str, str], dict[str, list[bytes]]]:
    """The SHA-256 of every file, and every annotation of every run, as a user gets them."""
    with LayerNextClient(*stack.arguments) as client:
        for collection in client.collections.list():
            client.files.download(collection.id, folder / collection.name, progress=False)
        runs = {
            f"{run.collection} {run.name}": sorted(
                msgspec.json.encode(entry)
                for entry in client.iter_annotations(run.collection, run.name)
            )
            for run in client.runs.list()
        }
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".layernext" not in path.as_posix()
    }
    return files, runs


@contextmanager
def started(data: StackData, key: tuple[str, str] = ("", "")) -> Iterator[StackProcess]:
    """A stack that runs on a place; with a key that was made elsewhere, it must know that one."""
    stack = data.stack()
    stack.api_key, stack.secret = key
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()


def check_moment(
    goal: StackData, key: tuple[str, str], load: Load, files: list[str], folder: Path
) -> None:
    """What was acknowledged before a backup began is in it, and all in it is of one moment."""
    report = command("check", "--checksums", "--orphans-after", "0", *goal.options)
    assert report["problems"] == 0, report
    with started(goal, key) as stack:
        restored, runs = download(stack, folder)
    digests = {path.rpartition("/")[2]: digest for path, digest in restored.items()}
    for name in files:
        assert digests[name] == hashlib.sha256(content_of(name)).hexdigest()
    for name, digest in digests.items():
        assert digest == hashlib.sha256(content_of(name)).hexdigest()
    for run, sets in runs.items():
        assert len(sets) == IMAGES
        labels = {
            annotation["label"] for entry in sets for annotation in json.loads(entry)["annotations"]
        }
        assert labels <= load.runs[run.removeprefix("busy images ")]


KINDS = [
    pytest.param(("sqlite", "folder"), ("postgresql", "bucket"), "folder", id="SQLite, folder"),
    pytest.param(("postgresql", "bucket"), ("sqlite", "folder"), "bucket", id="PostgreSQL, bucket"),
]


@pytest.mark.parametrize(("kind", "goal_kind", "target_kind"), KINDS)
def test_backup_under_load(
    kind: tuple[str, str],
    goal_kind: tuple[str, str],
    target_kind: str,
    new_data: Callable[[str, str], StackData],
    s3_server: S3Server,
    tmp_path: Path,
) -> None:
    """Backed up under load, killed, resumed, restored elsewhere: nothing is lost and nothing differs."""
    source, moment = new_data(*kind), new_data(*goal_kind)
    numbers = count()
    endpoint = ["--endpoint", s3_server.url]

    def new_target() -> str:
        is_folder = target_kind == "folder"
        return str(tmp_path / f"backup {next(numbers)}") if is_folder else s3_server.new_bucket()

    (tmp_path / "sent").mkdir()
    with started(source) as stack:
        key = (stack.api_key, stack.secret)
        load = Load(stack, tmp_path / "sent")
        load.send([f"first-{number}.bin" for number in range(FIRST_FILES)], "busy")
        load.files += [f"first-{number}.bin" for number in range(FIRST_FILES)]
        with load.at_work():
            target = killed_backup(source, new_target, s3_server.url)
            acknowledged = list(load.files)
            taken_then = begun_backup(target, endpoint, source, tmp_path / "begun.json")
            stack.kill()
            stack.start()
            taken = taken_then()
            load.go_on()
        assert taken["missing"] == taken["damaged"] == 0
        assert taken["new_files"] < taken["files"], "the killed backup's copies are not made again"
        listed = command("backups", "list", target, *endpoint)
        assert [entry["snapshot"] for entry in listed] == [taken["snapshot"]]
        command("backups", "verify", target, *endpoint)
        command("restore", target, *endpoint, *moment.options)
        check_moment(moment, key, load, acknowledged, tmp_path / "moment")
        before = download(stack, tmp_path / "there")

    # All that is there, with the stack at rest: row by row and byte by byte.
    last = command("backup", target, *endpoint, *source.options)
    goal = killed_restore(lambda: new_data(*goal_kind), target, endpoint)
    restored = command("restore", target, *endpoint, *goal.options)
    assert (restored["snapshot"], restored["lost"]) == (last["snapshot"], 0)
    forget_parts(source)
    there, copied = source.rows(), goal.rows()
    # What operators did to the copy, such as restoring it, is in its own log.
    assert set(there.pop("audit_entry")) <= set(copied.pop("audit_entry"))
    assert copied == there
    with started(goal, key) as copy:
        assert download(copy, tmp_path / "copy") == before


def begun_backup(
    target: str, endpoint: list[str], source: StackData, log: Path
) -> Callable[[], Any]:
    """A backup that runs; the function waits for it and gives what it printed."""
    arguments = ["backup", target, *endpoint, *source.options, "--json"]
    process = PreloadedProcess(
        run_command_line, *arguments, log=log, errors=log.with_suffix(".errors")
    )

    def result() -> Any:
        assert process.wait(HANG_SECONDS) == 0
        return json.loads(log.read_text())

    return result


def killed_restore(
    new_goal: Callable[[], StackData], target: str, endpoint: list[str]
) -> StackData:
    """Data into which a restore was killed when it had restored some files, and before its last row."""
    for _ in range(KILL_ATTEMPTS):
        goal = new_goal()
        objects = open_objects(goal.settings())
        arguments = ["restore", target, *endpoint, *goal.options]
        process = PreloadedProcess(run_command_line, *arguments, log=Path(os.devnull))
        while process.poll() is None:
            if any(not entry.path.startswith("restoring/") for entry in objects.list_objects()):
                process.kill()
            time.sleep(0.002)
        if process.wait() < 0:
            return goal
    raise AssertionError("no restore could be killed in its middle")


def forget_parts(data: StackData) -> None:
    """As a restore does: parts of uploads that a kill has ended are not in a backup."""
    database = data.open()
    try:
        with database.write() as connection:
            unfinished = ~file_item.c.is_stored & file_item.c.object_path.is_not(None)
            items = sa.select(file_item.c.id).where(unfinished)
            connection.execute(sa.delete(file_part).where(file_part.c.item_id.in_(items)))
            fresh = {"object_path": None, "handle": None, "is_sealed": False}
            connection.execute(sa.update(file_item).where(unfinished).values(fresh))
    finally:
        database.close()
