"""Whole files of annotations in one request."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import zstandard

from layernext.stack.api.native import annotation_files
from layernext.wire.native import ANNOTATION_FILES_PATH
from tests.integration.stack.conftest import Stack, assert_error

BOX = {"label": "car", "bbox": [1, 2, 3.5, 4], "confidence": 0.25}
RUN = {"run": "first", "collection": "yard", "name": "example.json"}


def file_of(count: int, **change: Any) -> bytes:
    """A file whose images each have a box; `change` is made to that of the last one."""
    images = [{"image": f"{n}.jpg", "annotations": [dict(BOX)]} for n in range(count)]
    images[-1]["annotations"][0] |= change
    return json.dumps({"images": images}, indent=1).encode()


def send(stack: Stack, content: bytes, role: Any = "write", **query: Any) -> Any:
    params = {**RUN, **query}
    return stack.ask("POST", ANNOTATION_FILES_PATH, role=role, params=params, content=content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_file_is_stored(stack: Stack, pack: Any) -> None:
    """A valid file, compressed or not, is stored as it is; its geometry is found out."""
    answer = send(stack, pack(file_of(2_500)))
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["images"] for line in lines] == [1_000, 2_000, 2_500, 2_500]
    result = lines[-1]["result"]
    assert {name: result[name] for name in ("geometry", "images", "unmatched", "new_labels")} == {
        "geometry": "rectangle", "images": 2_500, "unmatched": 2_500, "new_labels": ["car"],
    }  # fmt: skip
    (run,) = stack.json("GET", "/api/v1/runs", params={"collection": result["collection_id"]})[
        "items"
    ]
    assert (run["name"], run["mode"], run["image_count"]) == ("first", "machine", 2_500)
    query = {"collection": "yard", "run": "first"}
    sets = stack.ask("GET", "/api/v1/annotations", params=query).text.splitlines()
    assert json.loads(sets[0])["set"] == {"image": "0.jpg", "annotations": [BOX]}
    assert '"bbox": [1, 2, 3.5, 4]' in json.dumps(json.loads(sets[0]))


def test_bad_file_leaves_nothing(stack: Stack) -> None:
    """A mistake in the last image: the sentence of the SDK, and nothing is there, not even a name."""
    answer = send(stack, file_of(2_500, bbox=[0, 0, -4.0, 1]), run="second", collection="other")
    error = assert_error(answer, 422, "data")
    text = "example.json: images[2499].annotations[0].bbox: width is -4.0, must be ≥ 0"
    assert error["message"].startswith(text[: text.index("width")])
    assert error["details"][0]["where"] == "images[2499].annotations[0].bbox"
    assert "-4.0" in error["details"][0]["message"]
    assert stack.json("GET", "/api/v1/runs")["items"] == []
    assert stack.json("GET", "/api/v1/collections")["items"] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b'{"images": [}', "example.json: line 1, column 13", id="no-json"),
        pytest.param(gzip.compress(file_of(9))[:-20], "example.json: the compressed", id="cut"),
        pytest.param(b"", "example.json: line 1, column 1", id="empty"),
    ],
)
def test_broken_file(stack: Stack, content: bytes, message: str) -> None:
    """Another format's file is refused by its own name, not by ours."""
    error = assert_error(send(stack, content), 422)
    assert error["message"].startswith(message)
    assert "/tmp" not in error["message"]


def test_too_large(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large is refused, before or after it is decompressed."""
    monkeypatch.setattr(annotation_files, "MAX_ANNOTATION_FILE_BYTES", 1 << 20)
    large = b'{"images": []' + b" " * (1 << 20) + b"}"
    assert_error(send(stack, large), 413, "too-large")
    assert_error(send(stack, gzip.compress(large)), 413, "too-large")


def test_names_are_checked(stack: Stack) -> None:
    """Run, collection and file need names that can be names; the role must suffice."""
    for change in ({"run": ""}, {"collection": "c" * 5_000}, {"name": ""}):
        assert_error(send(stack, file_of(1), **change), 422, "data")
    assert_error(send(stack, file_of(1), mode="robot"), 400)
    assert_error(send(stack, file_of(1), role="read"), 403, "not-allowed")
