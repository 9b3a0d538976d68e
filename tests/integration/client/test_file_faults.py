"""Files over a network that fails, from stacks that lie, and by clients that are killed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from layernext import LayerNextClient
from layernext.errors import DownloadIncomplete, IncompatibleStack, UploadIncomplete
from layernext.wire import published
from tests.integration.client.test_files import content_of, fill, parts_in, picture
from tests.support.faulty_network import CutStream, FaultyNetwork
from tests.support.stack_process import StackProcess

MIB = 1 << 20


def fresh() -> str:
    return f"yard-{uuid.uuid4().hex[:8]}"


@contextmanager
def client_over(
    stack: StackProcess, network: FaultyNetwork, *, retry_for_s: float = 20, **named: Any
) -> Iterator[LayerNextClient]:
    with LayerNextClient(
        *stack.arguments, http=network, retry_for_s=retry_for_s, **named
    ) as client:
        yield client


@pytest.mark.parametrize("protocol", ["native", "published"])
def test_every_third_request_fails(native_stack: StackProcess, tmp_path: Path, protocol) -> None:
    """503 or a dead connection, in turn; everything arrives, once."""

    def before(request: httpx.Request, number: int) -> httpx.Response | None:
        if number % 6 == 2:
            return httpx.Response(503, json={"error": {"message": "busy"}}, request=request)
        if number % 6 == 5:
            raise httpx.ConnectError("refused", request=request)
        return None

    files, name = fill(tmp_path / "source", 9), fresh()
    network = FaultyNetwork(before)
    only = "published" if protocol == "published" else None
    with client_over(native_stack, network, protocol=only) as client:
        report = client.upload_files_to_collection(
            tmp_path / "source", "image", name, parallel=2, progress=False
        )
        assert (sorted(report.uploaded), report.failed) == (sorted(files), [])
    with client_over(native_stack, FaultyNetwork(before)) as client:
        client.files.download(name, tmp_path / "target", progress=False)
    assert content_of(tmp_path / "target") == files


STAGES = [
    published.UPLOAD_METADATA_PATH,
    published.BEGIN_FILE_PATH,
    published.PART_URLS_PATH,
    "/upload/",
    published.FINISH_FILE_PATH,
    "/complete",
]


@pytest.mark.parametrize("stage", STAGES)
def test_a_cut_after_each_stage(native_stack: StackProcess, tmp_path: Path, stage: str) -> None:
    """The stack did what was asked, and its answer is lost: the repeated request changes nothing."""
    lost: set[str] = set()

    def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        path = request.url.path
        if stage in path and len(lost) < 2 and str(request.url) + str(len(lost)) not in lost:
            lost.add(str(request.url) + str(len(lost)))
            response.close()
            raise httpx.ReadError("reset", request=request)
        return response

    files, name = fill(tmp_path / "source", 3), fresh()
    with client_over(native_stack, FaultyNetwork(after=after), protocol="published") as client:
        report = client.upload_files_to_collection(
            tmp_path / "source", "image", name, progress=False
        )
    assert lost
    assert report.is_success
    with LayerNextClient(*native_stack.arguments) as client:
        assert sorted(row.name for row in client.files.list(name)) == sorted(files)
        client.files.download(name, tmp_path / "target", progress=False)
    assert content_of(tmp_path / "target") == files


def test_an_upload_that_ends_early_goes_on(native_stack: StackProcess, tmp_path: Path) -> None:
    """The error has a report of what is stored; the same call again sends the rest."""
    files, name = fill(tmp_path / "source", 8), fresh()

    def before(request: httpx.Request, number: int) -> httpx.Response | None:
        if number > 14:
            raise httpx.ConnectError("refused", request=request)
        return None

    with (
        client_over(
            native_stack, FaultyNetwork(before), protocol="published", retry_for_s=0
        ) as client,
        pytest.raises(UploadIncomplete, match="repeat the call") as caught,
    ):
        client.upload_files_to_collection(
            tmp_path / "source", "image", name, parallel=1, progress=False
        )
    stored = caught.value.report.uploaded
    assert 0 < len(stored) < len(files)
    with LayerNextClient(*native_stack.arguments) as client:
        assert {row.name for row in client.files.list(name)} >= set(stored)
        report = client.upload_files_to_collection(
            tmp_path / "source", "image", name, progress=False
        )
    assert sorted([*report.skipped, *report.uploaded]) == sorted(files)
    assert set(report.skipped) >= set(stored)


def upload_big(stack: StackProcess, folder: Path, size: int) -> tuple[str, bytes]:
    """A collection with one file of so many bytes, inspected."""
    content, name = os.urandom(size), fresh()
    (folder / "big.bin").write_bytes(content)
    with LayerNextClient(*stack.arguments) as client:
        report = client.upload_files_to_collection(
            folder / "big.bin", "other", name, progress=False
        )
        client.wait_for_job_complete(report.job_id, timeout_s=30)
    return name, content


def test_a_download_that_is_cut_goes_on_where_it_was(
    native_stack: StackProcess, tmp_path: Path
) -> None:
    """By ranges, in the same call; nothing comes twice."""
    name, content = upload_big(native_stack, tmp_path, 5 * MIB)
    ranges: list[str] = []

    def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if not request.url.path.startswith("/files/"):
            return response
        ranges.append(request.headers.get("range", ""))
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=CutStream(response.stream, 2 * MIB),  # type: ignore[arg-type]
            request=request,
        )

    with client_over(native_stack, FaultyNetwork(after=after)) as client:
        report = client.files.download(name, tmp_path / "target", progress=False)
    assert (tmp_path / "target" / "big.bin").read_bytes() == content
    assert ranges == ["", f"bytes={2 * MIB}-", f"bytes={4 * MIB}-"]
    assert report.bytes_received == len(content)


def test_the_next_call_goes_on_where_it_was(native_stack: StackProcess, tmp_path: Path) -> None:
    """What a call left behind is used by the next one, if it is of the same content."""
    name, content = upload_big(native_stack, tmp_path, 5 * MIB)
    asked: list[str] = []

    def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path.startswith("/files/"):
            asked.append(request.headers.get("range", ""))
            if len(asked) > 1:
                raise httpx.ReadError("reset", request=request)
            return httpx.Response(
                response.status_code,
                headers=response.headers,
                stream=CutStream(response.stream, 3 * MIB),  # type: ignore[arg-type]
                request=request,
            )
        return response

    target = tmp_path / "target"
    with (
        client_over(native_stack, FaultyNetwork(after=after), retry_for_s=0) as client,
        pytest.raises(DownloadIncomplete, match="ended early"),
    ):
        client.files.download(name, target, progress=False)
    assert content_of(target) == {}
    assert [part.stat().st_size for part in parts_in(target)] == [3 * MIB]
    network = FaultyNetwork()
    with client_over(native_stack, network) as client:
        client.files.download(name, target, progress=False)
    (got,) = [each for each in network.requests if each.url.path.startswith("/files/")]
    assert got.headers["range"] == f"bytes={3 * MIB}-"
    assert (target / "big.bin").read_bytes() == content
    assert parts_in(target) == []


def test_credentials_stay_with_the_stack(native_stack: StackProcess, tmp_path: Path) -> None:
    """URLs that authorise themselves are asked without key and secret, up and down."""
    network = FaultyNetwork()
    with client_over(native_stack, network) as client:
        (tmp_path / "big.bin").write_bytes(os.urandom(3 * MIB))
        name = fresh()
        client.upload_files_to_collection(tmp_path / "big.bin", "other", name, progress=False)
        client.files.download(name, tmp_path / "target", progress=False)
    signed = [each for each in network.requests if "signature=" in str(each.url)]
    assert {each.method for each in signed} == {"PUT", "GET"}
    assert not any("authorization" in each.headers for each in signed)
    assert all("authorization" in each.headers for each in network.requests if each not in signed)


UPLOAD = """
import sys, layernext
key, secret, url, name, path = sys.argv[1:]
layernext.LayerNextClient(key, secret, url).upload_files_to_collection(
    path, "other", name, parallel=2, progress=lambda what, done, total: print(done, flush=True))
