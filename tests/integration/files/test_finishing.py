"""Parts that are sent again, broken off or raced, and the end of a file (E15, E16): in a folder and in a bucket."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from layernext.stack.objects import ObjectStore
from layernext.wire import published
from layernext.wire.published import PART_BYTES
from tests.integration.files.test_files import begin, end, finish, open_files, urls
from tests.integration.stack.conftest import BASE_URL, Stack, assert_error, running
from tests.integration.stack.server import Server, read_answer, serving
from tests.support.s3 import S3Server, s3_server

__all__ = ["s3_server"]

Json = dict[str, Any]


@pytest.fixture(params=["folder", "bucket"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """A stack with its objects in either."""
    more = {}
    if request.param == "bucket":
        server: S3Server = request.getfixturevalue("s3_server")
        more = {"objects": server.new_bucket(), "objects_options": server.options}
    with running(tmp_path / "stack", **more) as fresh:
        yield fresh


@pytest.fixture
def folder_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that takes the parts itself."""
    with running(tmp_path / "stack") as fresh:
        yield fresh


def put(stack: Stack, url: str, content: bytes, **headers: str) -> httpx.Response:
    """A part, to the stack or straight into the bucket."""
    if url.startswith(BASE_URL):
        return stack.ask("PUT", url, role=None, content=content, headers=headers)
    return httpx.put(url, content=content, headers=headers)


def named(number: int, answer: httpx.Response) -> Json:
    """The part as E16 names it."""
    assert answer.status_code == 200, answer.text
    return {"PartNumber": number, "ETag": answer.headers["etag"].strip('"')}


def stored(stack: Stack) -> list[tuple[str, bytes, str | None, str]]:
    """Every file with its bytes, checksum and state."""
    rows = stack.store.files.find_many(range(1, 100)).values()
    return [
        (row.name, b"".join(stack.objects.read(row.object_path)), row.checksum, row.state)
        for row in rows
    ]


def whole(name: str, content: bytes) -> tuple[str, bytes, str, str]:
    return name, content, hashlib.sha256(content).hexdigest(), "ready"


def broken(stack: Stack, url: str, content: bytes) -> None:
    """A part that the stack refuses after it has written it."""
    answer = put(stack, url, content, **{"content-length": str(len(content) + 5)})
    assert answer.status_code in {400, 422}, answer.text


def test_a_broken_part_leaves_the_one_before(folder_stack: Stack) -> None:
    """An acknowledged part stays as it is when another attempt at it breaks off (issue 18, 5)."""
    upload = open_files(folder_stack, "yard", collectionType=7)
    file = begin(folder_stack, upload, "a")
    (url,) = urls(folder_stack, file)
    content = b"A" * (2 << 20)  # more than is gathered before it is written
    part = named(1, put(folder_stack, url, content))
    broken(folder_stack, url, b"B" * (3 << 20))
    broken(folder_stack, url, b"B" * (1 << 20))
    assert finish(folder_stack, file, [part]).status_code == 200
    end(folder_stack, upload)
    assert stored(folder_stack) == [whole("a", content)]
    staging = folder_stack.settings.objects_folder / "staging"
    assert list(staging.iterdir()) == []


def test_the_last_whole_part_counts(stack: Stack) -> None:
    """A part that is replaced: the tag of the old one is refused, nothing changes, the new one is stored."""
    upload = open_files(stack, "yard", collectionType=7)
    file = begin(stack, upload, "a")
    (url,) = urls(stack, file)
    old = named(1, put(stack, url, b"old"))
    new = named(1, put(stack, url, b"newer"))
    assert_error(finish(stack, file, [old]), 409)
    assert stored(stack) == []
    assert finish(stack, file, [new]).status_code == 200
    end(stack, upload)
    assert stored(stack) == [whole("a", b"newer")]


