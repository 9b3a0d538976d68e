"""Repeated requests over HTTP: the header's rules, and which routes keep them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from layernext.stack.api import native, published
from tests.support.stack_process import StackProcess, running_stack

REPEATABLE = {
    # Known by a number, a digest or a session.
    "classes.declare_classes", "uploads.put_batch", "uploads.finish_upload", "annotation_files.upload_annotation_file",
    "operation_data.update_operation", "operation_data.update_operation_v2",
    "files.known_files", "files.put_bundle", "files.begin_file", "files.part_urls",
    "files.finish_file", "files.finish_files", "jobs.update_job",
    # Bring about a state, whatever was before, and answer with it.
    "listings.create_collection", "collections.create_collection", "declared.change_names",
    "projects.set_status", "projects.update_labels", "projects.set_group", "projects.attach_runs",
    "references.label_references", "labels.create_coco_label", "labels.create_label",
    "labels.create_group", "labels.add_to_group", "labels.remove_from_group",
    "metadata.upload_metadata", "metadata.upload_object",
    "embeddings.insert_vectors", "embeddings.create_model", "comparisons.compare",
    # Change nothing.
    "audit.list_entries", "items.purge_state", "keys.list_keys", "status.show_status",
    "users.list_grants", "users.list_users",
    "left_out.refuse_analytics_model_setup", "left_out.refuse_analytics_dataIn",
    "left_out.refuse_analytics_dataIn_embedding", "left_out.refuse_analytics_dataIn_annotation",
    "left_out.refuse_analytics_dataIn_prompt_infer",
}  # fmt: skip


def test_every_route_that_changes_something_can_be_repeated() -> None:
    """Its answer is recorded, or it is known to be harmless a second time."""
    plain, recorded = set(), set()
    for route in [*native.ROUTES, *published.ROUTES]:
        operation = route.opt["operation"]
        name = f"{route.fn.__module__.rpartition('.')[2]}.{route.fn.__name__}"
        if operation.is_recorded:
            recorded.add(name)
        elif operation.role in {"write", "admin"}:
            plain.add(name)
    assert plain == REPEATABLE
    assert {"evaluations.delete_evaluation", "datasets.create_dataset"} <= recorded


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("repeated")) as running:
        yield running


@pytest.fixture
def http(stack: StackProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, auth=(stack.api_key, stack.secret)) as client:
        yield client


PURGE = "/api/v1/trash/purge"


def test_the_answer_is_repeated(http: httpx.Client, stack: StackProcess) -> None:
    """Also after the stack was killed."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = http.post(PURGE, json={}, headers=headers)
    stack.kill()
    stack.start()
    again = http.post(PURGE, json={}, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert http.post(PURGE, json={}).json() != first.json()


def test_an_id_belongs_to_one_request(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    http.post(PURGE, json={}, headers=headers).raise_for_status()
    other = http.post(PURGE, json={"query": "name = a.jpg"}, headers=headers)
    route = http.post("/api/v1/trash/restore", json={}, headers=headers)
    for answer in (other, route):
        assert answer.status_code == 422
        assert "belongs to another request" in answer.json()["error"]["message"]


@pytest.mark.parametrize("value", ["", "two words", "x" * 201])
def test_a_malformed_id_is_refused(http: httpx.Client, value: str) -> None:
    answer = http.post(PURGE, json={}, headers={"Idempotency-Key": value})
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["error"]["message"]


def test_what_failed_is_not_recorded(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    path = "/api/v1/evaluations/000000000000000000000000"
    for _ in range(2):
        answer = http.delete(path, headers=headers)
        assert answer.status_code == 404
        assert "Idempotency-Replayed" not in answer.headers


def test_a_repeated_request_for_a_key_makes_no_second_one(
    http: httpx.Client, stack: StackProcess
) -> None:
    """Its secret cannot be repeated, since it is not stored; the refusal names the key to revoke."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"name": "robot", "role": "write"}
    first = http.post("/api/v1/keys", json=body, headers=headers)
    assert first.headers["Cache-Control"] == "no-store"
    made = first.json()
    for _ in range(2):
        again = http.post("/api/v1/keys", json=body, headers=headers)
        assert again.status_code == 409
        message = again.json()["error"]["message"]
        assert made["api_key"] in message
        assert "revoke" in message
    keys = [key for key in http.get("/api/v1/keys").json() if key["name"] == "robot"]
    assert [key["api_key"] for key in keys] == [made["api_key"]]
    other = http.post("/api/v1/keys", json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
    assert other.json()["api_key"] != made["api_key"]
    for file in stack.folder.glob("stack.sqlite3*"):
        assert made["secret"].encode() not in file.read_bytes()
