"""The published protocol, as the published clients speak it: requests written by its contract."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from layernext.model import AttributeValue, ImageAnnotations, Polygon, Rectangle, decode_trusted
from layernext.stack.api import body, ingest
from layernext.stack.store import value_text
from layernext.wire import published
from layernext.wire.paths import segment
from layernext.wire.published import LabelTable, shape_from_annotation
from tests.integration.stack.conftest import Stack, assert_error

CLIENT = "/datalake/api/client"
DATA = "/datalake/api/metadata/operationdata"


def references(stack: Stack, labels: dict[str, Any]) -> dict[str, Any]:
    """E02."""
    body = {"labels": labels, "userName": "Python SDK"}
    table: dict[str, Any] = stack.json("POST", f"{CLIENT}/system/label/references", json=body)
    return table


def shape(row: dict[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    """The part of a shape that all versions share; a box unless told otherwise."""
    given = {
        "id": "shape_3f0c1c1e-6d3b-4a53-8f0e-0d6a4a9a7f11",
        "shapeId": 1,
        "createdAt": {"$date": "2024-05-02 09:14:33.120456"},
        "type": "rectangle",
        "boxBoundariesAndDimensions": {"x": 412.5, "y": 96, "w": 120.25, "h": 88.5},
        "points": [[412.5, 96], [532.75, 96], [532.75, 184.5], [412.5, 184.5]],
        "label": {
            "label": row["ref"],
            "labelText": name,
            "key": row["ref"],
            "color": row["color"],
            "attributeValues": {},
        },
    }
    given["label"] |= fields.pop("label", {})
    return given | fields


def send(
    stack: Stack, path: str, entries: list[dict[str, Any]] | str, status: int = 200, **fields: Any
) -> dict[str, Any]:
    """E03 or E04, the way `requests` sends it."""
    text = entries if isinstance(entries, str) else json.dumps(entries)
    answer = stack.ask("POST", path, json={"metaUpdatesArray": text, **fields}, role="write")
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def entry(key: str | None, *shapes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    data = {"annotationObjects": list(shapes), "isUserAnnotated": False}
    return {"objectKey": key, **fields, "data": data}


def stored(stack: Stack, **query: Any) -> list[ImageAnnotations]:
    return [
        decode_trusted(msgspec.json.encode(line["set"]), line["geometry"])
        for line in stack.download(**query)
    ]


BOX = (412.5, 96.0, 120.25, 88.5)


@pytest.mark.parametrize("version", ["1.0.0", "1.0.15", "2.3.4", "9", "a b%2Fc"])
def test_handshake(shared: Stack, version: str) -> None:
    """Every version is welcome; the answer names the native protocol (E01)."""
    answer = shared.json("GET", f"{CLIENT}/sdk/compatibility/{version}", role="read")
    assert answer["isCompatible"] is True
    assert answer["native"]["base_path"] == "/api/v1"


def test_double_slashes(shared: Stack) -> None:
    """A base URL with a closing slash works (contract 1.1)."""
    assert shared.ask("GET", f"/{CLIENT}//sdk/compatibility/2.3.4").status_code == 200
    assert shared.ask("GET", "///health", role=None).status_code == 200


def test_references(stack: Stack) -> None:
    """Labels, attributes and values are made, and answered under the keys that were sent (E02)."""
    wanted = {"forklift": {"color": ["red", "blue", 1, None], "load": []}, "pallet": {}}
    table = references(stack, wanted)
    assert list(table) == ["forklift", "pallet"]
    assert table["pallet"]["texts"] == {}
    assert table["pallet"]["color"].startswith("#")
    color = table["forklift"]["texts"]["color"]
    assert set(color["texts"]) == {"red", "blue", "1", "null"}
    assert references(stack, wanted) == table
    assert references(stack, {}) == {}
    everything = set(color["texts"].values()) | {color["ref"]}
    assert len(everything) == 5


def test_005(stack: Stack) -> None:
    """0.0.5: key with slashes, run in the path, values as plain references, no session."""
    table = references(stack, {"forklift": {"color": ["red"], "load": ["empty"]}})
    label = table["forklift"]
    values = {part["ref"]: next(iter(part["texts"].values())) for part in label["texts"].values()}
    shapes = [
        shape(label, "forklift", confidence=0.87, label={"attributeValues": values}),
        shape(label, "forklift", type="polygon", points=[[1, 2.5], [3, 4]]),
        shape(label, "forklift", type="line", points=[[0, 0], [1e-7, 1]]),
    ]
    for one in shapes[1:]:
        del one["boxBoundariesAndDimensions"]
    path = f"{DATA}/1/2/test%20model%20v1.0.1/update"
    entries = [entry("path1/path2/img.jpg", *shapes), entry("path1/path2/empty.jpg")]
    answer = send(stack, path, entries)
    assert answer["isSuccess"] is True
    assert (answer["imageCount"], answer["annotationCount"]) == (2, 3)
    assert (answer["matchedCount"], answer["unmatchedCount"]) == (0, 2)
    first, second = stored(stack, collection="path1/path2/", run="test model v1.0.1")
    assert (first.image, second.image) == ("img.jpg", "empty.jpg")
    box, polygon, line = first.annotations
    assert box == Rectangle(
        bbox=BOX,
        label="forklift",
        confidence=0.87,
        attributes={"color": [AttributeValue("red")], "load": [AttributeValue("empty")]},
    )
    assert isinstance(polygon, Polygon)
    assert polygon.polygon == [(1, 2.5), (3, 4)]
    assert (line.geometry, line.confidence) == ("line", None)
    assert second.annotations == []
    assert send(stack, path, "[]")["imageCount"] == 0
    assert len(stored(stack, collection="path1/path2")) == 2


def test_005_merges_within_a_request_and_replaces_otherwise(stack: Stack) -> None:
    """Without a session, entries of one request merge and those of the next replace."""
    label = references(stack, {"a": {}})["a"]
    box = shape(label, "a")
    path = f"{DATA}/1/2/run/update"
    send(stack, path, [entry("c/1.jpg", box), entry("c/1.jpg", box)])
    assert [len(one.annotations) for one in stored(stack)] == [2]
    send(stack, path, [entry("c/1.jpg", box)])
    assert [len(one.annotations) for one in stored(stack)] == [1]


def test_111(stack: Stack) -> None:
    """1.1.1: key with an underscore, values in lists, metadata on the label, a session."""
    table = references(stack, {"forklift": {"color": ["red", "orange"], "size": [3]}})
    texts = table["forklift"]["texts"]
    colors = texts["color"]["texts"]
    attribute_values = {
        texts["color"]["ref"]: [
            {"value": colors["red"], "confidence": 0.71, "metadata": {"source": "head-b"}},
            {"value": colors["orange"], "confidence": 0},
        ],
        texts["size"]["ref"]: [{"value": texts["size"]["texts"]["3"], "own": [1, 2]}],
    }
    box = shape(
        table["forklift"],
        "forklift",
        confidence=1,
        label={"attributeValues": attribute_values, "metadata": {"track": "17"}},
    )
    stack.json("POST", "/api/v1/collections", json={"name": "yard.cam"})
    session = {"sessionId": "1714642473.12045", "totalImageCount": 2, "uploadedImageCount": 1}
    fields = {"storagePath": None, "bucketName": None}
    path = f"{DATA}/1/1/run 1/update?isNormalized=False"
    send(stack, path, [entry("yard.cam_dock_0007.jpg", box, **fields)], **session)
    session["uploadedImageCount"] = 2
    send(stack, path, [entry("yard.cam_dock_0007.jpg", box, **fields)], **session)
    (line,) = stack.download(collection="yard.cam")
    assert (line["mode"], line["normalized"]) == ("human", False)
    (one,) = stored(stack, collection="yard.cam")
    assert one.image == "dock_0007.jpg"
    assert (
        one.annotations[0]
        == one.annotations[1]
        == Rectangle(
            bbox=BOX,
            label="forklift",
            confidence=1.0,
            attributes={
                "color": [
                    AttributeValue("red", 0.71, {"source": "head-b"}),
                    AttributeValue("orange", 0.0),
                ],
                "size": [AttributeValue(3, None, {"own": [1, 2]})],
            },
            metadata={"track": "17"},
        )
    )


def test_111_repeated_request(stack: Stack) -> None:
    """The same body twice in one session is stored once, so that a retry does not double it."""
    box = shape(references(stack, {"a": {}})["a"], "a")
    session = {"sessionId": "1.5", "totalImageCount": 1, "uploadedImageCount": 1}
    path = f"{DATA}/1/2/run/update?isNormalized=True"
    first = send(stack, path, [entry("c_1.jpg", box)], **session)
    again = send(stack, path, [entry("c_1.jpg", box)], **session)
    assert (first["isRepeated"], again["isRepeated"]) == (False, True)
    (line,) = stack.download()
    assert line["normalized"] is True
    assert len(line["set"]["annotations"]) == 1


def test_234(stack: Stack) -> None:
    """2.3.4: look the collection up (E20, E21), then send with mode and type in the body (E04)."""
    stack.json("POST", "/api/v1/collections", json={"name": "yard cam/7"})
    body = {"collectionName": "yard cam/7", "objectType": 5}
    found = stack.json("POST", f"{CLIENT}/metadata/getCollectionIdByName", json=body, role="write")
    assert found["isSuccess"] is True
    wanted = {"collectionId": found["collectionId"], "requiredMetaObj": {"storagePath": True}}
    details = stack.json("POST", f"{CLIENT}/metadata/getCollectionDetails", json=wanted)
    assert details["isSuccess"] is True
    prefix = details["itemDetails"]["storagePath"]
    assert prefix == "yard cam_7"
    table = references(stack, {"forklift": {"color": ["red"]}})
    color = table["forklift"]["texts"]["color"]
    values = {color["ref"]: [{"value": color["texts"]["red"], "confidence": 0}]}
    points = shape(
        table["forklift"],
        "forklift",
        type="points",
        points=[[5, 6]],
        metadata={"track": {"id": 17}},
        label={"attributeValues": values, "metadata": {}},
    )
    del points["boxBoundariesAndDimensions"]
    for total, path in enumerate(("1/2/a/b", "team/model v2", "update/update", "a%2Fb?c"), 1):
        quoted = path.replace("?", "%3F")
        send(
            stack,
            f"{DATA}/{quoted}/update?isNormalized=True",
            [entry(f"{prefix}_dock_{total}.jpg", points, jobId=None, fileName=None)],
            sessionId="2.5",
            totalImageCount=1,
            uploadedImageCount=1,
            operationMode=2,
            operationType=1,
        )
        name = path.replace("%2F", "/")
        (one,) = stored(stack, run=name, collection="yard cam/7")
        assert one.image == f"dock_{total}.jpg"
        (annotation,) = one.annotations
        assert annotation.geometry == "points"
        assert annotation.metadata == {"track": {"id": 17}}
        assert annotation.attributes == {"color": [AttributeValue("red", 0.0)]}


def test_other_keys(stack: Stack) -> None:
    """Images are named by storage path and bucket, by unique name, or by the file of a job."""
    session = {"sessionId": "1", "operationMode": 2, "operationType": 1}
    stack.upload([{"image": "dir/7.jpg", "annotations": []}], run="before", collection="yard")
    entries = [
        entry(None, storagePath="/bucket/path/1.jpg", bucketName="bucket-2"),
        entry(None, storagePath="bucket/path/2.jpg", bucketName=None),
        entry("yard_dir/7.jpg", storagePath=None, bucketName=None),
        entry(None, jobId="job", fileName="8.jpg"),
    ]
    assert send(stack, f"{DATA}/run/update", entries, **session)["imageCount"] == 4
    names = sorted(one.image for one in stored(stack, run="run"))
    assert names == ["8.jpg", "bucket/path/1.jpg", "bucket/path/2.jpg", "dir/7.jpg"]


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


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else value_text(value)


def test_our_shapes_come_back(stack: Stack) -> None:
    """What our SDK writes as shapes is read back equal, types of values included."""
    image = ImageAnnotations(
        image="a.jpg",
        annotations=[
            Rectangle(
                bbox=(0.1, 2.0, 0.0, 1e308),
                label="a",
                confidence=0.0,
                attributes={
                    "n": [AttributeValue(1), AttributeValue("one", 0.5, {"x": None})],
                    "m": [AttributeValue({"b": [None, True]}), AttributeValue("")],
                },
                metadata={"deep": [{"a": 1}]},
            ),
            Polygon(polygon=[(1.0, 2.0)], label="a"),
        ],
    )
    wanted = {"a": {"n": [1, "one"], "m": [{"b": [None, True]}, ""]}}
    row = references(stack, wanted)["a"]
    texts = {name: (part["ref"], part["texts"]) for name, part in row["texts"].items()}
    table = LabelTable(row["ref"], row["color"], texts)
    shapes = [
        shape_from_annotation(annotation, number, table, text_of, "2024-05-02 09:14:33")
        for number, annotation in enumerate(image.annotations, 1)
    ]
    fields = {"sessionId": "s", "operationMode": 1, "operationType": 1}
    send(stack, f"{DATA}/run/update", [entry("c/a.jpg", *shapes)], **fields)
    assert stored(stack) == [image]


# -- labels, collections, jobs ------------------------------------------------------------------


def test_labels_and_groups(stack: Stack) -> None:
    """Labels are made (E05, E07), listed (E06) and grouped (E08, E09)."""
    attribute = {"labelText": "kind", "values": [{"valueText": "car", "description": ""}]}
    new = {"labelText": "Vehicle", "description": "moves", "imgFiles": [], "type": 2}
    body = {"label": {**new, "attributes": [attribute]}, "userName": "Python SDK"}
    made = stack.json("POST", f"{CLIENT}/system/labels/create", json=body, role="write")
    coco = {"userName": "Python SDK", "labels": {**new, "labelText": "Animal", "attributes": []}}
    other = stack.json("POST", f"{CLIENT}/cocojson/import/label/create", json=coco)
    assert (other["labelText"], other["label"], other["color"][0]) == ("Animal", other["key"], "#")
    listed = stack.json("GET", f"{CLIENT}/labels/list", role="read", content=b"{}")
    assert [(one["labelText"], one["label"]) for one in listed] == [
        ("Vehicle", made["label"]),
        ("Animal", other["label"]),
    ]
    assert listed[0]["description"] == "moves"
    assert listed[0]["attributes"][0]["values"][0]["valueText"] == "car"
    body = {"groupName": "road", "labelKeys": [made["label"]]}
    group = stack.json("POST", f"{CLIENT}/label_groups/create", json=body)
    (found,) = stack.json("GET", f"{CLIENT}/label_groups/list", content=b"{}")
    assert (found["id"], found["groupName"], found["labelKeys"]) == (
        group["id"],
        "road",
        [made["label"]],
    )
    query = {"groupId": group["id"]}
    (only,) = stack.json("GET", f"{CLIENT}/labels/list", params=query)
    assert only["labelText"] == "Vehicle"
    assert_error(stack.ask("GET", f"{CLIENT}/labels/list?groupId=none"), 404)
    body = {"groupName": "x", "labelKeys": ["none"]}
    assert_error(stack.ask("POST", f"{CLIENT}/label_groups/create", json=body), 404)


def test_collection_lookup(stack: Stack) -> None:
    """A name leads to an id (E20), an id or name to fields (E21) and kind (E23)."""
    made = stack.json("POST", "/api/v1/collections", json={"name": "yard"})
    path = f"{CLIENT}/metadata/getCollectionIdByName"
    for fields in ({"collectionName": "yard"}, {"collectionName": "yard/", "objectType": 5}):
        found = stack.json("POST", path, json=fields, role="read")
        assert found == {"isSuccess": True, "collectionId": made["id"]}
    details = f"{CLIENT}/metadata/getCollectionDetails"
    for one in (made["id"], "yard"):
        wanted = {"collectionId": one, "requiredMetaObj": {"name": False, "createdAt": True}}
        item = stack.json("POST", details, json=wanted, role="read")["itemDetails"]
        assert item["id"] == made["id"]
        assert set(item) == {"id", "contentType", "createdAt"}
        kind = stack.json("GET", f"{CLIENT}/{one}/getObjectTypeById", content=b"{}")
        assert kind["objectType"] == 5


def test_collections_that_are_not_there(stack: Stack) -> None:
    """2.3.4 shows the message of a 200; looking for a collection does not make it."""
    path = f"{CLIENT}/metadata/getCollectionIdByName"
    assert_error(
        stack.ask("POST", path, json={"collectionName": "a\0", "objectType": 5}), 422, "data"
    )
    for name in ("none", "", "/", "x" * 1_000):
        answer = stack.json("POST", path, json={"collectionName": name, "objectType": 5})
        assert answer["isSuccess"] is False
        assert answer["message"]
    answer = stack.json("POST", path, json={"collectionName": "yard", "objectType": 4})
    assert answer["isSuccess"] is False
    details = f"{CLIENT}/metadata/getCollectionDetails"
    answer = stack.json("POST", details, json={"collectionId": "none"})
    assert (answer["isSuccess"], set(answer)) == (False, {"isSuccess", "message"})
    for name in ("none", "labels", "jobs/getStatus", "a%2Fb", "%2E%2E"):
        assert_error(stack.ask("GET", f"{CLIENT}/{name}/getObjectTypeById"), 404)
    assert stack.json("GET", "/api/v1/collections")["items"] == []


def test_fixed_words_as_names(stack: Stack) -> None:
    """A collection may be called like a part of a route."""
    for name in ("labels", "jobs", "a/b", "system/label/references", "größe %"):
        stack.json("POST", "/api/v1/collections", json={"name": name})
        path = f"{published.CLIENT}/{segment(name)}/getObjectTypeById"
        assert stack.json("GET", path)["objectType"] == 5, name
        path = published.annotations_path(name)
        assert stack.json("GET", path)["data"]["resourceArray"] == []


def test_job_status(stack: Stack) -> None:
    """A job is asked for by id (E37); one that does not exist is a failure, not an error."""
    upload = stack.open_upload()
    path = f"{CLIENT}/jobs/{upload.id}/getStatus"
    running = stack.json("GET", path, content=b"{}")
    assert (running["isSuccess"], running["status"]) == (True, 1)
    stack.json("POST", f"/api/v1/uploads/{upload.id}/finish", json={"batches": 0})
    done = stack.json("GET", path)
    assert (done["isSuccess"], done["status"], done["progress"]) == (True, 2, 100.0)
    for unknown in ("none", "a%2Fb", "a/b", "%F0%9F%98%80"):
        answer = stack.json("GET", f"{CLIENT}/jobs/{unknown}/getStatus")
        assert (answer["isSuccess"], answer["status"]) == (False, 4)


# -- download and removal -----------------------------------------------------------------------


def page(stack: Stack, collection: str, number: int = 0, **query: Any) -> dict[str, Any]:
    """One page of E42, asked for as 1.1.1 and 2.3.4 do."""
    query = {
        "pageNo": number,
        "pageSize": 250,
        "statusList": "null",
        "projectIdList": "null",
        "operationIdList": "[]",
        "annotationType": "all",
        **query,
    }
    path = published.annotations_path(collection)
    answer: dict[str, Any] = stack.json("GET", path, params=query, role="read")
    data: dict[str, Any] = answer["data"]
    assert data["creatableDirectories"] == ["data"]
    assert data["rawFileName"] == "annotations.json"
    assert data["format"] == "RAW"
    assert data["identifier"]
    return data


def box(label: str, **fields: Any) -> dict[str, Any]:
    return {"label": label, "bbox": [1.0, 2, 3, 4], **fields}


def test_download_pages(stack: Stack) -> None:
    """Pages hold every image once, in one order, each with all its annotations in form v2."""
    names = [f"{number:03}.jpg" for number in range(620)]
    images = [{"image": name, "annotations": [box("a", metadata={"k": 1})]} for name in names]
    stack.upload(images, run="v1", geometry="rectangle")
    typed = {"type": "rectangle", **box("b"), "metadata": {"free": []}}
    stack.upload(
        [{"image": name, "annotations": [typed]} for name in names[::2]], run="v2", mode="human"
    )
    pages = []
    for number in range(10):
        data = page(stack, "yard", number)
        pages.append(data["resourceArray"])
        if not data["nextPage"]:
            break
    assert [len(resources) for resources in pages] == [250, 250, 120]
    resources = [resource for one in pages for resource in one]
    assert [resource["fileName"] for resource in resources] == names
    for resource in resources[:2]:
        assert resource["fileDownloadFolderLocation"] == "data"
        assert "isUnzipRequired" not in resource
        assert "fileUrl" not in resource
    first, second = (resource["rawAnnotations"] for resource in resources[:2])
    assert first == {
        "image": "000.jpg",
        "annotations": [
            {
                "type": "rectangle",
                "label": "a",
                "bbox": [1.0, 2.0, 3.0, 4.0],
                "attributes": {"k": [{"value": 1}]},
            },
            typed,
        ],
    }
    assert len(second["annotations"]) == 1
    assert page(stack, "yard", 7)["resourceArray"] == []
    assert page(stack, "yard", 1) == page(stack, "yard", 1)


def test_download_choice(stack: Stack) -> None:
    """`annotationType` counts as long as no operation is named."""
    for run, mode in (("a", "machine"), ("b", "machine"), ("a", "human")):
        stack.upload(
            [{"image": "1.jpg", "annotations": [box(f"{run} {mode}")]}],
            run=run,
            mode=mode,
            geometry="rectangle",
        )

    def labels(**query: Any) -> set[str]:
        resources = page(stack, "yard", **query)["resourceArray"]
        return {
            annotation["label"]
            for resource in resources
            for annotation in resource["rawAnnotations"]["annotations"]
        }

    assert labels() == {"a machine", "b machine", "a human"}
    assert labels(annotationType="human") == {"a human"}
    assert labels(annotationType="machine") == {"a machine", "b machine"}
    assert labels(annotationType="human", operationIdList='["b"]') == {"b machine"}
    assert labels(operationIdList='["none"]') == set()
    path = published.annotations_path("yard")
    for query in ("annotationType=x", "operationIdList=x", "pageNo=-1", "pageSize=0"):
        assert_error(stack.ask("GET", f"{path}?{query}"), 400)
    assert_error(stack.ask("GET", f"{path}?operationIdList=%5B%22%00%22%5D"), 400)
    assert_error(stack.ask("GET", published.annotations_path("none")), 404)


def test_pages_while_images_come_and_go(stack: Stack) -> None:
    """Between two pages nothing is skipped and nothing comes twice, whatever happens meanwhile."""
    names = [f"{number:03}.jpg" for number in range(30)]
    # Every second image is known to the stack, but has no set of this run yet.
    stack.upload([{"image": name, "annotations": []} for name in names], run="other")
    stack.upload([{"image": name, "annotations": []} for name in names[1::2]], run="run")
    query = {"operationIdList": '["run"]', "pageSize": 5, "sessionId": "s"}
    seen = [r["fileName"] for r in page(stack, "yard", 0, **query)["resourceArray"]]
    stack.upload([{"image": name, "annotations": []} for name in names[::2]], run="run")
    seen += [r["fileName"] for r in page(stack, "yard", 1, **query)["resourceArray"]]
    assert seen[:5] == names[1:10:2]
    assert seen[5:] == names[10:15]
    # A reader who begins afterwards finds all of them.
    again: list[str] = []
    for number in range(6):
        again += [r["fileName"] for r in page(stack, "yard", number, **query)["resourceArray"]]
    assert again == names


def test_page_of_another_process(stack: Stack) -> None:
    """A page whose beginning nobody remembers is found from the start."""
    names = [f"{number:03}.jpg" for number in range(25)]
    stack.upload([{"image": name, "annotations": []} for name in names])
    for number in (4, 2, 3, 99):
        data = page(stack, "yard", number, pageSize=5)
        assert [r["fileName"] for r in data["resourceArray"]] == names[number * 5 :][:5]
        assert data["nextPage"] is (number < 4)


def test_normalized_sets_stay_apart(stack: Stack) -> None:
    """Pixels and fractions are never mixed in one entry."""
    stack.upload([{"image": "1.jpg", "annotations": [box("px")]}], run="a", geometry="rectangle")
    stack.upload(
        [{"image": "1.jpg", "annotations": [box("norm")]}],
        run="b",
        geometry="rectangle",
        normalized=True,
    )
    entries = [r["rawAnnotations"] for r in page(stack, "yard")["resourceArray"]]
    assert [(e["annotations"][0]["label"], e.get("isNormalized", False)) for e in entries] == [
        ("px", False),
        ("norm", True),
    ]


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("yard", "yard"),
        ("path1/path2", "path1_path2"),
        ("../..", None),
        ("..", None),
        ("größe 1.0", "größe 1.0"),
        ("a:b*c\\d", "a_b_c_d"),
        ("x" * 500, "x" * 120),
    ],
)
def test_directory_names(stack: Stack, name: str, directory: str | None) -> None:
    """The name of the directory cannot lead out of the download folder."""
    made = stack.json("POST", "/api/v1/collections", json={"name": name})
    found = page(stack, made["id"])["groupUniqueName"]
    if directory is not None:
        assert found == directory
    assert "/" not in found
    assert found.strip(". ") == found != ""


def test_removal(stack: Stack) -> None:
    """E25 removes model run and ground truth of one name from one collection."""
    one = [{"image": "1.jpg", "annotations": []}]
    for collection in ("yard", "other"):
        for mode in ("machine", "human"):
            stack.upload(one, run="a b", mode=mode, collection=collection)
    found = stack.json(
        "POST",
        f"{CLIENT}/metadata/getCollectionIdByName",
        json={"collectionName": "yard", "objectType": 5},
    )
    query = f"collectionId={found['collectionId']}&operationId=a%20b"
    path = f"{CLIENT}/collection/deleteAnnotation?{query}"
    answer = stack.json("GET", path, role="write", content=b'{"sessionId": "1.5"}')
    assert (answer["isSuccess"], answer["imageCount"]) == (True, 2)
    assert stack.json("GET", path)["imageCount"] == 0
    assert len(stack.download(collection="other")) == 2
    assert_error(stack.ask("GET", f"{CLIENT}/collection/deleteAnnotation"), 400)


def test_removal_with_a_plus_sign(stack: Stack) -> None:
    """The published clients do not quote, so a plus sign in a query may be meant."""
    one = [{"image": "1.jpg", "annotations": []}]
    stack.upload(one, run="model+v2")
    path = f"{CLIENT}/collection/deleteAnnotation?collectionId=yard&operationId=model+v2"
    assert stack.json("GET", path)["imageCount"] == 1
    stack.upload(one, run="model v2")
    assert stack.json("GET", path)["imageCount"] == 1


def test_a_run_of_1x_goes_to_a_project(stack: Stack) -> None:
    """`destinationProjectId` attaches the model run as E52 does; an unknown project stores nothing."""
    project_id = stack.json("GET", "/studio/api/client/projects/initial/create", json={})["id"]
    table = references(stack, {"cup": {}})
    path = f"{DATA}/1/2/run/update?isNormalized=False&destinationProjectId="
    some = [entry("yard_a.jpg", shape(table["cup"], "cup"))]
    send(stack, f"{path}nothing", some, status=404)
    assert stored(stack) == []
    send(stack, f"{path}{project_id}", some)
    send(stack, f"{path}{project_id}", some)
    assert stack.store.projects.get(project_id).runs == ["run"]
    assert len(stored(stack)) == 1


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
