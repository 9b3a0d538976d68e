"""Labels in groups, jobs of one's own, and what a stack does not do, against a real stack."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from layernext import LayerNextClient
from layernext.errors import DataError, LayerNextError, NotFound, NotSupported
from tests.integration.client.conftest import Pair


def fresh(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def made(client: LayerNextClient, name: str) -> str:
    value = {"valueName": "car", "description": "four wheels"}
    attributes = [{"attributeName": "kind", "values": [value, {"valueName": "bus"}]}]
    answer = client.create_system_label({"className": name, "attributes": attributes})
    return str(answer["label_reference"])


def test_labels_and_groups(pair: Pair) -> None:
    """Labels are made, grouped, listed by group, and taken out again."""
    client = pair.writer
    names = [fresh("vehicle"), fresh("person")]
    refs = [made(client, name) for name in names]
    assert made(client, names[0]) == refs[0]
    group = client.create_label_group(fresh("group"), refs[:1])
    assert group["groupName"] == group.name
    assert [label.name for label in client.get_labels_in_group(group.id)] == names[:1]
    assert client.attach_labels_to_group(group.id, refs)["is_success"]
    assert [label.name for label in client.get_labels_in_group(group.id)] == names
    assert client.detach_labels_from_group(group.id, refs[:1])["isSuccess"]
    (label,) = client.get_labels_in_group(group.id)
    assert {value["value"] for value in label.attributes[0].values} == {"car", "bus"}
    assert [g.label_refs for g in client.get_all_label_groups() if g.id == group.id] == [refs[1:]]
    with pytest.raises(NotFound):
        client.attach_labels_to_group("nowhere", refs)
    with pytest.raises(NotFound):
        client.attach_labels_to_group(group.id, ["nothing"])
    with pytest.raises(DataError, match="label_ids"):
        client.create_label_group("x", [])


@pytest.mark.parametrize(
    ("label", "where"),
    [
        ({}, "label.className"),
        ({"className": ""}, "label.className"),
        ({"className": "a", "attributes": [{}]}, "label.attributes[0].attributeName"),
        (
            {"className": "a", "attributes": [{"attributeName": "b"}, {"attributeName": "b"}]},
            "label.attributes[1].attributeName",
        ),
        (
            {
                "className": "a",
                "attributes": [
                    {"attributeName": "b", "values": [{"valueName": "c"}, {"valueName": "c"}]}
                ],
            },
            "label.attributes[0].values[1].valueName",
        ),
    ],
)
def test_bad_labels(client: LayerNextClient, label: dict[str, Any], where: str) -> None:
    """The place is named, and nothing is sent."""
    with pytest.raises(DataError) as refused:
        client.create_system_label(label)
    assert refused.value.problems[0].where == where


def test_own_jobs(pair: Pair) -> None:
    """A job that the client keeps: made, changed in any direction, found by its id."""
    client, session = pair.writer, fresh("session")
    first = client.create_or_update_job(session, "my work", -1, 10, 1, {"modelName": "m"})
    done = client.create_or_update_job(session, "my work", -1, 100, 2)
    assert first.id == done.id
    assert client.wait_for_job_complete(done.id)["is_success"]
    again = client.create_or_update_job(session, "my work", -1, 20, 1)
    assert again.id == done.id
    other = client.create_or_update_job(session, "my work", 14, 0, 3)
    assert other.id != done.id
    if pair.protocol == "native":
        listed = {job.id: job for job in client.jobs.list()}
        assert (listed[done.id].status, listed[other.id].status) == ("in_progress", "queued")


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"job_type": 9}, "job_type"),
        ({"status": 5}, "status"),
        ({"progress": 101}, "progress"),
        ({"progress": float("nan")}, "progress"),
        ({"session_id": ""}, "session_id"),
        ({"job_name": ""}, "job_name"),
    ],
)
def test_bad_own_jobs(client: LayerNextClient, changed: dict[str, Any], where: str) -> None:
    """Codes that are none are refused by name."""
    right: dict[str, Any] = {
        "session_id": "s", "job_name": "n", "job_type": 14, "progress": 0, "status": 1,
    }  # fmt: skip
    with pytest.raises(DataError) as refused:
        client.create_or_update_job(**{**right, **changed})
    assert refused.value.problems[0].where == where


def test_analysis_is_refused_with_a_clear_word(client: LayerNextClient) -> None:
    """Arguments are checked first; whole numbers are confidences, too."""
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("register_model", ("folder", "model", "embedding"), {}),
        ("auto_tag_collection", ("c",), {"confidence_threshold": 1}),
        ("generate_auto_tags_to_metalake", ("image",), {"confidence_threshold": 0}),
        ("auto_annotate_project", ("p",), {"prompt": [{"label": "a", "description": "b"}]}),
        ("prompt_inference", ("yard_1.jpg", "bbox"), {}),
        ("generate_embeddings_for_collection", ("c",), {}),
        ("generate_embeddings_to_metalake", (), {}),
    ]
    for name, arguments, options in calls:
        with pytest.raises(NotSupported, match="does not run models"):
            getattr(client, name)(*arguments, **options)
    wrong: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("register_model", ("folder", "model", "tagging"), {}),
        ("auto_tag_collection", ("c",), {"confidence_threshold": 1.5}),
        ("auto_tag_collection", ("c",), {"input_resolution": (1, 2, 3)}),
        ("auto_annotate_project", ("p", "mask"), {}),
        ("auto_annotate_project", ("p",), {"prompt": [{"label": "a"}]}),
    ]
    for name, arguments, options in wrong:
        with pytest.raises(DataError):
            getattr(client, name)(*arguments, **options)


def test_a_stack_says_the_same(client: LayerNextClient) -> None:
    """Who asks the stack itself gets the sentence, as 501."""
    with pytest.raises(LayerNextError) as refused:
        client._connection.transport.request_json("POST", "/analytics/dataIn", json={})
    assert isinstance(refused.value, NotSupported)
    assert "runs no models" in str(refused.value)
