"""What the published protocol refuses, accepts in another spelling, or keeps as it was sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from layernext.stack.api import body, ingest
from tests.integration.stack.conftest import Stack, assert_error
from tests.integration.stack.published_requests import (
    DATA,
    entry,
    references,
    send,
    shape,
    stored,
)


def good(stack: Stack) -> dict[str, Any]:
    return shape(references(stack, {"a": {}})["a"], "a")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param({"boxBoundariesAndDimensions": None}, "boxBoundariesAndDimensions", id="box"),
        pytest.param({"type": "polygon", "points": None}, "points", id="no-points"),
        pytest.param({"type": "line", "points": []}, "points", id="empty-points"),
        pytest.param({"type": "circle"}, "type", id="type"),
        pytest.param({"label": {"labelText": ""}}, "label.labelText", id="label"),
        pytest.param({"points": [[1]]}, "points[0]", id="half-a-point"),
        pytest.param({"confidence": "high"}, "confidence", id="confidence"),
        pytest.param(
            {"boxBoundariesAndDimensions": {"x": 1, "y": 2, "w": float("nan"), "h": 1}},
            None,
            id="nan",
        ),
        pytest.param(
            {"boxBoundariesAndDimensions": {"x": 1, "y": 2, "w": float("inf"), "h": 1}},
            None,
            id="infinity",
        ),
    ],
)
def test_broken_shapes(
    stack: Stack, caplog: pytest.LogCaptureFixture, change: dict[str, Any], where: str | None
) -> None:
    """A shape that cannot be stored is refused with its whole batch, and logged by its place."""
    entries = [entry("c/1.jpg", good(stack)), entry("c/2.jpg", good(stack) | change)]
    error = send(stack, f"{DATA}/1/2/run/update", entries, 422)["error"]
    assert stored(stack) == []
    (record,) = [r for r in caplog.records if r.name == "layernext.stack.ingest"]
    assert "'run'" in record.getMessage()
    place = error["details"][0]["where"]
    assert place.startswith("metaUpdatesArray")
    if where is not None:
        assert place == f"metaUpdatesArray[1].data.annotationObjects[0].{where}"
        assert place in record.getMessage()


def test_kept_as_sent(stack: Stack) -> None:
    """Negative sizes and confidences out of range are kept unchanged (contract 7.5)."""
    odd = good(stack) | {
        "boxBoundariesAndDimensions": {"x": -1, "y": 2**60, "w": -4.0, "h": 1e300},
        "confidence": 1.5,
    }
    send(stack, f"{DATA}/1/2/run/update", [entry("c/1.jpg", odd)])
    (line,) = stack.download()
    (annotation,) = line["set"]["annotations"]
    assert annotation["bbox"] == [-1, 2**60, -4.0, 1e300]
    assert annotation["confidence"] == 1.5


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param("", 422, id="empty"),
        pytest.param("{}", 422, id="object"),
        pytest.param("[1]", 422, id="number"),
        pytest.param('[{"objectKey": "a"}]', 422, id="no-data"),
        pytest.param('[{"objectKey": null, "data": {"annotationObjects": []}}]', 422, id="no-key"),
        pytest.param('[{"objectKey": "", "data": {"annotationObjects": []}}]', 422, id="empty-key"),
        pytest.param(
            '[{"objectKey": "a\\u0000", "data": {"annotationObjects": []}}]', 422, id="nul"
        ),
        pytest.param(
            '[{"storagePath": "a", "bucketName": "", "data": {"annotationObjects": []}}]',
            422,
            id="bucket",
        ),
        pytest.param("[NaN]", 422, id="nan"),
        pytest.param("[" * 5_000, 422, id="deep"),
        pytest.param("[]]", 422, id="trailing"),
        pytest.param('[], "images": []', 422, id="smuggled"),
        pytest.param(" [ ] ", 200, id="blanks"),
    ],
)
def test_inner_json(stack: Stack, text: str, status: int) -> None:
    """Whatever stands in the inner text, it is stored or refused, never a failure."""
    answer = send(stack, f"{DATA}/1/2/run/update", text, status)
    assert ("error" in answer) is (status != 200)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("1/3/run", {}, id="mode-3"),
        pytest.param("2/2/run", {}, id="type-2"),
        pytest.param(f"{'9' * 400}/2/run", {}, id="huge-type"),
        pytest.param("run", {}, id="nothing-says-mode"),
        pytest.param("run", {"operationMode": 3, "operationType": 1}, id="mode-in-body"),
        pytest.param("run", {"operationMode": 2}, id="no-type"),
        pytest.param("%20" * 600, {"operationMode": 2, "operationType": 1}, id="long"),
        pytest.param("1/2/run", {"sessionId": "s" * 300}, id="long-session"),
        pytest.param("1/2/run", {"sessionId": "s\0"}, id="nul-in-session"),
        pytest.param("1/2/run", {"metaUpdatesArray": ["a"]}, id="array-is-a-list"),
        pytest.param("1/2/run", {"totalImageCount": "x"}, id="count-is-text"),
    ],
)
def test_bad_operation(stack: Stack, path: str, fields: dict[str, Any]) -> None:
    """What does not say which operation it belongs to is refused."""
    body = {"metaUpdatesArray": "[]", **fields}
    assert_error(stack.ask("POST", f"{DATA}/{path}/update", json=body), 422, "data")


def test_counts_out_of_range(stack: Stack) -> None:
    """Counts mean nothing but progress, so no number in them can do harm."""
    for count in (-1, 2**63, 10**40):
        fields = {"sessionId": f"s{count}", "totalImageCount": count, "uploadedImageCount": count}
        send(stack, f"{DATA}/1/2/run/update", [entry("c/1.jpg")], **fields)


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "True"])
def test_flag_spellings(stack: Stack, value: str) -> None:
    """`True` comes in any spelling; anything else is refused."""
    send(stack, f"{DATA}/1/2/run/update?isNormalized={value}", [entry("c/1.jpg")])
    assert stack.download()[0]["normalized"] is True
    answer = stack.ask(
        "POST", f"{DATA}/1/2/run/update?isNormalized=perhaps", json={"metaUpdatesArray": "[]"}
    )
    assert_error(answer, 400)


def test_large_body_in_groups(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of any size is read in groups and through a file; not a character gets lost."""
    monkeypatch.setattr(body, "SPOOL_BYTES", 4_000)
    monkeypatch.setattr(body, "WRITE_BYTES", 4_000)
    monkeypatch.setattr(ingest, "GROUP_BYTES", 2_000)
    monkeypatch.setattr(ingest, "STRING_STEP", 64)
    names = ["plain", "grö\u00dfe", "\U0001f600" * 20, 'quote " and \\ and /', "tab\tline\n,}"]
    table = references(stack, {name: {} for name in names})
    entries = [
        entry(f"c/{number}.jpg", *[shape(table[name], name) for name in names])
        for number in range(100)
    ]
    for mode, ascii_only in ((1, True), (2, False)):
        # The clients escape once more; another one may send UTF-8 in both layers.
        text = json.dumps(entries, ensure_ascii=ascii_only)
        content = json.dumps({"metaUpdatesArray": text}, ensure_ascii=ascii_only).encode()
        path = f"{DATA}/1/{mode}/run/update"
        assert stack.ask("POST", path, content=content).status_code == 200
    sets = stack.download()
    assert len(sets) == 200
    for line in sets:
        assert [one["label"] for one in line["set"]["annotations"]] == names


