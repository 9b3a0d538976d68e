"""Users and grants by what they do, beyond single routes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from layernext.model import GrantRole, UserRole
from layernext.stack.store import NewKey, Role
from layernext.stack.store.schema import project_image, version_item
from layernext.wire import native, published
from tests.integration.stack.access_world import BOX, SPLIT, bundle
from tests.integration.stack.conftest import Stack, assert_error

IMAGES = [{"image": "a.jpg", "annotations": [BOX]}]


class User:
    """A user of a stack, with a key."""

    def __init__(self, stack: Stack, name: str, role: UserRole = "none", key_role: Role = "admin"):
        self.stack, self.name = stack, name
        stack.json("POST", native.USERS_PATH, json={"name": name, "role": role})
        made = {"name": name, "role": key_role, "user": name}
        self.key: dict[str, str] = stack.json("POST", native.KEYS_PATH, json=made)

    def ask(self, method: str, path: str, **named: Any) -> httpx.Response:
        auth = (self.key["api_key"], self.key["secret"])
        return self.stack.client.request(
            method, f"http://testserver.local{path}", auth=auth, **named
        )

    def granted(self, collection: str, role: GrantRole) -> User:
        body = {"collection": collection, "user": self.name, "role": role}
        assert self.stack.json("PUT", native.GRANTS_PATH, json=body)["role"] == role
        return self


def select(stack: Stack, **fields: Any) -> str:
    """A selection of an administrator."""
    body = {"isAllSelected": True, **fields}
    return str(stack.json("POST", published.SELECTION_PATH, json=body)["selectionTag"])


def test_things_of_two_collections(stack: Stack) -> None:
    """A dataset, a project or a selection of two collections is for those who may read both."""
    for name in ("yard", "street"):
        stack.upload(IMAGES, run="r", collection=name, geometry="rectangle")
    selection = select(stack)
    version = stack.json(
        "GET",
        published.CREATE_DATASET_PATH,
        params={"datasetSelectionId": selection},
        json={"splitInfo": SPLIT, "name": "both", "exportTypes": ["RAW"]},
    )["datasetVersionId"]
    ada = User(stack, "ada").granted("yard", "admin")
    path = f"{native.DATASETS_PATH}/{version}"
    assert_error(ada.ask("GET", path), 404)
    assert ada.ask("GET", native.DATASETS_PATH).json() == []
    body = {"splitInfo": SPLIT, "name": "mine"}
    query = {"datasetSelectionId": selection}
    create = {"params": query, "json": body}
    assert_error(ada.ask("GET", published.CREATE_DATASET_PATH, **create), 404)
    ada.granted("street", "read")
    assert ada.ask("GET", path).status_code == 200
    assert [each["id"] for each in ada.ask("GET", native.DATASETS_PATH).json()] == [version]
    refused = assert_error(ada.ask("GET", published.CREATE_DATASET_PATH, **create), 403)
    assert refused["message"] == (
        "this needs the role write in the collection; 'ada' may only read it"
    )
    ada.granted("street", "write")
    assert ada.ask("GET", published.CREATE_DATASET_PATH, **create).status_code == 200


@pytest.mark.parametrize("role", ["none", "read"])
def test_making_collections_needs_the_stack(stack: Stack, role: UserRole) -> None:
    """Whoever may write to single collections makes no others, on any way; they are not told which exist."""
    stack.upload(IMAGES, run="r", collection="hidden", geometry="rectangle")
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    ada = User(stack, "ada", role).granted("yard", "write")
    file = {"images": IMAGES}
    for name in ("new", "hidden"):
        status = {"none": 404, "read": 403}[role]
        answers = [
            ada.ask("POST", native.COLLECTIONS_PATH, json={"name": name}),
            ada.ask("POST", published.CREATE_COLLECTION_PATH, json={"collectionName": name}),
            ada.ask("POST", published.UPLOAD_METADATA_PATH, json={"collectionName": name}),
            ada.ask(
                "POST",
                native.uploads_path(),
                json={"run": "x", "mode": "machine", "collection": name},
            ),
            ada.ask(
                "POST",
                "/api/v1/annotation-files",
                params={"run": "x", "collection": name},
                json=file,
            ),
        ]
        messages = {assert_error(answer, status)["message"] for answer in answers}
        assert len(messages) == 1
    names = [each["name"] for each in stack.json("GET", native.COLLECTIONS_PATH)["items"]]
    assert names == ["hidden", "yard"]
    assert ada.ask("POST", native.COLLECTIONS_PATH, json={"name": "yard"}).status_code == 200


@pytest.mark.parametrize("way", ["native", "published", "files", "upload"])
def test_creator_administers(stack: Stack, way: str) -> None:
    """Who has the role write and makes a collection administers it, and no other one."""
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    ada = User(stack, "ada", "write")
    path, body = {
        "native": (native.COLLECTIONS_PATH, {"name": "new"}),
        "published": (published.CREATE_COLLECTION_PATH, {"collectionName": "new"}),
        "files": (published.UPLOAD_METADATA_PATH, {"collectionName": "new"}),
        "upload": (native.uploads_path(), {"run": "x", "mode": "machine", "collection": "new"}),
    }[way]
    assert ada.ask("POST", path, json=body).status_code == 200
    assert ada.ask("POST", path, json=body).status_code == 200
    (grant,) = stack.json("GET", native.GRANTS_PATH)
    assert (grant["collection"], grant["user"], grant["role"]) == ("new", "ada", "admin")
    User(stack, "bob")
    given = {"user": "bob", "role": "read"}
    assert (
        ada.ask("PUT", native.GRANTS_PATH, json={"collection": "new", **given}).status_code == 200
    )
    assert_error(ada.ask("PUT", native.GRANTS_PATH, json={"collection": "yard", **given}), 403)
    listed = ada.ask("GET", native.GRANTS_PATH).json()
    assert [each["user"] for each in listed] == ["ada", "bob"]
    assert_error(ada.ask("GET", native.GRANTS_PATH, params={"collection": "yard"}), 403)
    assert_error(ada.ask("GET", native.USERS_PATH), 403)


def test_a_key_limits_its_user(stack: Stack) -> None:
    """What is granted to a user counts for a key up to the key's own role."""
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    ada = User(stack, "ada", "none", "read").granted("yard", "admin")
    path = native.COLLECTIONS_PATH
    assert [each["name"] for each in ada.ask("GET", path).json()["items"]] == ["yard"]
    assert_error(
        ada.ask("DELETE", "/api/v1/annotations", params={"run": "r", "collection": "yard"}), 403
    )
    bob = User(stack, "bob", "admin", "write")
    assert bob.ask("GET", "/api/v1").json() == {
        **stack.json("GET", "/api/v1"), "key_name": "bob", "role": "write", "user": "bob",
    }  # fmt: skip
    assert_error(bob.ask("GET", native.KEYS_PATH), 403)


