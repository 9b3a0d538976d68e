"""Stores of objects: a folder, and a bucket of a real S3 server, by one contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import httpx
import pytest

from layernext.errors import ConfigurationError, InvalidRequest, NotFound
from layernext.stack.objects import (
    BucketStore,
    FolderStore,
    ObjectStore,
    Part,
    count_errors,
    folder,
)
from tests.support.s3 import S3Server, s3_server

__all__ = ["s3_server"]


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store."""
    if request.param == "folder":
        return FolderStore(tmp_path / "objects")
    server: S3Server = request.getfixturevalue("s3_server")
    return BucketStore(server.new_bucket(), server.options)


TAGS: dict[tuple[str, int], str] = {}
"""What stores said of the parts that they took."""


def send(
    store: ObjectStore, path: str, handle: str, number: int, offset: int, content: bytes
) -> None:
    """A part, as a client or the stack would send it."""
    url = store.part_url(path, handle, number, 600)
    if url is not None:
        assert httpx.put(url, content=content).status_code == 200
        return
    writer = store.write_part(handle, number, offset)
    try:
        for start in range(0, len(content), 7000):
            writer.write(content[start : start + 7000])
        writer.end()
    finally:
        writer.close()
    TAGS[handle, number] = writer.tag


def parts_of(store: ObjectStore, path: str, handle: str, contents: list[bytes]) -> list[Part]:
    known = store.list_parts(path, handle)
    if known is None:
        return [
            Part(number, len(each), TAGS[handle, number]) for number, each in enumerate(contents, 1)
        ]
    assert [part.size for part in known] == [len(each) for each in contents]
    return known


@pytest.mark.parametrize("contents", [[b""], [b"one"], [b"x" * 6_000_000, b"y" * 6_000_000, b""]])
def test_parts_become_an_object(store: ObjectStore, contents: list[bytes]) -> None:
    """In any order, and twice; visible only at the end; finishing again changes nothing."""
    path, whole = "yard/1-a.jpg", b"".join(contents)
    handle = store.open_upload(path)
    offsets = [sum(map(len, contents[:n])) for n in range(len(contents))]
    for number in reversed(range(len(contents))):
        send(store, path, handle, number + 1, offsets[number], contents[number])
        send(store, path, handle, number + 1, offsets[number], contents[number])
    with pytest.raises(NotFound):
        list(store.read(path))
    parts = parts_of(store, path, handle, contents)
    assert store.finish_upload(path, handle, parts) == len(whole)
    assert store.finish_upload(path, handle, parts) == len(whole)
    assert b"".join(store.read(path)) == whole
    if whole:
        assert b"".join(store.read(path, 1, 3)) == whole[1:3]
        assert b"".join(store.read(path, 2)) == whole[2:]
    store.delete(path)
    store.delete(path)
    with pytest.raises(NotFound):
        list(store.read(path))


def test_small_objects(store: ObjectStore) -> None:
    """Many at a time, each whole."""
    store.put([(f"yard/{n}", bytes([n]) * n) for n in range(5)])
    assert [b"".join(store.read(f"yard/{n}")) for n in range(5)] == [
        bytes([n]) * n for n in range(5)
    ]


def test_objects_are_listed(store: ObjectStore) -> None:
    """Every object with its size and time, in pages; parts of unfinished uploads are left out."""
    assert list(store.list_objects()) == []
    sizes = {f"yard {n % 3}/{n}".replace(" ", "-"): n for n in range(60)} | {"plain": 3}
    before = datetime.now(timezone.utc)
    store.put([(path, b"x" * size) for path, size in sizes.items()])
    handle = store.open_upload("yard/unfinished")
    send(store, "yard/unfinished", handle, 1, 0, b"x")
    listed = list(store.list_objects())
    assert {info.path: info.size for info in listed} == sizes
    assert len(listed) == len(sizes)
    assert all(abs((info.modified_at - before).total_seconds()) < 600 for info in listed)
    for info in listed[:3]:
        assert store.find(info.path) == info
    assert store.find("yard/unfinished") is None
    assert store.find("yard-1") is None, "a folder is not an object"


@pytest.mark.parametrize("size", [0, 5, 25_000_000])
def test_a_stream_becomes_an_object(store: ObjectStore, size: int) -> None:
    """Whole, or not at all if the stream breaks; again it takes the place of the one before."""

    def pieces(*, breaks: bool) -> Iterator[bytes]:
        for start in range(0, size, 1 << 20):
            yield b"x" * min(1 << 20, size - start)
        if breaks:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        store.put_stream("exports/a", pieces(breaks=True))
    with pytest.raises(NotFound):
        list(store.read("exports/a"))
    for _ in range(2):
        store.put_stream("exports/a", pieces(breaks=False))
        assert sum(map(len, store.read("exports/a"))) == size
    assert list(store.list_uploads()) == [], "nothing is left over"


