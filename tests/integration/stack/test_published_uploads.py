"""Uploads by the published protocol: each client's own way, and the ways of all."""

from __future__ import annotations

from typing import Any

from layernext.model import AttributeValue, ImageAnnotations, Polygon, Rectangle
from layernext.stack.store import value_text
from layernext.wire.published import LabelTable, shape_from_annotation
from tests.integration.stack.conftest import Stack
from tests.integration.stack.published_requests import (
    BOX,
    CLIENT,
    DATA,
    entry,
    references,
    send,
    shape,
    stored,
)


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
