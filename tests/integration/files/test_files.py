"""Files by the published protocol: E12 to E18, E24, E45, and what the stack sees in them."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import time
from typing import Any

import httpx
import msgspec
import pytest
from PIL import Image

from layernext.wire import published
from layernext.wire.native import bundle_path, known_path
from layernext.wire.published import PART_BYTES
from tests.integration.stack.conftest import Stack, assert_error, running, shared, stack

__all__ = ["shared", "stack"]

Json = dict[str, Any]


def picture(width: int = 64, height: int = 48, kind: str = "JPEG", seed: int = 1) -> bytes:
    """A real image."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (seed % 256, 99, 7)).save(buffer, kind)
    return buffer.getvalue()


def open_files(stack: Stack, collection: str, **fields: Any) -> Json:
    """E12."""
    body = {"collectionName": collection, "collectionType": 5, "objectKeyList": [], **fields}
    return stack.json("POST", published.UPLOAD_METADATA_PATH, json=body)


def begin(stack: Stack, upload: Json, name: str, **fields: Any) -> Json:
    """E13."""
    body = {"fileName": name, "uploadId": upload["uploadId"], **fields}
    return stack.json("POST", published.BEGIN_FILE_PATH, json=body)


def urls(stack: Stack, file: Json, parts: int = 1) -> list[str]:
    """E14."""
    body = {"fileId": file["fileId"], "parts": parts, "contentType": "image/jpeg"}
    answer = stack.json("POST", published.PART_URLS_PATH, json=body)
    assert [part["PartNumber"] for part in answer["parts"]] == list(range(1, parts + 1))
    return [part["signedUrl"] for part in answer["parts"]]


def finish(stack: Stack, file: Json, parts: list[Json] | None = None) -> httpx.Response:
    """E16."""
    body = {"fileId": file["fileId"], "parts": parts or []}
    return stack.ask("POST", published.FINISH_FILE_PATH, json=body)


def send(stack: Stack, upload: Json, name: str, content: bytes, **fields: Any) -> Json:
    """A file of one part, up to E16."""
    file = begin(stack, upload, name, **fields)
    (url,) = urls(stack, file)
    answer = stack.ask("PUT", url, role=None, content=content)
    assert answer.status_code == 200, answer.text
    tag = answer.headers["etag"]
    assert tag == f'"{hashlib.sha256(content).hexdigest()}"'
    ended = finish(stack, file, [{"PartNumber": 1, "ETag": tag[1:-1]}])
    assert ended.status_code == 200, ended.text
    return file


def end(stack: Stack, upload: Json) -> list[str]:
    """E17, and the wait until the stack has inspected the files."""
    path = published.finish_upload_path(upload["uploadId"])
    names: list[str] = stack.json("GET", path)["uploadedFileList"]
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        job = stack.json("GET", published.job_path(upload["jobId"]))
        assert job["isSuccess"], job
        if job["status"] == published.JOB_STATUS["completed"]:
            return names
        time.sleep(0.02)
    raise AssertionError("the stack has not inspected the files")


def url_of(stack: Stack, key: str) -> str:
    """E24."""
    answer = stack.json("GET", published.DOWNLOAD_URL_PATH, params={"file_key": key}, role="read")
    return str(answer["url"])


def upload_one(stack: Stack, collection: str, name: str, content: bytes, **fields: Any) -> str:
    """A whole upload of one file; its unique name."""
    upload = open_files(stack, collection, objectKeyList=[name], **fields)
    send(stack, upload, name, content)
    (unique,) = end(stack, upload)
    return unique


def test_a_file_comes_back(stack: Stack) -> None:
    """What was uploaded comes back, with its type, and the stack knows its size."""
    content = picture()
    unique = upload_one(stack, "yard.cam", "a b/ü.jpg", content)
    assert unique == "yard_cam_a b/ü.jpg"
    answer = stack.ask("GET", url_of(stack, unique), role=None)
    assert answer.content == content
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    (row,) = stack.store.files.find_many([1]).values()
    assert (row.state, row.content_type) == ("ready", "image/jpeg")
    assert row.thumbnail_path
    assert Image.open(io.BytesIO(b"".join(stack.objects.read(row.thumbnail_path)))).size == (64, 48)