def test_dropped_uploads(store: ObjectStore) -> None:
    """Forgotten parts make no object."""
    handle = store.open_upload("a")
    send(store, "a", handle, 1, 0, b"x")
    store.drop_upload("a", handle)
    store.drop_upload("a", handle)
    with pytest.raises((InvalidRequest, NotFound, OSError)):
        store.finish_upload("a", handle, store.list_parts("a", handle) or [Part(1, 1, "")])


@pytest.mark.parametrize("path", ["../a", "/a", "a/../b", "", "a//b", ".a", "a\x00", "a b"])
def test_paths_lead_nowhere_else(store: ObjectStore, path: str) -> None:
    """Only plain paths are taken."""
    with pytest.raises(ValueError, match="path"):
        store.put([(path, b"x")])


@pytest.mark.parametrize("url", ["nothing", "s3://", "ftp://host/x"])
def test_buckets_that_cannot_be(url: str) -> None:
    """A configuration error that says why."""
    with pytest.raises(ConfigurationError, match="cannot be used"):
        BucketStore(url)


def test_bucket_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator is told which variables to set; nothing of the machine's own service is shown."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    # Nothing listens there. A machine in a cloud has a service that gives credentials.
    options = {"metadata_endpoint": "http://127.0.0.1:9"}
    with pytest.raises(ConfigurationError) as caught:
        BucketStore("s3://backups/layernext", options)
    assert str(caught.value) == (
        "the bucket s3://backups/layernext cannot be used: no credentials found "
        "(set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    )


def test_bucket_without_its_server() -> None:
    """An endpoint where nothing listens is named as that."""
    keys = {"access_key_id": "a", "secret_access_key": "b"}
    with pytest.raises(ConfigurationError, match="used: its server does not respond"):
        BucketStore("s3://backups/layernext", {"endpoint": "http://127.0.0.1:9", **keys})


def test_bucket_that_does_not_exist(s3_server: S3Server) -> None:
    """A bucket that its server does not have is named as that."""
    with pytest.raises(ConfigurationError, match="used: no such bucket"):
        BucketStore("s3://no-such-bucket/layernext", s3_server.options)


@pytest.fixture(autouse=True)
def _no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_uploads_are_listed_with_their_age(tmp_path: Path, kind: str) -> None:
    """By what came last: the first parts of a long upload are old while the last ones still come."""
    root = tmp_path / "objects"
    root.mkdir()
    # Not S3, whose uploads in parts are its own: parts are objects, as in GCS and Azure.
    store = FolderStore(root) if kind == "folder" else BucketStore(root.as_uri())
    staging = root / "staging"
    slow, left = store.open_upload("slow"), store.open_upload("left")
    for handle, is_left in ((slow, False), (left, True)):
        for number in (1, 2):
            send(store, "a", handle, number, number - 1, b"x")
            is_old = is_left or number == 1
            for path in staging.rglob("*") if is_old else ():
                if handle in str(path) and path.is_file():
                    os.utime(path, (1, 1))
            if is_old and kind == "folder":
                os.utime(staging / handle, (1, 1))
    ages = {info.handle: info.touched_at.year for info in store.list_uploads()}
    assert ages == {slow: datetime.now(timezone.utc).year, left: 1970}
    store.drop_upload("left", left)
    parts = parts_of(store, "slow", slow, [b"x", b"x"])
    assert store.finish_upload("slow", slow, parts) == 2
    assert list(store.list_uploads()) == []
    assert not [path for path in staging.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_attempts_at_a_part_do_not_mix(tmp_path: Path, kind: str) -> None:
    """Whichever attempt is named at the end counts, as a whole, however the others came between."""
    root = tmp_path / "objects"
    root.mkdir()
    store = FolderStore(root) if kind == "folder" else BucketStore(root.as_uri())
    for order in range(3):
        path = f"yard/{order}"
        handle = store.open_upload(path)
        writers = [store.write_part(handle, 1, 0) for _ in range(3)]
        for step in range(3):
            for number, writer in enumerate(writers):
                writer.write(bytes([number]) * (step + number + 1))
        for writer in writers[order:] + writers[:order]:
            writer.end()
            writer.close()
        size = sum(step + order + 1 for step in range(3))
        parts = [Part(1, size, writers[order].tag)]
        assert store.finish_upload(path, handle, parts) == size
        assert store.finish_upload(path, handle, parts) == size
        assert b"".join(store.read(path)) == bytes([order]) * size
    assert list(store.list_uploads()) == []


@pytest.mark.parametrize("kind", ["folder", "bucket"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_stalled_attempt_never_reaches_the_object(tmp_path: Path, kind: str, number: int) -> None:
    """An attempt that still writes after the end changes nothing, whether its part counts or not."""
    root = tmp_path / "objects"
    root.mkdir()
    store = FolderStore(root) if kind == "folder" else BucketStore(root.as_uri())
    contents = [b"B" * 100, b"C" * 50]
    handle = store.open_upload("yard/a")
    stalled = store.write_part(handle, number, (number - 1) * 100)
    stalled.write(b"A" * 10)
    for index, content in enumerate(contents):
        send(store, "yard/a", handle, index + 1, index * 100, content)
    parts = parts_of(store, "yard/a", handle, contents)
    assert store.finish_upload("yard/a", handle, parts) == 150
    assert b"".join(store.read("yard/a")) == b"".join(contents)
    stalled.write(b"A" * 40)
    assert b"".join(store.read("yard/a")) == b"".join(contents)
    stalled.close()
    assert b"".join(store.read("yard/a")) == b"".join(contents)
    assert not [path for path in (root / "staging").rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_dropped_attempts(tmp_path: Path, kind: str) -> None:
    """An attempt that does not count can be dropped, twice too; the one that counts stays."""
    root = tmp_path / "objects"
    root.mkdir()
    store = FolderStore(root) if kind == "folder" else BucketStore(root.as_uri())
    handle = store.open_upload("yard/a")
    tags = []
    for content in (b"first", b"second", b"third"):
        send(store, "yard/a", handle, 1, 0, content)
        tags.append(TAGS[handle, 1])
    for tag in (tags[0], tags[2], tags[2]):
        store.drop_part(handle, 1, tag)
    attempts = [path for path in (root / "staging").rglob("*") if tags[1] in path.name]
    assert len(attempts) == 1
    assert not [path for path in (root / "staging").rglob("*") if tags[2] in path.name]
    assert store.finish_upload("yard/a", handle, [Part(1, 6, tags[1])]) == 6
    assert b"".join(store.read("yard/a")) == b"second"


def test_an_attempt_that_begins_during_the_end(tmp_path: Path) -> None:
    """Once the parts are being put together, a new attempt writes to a file of its own."""
    store = FolderStore(tmp_path / "objects")
    handle = store.open_upload("yard/a")
    send(store, "yard/a", handle, 1, 0, b"first")
    parts = parts_of(store, "yard/a", handle, [b"first"])
    with pytest.raises(InvalidRequest):
        store.finish_upload("yard/a", handle, [*parts, Part(2, 4, "0" * 32)])
    late = store.write_part(handle, 2, 5)
    assert late.tag
    late.write(b"late")
    assert store.finish_upload("yard/a", handle, parts) == 5
    late.write(b"r")
    late.close()
    assert b"".join(store.read("yard/a")) == b"first"


def test_a_folder_that_goes_while_an_object_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting the last object of a folder does not disturb who puts another one there."""
    store = FolderStore(tmp_path / "objects")
    store.put([("yard/old", b"old")])
    make = folder._make_folders

    def late(*arguments: Path) -> None:
        make(*arguments)
        store.delete("yard/old")
        monkeypatch.setattr(folder, "_make_folders", make)

    monkeypatch.setattr(folder, "_make_folders", late)
    store.put([("yard/new", b"new")])
    assert b"".join(store.read("yard/new")) == b"new"


def test_every_call_flushes_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that finds the folders or the object there: who made them may not have flushed them yet."""
    store = FolderStore(tmp_path / "objects")
    files, flushed, flush = tmp_path / "objects" / "files", set[Path](), folder._flush_folder

    def noted(path: Path) -> None:
        flush(path)
        flushed.add(path)

    monkeypatch.setattr(folder, "_flush_folder", noted)
    handle = store.open_upload("yard/1/a")
    send(store, "yard/1/a", handle, 1, 0, b"a")
    parts = parts_of(store, "yard/1/a", handle, [b"a"])
    for call in (
        lambda: store.finish_upload("yard/1/a", handle, parts),
        lambda: store.finish_upload("yard/1/a", handle, parts),
        lambda: store.put([("yard/1/b", b"b")]),
        lambda: store.put_stream("yard/1/c", [b"c"]),
    ):
        flushed.clear()
        call()
        assert flushed >= {files, files / "yard", files / "yard" / "1"}


def test_a_store_that_counts_errors_has_the_same_attributes(tmp_path: Path) -> None:
    """Tags of parts and the like are values, not calls."""
    store = count_errors(FolderStore(tmp_path / "objects"), lambda _: None)
    assert store.has_direct_parts is False
    handle = store.open_upload("yard/a")
    for content in (b"first", b"second"):
        send(store, "yard/a", handle, 1, 0, content)
    parts = parts_of(store, "yard/a", handle, [b"second"])
    assert store.finish_upload("yard/a", handle, parts) == 6
