"""A request that succeeds for every route that changes something, in an order in which they can."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layernext.wire.native import BundleEntry
from tests.integration.stack.conftest import Stack, lines

CLIENT = "/datalake/api/client"
DATASET = "/dataset/api/client/dataset"
STUDIO = "/studio/api/client"
DATA = "/datalake/api/metadata/operationdata"
OWN = {"Sec-Fetch-Site": "same-origin"}

BOX = {"bbox": [1, 2, 3, 4], "label": "cup", "confidence": 0.5}
JPEG = b"\xff\xd8\xff\xe0 no picture"


class World:
    """What the calls have made so far, by name."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.known: dict[str, Any] = {}

    def post(self, path: str, body: Any = None, **named: Any) -> Any:
        """POST what is JSON."""
        return self.stack.json("POST", path, json={} if body is None else body, **named)

    def selection(self) -> str:
        """A selection of all that there is."""
        tag: str = self.post(f"{CLIENT}/query/getSelectionId", {"isAllSelected": True})[
            "selectionTag"
        ]
        return tag

    def wait(self, path: str, status: str = "completed") -> dict[str, Any]:
        """Ask until something is done; a stack that never gets there hangs for a minute."""
        deadline = time.monotonic() + 60
        while True:
            record: dict[str, Any] = self.stack.json("GET", path)
            if record["status"] == status:
                return record
            assert record["status"] != "failed", record
            assert time.monotonic() < deadline, record
            time.sleep(0.05)


def _open_upload(world: World) -> None:
    world.known["upload"] = world.stack.open_upload(
        run="robot", collection="yard", geometry="rectangle"
    ).id


def _put_batch(world: World) -> None:
    upload = f"/api/v1/uploads/{world.known['upload']}"
    world.stack.ask(
        "PUT", f"{upload}/batches/0", content=lines([{"image": "a.jpg", "annotations": [BOX]}])
    ).raise_for_status()


def _annotation_file(world: World) -> None:
    body = json.dumps({"images": [{"image": "a.jpg", "annotations": [BOX]}]}).encode()
    query = {"run": "people", "mode": "human", "collection": "yard", "geometry": "rectangle"}
    answer = world.stack.ask("POST", "/api/v1/annotation-files", params=query, content=body)
    answer.raise_for_status()
    assert "result" in json.loads(answer.text.splitlines()[-1])


def _operation_data(path: str, **fields: Any) -> Callable[[World], None]:
    def call(world: World) -> None:
        entries = json.dumps([{"objectKey": "yard_a.jpg", "data": {"annotationObjects": []}}])
        world.post(f"{DATA}/{path}", {"metaUpdatesArray": entries, "sessionId": path, **fields})

    return call


def _open_files(world: World) -> None:
    body = {"collectionName": "yard", "collectionType": 5, "objectKeyList": ["a.jpg", "b.jpg"]}
    world.known["files"] = world.post(f"{CLIENT}/uploadMetadataInCollection", body)["uploadId"]


def _known(world: World) -> None:
    world.post(f"/api/v1/file-uploads/{world.known['files']}/known", {"names": ["a.jpg"]})


def _bundle(world: World) -> None:
    checksum = hashlib.sha256(JPEG).hexdigest()
    entry = BundleEntry(name="b.jpg", size=len(JPEG), checksum=checksum)
    content = json.dumps({name: getattr(entry, name) for name in entry.__struct_fields__})
    path = f"/api/v1/file-uploads/{world.known['files']}/bundle"
    world.stack.ask("POST", path, content=content.encode() + b"\n" + JPEG).raise_for_status()


def _begin_file(world: World) -> None:
    body = {"fileName": "a.jpg", "uploadId": world.known["files"]}
    path = f"{CLIENT}/fileUpload/initializeMultipartUpload"
    world.known["file"] = world.post(path, body)["fileId"]


def _part_urls(world: World) -> None:
    body = {"fileId": world.known["file"], "fileKey": "a.jpg", "parts": 1}
    answer = world.post(f"{CLIENT}/fileUpload/getMultipartPreSignedUrls", body)
    world.known["part"] = answer["parts"][0]["signedUrl"]


def _put_part(world: World) -> None:
    answer = world.stack.ask("PUT", world.known["part"], role=None, content=JPEG)
    answer.raise_for_status()
    world.known["etag"] = answer.headers["etag"].strip('"')


def _finish_file(world: World) -> None:
    body = {
        "fileId": world.known["file"],
        "fileKey": "a.jpg",
        "uploadId": world.known["files"],
        "parts": [{"PartNumber": 1, "ETag": world.known["etag"]}],
    }
    world.post(f"{CLIENT}/fileUpload/finalizeMultipartUpload", body)


def _finish_files(world: World) -> None:
    path = f"{CLIENT}/collectionUploadingStatus/{world.known['files']}/complete"
    assert len(world.stack.json("GET", path)["uploadedFileList"]) == 2


def _label(path: str, field: str) -> Callable[[World], None]:
    def call(world: World) -> None:
        label = {"labelText": "mug", "description": "", "attributes": []}
        world.known["label"] = world.post(f"{CLIENT}/{path}", {field: label})["label"]

    return call