def test_a_file_is_found_by_its_path_in_storage(stack: Stack) -> None:
    """E24 takes a unique name, or a path; the prefix is a new collection's own."""
    upload_one(stack, "yard", "1.jpg", b"one", storagePrefixPath="/raw/2026/", collectionType=7)
    assert stack.ask("GET", url_of(stack, "raw/2026/1.jpg"), role=None).content == b"one"
    missing = stack.ask("GET", published.DOWNLOAD_URL_PATH, params={"file_key": "no"})
    assert_error(missing, 404, "not-found")


@pytest.mark.parametrize(
    ("asked", "status", "wanted"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=4-", 206, b"456789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=-99", 206, b"0123456789"),
        ("bytes=10-", 416, b""),
        ("bytes=5-4", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("lines=0-1", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
    ],
)
def test_ranges(shared: Stack, asked: str, status: int, wanted: bytes) -> None:
    """A single range is answered as RFC 9110 has it; what is not a range is passed over."""
    content = b"0123456789"
    name = hashlib.sha256(asked.encode()).hexdigest()[:8]
    unique = upload_one(shared, "ranges", name, content, collectionType=7)
    url = url_of(shared, unique)
    answer = shared.ask("GET", url, role=None, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, wanted)
    if status == 206:
        start = content.index(wanted)
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/10"
    if status == 416:
        assert answer.headers["content-range"] == "bytes */10"
    tag = answer.headers["etag"]
    assert shared.ask("GET", url, role=None, headers={"If-None-Match": tag}).status_code == 304
    stale = {"Range": asked, "If-Range": '"other"'}
    assert shared.ask("GET", url, role=None, headers=stale).content == content
    head = shared.ask("HEAD", url, role=None)
    assert (head.headers["content-length"], head.content) == ("10", b"")


def test_an_html_file_does_not_run(shared: Stack) -> None:
    """A page among the files is offered for saving, not shown."""
    page = b"<html><script>alert(1)</script></html>"
    unique = upload_one(shared, "pages", 'x"\r\n.html', page, collectionType=7)
    answer = shared.ask("GET", url_of(shared, unique), role=None)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith('attachment; filename="x___.html"')
    assert answer.content == page


def test_empty_file(shared: Stack) -> None:
    """A file of no bytes has one part of no bytes."""
    unique = upload_one(shared, "empty", "nothing", b"", collectionType=7)
    answer = shared.ask("GET", url_of(shared, unique), role=None)
    assert (answer.status_code, answer.content) == (200, b"")


def test_parts(shared: Stack) -> None:
    """Parts come in any order and twice; the last one may be empty; the checksum is of the whole."""
    first, second = b"x" * PART_BYTES, b"the end"
    upload = open_files(shared, "large", collectionType=7)
    file = begin(shared, upload, "large.bin")
    places = urls(shared, file, 3)
    for number, content in ((2, b"y" * PART_BYTES), (1, first), (3, b""), (3, second), (2, first)):
        answer = shared.ask("PUT", places[number - 1], role=None, content=content)
        assert answer.status_code == 200
    again = begin(shared, upload, "large.bin")
    assert again["fileId"] == file["fileId"]
    assert [part[:2] for part in map(_part, again["storedParts"])] == [
        (1, PART_BYTES), (2, PART_BYTES), (3, 7),
    ]  # fmt: skip
    assert finish(shared, file).status_code == 200
    assert finish(shared, file).status_code == 200, "E16 may be repeated"
    (unique,) = end(shared, upload)
    whole = first + first + second
    answer = shared.ask("GET", url_of(shared, unique), role=None)
    assert len(answer.content) == len(whole)
    digest = hashlib.sha256(whole).hexdigest()
    assert hashlib.sha256(answer.content).hexdigest() == digest
    assert answer.headers["etag"] == f'"{digest}"'


def _part(part: Json) -> tuple[int, int, str]:
    return part["number"], part["size"], part["checksum"]


def test_a_missing_part(shared: Stack) -> None:
    """A file with a hole is not finished, and not visible."""
    upload = open_files(shared, "holes", collectionType=7)
    file = begin(shared, upload, "a")
    assert_error(finish(shared, file), 409, "conflict")
    places = urls(shared, file, 2)
    shared.ask("PUT", places[1], role=None, content=b"b")
    error = assert_error(finish(shared, file), 409, "conflict")
    assert "part 1" in error["message"]
    shared.ask("PUT", places[0], role=None, content=b"short")
    error = assert_error(finish(shared, file), 409, "conflict")
    assert "has 5 bytes" in error["message"]
    answer = shared.ask("GET", published.DOWNLOAD_URL_PATH, params={"file_key": "holes_a"})
    assert answer.status_code == 404


def test_announced_size_and_checksum(shared: Stack) -> None:
    """What is not what the client announced does not become visible."""
    upload = open_files(shared, "claims", collectionType=7)
    for number, fields in enumerate(({"size": 4}, {"checksum": "0" * 64})):
        file = begin(shared, upload, f"{number}", **fields)
        shared.ask("PUT", urls(shared, file)[0], role=None, content=b"abc")
        assert_error(finish(shared, file), 422, "data")
    good = hashlib.sha256(b"abc").hexdigest()
    send(shared, upload, "good", b"abc", size=3, checksum=good)
    assert end(shared, upload) == ["claims_good"]


def test_existing_files_stay(shared: Stack) -> None:
    """A name that is there is said to be there, with its checksum, and keeps its content."""
    upload_one(shared, "twice", "a", b"first", collectionType=7)
    upload = open_files(shared, "twice", collectionType=7)
    answer = begin(shared, upload, "a")
    assert answer["isExisting"]
    assert answer["existingChecksum"] == hashlib.sha256(b"first").hexdigest()
    assert end(shared, upload) == ["twice_a"]
    assert shared.ask("GET", url_of(shared, "twice_a"), role=None).content == b"first"


@pytest.mark.parametrize("content", [b"same", b"other"])
def test_two_writers_of_one_name(shared: Stack, content: bytes) -> None:
    """The first to finish wins; the other is told, unless the content is the same."""
    place = f"race {content.decode()}"
    uploads = [open_files(shared, place, collectionType=7) for _ in range(2)]
    files = [begin(shared, upload, "a") for upload in uploads]
    for file, each in zip(files, (b"same", content), strict=True):
        shared.ask("PUT", urls(shared, file)[0], role=None, content=each)
    assert finish(shared, files[0]).status_code == 200
    second = finish(shared, files[1])
    if content == b"same":
        assert second.json()["isExisting"] is True
    else:
        assert_error(second, 409, "conflict")
    assert shared.ask("GET", url_of(shared, f"{place}_a"), role=None).content == b"same"


def test_an_image_that_waited_gets_its_file(stack: Stack) -> None:
    """A model run that came before its images is there with them."""
    box = {"label": "cup", "bbox": [1, 2, 3, 4]}
    images = [{"image": "a.jpg", "annotations": [box]}]
    stack.upload(images, run="r", mode="machine", collection="yard", geometry="rectangle")
    (before,) = stack.json("GET", "/api/v1/collections")["items"]
    assert before["awaiting_file_count"] == 1
    upload_one(stack, "yard", "a.jpg", picture())
    (after,) = stack.json("GET", "/api/v1/collections")["items"]
    assert (after["image_count"], after["awaiting_file_count"]) == (1, 0)
    assert stack.sets(collection="yard", run="r") == images


def test_metadata_of_an_upload(stack: Stack) -> None:
    """New files and a new collection get it; files that are there only if that is asked for."""
    upload_one(stack, "yard", "a", b"a", collectionType=7, metaDataObject={"shift": "day"})
    later = {"metaDataObject": {"shift": "night", "Tags": ["x"]}, "collectionType": 7}
    names = {"objectKeyList": ["a", "b"]}

    def fields() -> list[Any]:
        with stack.store.database.read() as connection:
            found = connection.exec_driver_sql("SELECT fields FROM image ORDER BY id")
            return list(found.scalars())

    upload = open_files(stack, "yard", **later, **names)
    begin(stack, upload, "a")
    send(stack, upload, "b", b"b")
    assert fields() == ['{"shift":"day"}', '{"shift":"night","Tags":["x"]}']
    open_files(stack, "yard", **later, **names, isOverrideMetaData=True)
    assert fields() == ['{"shift":"night","Tags":["x"]}'] * 2


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"collectionName": ""}, "collectionName"),
        ({"collectionType": 3}, "collectionType"),
        ({"metaDataObject": [1]}, "metaDataObject"),
        ({"metaDataObject": {"Tags": "x"}}, "metaDataObject.Tags"),
        ({"metaDataObject": {"Tags": [1]}}, "metaDataObject.Tags[0]"),
        ({"objectKeyList": ["a", ""]}, "objectKeyList[1]"),
        ({"storagePrefixPath": "../x"}, "storagePrefixPath"),
        ({"storagePrefixPath": "a\\b"}, "storagePrefixPath"),
    ],
)
def test_bad_uploads_are_refused(shared: Stack, fields: Json, where: str) -> None:
    """One sentence with the place, and no collection is made."""
    body = {"collectionName": "refused", "collectionType": 5, **fields}
    answer = shared.ask("POST", published.UPLOAD_METADATA_PATH, json=body)
    error = assert_error(answer, 422, "data")
    assert error["details"][0]["where"] == where
    names = [each["name"] for each in shared.json("GET", "/api/v1/collections")["items"]]
    assert "refused" not in names


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", "..", "a\\..\\b", "x" * 512, "💥"])
def test_any_name_is_only_a_name(stack: Stack, name: str) -> None:
    """No name leads out of the folder of objects."""
    unique = upload_one(stack, "names", name, b"content", collectionType=7)
    assert stack.ask("GET", url_of(stack, unique), role=None).content == b"content"
    files = [path for path in stack.settings.data.rglob("*") if path.is_file()]
    kept = [path for path in files if path.read_bytes() == b"content"]
    assert len(kept) == 1
    assert stack.settings.objects_folder in kept[0].parents