"""
DOWNLOAD = """
import sys, layernext
key, secret, url, name, path = sys.argv[1:]
layernext.LayerNextClient(key, secret, url).files.download(
    name, path, progress=lambda what, done, total: print(done, flush=True))
"""


def run_and_kill(
    script: str, stack: StackProcess, arguments: list[str], enough: int, **more
) -> None:
    """SIGKILL as soon as so many bytes were moved."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *stack.arguments, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **more},
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if int(line) >= enough:
                process.send_signal(signal.SIGKILL)
                break
    process.wait()
    assert process.returncode == -signal.SIGKILL


def test_a_killed_upload_goes_on_with_the_parts_that_are_there(
    native_stack: StackProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of four parts; what was stored before the kill is not sent again, and the file is right."""
    monkeypatch.setenv("LAYERNEXT_STATE", str(tmp_path / "state"))
    path, name = tmp_path / "big.bin", fresh()
    with path.open("wb") as file:
        for _ in range(320):
            file.write(os.urandom(MIB))
    run_and_kill(UPLOAD, native_stack, [name, str(path)], 230 * MIB)
    with LayerNextClient(*native_stack.arguments) as client:
        assert client.files.list(name, content_type="other") == []
        report = client.upload_files_to_collection(path, "other", name, progress=False)
        assert report.uploaded == ["big.bin"]
        assert report.unique_name == f"{name}_big.bin"
        assert 0 < report.bytes_sent < path.stat().st_size
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        (record,) = client.files.list(name)
    assert record.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list((tmp_path / "state").iterdir()) == []


def test_a_killed_download_goes_on(native_stack: StackProcess, tmp_path: Path) -> None:
    """Nothing half-written has a file's name; the next call brings the rest."""
    name, content = upload_big(native_stack, tmp_path, 60 * MIB)
    target = tmp_path / "target"
    with LayerNextClient(*native_stack.arguments) as client:
        for _ in range(2):
            started = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-c", DOWNLOAD, *native_stack.arguments, name, str(target)],
                stdout=subprocess.DEVNULL,
            )
            while time.monotonic() - started < 180 and process.poll() is None:
                parts = target / ".layernext" / "parts"
                if parts.is_dir() and any(part.stat().st_size for part in parts.iterdir()):
                    break
            process.kill()
            process.wait()
            assert content_of(target) in ({}, {"big.bin": content})
        report = client.files.download(name, target, progress=False)
    assert report.is_success
    assert content_of(target) == {"big.bin": content}
    assert parts_in(target) == []