def test_whole_collections_go_to_the_trash_by_their_admins(stack: Stack) -> None:
    """Images of a collection may be trashed by who may write to it, all of it by who administers it."""
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    collection = stack.json("GET", native.COLLECTIONS_PATH)["items"][0]["id"]
    ada = User(stack, "ada").granted("yard", "write")
    body = {"isAllSelected": False, "objectIdList": [collection]}
    whole = ada.ask("POST", published.SELECTION_PATH, json=body).json()["selectionTag"]
    assert_error(ada.ask("POST", published.TRASH_PATH, json={"selectionId": whole}), 403)
    ada.granted("yard", "admin")
    assert ada.ask("POST", published.TRASH_PATH, json={"selectionId": whole}).status_code == 200
    assert ada.ask("GET", native.COLLECTIONS_PATH).json()["items"] == []
    purge = {"collection": "yard"}
    assert ada.ask("POST", "/api/v1/trash/purge", json=purge).status_code == 200
    assert_error(ada.ask("POST", "/api/v1/trash/purge", json={}), 403)


def test_images_of_others_are_not_written_to(stack: Stack) -> None:
    """By no name of an image a set gets into a collection that may not be written to; nothing is kept."""
    for name in ("yard", "street"):
        stack.upload(IMAGES, run="r", collection=name, geometry="rectangle")
    ada = User(stack, "ada").granted("yard", "write")
    image = {"image": "street_a.jpg", "annotations": [BOX]}
    opened = ada.ask(
        "POST",
        native.uploads_path(),
        json={"run": "x", "mode": "machine", "key_kind": "unique_name", "geometry": "rectangle"},
    ).json()
    path = native.batch_path(opened["id"], 0)
    assert_error(ada.ask("PUT", path, json=image), 404)
    ada.granted("street", "read")
    assert_error(ada.ask("PUT", path, json=image), 403)
    entries = '[{"objectKey": "street_a.jpg", "data": {"annotationObjects": []}}]'
    batch = {"metaUpdatesArray": entries, "operationMode": 2, "operationType": 1}
    path_of_run = "/datalake/api/metadata/operationdata/x/update"
    assert_error(ada.ask("POST", path_of_run, json=batch), 403)
    entries_of_ada = stack.json("GET", native.AUDIT_PATH, params={"actor": "ada"})["items"]
    assert [entry["action"] for entry in entries_of_ada if entry["outcome"] == "done"] == [
        "open upload"
    ], "only the native upload, which was opened"
    assert (
        stack.json("GET", native.RUNS_PATH, params={"collection": "street"})["items"][0]["name"]
        == "r"
    )
    assert ada.ask("PUT", path, json={**image, "image": "yard_a.jpg"}).status_code == 200
    runs = stack.json("GET", native.RUNS_PATH)["items"]
    assert {(run["name"], run["collection"]) for run in runs} == {
        ("r", "yard"), ("r", "street"), ("x", "yard"),
    }  # fmt: skip


