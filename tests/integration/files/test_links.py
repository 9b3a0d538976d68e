"""Files that are linked are read where they lie: nothing is copied, and what changes or goes is shown."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import obstore
import pytest
from PIL import Image

from layernext import LayerNextClient
from layernext.errors import DataError, NotAllowed, NotFound
from layernext.stack.objects import describe_loss, linked_location
from layernext.stack.objects.linked import PREFIX, linked_path
from layernext.wire.native import thumbnail_path
from tests.integration.cli.conftest import CommandLine
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import running_stack

__all__ = ["s3_server"]


def picture(width: int, height: int, color: str = "red") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), color).save(content, "JPEG")
    return content.getvalue()


@dataclass
class World:
    """A stack, and where the linked files are.

    Attributes:
        client: of the stack.
        data: the stack's folder.
        source: what is linked.
        bucket: the store of a bucket, or None.
        folder: the folder, or None.
    """

    client: LayerNextClient
    data: Path
    source: str
    bucket: object | None
    folder: Path

    def put(self, name: str, content: bytes) -> None:
        if self.bucket is not None:
            obstore.put(self.bucket, name, content)  # type: ignore[call-overload]
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def remove(self, name: str) -> None:
        if self.bucket is not None:
            obstore.delete(self.bucket, name)  # type: ignore[call-overload]
        else:
            (self.folder / name).unlink()

    def link(self, collection: str = "yard") -> str:
        """The message of the job."""
        job = self.client.jobs.wait(
            self.client.files.link(collection, self.source).id, timeout_s=60
        )
        assert job.status == "completed"
        return job.message

    def items(
        self, collection: str = "yard"
    ) -> dict[str, tuple[int | None, int | None, str | None]]:
        """Size and state of each file, once all were inspected."""
        for _ in range(600):
            items = list(self.client.items.iter(collection))
            if all(item.state != "pending" for item in items):
                return {item.name: (item.width, item.height, item.state) for item in items}
            time.sleep(0.1)
        raise AssertionError(items)


@pytest.fixture(params=["folder", "bucket"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    folder, data = tmp_path / "photos", tmp_path / "stack"
    folder.mkdir()
    bucket, source, options = None, str(folder), []
    if request.param == "bucket":
        server: S3Server = request.getfixturevalue("s3_server")
        source = server.new_bucket()
        bucket = obstore.store.from_url(  # type: ignore[call-overload]
            source, config=server.options, client_options={"allow_http": True}
        )
        options = ["--objects-endpoint", server.url]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
    with ExitStack() as ending:
        stack = ending.enter_context(running_stack(data, "--allow-link", source, *options))
        client = ending.enter_context(LayerNextClient(*stack.arguments, retry_for_s=5))
        yield World(client, data, source, bucket, folder)


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_linked_files_are_files(world: World, tmp_path: Path) -> None:
    """Sizes, small pictures, downloads, exports and evaluations, as with files that were uploaded."""
    contents = {"a.jpg": picture(64, 48), "b/c ü.jpg": picture(100, 40), "notes.txt": b"x"}
    for name, content in contents.items():
        world.put(name, content)
    assert world.link() == "2 linked, 0 unchanged, 1 not an image by name"
    assert world.items() == {"a.jpg": (64, 48, "ready"), "b/c ü.jpg": (100, 40, "ready")}
    objects = world.data / "objects"
    assert bytes_in(objects) < 200, "nothing is copied"
    (item, _) = world.client.items.iter("yard")
    assert (item.size, item.checksum) == (len(contents["a.jpg"]), None)
    response = httpx.get(str(item.url))
    assert (response.status_code, response.content) == (200, contents["a.jpg"])
    part = httpx.get(str(item.url), headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, contents["a.jpg"][10:20])
    small = world.client._connection.transport.request("GET", thumbnail_path(item.id))
    with Image.open(io.BytesIO(small)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (64, 48))
    world.client.files.download("yard", tmp_path / "down")
    assert {path.read_bytes() for path in (tmp_path / "down").rglob("*.jpg")} == {
        contents["a.jpg"], contents["b/c ü.jpg"],
    }  # fmt: skip
    box = {"type": "rectangle", "label": "cup", "bbox": [16, 12, 32, 24]}
    images = [{"image": "a.jpg", "annotations": [box]}]
    for run in ("model", "truth"):
        world.client.upload_modelrun("yard", run, images, ground_truth=run == "truth")
    world.client.runs.export("yard", "model", tmp_path / "yolo", "yolo")
    (labels,) = (tmp_path / "yolo").rglob("a.txt")
    assert labels.read_text().split() == ["0", "0.5", "0.5", "0.5", "0.5"]
    started = world.client.evaluations.start(run="model", ground_truth="truth", collection="yard")
    world.client.evaluations.wait(started, timeout_s=60)
    assert world.client.evaluations.get(started.id).counts["images"] == 1


def test_changed_and_gone(world: World) -> None:
    """A file that changed is not served as the old one; linking again takes it, and notes what went."""
    world.put("a.jpg", picture(64, 48))
    world.put("b.jpg", picture(64, 48))
    world.link()
    assert set(world.items().values()) == {(64, 48, "ready")}
    urls = {item.name: str(item.url) for item in world.client.items.iter("yard")}
    world.put("a.jpg", picture(80, 20))
    world.remove("b.jpg")
    for name, what in (("a.jpg", "changed since it was linked"), ("b.jpg", "gone")):
        answer = httpx.get(urls[name])
        assert answer.status_code == 404
        assert what in answer.text
        item = next(item for item in world.client.items.iter("yard") if item.name == name)
        assert item.state == "missing"
        assert what in str(item.failure)
    assert world.link() == "0 linked, 0 unchanged, 1 changed and linked again"
    assert world.items() == {"a.jpg": (80, 20, "ready"), "b.jpg": (64, 48, "missing")}
    world.put("b.jpg", picture(30, 30))
    world.remove("a.jpg")
    assert world.link() == "0 linked, 0 unchanged, 1 changed and linked again, 1 gone"
    assert world.items() == {"a.jpg": (80, 20, "missing"), "b.jpg": (30, 30, "ready")}
    assert world.link() == "0 linked, 1 unchanged"


def test_removal_leaves_them(world: World) -> None:
    """Purged images lose their rows, not their files."""
    world.put("a.jpg", picture(64, 48))
    world.link()
    world.items()
    world.client.trash.add_from_collection("yard", "")
    job = world.client.trash.purge("yard")
    assert job is not None
    assert world.link("again") == "1 linked, 0 unchanged"
    assert world.items("again") == {"a.jpg": (64, 48, "ready")}


def test_only_allowed_roots(world: World, tmp_path: Path) -> None:
    """Everything else is refused, with what would allow it: parents, siblings, ways around."""
    siblings = [f"{world.source}2", f"{world.source}/../other", "/etc", "s3://other/prefix"]
    for source in siblings:
        with pytest.raises(NotAllowed, match="layernext serve --allow-link"):
            world.client.files.link("yard", source)
    for source in ("photos", "http://example.org/photos", ""):
        with pytest.raises(DataError, match="absolute path or s3"):
            world.client.files.link("yard", source)
    assert [c.name for c in world.client.collections.list()] == []


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_check_and_backup(world: World, tmp_path: Path) -> None:
    """The check looks for linked files; a backup says that they are not in it."""
    world.put("a.jpg", picture(64, 48))
    world.put("b.jpg", picture(64, 48))
    world.link()
    world.items()
    command = CommandLine(tmp_path)
    stack, root = ("--data", world.data), ("--allow-link", world.source)
    assert "0 problems" in command("check", *stack, *root).stdout
    blind = command("check", *stack)
    assert "0 problems" in blind.stdout
    assert "2 linked files not checked" in blind.stderr
    saved = command("backup", tmp_path / "backup", *stack, *root)
    assert "2 linked files not in the backup" in saved.stderr
    world.put("a.jpg", picture(10, 10))
    world.remove("b.jpg")
    problems = command("check", *stack, *root, code=4).stdout
    assert "2 problems" in problems
    command("check", *stack, *root, "--repair", "--yes", code=0)
    assert {state for _, _, state in world.items().values()} == {"missing"}


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_links_that_lead_out(world: World, tmp_path: Path) -> None:
    """A symbolic link out of the root is not followed, neither when linking nor when reading."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture(9, 9))
    (tmp_path / "other").mkdir()
    (world.folder / "out.jpg").symlink_to(secret)
    (world.folder / "folder").symlink_to(tmp_path / "other")
    world.put("in.jpg", picture(5, 5))
    (world.folder / "same.jpg").symlink_to(world.folder / "in.jpg")
    assert (
        world.link()
        == "2 linked, 0 unchanged, 1 not an image by name, 1 not linked, the first is out.jpg: leads out of the allowed folders"
    )
    assert set(world.items()) == {"in.jpg", "same.jpg"}
    item = next(item for item in world.client.items.iter("yard") if item.name == "in.jpg")
    status = (world.folder / "in.jpg").stat()
    (world.folder / "in.jpg").unlink()
    secret.write_bytes(secret.read_bytes()[: status.st_size].ljust(status.st_size, b"\0"))
    os.utime(secret, ns=(status.st_mtime_ns, status.st_mtime_ns))
    (world.folder / "in.jpg").symlink_to(secret)
    assert httpx.get(str(item.url)).status_code == 404
    with pytest.raises(NotFound, match="no folder"):
        world.client.files.link("yard", f"{world.source}/nowhere")


def test_paths() -> None:
    """A path says where the file is, in plain characters; nothing else is taken for one."""
    location = "/mnt/ü " + "x" * 400
    path = linked_path(location, "1")
    assert linked_location(path) == location
    assert path.startswith(PREFIX)
    assert max(map(len, path.split("/"))) <= 200
    assert linked_location(f"{path}.webp") is None
    assert linked_location("files/a.jpg") is None
    assert describe_loss("files/a.jpg") is None
    assert describe_loss(path) == f"the linked file {location} is gone; link its folder again"
