"""Files, metadata, queries and the trash through the SDK, against a real stack."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from layernext import ImageAnnotations, LayerNextClient, Rectangle
from layernext.errors import DataError, FormatError, NotFound
from tests.integration.client.conftest import Pair


def fresh(word: str = "yard") -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def filled(client: LayerNextClient, count: int = 3) -> str:
    """A collection with annotated images."""
    name = fresh()
    sets = [
        ImageAnnotations(
            image=f"{n}.jpg", annotations=[Rectangle(label="cup", bbox=(n, 0, 1, 2))] * n
        )
        for n in range(count)
    ]
    client.upload_modelrun(name, "run", sets)
    return name


def test_metadata_and_queries(client: LayerNextClient, tmp_path: Path) -> None:
    """Metadata by file and by object; found by query; unknown names are in the report."""
    name = filled(client)
    path = tmp_path / "metadata.json"
    path.write_text(
        '{"files": [{"file": "0.jpg", "metadata": {"shift": "night", "Tags": ["a"]}},'
        ' {"file": "no.jpg"}, {"file": "1.jpg", "metadata": {"shift": "day"}}]}'
    )
    report = client.upload_metadata_for_files(name, "image", path)
    assert (report.updated, report.unmatched, report["isSuccess"]) == (2, ["no.jpg"], False)
    assert client.upload_metadata_for_collection(name, "image", {"place": 7})["isSuccess"]
    client.upload_metadata_by_unique_name(
        {"files": [{"file": f"{name}_2.jpg", "metadata": {"x": 1}}]}
    )
    found = list(client.items.iter(name, query="metadata.shift = night or metadata.x = 1"))
    assert [item.name for item in found] == ["0.jpg", "2.jpg"]
    assert found[0].metadata == {"shift": "night", "Tags": ["a"], "place": 7}
    assert (found[0].unique_name, found[0].has_file, found[0].url) == (f"{name}_0.jpg", False, None)
    details = client.get_collection_details(name, {"place": True, "name": False, "Tags": True})
    assert (details["place"], details["Tags"]) == (7, [])
    assert "name" not in details
    assert [item.name for item in client.items.iter(name, query="annotation.count = 2")] == [
        "2.jpg"
    ]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({}, "files"),
        ({"files": [1]}, "files[0]"),
        ({"files": [{"file": ""}]}, "files[0].file"),
        ({"files": [{"file": "a"}, {"file": "b", "metadata": [1]}]}, "files[1].metadata"),
        ({"files": [{"file": "a", "metadata": [1]}]}, "files[0].metadata"),
        ({"files": [{"file": "a", "metadata": {"Tags": "x"}}]}, "files[0].metadata.Tags"),
        ({"files": [{"file": "a", "meta": {}}]}, "files[0].meta"),
    ],
)
def test_bad_metadata(client: LayerNextClient, content: Any, where: str) -> None:
    """The place is named, and nothing was sent."""
    with pytest.raises(DataError) as refused:
        client.upload_metadata_by_unique_name(content)
    assert refused.value.problems[0].where == where


def test_bad_metadata_files(client: LayerNextClient, tmp_path: Path) -> None:
    """A file that is missing or no JSON is named."""
    with pytest.raises(FormatError, match="cannot be read"):
        client.upload_metadata_by_unique_name(tmp_path / "no.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FormatError, match="is not JSON"):
        client.upload_metadata_by_unique_name(tmp_path / "bad.json")


def test_collections_of_every_kind(pair: Pair) -> None:
    """Each kind has names of its own; metadata is merged."""
    client, name = pair.writer, fresh()
    ids = {}
    for kind in ("image", "video", "other"):
        made = client.create_or_update_collection(name, kind, {"kind": kind})
        ids[kind] = made["collectionId"]
        assert client.get_collection_id_by_name(name, kind) == made.collection_id
        again = client.create_or_update_collection(name, kind, {"more": 1})
        assert again.collection_id == made.collection_id
        details = client.get_collection_details(made.collection_id, {"kind": True, "more": True})
        assert (details["kind"], details["more"]) == (kind, 1)
    assert len(set(ids.values())) == 3
    with pytest.raises(NotFound):
        client.get_collection_id_by_name(fresh("no"))
    with pytest.raises(DataError, match="content_type"):
        client.get_collection_id_by_name(name, "images")
    stats = client.get_system_stat_count()
    assert stats["isSuccess"]
    assert stats["objectCounts"]["total"]["count"] >= 0


def test_trash_and_restore(client: LayerNextClient) -> None:
    """What a query finds goes to the trash, and comes back."""
    name = filled(client)
    with pytest.raises(DataError, match="pass a query or a filter"):
        client.trash_objects_from_datalake("", {})
    with pytest.raises(DataError, match="unknown"):
        client.trash_objects_from_collection(name, "", {"annotation_type": ["human"]})
    with pytest.raises(DataError, match="did you mean"):
        client.trash_objects_from_collection(name, "lable = cup")
    with pytest.raises(DataError, match="nothing fits"):
        client.trash_objects_from_collection(name, "label = nothing")
    assert len(list(client.items.iter(name))) == 3
    report = client.trash_objects_from_collection(name, "annotation.count > 0")
    assert (report.files, report["isSuccess"]) == (2, True)
    assert [item.name for item in client.items.iter(name)] == ["0.jpg"]
    assert [each.image for each in client.iter_annotations(name, "run")] == ["0.jpg"]
    assert [item.name for item in client.trash.iter(name)] == ["1.jpg", "2.jpg"]
    assert client.trash.restore(name, query="name = 1.jpg") == 1
    client.trash_objects_from_datalake(f'collection = "{name}"')
    assert list(client.items.iter(name)) == []
    assert client.trash.restore(name) == 3
    client.trash_objects_from_collection(name)
    with pytest.raises(NotFound):
        list(client.items.iter(name))
    assert client.trash.restore(name) == 3
    assert len(list(client.items.iter(name))) == 3


def test_bad_lists(client: LayerNextClient) -> None:
    """Unknown words are refused, never taken for something else."""
    for arguments in (
        {"item_type": "images"},
        {"item_type": "image", "filter": {"annotation_types": ["robot"]}},
        {"item_type": "image", "filter": {"tags": ["x"]}},
        {"item_type": "image", "page_size": 1_001},
        {"item_type": "image", "page_index": -1},
        {"item_type": "image", "sort_order": {"sort_by_field": "date"}},
        {"item_type": "image", "sort_order": {"sort_order": "UP"}},
        {"item_type": "image", "sort_order": {"field": "name"}},
        {"item_type": "image", "query": "nothing"},
        {"item_type": "image", "filter": {"from_date": "soon"}},
    ):
        with pytest.raises(DataError):
            client.get_item_list_from_datalake(**arguments)
    assert client.get_valid_sort_fields()[0] == "date_modified"
