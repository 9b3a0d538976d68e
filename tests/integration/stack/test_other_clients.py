"""What layernext-beta 3.28.14 and layerx-sdk before 1.0.15 send and expect, request by request."""

from __future__ import annotations

import pytest

from layernext.wire import published
from tests.integration.stack.conftest import Stack, assert_error

LEFT_OUT = [
    *(("GET", path) for path in published.DOCUMENT_GET_PATHS),
    ("GET", published.sync_status_path("quickbooks")),
    *(("POST", path) for path in published.DOCUMENT_POST_PATHS),
]
BOX = {"type": "rectangle", "label": "cup", "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize("prefix", ["", published.DATALAKE], ids=["beta", "2.3.4"])
def test_storage_type(shared: Stack, prefix: str) -> None:
    """Each client gets the word for S3 that it knows; the path tells which one asks."""
    path = prefix + published.UPLOAD_METADATA_PATH.removeprefix(published.DATALAKE)
    body = {"collectionType": 5, "collectionName": "kitchen", "metaDataObject": {}}
    answer = shared.json("POST", path, json={**body, "objectKeyList": []})
    assert answer["storageType"] == ("AWS_S3" if prefix else "aws_s3")


def test_names_are_valid(shared: Stack) -> None:
    """layernext-beta gets lists of names to replace, which are empty; others an object."""
    for path, key in (
        (published.VALIDATE_TAGS_PATH, "tags"),
        (published.VALIDATE_FIELDS_PATH, "fields"),
    ):
        bare = path.removeprefix(published.DATALAKE)
        assert shared.json("POST", bare, json={key: ["a"]}) == []
        assert shared.json("POST", path, json={key: ["a"]})["isSuccess"]


def test_filters(shared: Stack) -> None:
    """Empty keywords and categories, and no date at all, restrict nothing; keywords are refused."""
    early = {"contentType": 2, "filterBy": [], "date": None}
    beta = {"annotationTypes": [], "date": {}, "keywords": [], "categories": []}
    for filter_data in (early, beta):
        body = {"query": "", "contentType": 2, "filterData": filter_data}
        assert shared.json("POST", published.COUNT_PATH, json=body)["count"] >= 0
    body = {"query": "", "filterData": {**beta, "keywords": ["invoice"]}}
    answer = shared.ask("POST", published.COUNT_PATH, json=body)
    assert "filterData.keywords" in assert_error(answer, 422)["message"]


@pytest.mark.parametrize(("method", "path"), LEFT_OUT)
def test_left_out(shared: Stack, method: str, path: str) -> None:
    """Documents, databases and accounting are answered 501 with a sentence."""
    answer = shared.ask(method, path.removeprefix(published.DATALAKE))
    assert "are not part of it" in assert_error(answer, 501)["message"]


VIRTUAL = published.VIRTUAL_COLLECTION_PATH.removeprefix(published.DATALAKE)


def _select(stack: Stack, query: str) -> str:
    body = {"isAllSelected": True, "contentType": 2, "query": query}
    selection: str = stack.json("POST", published.SELECTION_PATH, json=body)["selectionTag"]
    return selection


def test_virtual_collections(shared: Stack) -> None:
    """Images of several collections are gathered under a name, and a query finds them."""
    for collection, count in (("north", 3), ("south", 2)):
        images = [{"image": f"{number}.jpg", "annotations": [BOX]} for number in range(count)]
        shared.upload(images, collection=collection, run="model 7")
    north, south = (_select(shared, f"collection = {name}") for name in ("north", "south"))
    name = 'say "night" and \\ day'
    body = {"selectionId": north, "vCollectionName": name}
    answer = shared.json("POST", VIRTUAL, json=body)
    assert (answer["isSuccess"], answer["vCollectionName"]) == (True, name)
    assert answer["addedCount"] == 3
    assert shared.json("POST", VIRTUAL, json=body)["addedCount"] == 0, "a repeat changes nothing"
    more = {"selectionId": south, "vCollectionId": answer["vCollectionId"]}
    assert shared.json("POST", VIRTUAL, json=more)["addedCount"] == 2
    other = {"selectionId": south, "vCollectionName": "day shift"}
    assert shared.json("POST", VIRTUAL, json=other)["addedCount"] == 2
    query = answer["message"].partition("the query ")[2].removesuffix(" finds them all")
    for text, count in ((query, 5), ('metadata.virtual_collection = "day shift"', 2)):
        items = shared.json("GET", "/api/v1/items", params={"query": text})["items"]
        assert len(items) == count


def test_virtual_collections_keep_metadata(shared: Stack) -> None:
    """Other fields stay, and so does a value that somebody else put into the field."""
    shared.upload([{"image": "0.jpg", "annotations": [BOX]}], collection="east", run="model 7")
    fields = {"collectionName": "east", "metadata": {"site": 1, "virtual_collection": "old"}}
    shared.json("POST", published.METADATA_OBJECT_PATH, json=fields)
    body = {"selectionId": _select(shared, "collection = east"), "vCollectionName": "new"}
    assert shared.json("POST", VIRTUAL, json=body)["addedCount"] == 1
    (item,) = shared.json("GET", "/api/v1/items", params={"collection": "east"})["items"]
    assert item["metadata"] == {"site": 1, "virtual_collection": ["old", "new"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"vCollectionId": "nowhere"}, "there is no virtual collection 'nowhere'"),
        ({}, "vCollectionName: is missing"),
        ({"vCollectionName": ""}, "vCollectionName: is empty"),
        ({"selectionId": "gone", "vCollectionName": "a"}, "there is no selection 'gone'"),
    ],
    ids=["unknown id", "neither", "empty name", "unknown selection"],
)
def test_refused_virtual_collections(shared: Stack, body: dict[str, str], message: str) -> None:
    """The published client shows an answer of status 200 alone."""
    shared.upload([{"image": "0.jpg", "annotations": [BOX]}], collection="west", run="model 7")
    selection = _select(shared, "collection = west")
    answer = shared.json("POST", VIRTUAL, json={"selectionId": selection, **body})
    assert not answer["isSuccess"]
    assert message in answer["message"]


def test_early_pages(shared: Stack) -> None:
    """Pages counted from 0 and from 1 both begin with the first image; data stands on both levels."""
    images = [{"image": f"{number}.jpg", "annotations": [BOX]} for number in range(3)]
    shared.upload(images, collection="early", run="model 7")
    path = published.annotations_path("early")
    names: list[str] = []
    first = shared.json("GET", path, params={"pageNo": 0, "pageSize": 2, "operationId": "model 7"})
    assert (first["resourceArray"], first["nextPage"]) == ([], True)
    number, more = 1, True
    while more:
        query = {"pageNo": number, "pageSize": 2, "operationId": "model 7"}
        page = shared.json("GET", path, params=query)
        assert {key: value for key, value in page.items() if key != "data"} == page["data"]
        names += [row["fileName"] for row in page["resourceArray"]]
        number, more = number + 1, page["nextPage"]
    assert names == ["0.jpg", "1.jpg", "2.jpg"]
    later = shared.json("GET", path, params={"pageNo": 0, "pageSize": 2, "annotationType": "all"})
    assert [row["fileName"] for row in later["data"]["resourceArray"]] == ["0.jpg", "1.jpg"]
    assert "resourceArray" not in later
