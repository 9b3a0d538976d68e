"""Two writers and ten readers at once: what a reader gets is whole, and what was there stays there."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from layernext import ImageAnnotations, LayerNextClient, Rectangle
from tests.integration.client.conftest import native_stack
from tests.support.stack_process import StackProcess

__all__ = ["native_stack"]

ROUNDS = 5
FILES = 12
READERS = 10
LABELS = [f"round {number}" for number in range(ROUNDS)]


def content_of(name: str) -> bytes:
    """What a file of this name contains: nobody has to remember it."""
    size = 20_000 + int(hashlib.sha256(name.encode()).hexdigest()[:4], 16)
    return (hashlib.sha256(name.encode()).digest() * (size // 32 + 1))[:size]


def annotations(label: str) -> list[ImageAnnotations]:
    boxes = [Rectangle(label=label, bbox=(n, 2, 3, 4)) for n in range(20)]
    return [ImageAnnotations(image=f"{n}.jpg", annotations=boxes) for n in range(40)]


@dataclass
class Busy:
    """What writers and readers share."""

    stack: StackProcess
    folder: Path
    written: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    reads: Counter[int] = field(default_factory=Counter)

    def write(self, writer: int) -> None:
        """Files and annotations, in rounds; each round replaces the annotations of the one before."""
        with LayerNextClient(*self.stack.arguments) as client:
            for number in range(ROUNDS):
                folder = self.folder / f"writer {writer}" / str(number)
                folder.mkdir(parents=True)
                names = [f"{writer}-{number}-{n}.bin" for n in range(FILES)]
                for name in names:
                    (folder / name).write_bytes(content_of(name))
                client.upload_files_to_collection(folder, "other", "busy", progress=False)
                self.written.extend(names)
                client.upload_modelrun(
                    "busy", f"run {writer}", annotations(LABELS[number]), progress=False
                )

    def read(self, reader: int) -> None:
        """All there is, again and again."""
        seen: set[str] = set()
        with LayerNextClient(*self.stack.arguments) as client:
            while not self.ended.is_set() or not self.reads[reader]:
                if not self.written:
                    self.ended.wait(0.05)
                    continue
                seen = self._read_files(client, self.folder / f"reader {reader}", seen)
                for run in client.runs.list("busy"):
                    for one in client.iter_annotations("busy", run.name):
                        assert len(one.annotations) == 20
                        assert len({each.label for each in one.annotations}) == 1
                self.reads[reader] += 1

    def _read_files(self, client: LayerNextClient, folder: Path, seen: set[str]) -> set[str]:
        acknowledged = set(self.written)
        client.files.download("busy", folder, content_type="other", progress=False)
        there = {path.name for path in folder.iterdir() if path.is_file()}
        assert there >= acknowledged | seen
        for name in there - seen:
            assert (folder / name).read_bytes() == content_of(name)
        return there


def test_two_writers_and_ten_readers(native_stack: StackProcess, tmp_path: Path) -> None:
    """Files and annotations of one collection, written in rounds, read all the time."""
    busy = Busy(native_stack, tmp_path)
    with (
        LayerNextClient(*native_stack.arguments) as client,
        ThreadPoolExecutor(READERS + 2) as pool,
    ):
        client.collections.create("busy")
        writers = [pool.submit(busy.write, number) for number in range(2)]
        readers = [pool.submit(busy.read, number) for number in range(READERS)]
        try:
            for each in writers:
                each.result()
        finally:
            busy.ended.set()
        for each in readers:
            each.result()
        assert len(busy.reads) == READERS
        for writer in range(2):
            sets = list(client.iter_annotations("busy", f"run {writer}"))
            assert [one.image for one in sets] == [f"{n}.jpg" for n in range(40)]
            assert {each.label for one in sets for each in one.annotations} == {LABELS[-1]}
        names = {file.name for file in client.files.list("busy", content_type="other")}
    assert names == set(busy.written)
    assert len(names) == 2 * ROUNDS * FILES
