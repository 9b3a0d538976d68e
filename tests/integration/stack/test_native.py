"""The native protocol: uploads, downloads, listings."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings

from layernext.model import ImageAnnotations, decode_trusted
from layernext.stack.api import body, ingest
from layernext.stack.api.native.annotations import chosen_encoding
from layernext.wire import native
from tests.integration.stack.conftest import Stack, assert_error, lines
from tests.support import strategies

BOX = {"label": "car", "bbox": [1, 2.5, 3, 4], "confidence": 0.5}


def image(name: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"image": name, "annotations": list(annotations)}


def test_upload_and_download(stack: Stack) -> None:
    """What is uploaded comes back byte for byte, in order, with what its upload said of it."""
    upload = stack.open_upload(geometry="rectangle", normalized=True)
    raw = b'{"image": "a.jpg",  "annotations": [{"label":"car", "bbox":[243.0, 1e-7,3,4]}]}'
    answer = stack.put(upload, 0, raw + b"\n" + lines([image("b.jpg")]))
    assert answer.json() == {
        "images": 2,
        "annotations": 1,
        "unmatched": 2,
        "new_labels": ["car"],
        "repeated": False,
    }
    state = stack.json("POST", native.finish_path(upload.id), json={"batches": 1})
    assert (state["finished"], state["images"], state["annotations"]) == (True, 2, 1)
    text = stack.ask("GET", native.ANNOTATIONS_PATH, params={"collection": "yard"}).content
    assert raw in text
    first, second = stack.download(collection="yard")
    assert (first["run"], first["mode"]) == ("run", "machine")
    assert (first["geometry"], first["normalized"]) == ("rectangle", True)
    assert second["set"] == image("b.jpg")
    (job,) = (stack.json("GET", f"{native.JOBS_PATH}/{upload.id}") for _ in range(1))
    assert (job["status"], job["progress"]) == ("completed", 100.0)


def test_repeats_and_conflicts(stack: Stack) -> None:
    """The same batch twice changes nothing; another under its number, or a gap, is a conflict."""
    upload = stack.open_upload(geometry="rectangle")
    batch = [image("a.jpg", BOX)]
    assert stack.put(upload, 0, batch).json()["repeated"] is False
    assert stack.put(upload, 0, batch).json()["repeated"] is True
    assert_error(stack.put(upload, 0, [image("b.jpg", BOX)]), 409, "conflict")
    assert len(stack.sets(collection="yard")) == 1
    finish = native.finish_path(upload.id)
    assert_error(stack.ask("POST", finish, json={"batches": 2}), 409, "conflict")
    assert stack.json("POST", finish, json={"batches": 1})["finished"] is True
    assert stack.json("POST", finish, json={"batches": 1})["finished"] is True
    assert stack.put(upload, 0, batch).json()["repeated"] is True
    assert_error(stack.put(upload, 1, batch), 409, "conflict")


def test_resume(stack: Stack) -> None:
    """An unfinished upload is found again, with the batches that arrived."""
    upload = stack.open_upload(geometry="rectangle")
    stack.put(upload, 3, [image("a.jpg", BOX)])
    again = stack.open_upload(geometry="rectangle", resume=True)
    digest = native.batch_digest(lines([image("a.jpg", BOX)]))
    assert again.id == upload.id
    assert [(one.sequence, one.digest) for one in again.received] == [(3, digest)]
    assert stack.open_upload(geometry="polygon", resume=True).id != upload.id
    looked = stack.json("GET", native.upload_path(upload.id), role="read")
    assert looked == msgspec.to_builtins(again)


def streamed_zstd(content: bytes) -> bytes:
    """A frame that does not say how large its content is."""
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd", "zstd-stream", "zstd-frames"])
def test_encodings(stack: Stack, encoding: str) -> None:
    """A batch may come in any of the encodings, in one part or several."""
    content = lines([image(f"{number}.jpg", BOX) for number in range(300)])
    half = len(content) // 2
    packed = {
        "identity": content,
        "gzip": gzip.compress(content[:half]) + gzip.compress(content[half:]),
        "zstd": zstandard.compress(content),
        "zstd-stream": streamed_zstd(content),
        "zstd-frames": zstandard.compress(content[:half]) + streamed_zstd(content[half:]),
    }[encoding]
    upload = stack.open_upload(geometry="rectangle")
    headers = {"Content-Encoding": encoding.split("-", maxsplit=1)[0]}
    assert stack.put(upload, 0, packed, headers=headers).json()["images"] == 300
    state = stack.json("GET", native.upload_path(upload.id))
    assert state["received"] == [[0, native.batch_digest(content)]]


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "plain", "flip"])
def test_broken_compression(stack: Stack, encoding: str, damage: str) -> None:
    """Data that is not what its Content-Encoding says is refused, and nothing of it stored."""
    content = lines([image(f"{number}.jpg", BOX) for number in range(3_000)])
    packed = zstandard.compress(content) if encoding == "zstd" else gzip.compress(content)
    flipped = bytes([packed[0] ^ 0xFF]) + packed[1:]
    damaged = {
        "cut": packed[:-5],
        "noise": b"\x00\x01" * 50,
        "empty": b"",
        "plain": content,
        "flip": flipped,
    }[damage]
    upload = stack.open_upload(geometry="rectangle")
    answer = stack.put(upload, 0, damaged, headers={"Content-Encoding": encoding})
    assert_error(answer, 400)
    assert stack.store.uploads.get(upload.id).images == 0


@pytest.mark.parametrize("encoding", ["zstd", "zstd-stream", "zstd-frames", "gzip"])
def test_bombs(stack: Stack, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """A small body that decompresses to more than the limit is refused before it fills memory."""
    limit = 4 << 20
    monkeypatch.setattr(ingest, "MAX_BATCH_BYTES", limit)
    monkeypatch.setattr(body, "SPOOL_BYTES", 1 << 20)
    zeros = b" " * (64 << 20)
    packed = {
        "gzip": gzip.compress(zeros),
        "zstd": zstandard.compress(zeros),
        "zstd-stream": streamed_zstd(zeros),
        "zstd-frames": zstandard.compress(zeros[: limit // 2]) * 5,
    }[encoding]
    upload = stack.open_upload(geometry="rectangle")
    headers = {"Content-Encoding": encoding.split("-", maxsplit=1)[0]}
    assert_error(stack.put(upload, 0, packed, headers=headers), 413, "too-large")


def test_unknown_encoding(stack: Stack) -> None:
    """An encoding that the stack does not know is refused by name."""
    upload = stack.open_upload(geometry="rectangle")
    for encoding in ("br", "gzip, zstd", "x" * 200):
        answer = stack.put(upload, 0, b"", headers={"Content-Encoding": encoding})
        assert_error(answer, 415)


def test_announced_length(stack: Stack) -> None:
    """A body whose announced length is too large is refused without being read."""
    upload = stack.open_upload(geometry="rectangle")
    answer = stack.put(upload, 0, b" " * (native.MAX_BATCH_BYTES + 1))
    assert_error(answer, 413, "too-large")


def test_too_many_images(stack: Stack) -> None:
    """A batch of more images than the handshake offers is refused."""
    upload = stack.open_upload(geometry="rectangle")
    most = [image(f"{number}.jpg") for number in range(native.MAX_BATCH_IMAGES)]
    assert_error(stack.put(upload, 0, [*most, image("one more")]), 413, "too-large")
    assert stack.put(upload, 0, most).json()["images"] == native.MAX_BATCH_IMAGES


def test_large_batch_by_way_of_a_file(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a size, bodies go to a temporary file, and nothing else changes."""
    monkeypatch.setattr(body, "SPOOL_BYTES", 1_000)
    monkeypatch.setattr(body, "WRITE_BYTES", 1_000)
    content = lines([image(f"{number}.jpg", BOX) for number in range(2_000)])
    upload = stack.open_upload(geometry="rectangle")
    assert stack.put(upload, 0, content).json()["images"] == 2_000
    packed = zstandard.compress(content)
    answer = stack.put(upload, 0, packed, headers={"Content-Encoding": "zstd"})
    assert answer.json()["repeated"] is True
    packed = gzip.compress(content)
    answer = stack.put(upload, 0, packed, headers={"Content-Encoding": "gzip"})
    assert answer.json()["repeated"] is True