def _create_group(world: World) -> None:
    body = {"groupName": "dishes", "labelKeys": [world.known["label"]]}
    world.known["group"] = world.post(f"{CLIENT}/label_groups/create", body)["groupId"]


def _change_group(word: str) -> Callable[[World], None]:
    def call(world: World) -> None:
        path = f"{CLIENT}/label_groups/{world.known['group']}/{word}"
        world.post(path, {"labelKeys": [world.known["label"]]})

    return call


def _create_dataset(world: World) -> None:
    world.known["version"] = _version(world, "create", name="cups")


def _next_version(word: str) -> Callable[[World], None]:
    def call(world: World) -> None:
        _version(world, word)

    return call


def _version(world: World, word: str, **fields: Any) -> str:
    version = world.known.get("version")
    body = {"splitInfo": {"train": 100, "test": 0, "validation": 0}, "exportTypes": ["RAW"]}
    made: dict[str, Any] = world.stack.json(
        "GET",
        f"{DATASET}/{word}",
        params={"datasetSelectionId": world.selection()}
        | ({"datasetVersionId": version} if version else {}),
        json={**body, "labels": [], **fields},
    )
    version_id: str = made["datasetVersionId"]
    world.wait(f"/api/v1/datasets/{version_id}", "ready")
    return version_id


def _delete_version(world: World) -> None:
    query = {"datasetVersionId": world.known["version"]}
    world.stack.json("GET", f"{DATASET}/deleteVersion", params=query)


def _evaluate(world: World) -> None:
    ids = []
    for run in ("robot", "robot 2"):
        body = {"run": run, "ground_truth": "people", "collection": "yard"}
        made = world.post("/api/v1/evaluations", body)
        ids.append(made["id"])
        world.wait(f"/api/v1/evaluations/{made['id']}")
    world.known["evaluations"] = ids


def _compare(world: World) -> None:
    a, b = world.known["evaluations"]
    world.post("/api/v1/comparisons", {"a": a, "b": b})


def _delete_evaluation(world: World) -> None:
    world.stack.json("DELETE", f"/api/v1/evaluations/{world.known['evaluations'][0]}")


def _start_export(world: World) -> None:
    body = {"format": "coco", "collection": "yard", "run": "people"}
    world.known["export"] = world.post("/api/v1/exports", body)["id"]


def _delete_export(world: World) -> None:
    world.stack.json("DELETE", f"/api/v1/exports/{world.known['export']}")


def _reserve(world: World) -> None:
    world.known["project"] = world.stack.json("GET", f"{STUDIO}/projects/initial/create")["id"]


def _fill(world: World) -> None:
    body = {"selectionId": world.selection(), "name": "cups", "framesPerTask": 1}
    world.post(f"{STUDIO}/project/{world.known['project']}/update", body)


def _project(word: str, **fields: str) -> Callable[[World], None]:
    def call(world: World) -> None:
        body = {name: world.known[known] for name, known in fields.items()}
        if word == "updateLabel":
            body = {"addList": [world.known["label"]]}
        world.post(f"{STUDIO}/project/{world.known['project']}/{word}", body)

    return call


def _attach(world: World) -> None:
    body = {"projectId": world.known["project"], "operationIdArray": ["robot"]}
    world.post(f"{STUDIO}/projects/modelRun/attach", body)


def _set_status(world: World) -> None:
    path = f"/api/v1/projects/{world.known['project']}/tasks"
    world.post(path, {"tasks": [1], "status": "accepted"})


def _create_key(world: World) -> None:
    world.known["key"] = world.post("/api/v1/keys", {"name": "ci", "role": "read"})["api_key"]


def _cancel_job(world: World) -> None:
    store = world.stack.store
    job_id = store.jobs.create("evaluation", "Evaluate", {"evaluation": "none"})
    world.post(f"/api/v1/jobs/{job_id}/cancel")


def _metadata(path: str, **fields: Any) -> Callable[[World], None]:
    return lambda world: world.post(f"{CLIENT}/metadata/{path}", fields)


def _sign_in(world: World) -> None:
    key = world.stack.keys["write"]
    body = {"api_key": key.api_key, "secret": key.secret}
    world.post("/sign-in", body, role=None, headers=OWN)


def _sign_out(world: World) -> None:
    world.post("/sign-out", role=None, headers={**OWN, "X-LayerNext-Page": "1"})


