"""Objects that were lost or cut short: named, shown as missing, and healed by the same upload (issue 18, 2 and 4)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from layernext import DownloadIncomplete, LayerNextClient
from layernext.stack.objects import BucketStore, FolderStore, ObjectStore
from tests.integration.client.test_files import content_of
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import COMMAND, StackProcess, running_stack

__all__ = ["s3_server"]

COUNT = 40


class Yard:
    """A stack with files, and the store of objects behind it."""

    def __init__(self, stack: StackProcess, objects: ObjectStore, source: Path) -> None:
        self.stack, self.objects, self.source = stack, objects, source

    def path_of(self, name: str) -> str:
        """Of the object of a file."""
        (path,) = (
            info.path for info in self.objects.list_objects() if info.path.endswith(f"-{name}")
        )
        return path

    def shorten(self, name: str) -> None:
        """Cut the object short."""
        path = self.path_of(name)
        content = b"".join(self.objects.read(path))
        self.objects.put([(path, content[: len(content) // 2])])

    def states(self, client: LayerNextClient) -> dict[str, str]:
        """Of the files that are not ready."""
        files = client.files.list("yard")
        return {file.name: file.state for file in files if file.state != "ready"}


@pytest.fixture(params=["folder", "bucket"])
def yard(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Yard]:
    """A stack with its objects in either."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(COUNT):
        (source / f"{number}.bin").write_bytes(os.urandom(5_000))
    (source / "large.bin").write_bytes(os.urandom(3 << 20))
    if request.param == "folder":
        with running_stack(tmp_path / "stack") as stack:
            yield Yard(stack, FolderStore(stack.folder / "objects"), source)
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    server: S3Server = request.getfixturevalue("s3_server")
    url = server.new_bucket()
    options = ("--objects", url, "--objects-endpoint", server.url)
    with running_stack(tmp_path / "stack", *options) as stack:
        yield Yard(stack, BucketStore(url, server.options), source)


def upload(yard: Yard, client: LayerNextClient, **named: str) -> tuple[list[str], int]:
    """Names of what was stored, and how many files were there before."""
    report = client.upload_files_to_collection(yard.source, "other", "yard", progress=False)
    client.wait_for_job_complete(report.job_id, timeout_s=60)
    assert not report.failed
    return report.uploaded, len(report.skipped)


def test_the_rest_comes(yard: Yard, tmp_path: Path) -> None:
    """Two of many lost and one cut short: the others come, these are named, GET and HEAD agree."""
    with LayerNextClient(*yard.stack.arguments) as client:
        assert upload(yard, client) == (sorted(path.name for path in yard.source.iterdir()), 0)
        yard.objects.delete(yard.path_of("7.bin"))
        yard.objects.delete(yard.path_of("large.bin"))
        yard.shorten("9.bin")
        lost = ["7.bin", "9.bin", "large.bin"]
        urls = {file.name: file.url for file in client.files.list("yard")}
        for name in ("9.bin", "large.bin"):
            answers = [httpx.request(method, urls[name]) for method in ("HEAD", "GET")]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert "missing" in answers[1].json()["error"]["message"]
        with pytest.raises(DownloadIncomplete, match=r"7\.bin") as caught:
            client.files.download("yard", tmp_path / "back", progress=False)
        assert [failed.name for failed in caught.value.report.failed] == lost
        wanted = {
            path.name: path.read_bytes() for path in yard.source.iterdir() if path.name not in lost
        }
        assert content_of(tmp_path / "back") == wanted
        assert yard.states(client) == dict.fromkeys(lost, "missing")
        key, secret, url = yard.stack.arguments
        command = [*COMMAND, "files", "download", "yard", str(tmp_path / "again"), "--json"]
        secrets = {"LAYERNEXT_API_KEY": key, "LAYERNEXT_SECRET": secret, "LAYERNEXT_URL": url}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **secrets}
        )
        assert done.returncode not in {0, 2}, done.stderr
        assert "7.bin" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("protocol", ["native", "published"])
def test_the_same_upload_heals(yard: Yard, tmp_path: Path, protocol: str) -> None:
    """Files whose objects were lost, unnoticed so far, are stored again, and no others; nothing else changes."""
    spoken = "published" if protocol == "published" else None
    with LayerNextClient(*yard.stack.arguments, protocol=spoken) as client:
        upload(yard, client)
        yard.objects.delete(yard.path_of("3.bin"))
        yard.objects.delete(yard.path_of("large.bin"))
        yard.shorten("5.bin")
        assert upload(yard, client) == (["3.bin", "5.bin", "large.bin"], COUNT - 2)
        assert upload(yard, client) == ([], COUNT + 1)
    with LayerNextClient(*yard.stack.arguments) as client:
        assert yard.states(client) == {}
        client.files.download("yard", tmp_path / "back", progress=False)
    assert content_of(tmp_path / "back") == {
        path.name: path.read_bytes() for path in yard.source.iterdir()
    }


def test_other_content_does_not_heal(yard: Yard) -> None:
    """A lost file of another content of the same size is not replaced by it in silence."""
    with LayerNextClient(*yard.stack.arguments) as client:
        upload(yard, client)
        for name in ("3.bin", "large.bin"):
            yard.objects.delete(yard.path_of(name))
            path = yard.source / name
            path.write_bytes(os.urandom(path.stat().st_size))
        report = client.upload_files_to_collection(
            yard.source, "other", "yard", progress=False, on_error="report"
        )
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        assert "3.bin" in {failed.name for failed in report.failed}
        states = yard.states(client)
        assert set(states) == {"3.bin", "large.bin"}
        assert set(states.values()) <= {"missing", "failed"}


def test_an_object_that_is_there_again(yard: Yard, tmp_path: Path) -> None:
    """What was moved away and put back is ready again after it was asked for."""
    with LayerNextClient(*yard.stack.arguments) as client:
        upload(yard, client)
        path = yard.path_of("3.bin")
        content = b"".join(yard.objects.read(path))
        yard.objects.delete(path)
        (url,) = (file.url for file in client.files.list("yard") if file.name == "3.bin")
        assert httpx.get(url).status_code == 404
        yard.objects.put([(path, content)])
        assert httpx.get(url, follow_redirects=True).content == content
        assert upload(yard, client) == ([], COUNT + 1)
        assert yard.states(client) == {}