@pytest.mark.parametrize(
    ("line", "where"),
    [
        pytest.param(b"{", "images[1]", id="no-json"),
        pytest.param(b"\xff", "images[1]", id="not-utf-8"),
        pytest.param(b"[" * 10_000, "images[1]", id="deep"),
        pytest.param(b"null", "images[1]", id="null"),
        pytest.param(b'{"image":"","annotations":[]}', "images[1].image", id="no-name"),
        pytest.param(b'{"image":"a\\u0000","annotations":[]}', "images[1].image", id="nul-in-name"),
        pytest.param(
            b'{"image":"a","annotations":[{"label":"x","bbox":[1,2,-3,4]}]}',
            "images[1].annotations[0].bbox",
            id="negative",
        ),
        pytest.param(
            b'{"image":"a","annotations":[{"label":"x","bbox":[1e999,2,3,4]}]}',
            "images[1].annotations[0].bbox[0]",
            id="infinite",
        ),
    ],
)
def test_bad_lines(stack: Stack, line: bytes, where: str) -> None:
    """A line that cannot be read is named by its place, and nothing of its batch is stored."""
    upload = stack.open_upload(geometry="rectangle")
    batch = lines([image("good.jpg", BOX)]) + line + b"\n"
    error = assert_error(stack.put(upload, 0, batch), 422, "data")
    assert error["details"][0]["where"] == where
    assert stack.sets() == []


