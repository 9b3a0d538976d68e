"""Embeddings through the SDK, against a real stack."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from layernext import ImageAnnotations, LayerNextClient
from layernext.errors import ConfigurationError, DataError, NotFound


def filled(client: LayerNextClient, count: int) -> str:
    """A collection of images."""
    name = f"yard-{uuid.uuid4().hex[:8]}"
    sets = [ImageAnnotations(image=f"{n}.jpg", annotations=[]) for n in range(count)]
    client.upload_modelrun(name, "run", sets)
    return name


@pytest.mark.parametrize("count", [0, 1, 100, 101, 201])
def test_any_number_of_vectors(client: LayerNextClient, count: int) -> None:
    """However many there are, every single one is stored, and comes back."""
    name, model = filled(client, count), uuid.uuid4().hex
    vectors = [{"uniqueName": f"{name}_{n}.jpg", "embeddings": [n, 0.5]} for n in range(count)]
    report = client.insert_image_embeddings(vectors, model, [2])
    assert (report["upsert_count"], report["success"], report["message"]) == (count, True, [])
    if count:
        found = client.get_embedding_vector([each["uniqueName"] for each in vectors], model)
        assert [(each["uniqueName"], each["embeddings"]) for each in found] == [
            (each["uniqueName"], each["embeddings"]) for each in vectors
        ]


def test_unknown_images_are_named(client: LayerNextClient) -> None:
    """The others are stored; the report has the names that no image has."""
    name, model = filled(client, 2), uuid.uuid4().hex
    vectors = [{"uniqueName": f"{name}_{n}.jpg", "embeddings": [1, n]} for n in range(3)]
    report = client.insert_image_embeddings(vectors, model, [2])
    assert (report.stored, report.unknown, report["success"]) == (2, [f"{name}_2.jpg"], False)


def test_nearest_images(client: LayerNextClient) -> None:
    """By image or vector, in one collection or all."""
    name, model = filled(client, 4), uuid.uuid4().hex
    rows = [[1, 0], [0.9, 0.1], [0, 1], [-1, 0]]
    vectors = [{"uniqueName": f"{name}_{n}.jpg", "embeddings": row} for n, row in enumerate(rows)]
    client.insert_image_embeddings_batch(vectors, model, [2])
    found = client.embeddings.search(model, unique_name=f"{name}_0.jpg", collection=name)
    assert [each.unique_name for each in found] == [f"{name}_{n}.jpg" for n in (1, 2, 3)]
    found = client.embeddings.search(model, vector=[0, 2], count=1, metric="l2")
    assert [(each.unique_name, each.score) for each in found] == [(f"{name}_2.jpg", -1.0)]
    with pytest.raises(ConfigurationError):
        client.embeddings.search(model)
    with pytest.raises(DataError):
        client.embeddings.search(model, vector=[1])
    with pytest.raises(NotFound):
        client.embeddings.search(uuid.uuid4().hex, vector=[1, 2])


@pytest.mark.parametrize(
    ("entries", "dimension", "where"),
    [
        (None, [2], "embedding_list"),
        ("text", [2], "embedding_list"),
        ([1], [2], "embedding_list[0]"),
        ([{"embeddings": [1, 2]}], [2], "embedding_list[0].uniqueName"),
        ([{"uniqueName": "a"}], [2], "embedding_list[0].embeddings"),
        ([{"uniqueName": "a", "embeddings": [1]}], [2], "embedding_list[0].embeddings"),
        ([{"uniqueName": "a", "embeddings": [1, float("nan")]}], [2],
         "embedding_list[0].embeddings[1]"),
        ([], 2, "vector_dimension"),
        ([{"uniqueName": "a", "embeddings": [1]}] * 101, [1], "embedding_list"),
    ],
)  # fmt: skip
def test_wrong_vectors(client: LayerNextClient, entries: Any, dimension: Any, where: str) -> None:
    """The place is named, and nothing was sent."""
    with pytest.raises(DataError) as refused:
        client.insert_image_embeddings_batch(entries, "m", dimension)
    assert refused.value.problems[0].where == where