def test_removed_user(stack: Stack) -> None:
    """With a user go their keys, sessions and grants; the name is free again."""
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    ada = User(stack, "ada").granted("yard", "write")
    caller = stack.store.keys.authenticate(ada.key["api_key"], ada.key["secret"])
    assert caller is not None
    token = stack.store.sessions.create(caller)
    removed = stack.json("DELETE", native.USERS_PATH, params={"name": "ada"})
    assert removed["name"] == "ada"
    assert_error(ada.ask("GET", "/api/v1"), 401)
    assert stack.store.sessions.find(token) is None
    assert stack.json("GET", native.GRANTS_PATH) == []
    assert_error(stack.ask("DELETE", native.USERS_PATH, params={"name": "ada"}), 404)
    again = User(stack, "ada")
    assert again.ask("GET", native.COLLECTIONS_PATH).json()["items"] == []


def test_mistakes(stack: Stack) -> None:
    """Each has its status and its sentence."""
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    User(stack, "ada")
    for method, path, named, status, text in (
        (
            "POST",
            native.USERS_PATH,
            {"json": {"name": "ada"}},
            409,
            "there is a user 'ada' already",
        ),
        ("POST", native.USERS_PATH, {"json": {"name": ""}}, 422, "name"),
        ("POST", native.USERS_PATH, {"json": {"name": "x", "email": "no"}}, 422, "email"),
        (
            "POST",
            native.USERS_PATH,
            {"json": {"name": "x", "kind": "service", "email": "a@b.c"}},
            422,
            "is for people",
        ),
        (
            "PUT",
            native.GRANTS_PATH,
            {"json": {"collection": "yard", "user": "eve", "role": "read"}},
            404,
            "there is no user 'eve'",
        ),
        (
            "PUT",
            native.GRANTS_PATH,
            {"json": {"collection": "lawn", "user": "ada", "role": "read"}},
            404,
            "there is no collection 'lawn'",
        ),
        (
            "POST",
            native.KEYS_PATH,
            {"json": {"name": "k", "role": "read", "user": "eve"}},
            404,
            "there is no user 'eve'",
        ),
    ):
        assert text in str(assert_error(stack.ask(method, path, **named), status))
    query = {"collection": "yard", "user": "ada"}
    assert stack.json("DELETE", native.GRANTS_PATH, params=query) == {"revoked": False}


def test_nothing_is_looked_up_for_keys_of_the_whole_stack(stack: Stack) -> None:
    """Requests of a key whose role suffices make no statement about grants."""
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    key = stack.keys["write"]
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        assert stack.ask("GET", native.COLLECTIONS_PATH, role="read").status_code == 200
        assert stack.ask("GET", "/api/v1/items", role="read").status_code == 200
        stack.ask(
            "DELETE", "/api/v1/annotations", role="write", params={"run": "x", "collection": "yard"}
        )
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert isinstance(key, NewKey)
    assert statements
    assert not [each for each in statements if "collection_grant" in each]


def test_keys_of_one_name(stack: Stack) -> None:
    """A key without a user belongs to a service of its name, which never gets more by a new key."""
    users = {user["name"]: user["role"] for user in stack.json("GET", native.USERS_PATH)}
    assert users["test write"] == "write"
    name = uuid4().hex
    made = [
        stack.json("POST", native.KEYS_PATH, json={"name": name, "role": role})["user"]
        for role in ("write", "read", "admin")
    ]
    assert made == [name, name, f"{name} 2"]
    users = {user["name"]: user["role"] for user in stack.json("GET", native.USERS_PATH)}
    assert (users[name], users[f"{name} 2"]) == ("write", "admin")