def test_many_problems(stack: Stack) -> None:
    """All problems of a batch are told, up to a limit."""
    bad = {"label": "x", "bbox": [1, 2]}
    upload = stack.open_upload(geometry="rectangle")
    error = assert_error(
        stack.put(upload, 0, [image("a.jpg", bad, BOX, bad), image("b.jpg", bad)]), 422
    )
    assert [one["where"] for one in error["details"]] == [
        "images[0].annotations[0].bbox",
        "images[0].annotations[2].bbox",
        "images[1].annotations[0].bbox",
    ]
    error = assert_error(stack.put(upload, 0, [image("a.jpg", *[bad] * 5_000)]), 422)
    assert len(error["details"]) == ingest.PROBLEM_LIMIT


def test_deeply_nested(stack: Stack) -> None:
    """What can be stored can be read again on every way, however deeply it is nested."""
    upload = stack.open_upload()
    stored = 0
    for depth in range(100, 2_000, 50):
        free = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        line = (
            b'{"image":"%d.jpg","annotations":[{"type":"rectangle","label":"x",'
            b'"bbox":[1,2,3,4],"metadata":%s}]}' % (depth, free)
        )
        answer = stack.put(upload, depth, line)
        if answer.status_code != 200:
            assert_error(answer, 422)
            break
        stored += 1
    assert stored
    assert stack.ask("GET", native.ANNOTATIONS_PATH).content.count(b"\n") == stored + 1
    (found,) = (one for one in stack.json("GET", native.COLLECTIONS_PATH)["items"])
    path = f"/datalake/api/client/getAnnotations/{found['id']}/collection"
    assert stack.ask("GET", path).status_code == 200


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(run=strategies.model_runs(), name=strategies.names)
def test_round_trip(shared: Stack, run: list[ImageAnnotations], name: str) -> None:
    """Any valid run comes back equal, whatever its names and values are."""
    shared.json("DELETE", native.ANNOTATIONS_PATH, params={"run": name})
    upload = shared.open_upload(run=name, collection="any")
    batch = b"".join(msgspec.json.encode(one) + b"\n" for one in run)
    assert shared.put(upload, 0, batch).status_code == 200
    lines_back = shared.ask("GET", native.ANNOTATIONS_PATH, params={"run": name}).content
    *sets, _ = [
        msgspec.json.decode(line, type=native.DownloadLine) for line in lines_back.splitlines()
    ]
    assert [decode_trusted(bytes(line.set), line.geometry) for line in sets] == run


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0", "gzip"),
        ("zstd;q=0.0, gzip;q=0.000", "identity"),
        ("ZSTD ; q=0.3", "zstd"),
        ("br", "identity"),
        (";;,,q=", "identity"),
    ],
)
def test_accept_encoding(accepted: str, encoding: str) -> None:
    """The client's header decides how a download is compressed."""
    assert chosen_encoding(accepted) == encoding


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_download_encodings(stack: Stack, encoding: str) -> None:
    """A download is the same in every encoding, over many pieces."""
    images = [image(f"{number}.jpg", *[BOX] * 30) for number in range(1_000)]
    stack.upload(images, geometry="rectangle")
    headers = {"Accept-Encoding": encoding}
    with stack.client.stream(
        "GET", native.ANNOTATIONS_PATH, headers=headers, auth=credentials(stack)
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"] == native.NDJSON
    if encoding == "gzip":
        raw = zlib.decompress(raw, wbits=31)
    elif encoding == "zstd":
        raw = zstandard.ZstdDecompressor().stream_reader(raw).read()
    *sets, last = [json.loads(line) for line in raw.splitlines()]
    assert [line["set"] for line in sets] == images
    assert last == {"end": 1_000}


def credentials(stack: Stack) -> tuple[str, str]:
    return stack.keys["read"].api_key, stack.keys["read"].secret


def test_download_goes_on_behind_a_cursor(stack: Stack) -> None:
    """A download that was cut off goes on behind the last whole line."""
    stack.upload([image(f"{number}.jpg", BOX) for number in range(10)], geometry="rectangle")
    everything = stack.download(collection="yard")
    for place in (0, 4, 9):
        rest = stack.download(collection="yard", after=everything[place]["cursor"])
        assert rest == everything[place + 1 :]


def test_download_filters(stack: Stack) -> None:
    """Runs, mode, image and collection narrow a download down."""
    for run in ("one", "two", "three"):
        stack.upload([image("a.jpg", BOX), image("b.jpg")], run=run, geometry="rectangle")
    stack.upload([image("a.jpg")], run="one", mode="human")
    stack.upload([image("c.jpg")], run="one", collection="other")
    stack.upload([image("plain.jpg")], run="one", collection=None)
    assert len(stack.sets()) == 9
    assert len(stack.sets(collection="yard")) == 7
    assert len(stack.sets(collection="yard/", run=["one", "two"])) == 5
    assert len(stack.sets(collection="yard", run=["one"], mode="human")) == 1
    assert len(stack.sets(collection="yard", image="b.jpg")) == 3
    assert stack.sets(collection="") == [image("plain.jpg")]
    assert stack.sets(collection="yard", image="c.jpg") == []


def test_removal(stack: Stack) -> None:
    """Removing a run takes its sets away; removing it again takes nothing."""
    stack.upload([image("a.jpg", BOX, BOX)], geometry="rectangle")
    stack.upload([image("a.jpg", BOX)], geometry="rectangle", mode="human")
    query = {"collection": "yard", "run": "run", "mode": "machine"}
    assert stack.json("DELETE", native.ANNOTATIONS_PATH, params=query) == {
        "sets": 1,
        "annotations": 2,
    }
    assert stack.json("DELETE", native.ANNOTATIONS_PATH, params=query)["sets"] == 0
    assert [line["mode"] for line in stack.download()] == ["human"]


def test_listings(stack: Stack) -> None:
    """Listings come in pages that lead from one to the next, each record once."""
    for number in range(5):
        stack.upload(
            [image("a.jpg", {**BOX, "label": f"label {number}"})],
            run=f"run {number}",
            collection=f"yard {number}",
            geometry="rectangle",
        )
    for path, field in (
        (native.COLLECTIONS_PATH, "name"),
        (native.RUNS_PATH, "name"),
        (native.LABELS_PATH, "name"),
    ):
        seen: list[str] = []
        after: str | None = None
        while True:
            query = {"limit": 2} | ({"after": after} if after else {})
            page = stack.json("GET", path, params=query, role="read")
            assert set(page) == {"items", "next"}
            seen += [item[field] for item in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert [name[-1] for name in seen] == ["0", "1", "2", "3", "4"], path
    (run,) = stack.json("GET", native.RUNS_PATH, params={"collection": "yard 3"})["items"]
    assert (run["name"], run["collection"]) == ("run 3", "yard 3")
    assert (run["image_count"], run["annotation_count"]) == (1, 1)


def test_collections(stack: Stack) -> None:
    """A collection is made once, with or without a closing slash, and found by id and name."""
    made = stack.json("POST", native.COLLECTIONS_PATH, json={"name": "path1/path2/"})
    assert made["name"] == "path1/path2"
    again = stack.json("POST", native.COLLECTIONS_PATH, json={"name": "path1/path2"})
    assert again["id"] == made["id"]
    for one in (made["id"], "path1/path2", "path1/path2/"):
        assert stack.json("GET", native.RUNS_PATH, params={"collection": one})["items"] == []


@pytest.mark.parametrize(
    "number", ["-1", "x", "1048576", "9" * 25, "0" * 5_000 + "1", "\u0663", "1.0"]
)
def test_batch_numbers(shared: Stack, number: str) -> None:
    """A batch number that is not a number is not found, however long it is."""
    upload = shared.open_upload(run="numbers")
    path = f"{native.upload_path(upload.id)}/batches/{quote(number)}"
    error = assert_error(shared.ask("PUT", path, content=b""), 404, "not-found")
    assert error["message"] == "batches are numbered from 0 to 1048575"


def test_repeated_keys(stack: Stack) -> None:
    """A key twice in one object is refused with its place, in batches and in messages."""
    upload = stack.open_upload(geometry="rectangle")
    twice = b'{"image": "a", "annotations": [{"label": "a", "bbox": [1, 2, 3, 4], "label": "b"}]}'
    error = assert_error(stack.put(upload, 0, lines([image("b.jpg")]) + b"\n" + twice), 422)
    (detail,) = error["details"]
    assert detail["where"] == "images[1].annotations[0]"
    assert detail["message"] == 'key "label" appears twice'
    assert stack.sets(collection="yard") == []
    body = b'{"batches": 1, "batches": 0}'
    error = assert_error(stack.ask("POST", native.finish_path(upload.id), content=body), 422)
    assert 'key "batches" appears twice' in error["message"]