def test_repeated_parts_take_no_more_room(
    folder_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all attempts at a part there is the first and the last; one that is refused leaves nothing."""
    upload = open_files(folder_stack, "yard", collectionType=7)
    file = begin(folder_stack, upload, "a")
    (url,) = urls(folder_stack, file)
    staging = folder_stack.settings.objects_folder / "staging"
    part: Json = {}
    for number in range(5):
        part = named(1, put(folder_stack, url, b"%d" % number))
        attempts = [path.name for path in staging.rglob("1-*")]
        assert len(attempts) == min(number, 1), attempts
    files = folder_stack.store.files
    add_part = files.add_part

    def after_the_end_began(item: Any, late: Any) -> str | None:
        files.seal(item, None, lambda *_: None)
        return add_part(item, late)

    with monkeypatch.context() as patch:
        patch.setattr(files, "add_part", after_the_end_began)
        assert_error(put(folder_stack, url, b"late"), 409)
    assert [path.name for path in staging.rglob("1-*")] == attempts
    assert finish(folder_stack, file, [part]).status_code == 200
    end(folder_stack, upload)
    assert stored(folder_stack) == [whole("a", b"4")]


def test_two_attempts_at_once(folder_stack: Stack) -> None:
    """Bytes of attempts that overlap never mix: the part is one of them as a whole."""
    objects = folder_stack.objects
    handle = objects.open_upload("yard/a")
    slow, fast = (objects.write_part(handle, 1, 0) for _ in range(2))
    slow.write(b"slow")
    fast.write(b"fast, and longer")
    fast.end()
    fast.close()
    slow.write(b" to the end")
    slow.end()
    slow.close()
    assert_whole(objects, handle, fast.tag, b"fast, and longer")


def assert_whole(objects: ObjectStore, handle: str, tag: str, content: bytes) -> None:
    from layernext.stack.objects import Part

    assert objects.finish_upload("yard/a", handle, [Part(1, len(content), tag)]) == len(content)
    assert b"".join(objects.read("yard/a")) == content


def test_a_part_during_the_end(folder_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that comes while the file is being finished is refused, and the file is what it was."""
    upload = open_files(folder_stack, "yard", collectionType=7)
    file = begin(folder_stack, upload, "a")
    (url,) = urls(folder_stack, file)
    part = named(1, put(folder_stack, url, b"first"))
    finish_upload = folder_stack.objects.finish_upload
    late: list[httpx.Response] = []

    def with_a_part(*arguments: Any) -> int:
        late.append(put(folder_stack, url, b"late!"))
        size = finish_upload(*arguments)
        late.append(put(folder_stack, url, b"late!"))
        return size

    monkeypatch.setattr(folder_stack.objects, "finish_upload", with_a_part)
    assert finish(folder_stack, file, [part]).status_code == 200
    assert [answer.status_code for answer in late] == [409, 409]
    end(folder_stack, upload)
    assert stored(folder_stack) == [whole("a", b"first")]


def test_many_parts_with_repetitions(stack: Stack) -> None:
    """Two parts, both of them sent twice: the file has the last of each."""
    upload = open_files(stack, "yard", collectionType=7)
    file = begin(stack, upload, "a")
    first, second = urls(stack, file, 2)
    content = b"1" * PART_BYTES
    put(stack, first, b"0" * 1000)
    put(stack, second, b"something longer")
    parts = [named(1, put(stack, first, content)), named(2, put(stack, second, b"second"))]
    assert finish(stack, file, parts).status_code == 200
    end(stack, upload)
    ((_, found, checksum, state),) = stored(stack)
    assert found == content + b"second"
    assert (checksum, state) == (hashlib.sha256(found).hexdigest(), "ready")


def test_wrong_parts_change_nothing(stack: Stack) -> None:
    """Fewer, more or other parts than have come are refused with a sentence; the right ones work (issue 18, 8)."""
    upload = open_files(stack, "yard", collectionType=7)
    file = begin(stack, upload, "a")
    assert_error(finish(stack, file, []), 409)
    first, second = urls(stack, file, 2)
    parts = [
        named(1, put(stack, first, b"1" * PART_BYTES)),
        named(2, put(stack, second, b"second")),
    ]
    tags = {1: parts[0]["ETag"], 2: parts[1]["ETag"]}
    for numbers in ([1], [2], [1, 2, 3], [1, 2, 10**9], [1, 1, 2], [0, 1, 2], [-1, 1, 2]):
        wrong = [{"PartNumber": n, "ETag": tags.get(n, "x")} for n in numbers]
        answer = finish(stack, file, wrong)
        assert answer.status_code in {400, 409, 422}, (numbers, answer.text)
        assert stored(stack) == []
    swapped = [{"PartNumber": 1, "ETag": tags[2]}, {"PartNumber": 2, "ETag": tags[1]}]
    assert_error(finish(stack, file, swapped), 409)
    assert stored(stack) == []
    assert finish(stack, file, parts).status_code == 200
    assert len(stored(stack)) == 1


def test_the_end_at_the_same_time(stack: Stack) -> None:
    """Sixteen repeats of E16 at once all get the same success, and so does a later one (issue 18, 8)."""
    upload, rounds = open_files(stack, "yard", collectionType=7), 6
    for number in range(rounds):
        file = begin(stack, upload, f"{number}")
        (url,) = urls(stack, file)
        part = named(1, put(stack, url, b"content"))
        barrier = threading.Barrier(16)

        def ask(_: int, file: Json = file, part: Json = part, go: Any = barrier) -> Any:
            go.wait()
            answer = finish(stack, file, [part])
            return answer.status_code, answer.text

        with ThreadPoolExecutor(16) as threads:
            answers = set(threads.map(ask, range(16)))
        assert len(answers) == 1, answers
        assert next(iter(answers))[0] == 200, answers
        assert finish(stack, file, [part]).status_code == 200
    end(stack, upload)
    assert [entry[1:] for entry in stored(stack)] == [whole("", b"content")[1:]] * rounds


def test_a_crash_before_the_row(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object is there, the row is not: the next call makes it, of the same parts."""
    upload = open_files(stack, "yard", collectionType=7)
    file = begin(stack, upload, "a")
    (url,) = urls(stack, file)
    part = named(1, put(stack, url, b"content"))

    def crash(*_: object) -> bool:
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(stack.store.files, "finish_file", crash)
        assert finish(stack, file, [part]).status_code == 500
    assert begin(stack, upload, "a")["storedParts"], "the client need not send it again"
    assert finish(stack, file, [part]).status_code == 200
    end(stack, upload)
    assert stored(stack) == [whole("a", b"content")]


def test_lost_parts_are_sent_again(folder_stack: Stack) -> None:
    """Parts that are gone from the disk: a sentence, and the same file can be begun again at once."""
    import shutil

    upload = open_files(folder_stack, "yard", collectionType=7)
    file = begin(folder_stack, upload, "a")
    (url,) = urls(folder_stack, file)
    part = named(1, put(folder_stack, url, b"content"))
    staging = folder_stack.settings.objects_folder / "staging"
    for entry in staging.iterdir():
        shutil.rmtree(entry)
    assert_error(finish(folder_stack, file, [part]), 409)
    assert not begin(folder_stack, upload, "a").get("storedParts")
    (url,) = urls(folder_stack, file)
    part = named(1, put(folder_stack, url, b"content"))
    assert finish(folder_stack, file, [part]).status_code == 200
    end(folder_stack, upload)
    assert stored(folder_stack) == [whole("a", b"content")]


@pytest.mark.parametrize("number", [1, 2])
def test_a_stalled_put_never_reaches_a_finished_file(tmp_path: Path, number: int) -> None:
    """A PUT whose bytes come after the file was finished is refused; the file keeps its bytes."""
    content, late = b"B" * 500_000, b"A" * 600_000
    with (
        serving(tmp_path / "stack") as server,
        httpx.Client(base_url=server.url, auth=server.auth, timeout=180) as client,
    ):

        def ask(path: str, **body: Any) -> Json:
            answer = client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            found: Json = answer.json()
            return found

        upload = ask(
            published.UPLOAD_METADATA_PATH,
            collectionName="yard",
            collectionType=7,
            objectKeyList=["a"],
        )
        file = ask(published.BEGIN_FILE_PATH, fileName="a", uploadId=upload["uploadId"])
        signed = ask(published.PART_URLS_PATH, fileId=file["fileId"], parts=2)["parts"]
        with stalled_put(server, signed[number - 1]["signedUrl"], late) as connection:
            wait_for_claim(tmp_path, number)
            part = named(1, httpx.put(signed[0]["signedUrl"], content=content))
            ask(published.FINISH_FILE_PATH, fileId=file["fileId"], parts=[part])
            connection.sendall(late[1000:])
            head, _ = read_answer(connection)
        assert head.split()[1] == b"409", head
        found = client.get(published.DOWNLOAD_URL_PATH, params={"file_key": "yard_a"}).json()
        answer = httpx.get(found["url"])
    assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert answer.content == content
    objects = [path for path in tmp_path.rglob("objects/files/**/*") if path.is_file()]
    assert [path.read_bytes() for path in objects] == [content]


@contextmanager
def stalled_put(server: Server, url: str, content: bytes) -> Iterator[socket.socket]:
    """A connection that has sent the head of a PUT and the first 1000 bytes of its content."""
    target = urlsplit(url)
    head = (
        f"PUT {target.path}?{target.query} HTTP/1.1\r\nHost: {target.netloc}\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    with server.connect() as connection:
        connection.sendall(head.encode() + content[:1000])
        yield connection


def wait_for_claim(folder: Path, number: int) -> None:
    """Until a PUT has begun to write the part."""
    deadline = time.monotonic() + 180
    while not list(folder.rglob(f"staging/*/{number}.claim")):
        assert time.monotonic() < deadline, "the PUT has not begun"
        time.sleep(0.01)