# -- a stack that only speaks as published, and may lie ------------------------------------------

NAMES = [
    "../../evil.jpg",
    "/etc/evil.jpg",
    "C:\\evil.jpg",
    "NUL",
    "a.jpg",
    "A.jpg",
    "..",
    "sub/x.jpg",
]


class FakeStack(httpx.BaseTransport):
    """Answers what a published stack answers, with names and bytes of the test's choice."""

    def __init__(self, files: dict[str, bytes], *, tags: bool = True) -> None:
        self.files, self.tags = files, tags
        self.requests: list[httpx.Request] = []
        self.change: Callable[[bytes], bytes] = lambda content: content

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        if path == "/files":
            return self._file(request)
        if "compatibility" in path:
            return httpx.Response(200, json={"isCompatible": True})
        if path.endswith("getCollectionIdByName"):
            return httpx.Response(200, json={"isSuccess": True, "collectionId": "c" * 24})
        if path.endswith("getObjectTypeById"):
            return httpx.Response(200, json={"objectType": 5})
        assert path.endswith("objects/list")
        asked = msgspec.json.decode(request.read())
        start = asked["pageIndex"] * asked["pageSize"]
        names = list(self.files)[start : start + asked["pageSize"]]
        rows = [
            {
                "name": each,
                "uniqueName": f"yard_{each}",
                "url": str(httpx.URL("http://stack.test/files", params={"name": each})),
            }
            for each in names
        ]
        return httpx.Response(200, json=rows)

    def _file(self, request: httpx.Request) -> httpx.Response:
        content = self.files[request.url.params["name"]]
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"etag": tag} if self.tags else {}
        if self.tags and request.headers.get("if-none-match") == tag:
            return httpx.Response(304, headers=headers)
        sent = self.change(content)
        headers["content-length"] = str(len(sent))
        return httpx.Response(200, stream=httpx.ByteStream(sent), headers=headers)


