"""Files in a bucket: their bytes go past the stack, in and out, for every client."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from layernext import LayerNextClient
from layernext.wire import published
from layernext.wire.published import PART_BYTES
from tests.integration.files.test_files import begin, end, finish, open_files, urls
from tests.integration.stack.conftest import Stack, assert_error, running
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import StackProcess, published_environment, running_stack

__all__ = ["s3_server"]

PUBLISHED = """
import sys, layernext
url, key, secret, source, target = sys.argv[1:]
client = layernext.LayerNextClient(key, secret, url)
done = client.upload_files_to_collection(source, "other", "yard")
"""


@pytest.fixture
def stack(tmp_path: Path, s3_server: S3Server) -> Iterator[Stack]:
    bucket = {"objects": s3_server.new_bucket(), "objects_options": s3_server.options}
    with running(tmp_path / "stack", **bucket) as fresh:
        yield fresh


def stored(stack: Stack, name: str, *contents: bytes) -> str:
    """A file of parts, sent straight to the bucket; its URL at the stack."""
    upload = open_files(stack, "yard", collectionType=7)
    file = begin(stack, upload, name)
    for url, content in zip(urls(stack, file, len(contents)), contents, strict=True):
        assert "/upload/" not in url
        assert parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"] == ["host"]
        # As the published clients do: a header that nobody has signed.
        answer = httpx.put(
            url, content=content, headers={"Content-Type": "image/jpeg"}, timeout=180
        )
        assert (answer.status_code, answer.headers["etag"][0]) == (200, '"')
    assert finish(stack, file).status_code == 200
    assert finish(stack, file).status_code == 200, "again after an answer that was lost"
    answer = stack.json("GET", published.DOWNLOAD_URL_PATH, params={"file_key": f"yard_{name}"})
    return str(answer["url"])


def test_downloads_go_past_the_stack(stack: Stack) -> None:
    """By a redirect to a URL that the bucket has signed; ranges and names work there."""
    url = stored(stack, 'a"b.bin', b"0123456789")
    sent_on = stack.ask("GET", url, role=None, follow_redirects=False)
    assert sent_on.status_code == 307
    assert sent_on.content == b""
    place = sent_on.headers["location"]
    assert httpx.get(place).content == b"0123456789"
    part = httpx.get(place, headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.content) == (206, b"345")
    wanted = parse_qs(urlsplit(place).query)["response-content-disposition"][0]
    assert wanted.startswith('attachment; filename="a_b.bin"')
    head = stack.ask("HEAD", url, role=None, follow_redirects=False)
    assert (head.status_code, head.headers["content-length"]) == (200, "10")
    page = stack.ask("GET", url, role=None, headers={"Sec-Fetch-Mode": "no-cors"})
    assert (page.status_code, page.content) == (200, b"0123456789")


def test_urls_die_with_the_upload(stack: Stack) -> None:
    """Whoever still has the URL of a part cannot change a file that is visible."""
    upload = open_files(stack, "yard", collectionType=7)
    file = begin(stack, upload, "a")
    (url,) = urls(stack, file)
    assert httpx.put(url, content=b"right").status_code == 200
    assert finish(stack, file).status_code == 200
    assert not httpx.put(url, content=b"wrong").is_success
    answer = stack.json("GET", published.DOWNLOAD_URL_PATH, params={"file_key": "yard_a"})
    page = stack.ask("GET", answer["url"], role=None, headers={"Sec-Fetch-Mode": "cors"})
    assert page.content == b"right"


@pytest.mark.parametrize(
    ("content", "state"), [(b"what was announced", "ready"), (b"something else", "failed")]
)
def test_the_checksum_of_the_whole_is_compared(stack: Stack, content: bytes, state: str) -> None:
    """E13 may say it; the stack sees the bytes when it inspects the file."""
    upload = open_files(stack, "yard", collectionType=7)
    checksum = hashlib.sha256(b"what was announced").hexdigest()
    file = begin(stack, upload, "a", checksum=checksum)
    (url,) = urls(stack, file)
    assert httpx.put(url, content=content).status_code == 200
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    (there,) = begin(stack, upload, "a")["storedParts"]
    assert there == {"number": 1, "size": len(content), "checksum": md5}
    assert_error(finish(stack, file, [{"PartNumber": 1, "checksum": "abc"}]), 422)
    assert finish(stack, file).status_code == 200
    end(stack, upload)
    found = stack.store.files.find_named("yard_a")
    assert found is not None
    assert (found.state, found.checksum) == (state, hashlib.sha256(content).hexdigest())


def test_large_files_of_the_published_client(
    tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two parts and an empty last one go up unchanged by 1.1.1, and come down by ours."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.bin").write_bytes(os.urandom(1 << 20) * (PART_BYTES >> 20))
    (source / "b.bin").write_bytes(b"small")
    bucket = ("--objects", s3_server.new_bucket(), "--objects-endpoint", s3_server.url)
    with running_stack(tmp_path / "stack", *bucket) as stack:
        upload_published(stack, source)
        with LayerNextClient(*stack.arguments) as client:
            report = client.files.download("yard", tmp_path / "back", progress=False)
            assert report.bytes_received == sum(each.stat().st_size for each in source.iterdir())
    for path in source.iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


def upload_published(stack: StackProcess, source: Path) -> None:
    python = published_environment("layernext-1.1.1", "layernext==1.1.1")
    key, secret, url = stack.arguments
    subprocess.run(
        [str(python), "-I", "-c", PUBLISHED, url, key, secret, str(source), ""],
        check=True,
        capture_output=True,
        env={**os.environ, "NO_PROXY": "*"},
    )
