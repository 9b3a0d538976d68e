"""A disk without room: said clearly, nothing half there, and it goes on when there is room again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from layernext import LayerNextClient, StorageFull, UploadIncomplete
from tests.support.small_disk import stack_on_small_disk

MIB = 1 << 20


@contextmanager
def no_room() -> Iterator[None]:
    """The block ends with the stack's 507, told as what it is."""
    with pytest.raises((StorageFull, UploadIncomplete), match=r"no room|no space left") as caught:
        yield
    cause = caught.value if isinstance(caught.value, StorageFull) else caught.value.__cause__
    assert isinstance(cause, StorageFull)
    assert cause.status == 507


BOX = {"type": "rectangle", "label": "cup", "bbox": [1, 2, 3, 4]}


def test_a_full_disk(tmp_path: Path) -> None:
    """Small files, a large one, annotations and reading, while the disk fills and when it is full."""
    small = tmp_path / "small"
    small.mkdir()
    for number in range(20):
        (small / f"{number}.bin").write_bytes(os.urandom(50_000))
    more = tmp_path / "more"
    more.mkdir()
    for number in range(40):
        (more / f"more {number}.bin").write_bytes(os.urandom(MIB))
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(80 * MIB))
    run = [{"image": f"{n}.jpg", "annotations": [BOX]} for n in range(100)]
    with (
        stack_on_small_disk(tmp_path, "64m") as disk,
        LayerNextClient(*disk.arguments, retry_for_s=2) as client,
    ):

        def upload(what: Path):
            return client.upload_files_to_collection(what, "other", "things", progress=False)

        client.wait_for_job_complete(upload(small).job_id)
        with no_room():
            upload(large)
        assert disk.free_bytes() > 50 * MIB, "what found no room must not keep any"
        disk.fill()
        assert disk.free_bytes() == 0
        for what in (large, more):
            with no_room():
                upload(what)
        with no_room():
            client.upload_modelrun("pictures", "run", run)
        there = sorted(record.name for record in client.files.list("things"))
        assert there == sorted(path.name for path in small.iterdir())
        client.files.download("things", tmp_path / "while full", progress=False)
        assert client.runs.list() == []
        disk.make_room()
        assert client.upload_modelrun("pictures", "run", run).images == len(run)
        report = upload(more)
        assert len(report.uploaded) == 40
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        client.files.download("things", tmp_path / "back", progress=False)
    for folder in (small, more):
        for path in folder.iterdir():
            assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()