CALLS: dict[str, Callable[[World], Any]] = {
    "uploads.open_upload": _open_upload,
    "uploads.put_batch": _put_batch,
    "uploads.finish_upload": lambda world: world.post(
        f"/api/v1/uploads/{world.known['upload']}/finish", {"batches": 1}
    ),
    "annotation_files.upload_annotation_file": _annotation_file,
    "operation_data.update_operation": _operation_data("1/2/robot%202/update"),
    "operation_data.update_operation_v2": _operation_data(
        "robot%203/update", operationMode=2, operationType=1
    ),
    "listings.create_collection": lambda world: world.post(
        "/api/v1/collections", {"name": "street"}
    ),
    "links.link_files": lambda world: world.post(
        "/api/v1/file-links", {"collection": "street", "source": str(Path(__file__).parent)}
    ),
    "classes.declare_classes": lambda world: world.stack.json(
        "PUT", "/api/v1/collection-classes", json={"collection": "yard", "classes": []}
    ),
    "collections.create_collection": _metadata("collection/create", collectionName="forest"),
    "files.open_files": _open_files,
    "files.known_files": _known,
    "files.put_bundle": _bundle,
    "files.begin_file": _begin_file,
    "files.part_urls": _part_urls,
    "transfer.put_part": _put_part,
    "files.finish_file": _finish_file,
    "files.finish_files": _finish_files,
    "labels.create_coco_label": _label("cocojson/import/label/create", "labels"),
    "labels.create_label": _label("system/labels/create", "label"),
    "labels.create_group": _create_group,
    "labels.add_to_group": _change_group("addLabels"),
    "labels.remove_from_group": _change_group("removeLabels"),
    "references.label_references": lambda world: world.post(
        f"{CLIENT}/system/label/references", {"labels": {"fork": {}}}
    ),
    "metadata.upload_metadata": _metadata(
        "uploadMetadataByJson",
        collectionName="yard",
        metadata=[{"file": "a.jpg", "metadata": {"site": "north"}}],
    ),
    "metadata.upload_object": _metadata(
        "uploadMetadataByMetaObject", collectionName="yard", metadata={"site": "south"}
    ),
    "declared.change_names": lambda world: world.post(
        "/api/v1/metadata/names", {"fields": ["site"]}
    ),
    "embeddings.create_model": lambda world: world.post(
        f"{CLIENT}/embeddings/create/embeddingModel",
        {"embeddingModelName": "clip", "embeddingDimension": [2]},
    ),
    "embeddings.insert_vectors": lambda world: world.post(
        f"{CLIENT}/embeddings/insert/vectors",
        {
            "embeddingModelName": "clip",
            "embeddingDimension": [2],
            "data": [{"uniqueName": "yard_a.jpg", "embeddings": [1, 2]}],
        },
    ),
    "items.select": World.selection,
    "datasets.create_dataset": _create_dataset,
    "datasets.new_version": _next_version("updateNewVersion"),
    "datasets.update_version": _next_version("updateExistingVersion"),
    "datasets.delete_version": _delete_version,
    "evaluations.evaluate": _evaluate,
    "comparisons.compare": _compare,
    "evaluations.delete_evaluation": _delete_evaluation,
    "exports.start_export": _start_export,
    "exports.delete_export": _delete_export,
    "projects.reserve": _reserve,
    "projects.fill": _fill,
    "projects.update_labels": _project("updateLabel"),
    "projects.set_group": _project("setLabelGroup", labelGroupId="group"),
    "projects.attach_runs": _attach,
    "projects.set_status": _set_status,
    "projects.delete": _project("delete"),
    "jobs.update_job": lambda world: world.post(
        "/datalake/api/job/updateJob/basicAuthRequest",
        {"sessionId": "s", "jobName": "train", "jobType": -1, "progress": 100, "status": 2},
    ),
    "listings.cancel_job": _cancel_job,
    "annotations.remove": lambda world: world.stack.json(
        "DELETE", "/api/v1/annotations", params={"run": "robot", "collection": "yard"}
    ),
    "annotations.delete_annotations": lambda world: world.stack.json(
        "GET",
        f"{CLIENT}/collection/deleteAnnotation",
        params={"operationId": "people", "collectionId": "yard"},
    ),
    "virtual_collections.add": lambda world: world.post(
        f"{CLIENT}/vCollection/create",
        {"selectionId": world.selection(), "vCollectionName": "best"},
    ),
    "items.trash": lambda world: world.post(
        f"{CLIENT}/file/trash", {"selectionId": world.selection()}
    ),
    "items.restore": lambda world: world.post("/api/v1/trash/restore"),
    "items.purge": lambda world: world.post("/api/v1/trash/purge"),
    "keys.create_key": _create_key,
    "keys.revoke_key": lambda world: world.stack.json(
        "DELETE", f"/api/v1/keys/{world.known['key']}"
    ),
    "users.add_user": lambda world: world.post(
        "/api/v1/users", {"name": "ann", "kind": "person", "role": "read"}
    ),
    "users.grant": lambda world: world.stack.json(
        "PUT", "/api/v1/grants", json={"collection": "street", "user": "ann", "role": "write"}
    ),
    "users.revoke_grant": lambda world: world.stack.json(
        "DELETE", "/api/v1/grants", params={"collection": "street", "user": "ann"}
    ),
    "users.remove_user": lambda world: world.stack.json(
        "DELETE", "/api/v1/users", params={"name": "ann"}
    ),
    "viewer.create_sign_in_link": lambda world: world.post("/api/v1/sign-in-links"),
    "sign_in.sign_in": _sign_in,
    "sign_in.sign_out": _sign_out,
}
"""A call for each route, by module and name of its handler. A later one may need what an earlier one made."""
