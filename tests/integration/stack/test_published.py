"""The published protocol, as the published clients speak it: handshake, labels, collections, jobs."""

from __future__ import annotations

import pytest

from layernext.wire import published
from layernext.wire.paths import segment
from tests.integration.stack.conftest import Stack, assert_error
from tests.integration.stack.published_requests import (
    CLIENT,
)


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
