"""Downloads and removals by the published protocol, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from layernext.wire import published
from tests.integration.stack.conftest import Stack, assert_error
from tests.integration.stack.published_requests import (
    CLIENT,
)

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