def test_signatures(shared: Stack) -> None:
    """A URL is good for one thing, for a while."""
    upload = open_files(shared, "signed", collectionType=7)
    url = urls(shared, begin(shared, upload, "a"))[0]
    other = urls(shared, begin(shared, upload, "b"))[0]
    assert shared.ask("PUT", url, role=None, content=b"x").status_code == 200
    query = httpx.URL(url).query.decode()
    stolen = str(httpx.URL(other).copy_with(query=query.encode()))
    expired = url.replace("expires=", "expires=1")
    for wrong in (stolen, expired, url[:-1], url.replace("signature", "no")):
        answer = shared.ask("PUT", wrong, role=None, content=b"y")
        assert answer.status_code in {400, 403}, wrong
    assert shared.ask("GET", url, role=None).status_code == 405


def test_too_large_a_part(shared: Stack) -> None:
    """What says that it is larger than a part may be is refused before it comes."""
    upload = open_files(shared, "parts", collectionType=7)
    url = urls(shared, begin(shared, upload, "a"))[0]
    headers = {"Content-Length": str(PART_BYTES + 1)}
    answer = shared.ask("PUT", url, role=None, content=b"x", headers=headers)
    assert_error(answer, 413, "too-large")


def test_broken_images_say_so(stack: Stack) -> None:
    """A file that is not an image stays, and its state says why."""
    upload_one(stack, "broken", "a.jpg", b"\xff\xd8\xff no image")
    (row,) = stack.store.files.find_many([1]).values()
    assert row.state == "failed"
    assert stack.ask("GET", url_of(stack, "broken_a.jpg"), role=None).status_code == 200


