"""Metadata fields and tags that were declared, on a stack that takes no others and on one that does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from layernext import ImageAnnotations, LayerNextClient
from layernext.errors import DataError
from layernext.wire import published
from tests.integration.stack.conftest import Stack, running


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running(tmp_path / "stack", strict_metadata=True) as fresh:
        yield fresh


def files(**metadata: object) -> dict[str, object]:
    return {"files": [{"file": "a.jpg", "metadata": metadata}]}


def test_a_strict_stack(stack: Stack) -> None:
    """What was not declared is refused by name, wherever it comes in, and nothing of it is kept."""
    upload = {"collectionName": "yard", "collectionType": 5, "objectKeyList": ["a.jpg"]}
    opened = stack.ask("POST", published.UPLOAD_METADATA_PATH, json=upload, role="write")
    assert opened.status_code == 200, opened.text
    names = "/api/v1/metadata/names"
    assert stack.json("GET", names) == {"fields": [], "tags": [], "is_strict": True}
    allowed = {"fields": ["shift"], "tags": ["rain"]}
    assert stack.ask("POST", names, json=allowed, role="write").status_code == 403
    declared = stack.ask("POST", names, json=allowed, role="admin").json()
    assert declared == {**allowed, "is_strict": True}
    for path, body, name in (
        (published.VALIDATE_TAGS_PATH, {"tags": ["rain", "snow"]}, "'snow'"),
        (published.VALIDATE_FIELDS_PATH, {"fields": ["shift", "speed"]}, "'speed'"),
        (
            published.METADATA_OBJECT_PATH,
            {"collectionName": "yard", "metadata": {"speed": 1, "Tags": ["rain"]}},
            "'speed'",
        ),
        (
            published.METADATA_JSON_PATH,
            {"collectionName": "yard", "metadata": [{"file": "a.jpg", "metadata": {"Tags": ["snow"]}}]},
            "'snow'",
        ),
        (published.UPLOAD_METADATA_PATH, {**upload, "metaDataObject": {"x": 1}}, "'x'"),
        (
            published.CREATE_COLLECTION_PATH,
            {"collectionName": "new", "objectType": 5, "customMetaObject": {"x": 1}},
            "'x'",
        ),
    ):  # fmt: skip
        answer = stack.ask("POST", path, json=body, role="write")
        assert answer.status_code == 406, path
        text = answer.json()["error"]["message"]
        assert name in text
        assert "layernext items declare" in text
    for path, body in (
        (published.VALIDATE_TAGS_PATH, {"tags": ["rain"]}),
        (published.VALIDATE_FIELDS_PATH, {"fields": ["shift", "Tags"]}),
        (
            published.METADATA_OBJECT_PATH,
            {"collectionName": "yard", "metadata": {"shift": "late", "Tags": ["rain"]}},
        ),
    ):
        assert stack.ask("POST", path, json=body, role="write").status_code == 200
    withdrawn = stack.ask("POST", names, json={"tags": ["rain"], "withdraw": True}, role="admin")
    assert withdrawn.json()["tags"] == []


def test_names_in_the_sdk(client: LayerNextClient) -> None:
    """A stack that is not strict keeps the names, and takes any others."""
    client.upload_modelrun("yard", "run", [ImageAnnotations(image="a.jpg", annotations=[])])
    names = client.metadata.declare(["shift", "shift"], ["rain"])
    assert (names.fields, names.tags, names.is_strict) == (["shift"], ["rain"], False)
    assert client.upload_metadata_for_files("yard", "image", files(speed=1)).updated == 1
    assert client.metadata.declare(["shift"], withdraw=True).fields == []
    assert client.metadata.names().tags == ["rain"]
    client.metadata.declare(tags=["rain"], withdraw=True)
    with pytest.raises(DataError, match="must be a list of strings"):
        client.metadata.declare("shift")