def fake_client(stack: FakeStack) -> LayerNextClient:
    return LayerNextClient("key_a", "b", "https://stack.test", http=stack, retry_for_s=0)


@pytest.mark.parametrize("tags", [True, False])
def test_hostile_names_stay_in_the_folder(tmp_path: Path, tags: bool) -> None:
    """Every file is somewhere in the folder, none is above it, and none takes another's place."""
    stack = FakeStack({name: name.encode() for name in NAMES}, tags=tags)
    target = tmp_path / "deep" / "target"
    with fake_client(stack) as client:
        report = client.files.download("yard", target, progress=False)
        assert len(report.downloaded) == len(NAMES)
        assert sorted(content_of(target).values()) == sorted(each.encode() for each in NAMES)
        assert [
            each for each in tmp_path.rglob("*") if each.is_file() and target not in each.parents
        ] == []
        again = client.files.download("yard", target, progress=False)
    # Without ETags nothing says that a file is the same, so it is fetched.
    assert len(again.unchanged) == (len(NAMES) if tags else 0)


def test_pages_as_published(tmp_path: Path) -> None:
    """One flat folder of unique names, a page at a time, until there are no more."""
    stack = FakeStack({f"{n}/x.jpg": bytes([n]) for n in range(5)})
    with fake_client(stack) as client:
        for page in range(3):
            report = client.download_files_from_collection("yard", tmp_path, page, 2)
            assert report["is_success"]
        last = client.download_files_from_collection("yard", tmp_path, 3, 2)
        assert (last["is_success"], last["message"]) == (False, "No more pages to download")
        order = {"sort_by_field": "name", "sort_order": "ASC"}
        kinds = {"annotation_types": ["human"], "from_date": "2026-01-02"}
        client.download_files_from_metalake("image", tmp_path, 0, 2, "a=b", kinds, order)
    assert content_of(tmp_path) == {f"yard_{n}_x.jpg": bytes([n]) for n in range(5)}
    asked = [each for each in stack.requests if each.url.path.endswith("explorer/objects/list")]
    assert msgspec.json.decode(asked[-1].content) == {
        "pageIndex": 0, "pageSize": 2, "query": "a=b", "contentType": 2,
        "filterData": {
            "annotationTypes": [2], "date": {"fromDate": "2026-01-02"},
            "tags": [], "labels": [], "metadata": {},
        },
        "sortBy": {"sortByField": 3, "sortOrder": "ASC"},
    }  # fmt: skip


@pytest.mark.parametrize("how", ["flipped", "short", "long"])
def test_damaged_files_do_not_appear(tmp_path: Path, how: str) -> None:
    """Neither other bytes than the checksum says, nor fewer, nor more."""
    stack = FakeStack({"1.jpg": b"content", "2.jpg": b"other"})
    change = {"flipped": b"CONTENT", "short": b"conten", "long": b"content and more"}[how]
    stack.change = lambda content: change if content == b"content" else content
    with fake_client(stack) as client, pytest.raises(DownloadIncomplete, match="damaged") as caught:
        client.files.download("yard", tmp_path, progress=False)
    assert [each.name for each in caught.value.report.failed] == ["1.jpg"]
    assert content_of(tmp_path) == {"2.jpg": b"other"}