def test_body_limit(make_stack: Any) -> None:
    """A body beyond the limit is refused, with or without an announced length."""
    stack = make_stack(max_body_bytes=10_000)
    content = json.dumps({"metaUpdatesArray": "[" + " " * 10_000 + "]"}).encode()
    path = f"{DATA}/1/2/run/update"
    assert_error(stack.ask("POST", path, content=content), 413, "too-large")
    pieces = (content[start : start + 1_000] for start in range(0, len(content), 1_000))
    assert_error(stack.ask("POST", path, content=pieces), 413, "too-large")


def test_repeated_keys(stack: Stack) -> None:
    """A key twice in one object of an entry refuses the request, with the place."""
    text = json.dumps([entry("c/1.jpg", good(stack))]).replace(
        '"data": {', '"data": {"annotationObjects": [], '
    )
    error = send(stack, f"{DATA}/1/2/run/update", text, 422)["error"]
    assert error["details"][0] == {
        "where": "metaUpdatesArray[0].data",
        "message": 'key "annotationObjects" appears twice',
    }
    body = b'{"metaUpdatesArray": "[]", "sessionId": "a", "metaUpdatesArray": "[]"}'
    answer = stack.ask("POST", f"{DATA}/1/2/run/update", content=body, role="write")
    assert 'key "metaUpdatesArray" appears twice' in assert_error(answer, 422)["message"]
    assert stored(stack) == []