def test_runs_of_others_do_not_exist(stack: Stack) -> None:
    """Whoever may not read a run's collection hears the same of it as of a run that there never was."""
    for name, run in (("yard", "mine"), ("street", "hidden")):
        stack.upload(IMAGES, run=run, collection=name, geometry="rectangle")
    ada = User(stack, "ada").granted("yard", "write")
    (item,) = ada.ask("GET", "/api/v1/items").json()["items"]
    project = ada.ask("GET", published.RESERVE_PROJECT_PATH).json()["id"]
    truth = {"run": "truth", "mode": "human", "collection": "street", "geometry": "rectangle"}
    stack.upload(IMAGES, **truth)
    evaluated = {"collection": "street", "run": "hidden", "ground_truth": "truth"}
    stack.json("POST", "/api/v1/evaluations", json=evaluated)

    def answers(run: str) -> list[tuple[int, str]]:
        """What each way says of a run, without its name."""
        match = {"image": item["id"], "run": run, "ground_truth": "mine"}
        attach = {"projectId": project, "operationIdArray": [run]}
        tallies = f'run = "{run}" AND run.f1 < 0.5'
        told = [
            ada.ask("GET", "/api/v1/matches", params=match),
            ada.ask("POST", published.ATTACH_RUNS_PATH, json=attach),
            ada.ask("GET", native.ANNOTATIONS_PATH, params={"run": run}),
            ada.ask("GET", "/api/v1/items", params={"query": tallies}),
            ada.ask("GET", "/api/v1/items", params={"query": f'run = "{run}"'}),
        ]
        return [
            (each.status_code, each.text.replace(run, "…").replace(request_id(each), ""))
            for each in told
        ]

    assert answers("hidden") == answers("nobody")
    assert [status for status, _ in answers("hidden")] == [404, 422, 404, 422, 200]


def request_id(answer: httpx.Response) -> str:
    return answer.headers["x-request-id"]


def test_images_of_others_do_not_exist(stack: Stack) -> None:
    """Metadata and embeddings of an image that may not be read are answered like those of none."""
    for name in ("yard", "street"):
        stack.upload(IMAGES, run="r", collection=name, geometry="rectangle")
    ada = User(stack, "ada").granted("yard", "write")

    def answers(name: str) -> list[tuple[int, str]]:
        vector = {"uniqueName": name, "embeddings": [0.5, 1.0]}
        embeddings = {"embeddingModelName": "m", "embeddingDimension": [2], "data": [vector]}
        metadata = {"metadata": [{"file": name, "metadata": {"city": "x"}}]}
        told = [
            ada.ask("POST", published.INSERT_EMBEDDINGS_PATH, json=embeddings),
            ada.ask("POST", published.METADATA_JSON_PATH, json=metadata),
        ]
        return [(each.status_code, each.text.replace(name, "…")) for each in told]

    assert answers("street_a.jpg") == answers("street_b.jpg")
    assert [status for status, _ in answers("street_a.jpg")] == [200, 200]
    (item,) = stack.json("GET", "/api/v1/items", params={"collection": "street"})["items"]
    assert item["metadata"] == {}
    assert '"updatedCount":1' in answers("yard_a.jpg")[1][1]


def test_uploads_of_others_are_not_resumed(stack: Stack) -> None:
    """An upload without a collection says what it has; it is nobody's who may not write all of that."""
    stack.upload(IMAGES, run="r", collection="street", geometry="rectangle")
    fields = {"run": "x", "mode": "machine", "key_kind": "unique_name", "geometry": "rectangle"}
    theirs = stack.json("POST", native.uploads_path(), json=fields)["id"]
    image = {"image": "street_a.jpg", "annotations": [BOX]}
    assert stack.ask("PUT", native.batch_path(theirs, 0), json=image).status_code == 200
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    ada = User(stack, "ada").granted("yard", "write")
    resumed = ada.ask("POST", native.uploads_path(), json={**fields, "resume": True}).json()
    assert resumed["id"] != theirs
    assert (resumed["images"], resumed["annotations"]) == (0, 0)
    again = ada.ask("POST", native.uploads_path(), json={**fields, "resume": True}).json()
    assert again["id"] == resumed["id"]


def test_progress_of_others(stack: Stack) -> None:
    """Of two collections of a name, images and videos, only the one that may be read is told of."""
    names = {"collectionName": "yard", "objectKeyList": ["a.jpg"]}
    stack.json("POST", published.UPLOAD_METADATA_PATH, json=names)
    ada = User(stack, "ada").granted("yard", "read")
    hidden = {"collectionName": "yard", "collectionType": 4, "objectKeyList": ["a", "b", "c"]}
    stack.json("POST", published.UPLOAD_METADATA_PATH, json=hidden)
    query = {"collectionName": "yard"}
    told = ada.ask("GET", published.UPLOAD_PROGRESS_PATH, params=query).json()
    assert told["totalCount"] == 1