class OpensIn(httpx.BaseTransport):
    """A stack whose files are kept by somebody else."""

    def __init__(self, storage: str, refusal: int | None = None) -> None:
        self.storage, self.refusal = storage, refusal
        self.puts: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "PUT":
            request.read()
            self.puts.append(request)
            if self.refusal is not None:
                return httpx.Response(self.refusal)
            return httpx.Response(200 if self.storage != "GCP" else 308)
        answers: dict[str, Any] = {
            published.UPLOAD_METADATA_PATH: {
                "uploadId": "u", "collectionId": "c", "jobId": "j", "storageType": self.storage,
            },
            published.BEGIN_FILE_PATH: {"fileId": "f", "fileKey": "k"},
            published.PART_URLS_PATH: {
                "parts": [{"PartNumber": 1, "signedUrl": "https://storage.test/x?sig=1"}]
            },
        }  # fmt: skip
        if "compatibility" in path:
            return httpx.Response(200, json={"isCompatible": True})
        return httpx.Response(200, json=answers.get(path, {}))


@pytest.mark.parametrize(
    ("storage", "url", "headers"),
    [
        ("GCP", "https://storage.test/x?sig=1", {"content-range": "bytes 0-4/5"}),
        ("AZURE", "https://storage.test/x?sig=1&comp=block&blockid=TURBd01EQXc%3D", {}),
    ],
)
def test_other_storage(tmp_path: Path, storage: str, url: str, headers: dict[str, str]) -> None:
    """Parts go to Google's and Microsoft's storage by their rules, without an ETag."""
    (tmp_path / "1.bin").write_bytes(b"bytes")
    stack = OpensIn(storage)
    with LayerNextClient("key_a", "b", "https://stack.test", http=stack) as client:
        report = client.upload_files_to_collection(tmp_path / "1.bin", "other", "yard")
    assert report.is_success
    (put,) = stack.puts
    assert (str(put.url), put.content) == (url, b"bytes")
    assert headers.items() <= dict(put.headers).items()


@pytest.mark.parametrize("storage", ["AWS_S3", "GCP", "AZURE"])
def test_a_refused_part_is_no_success(tmp_path: Path, storage: str) -> None:
    """Whoever keeps the file: a part that is not taken leaves it failed, and it is in the report."""
    (tmp_path / "1.bin").write_bytes(b"bytes")
    stack = OpensIn(storage, refusal=400)
    with (
        LayerNextClient("key_a", "b", "https://stack.test", http=stack) as client,
        pytest.raises(UploadIncomplete) as caught,
    ):
        client.upload_files_to_collection(tmp_path / "1.bin", "other", "yard")
    assert stack.puts
    assert [each.name for each in caught.value.report.failed] == ["1.bin"]
    assert caught.value.report.uploaded == []


def test_unknown_storage_and_missing_etag(tmp_path: Path) -> None:
    """Said at once, and nothing counts as uploaded."""
    (tmp_path / "1.png").write_bytes(picture())
    with (
        LayerNextClient("key_a", "b", "https://stack.test", http=OpensIn("TAPE")) as client,
        pytest.raises(IncompatibleStack, match="TAPE"),
    ):
        client.upload_files_to_collection(tmp_path / "1.png", "image", "yard")
    with (
        LayerNextClient("key_a", "b", "https://stack.test", http=OpensIn("AWS_S3")) as client,
        pytest.raises(UploadIncomplete, match="without an ETag"),
    ):
        client.upload_files_to_collection(tmp_path / "1.png", "image", "yard")