def test_public_url(tmp_path: Any) -> None:
    """Every absolute URL begins with the setting, whatever host the request names."""
    with running(tmp_path, public_url="https://stack.example.org/") as stack:
        stack.client.headers.update({"Host": "elsewhere.example.org", "X-Forwarded-Proto": "http"})
        upload = open_files(stack, "yard")
        (url,) = urls(stack, begin(stack, upload, "a"))
        assert url.startswith("https://stack.example.org/upload/")
        link = stack.json("POST", "/api/v1/sign-in-links")["url"]
        assert link.startswith("https://stack.example.org/sign-in#")


def test_progress(shared: Stack) -> None:
    """E18 counts what has come of the newest upload."""
    upload = open_files(shared, "progress", collectionType=7, objectKeyList=["a", "b"])
    send(shared, upload, "a", b"a")
    query = {"collectionName": "progress"}
    found = shared.json("GET", published.UPLOAD_PROGRESS_PATH, params=query)
    assert (found["uploadedCount"], found["totalCount"], found["progress"]) == (1, 2, 50.0)
    nowhere = shared.ask("GET", published.UPLOAD_PROGRESS_PATH, params={"collectionName": "no"})
    assert_error(nowhere, 404, "not-found")


def bundle(*files: tuple[str, bytes], **changed: Any) -> bytes:
    """Files as a bundle; `changed` are wrong fields of its last line."""
    parts = []
    for number, (name, content) in enumerate(files, 1):
        entry = {"name": name, "size": len(content), "checksum": _digest(content)}
        if number == len(files):
            entry |= changed
        parts += [msgspec.json.encode(entry), b"\n", content]
    return b"".join(parts)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_bundle(shared: Stack) -> None:
    """Many files in one request; again it changes nothing; what is there stays."""
    upload = open_files(shared, "bundles", collectionType=7, metaDataObject={"shift": "day"})
    path = bundle_path(upload["uploadId"])
    content = bundle(("a", b"1"), ("b/c\n", b""), ("d", b"\n{}\n"))
    for outcome in ("stored", "existing"):
        answer = shared.json("POST", path, content=content)
        assert [each["outcome"] for each in answer["files"]] == [outcome] * 3
    answer = shared.json("POST", path, content=bundle(("a", b"2"), ("e", b"5")))
    assert [each["outcome"] for each in answer["files"]] == ["different", "stored"]
    names = {"names": ["a", "e", "no"]}
    known = shared.json("POST", known_path(upload["uploadId"]), json=names)
    assert [each["name"] for each in known["files"]] == ["a", "e"]
    assert len(end(shared, upload)) == 4
    assert shared.ask("GET", url_of(shared, "bundles_d"), role=None).content == b"\n{}\n"
    assert shared.ask("GET", url_of(shared, "bundles_a"), role=None).content == b"1"