def test_refusals_in_handlers_are_noted(stack: Stack) -> None:
    """A role that does not suffice has its entry, whether the door or the handler finds that out."""
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    ada = User(stack, "ada").granted("yard", "read")
    query = {"run": "r", "collection": "yard"}
    for _ in range(11):
        assert_error(ada.ask("DELETE", native.ANNOTATIONS_PATH, params=query), 403)
    grant = {"collection": "yard", "user": "ada", "role": "admin"}
    assert_error(ada.ask("PUT", native.GRANTS_PATH, json=grant), 403)
    assert_error(ada.ask("GET", native.KEYS_PATH), 403)
    entries = stack.json("GET", native.AUDIT_PATH, params={"actor": "ada"})["items"]
    assert [(each["action"], each["outcome"], each["count"]) for each in entries] == [
        ("grant", "refused", 1), ("delete run", "refused", 10), ("delete run", "refused", 1),
    ]  # fmt: skip


def test_signed_urls_end_with_their_reader(stack: Stack) -> None:
    """A download URL works without a key, until the key that asked for it is revoked or may not read the file."""
    upload = stack.json("POST", published.UPLOAD_METADATA_PATH, json={"collectionName": "yard"})
    path = f"/api/v1/file-uploads/{upload['uploadId']}/bundle"
    assert stack.ask("POST", path, content=bundle("a.jpg")).status_code == 200
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    exported = stack.json(
        "POST", "/api/v1/exports", json={"format": "coco", "collection": "yard", "run": "r"}
    )
    export_path = f"/api/v1/exports/{exported['id']}"
    while stack.json("GET", export_path)["status"] in {"queued", "in_progress"}:
        time.sleep(0.02)
    ada = User(stack, "ada").granted("yard", "read")

    def urls(ask: Callable[[str, str], httpx.Response]) -> list[str]:
        (item,) = ask("GET", "/api/v1/items").json()["items"]
        return [item["url"], ask("GET", export_path).json()["url"]]

    def statuses(links: list[str]) -> list[int]:
        return [stack.client.get(link).status_code for link in links]

    of_ada, of_admin = urls(ada.ask), urls(stack.ask)
    assert statuses(of_ada) == statuses(of_admin) == [200, 200]
    query = {"collection": "yard", "user": "ada"}
    stack.json("DELETE", native.GRANTS_PATH, params=query)
    assert statuses(of_ada) == [403, 403]
    ada.granted("yard", "read")
    assert statuses(of_ada) == [200, 200]
    stack.store.keys.revoke(ada.key["api_key"])
    assert statuses(of_ada) == [403, 403]
    assert statuses(of_admin) == [200, 200]


def test_things_without_images_belong_to_the_stack(stack: Stack) -> None:
    """A dataset version or project whose images are gone is for roles in the whole stack; a reserved one is not."""
    stack.upload(IMAGES, run="r", collection="yard", geometry="rectangle")
    selection = select(stack)
    version = stack.json(
        "GET",
        published.CREATE_DATASET_PATH,
        params={"datasetSelectionId": selection},
        json={"splitInfo": SPLIT, "name": "set", "exportTypes": ["RAW"]},
    )["datasetVersionId"]
    project = stack.json("GET", published.RESERVE_PROJECT_PATH)["id"]
    filled = {"selectionId": selection, "name": "work"}
    stack.json("POST", f"/studio/api/client/project/{project}/update", json=filled)
    ada = User(stack, "ada").granted("yard", "admin")
    paths = [f"{native.DATASETS_PATH}/{version}", f"/api/v1/projects/{project}"]
    assert [ada.ask("GET", path).status_code for path in paths] == [200, 200]
    with stack.store.database.write() as connection:
        for table in (version_item, project_image):
            connection.execute(sa.delete(table))
    assert [ada.ask("GET", path).status_code for path in paths] == [404, 404]
    assert [stack.ask("GET", path).status_code for path in paths] == [200, 200]
    reserved = ada.ask("GET", published.RESERVE_PROJECT_PATH).json()["id"]
    own = {"selectionId": selection, "name": "own"}
    assert (
        ada.ask("POST", f"/studio/api/client/project/{reserved}/update", json=own).status_code
        == 200
    )