def test_a_bundle_whose_commit_is_in_doubt(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost once the rows are there: then so is what they refer to."""
    upload = open_files(stack, "bundles", collectionType=7)
    store = stack.store.files.store_bundle
    dialect = stack.store.files._database.writer.dialect
    commit = dialect.do_commit

    def lost(connection: Any) -> None:
        commit(connection)
        raise sqlite3.OperationalError("disk I/O error")

    def with_lost_commit(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(dialect, "do_commit", lost)
            return store(*arguments)

    path = bundle_path(upload["uploadId"])
    with monkeypatch.context() as patch:
        patch.setattr(stack.store.files, "store_bundle", with_lost_commit)
        assert_error(stack.ask("POST", path, content=bundle(("a", b"1"))), 503)
    assert stack.ask("GET", url_of(stack, "bundles_a"), role=None).content == b"1"
    again = stack.json("POST", path, content=bundle(("a", b"1")))
    assert [entry["outcome"] for entry in again["files"]] == ["existing"]


def test_a_refused_bundle_leaves_no_objects(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing was committed for certain, the bytes are removed at once."""
    upload = open_files(stack, "bundles", collectionType=7)
    dialect = stack.store.files._database.writer.dialect

    def full(_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    store = stack.store.files.store_bundle

    def on_a_full_disk(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(dialect, "do_commit", full)
            return store(*arguments)

    monkeypatch.setattr(stack.store.files, "store_bundle", on_a_full_disk)
    answer = stack.ask("POST", bundle_path(upload["uploadId"]), content=bundle(("a", b"1")))
    assert_error(answer, 507)
    assert list(stack.objects.list_objects()) == []


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (bundle(("a", b"1"), ("b", b"2"), checksum="0" * 64), "files[1].checksum"),
        (bundle(("a", b"1"), ("b", b"2"), size=9), "files[1].size"),
        (bundle(("a", b"1"), ("b", b"2"), size=-1), "files[1].size"),
        (bundle(("a", b"1"), ("a", b"2")), "files[1].name"),
        (bundle(("a", b"1"), ("", b"2")), "files[1].name"),
        (bundle(("a", b"1")) + b"{", "files[1]"),
        (bundle(("a", b"1")) + b"nonsense\n", "files[1]"),
        (bundle(("a", b"1")) + b'{"name": 1}\n', "files[1].name"),
    ],
)
def test_bad_bundles(shared: Stack, content: bytes, where: str) -> None:
    """One wrong line, and nothing of the bundle is stored, on disk neither."""
    upload = open_files(shared, "bad bundles", collectionType=7)
    files = sum(path.is_file() for path in shared.settings.objects_folder.rglob("*"))
    answer = shared.ask("POST", bundle_path(upload["uploadId"]), content=content)
    error = assert_error(answer, 422, "data")
    assert error["details"][0]["where"] == where
    known = shared.json("POST", known_path(upload["uploadId"]), json={"names": ["a", "b"]})
    assert known["files"] == []
    assert files == sum(path.is_file() for path in shared.settings.objects_folder.rglob("*"))
