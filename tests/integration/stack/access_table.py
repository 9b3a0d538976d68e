"""Every route: whom it lets in, and a request to it that is about one of two collections.

docs/protocol.md shows the same roles; `test_openapi` compares it with the routes, and `test_access`
compares the routes with this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from layernext.stack.api.published import left_out
from layernext.stack.store import Role
from tests.integration.stack.access_world import (
    BOX,
    SPLIT,
    Side,
    World,
    bundle,
    published_batch,
)

Access = Literal["open", "signed", "anyone", "stack", "somewhere", "listing", "collection"]
"""Whom a route lets in.

open: everybody, without a key. signed: whoever has a signed URL. anyone: every key. stack: keys with the
role in the whole stack. somewhere: keys with the role in the whole stack or in any collection.
listing: every key, and it shows what may be read. collection: keys with the role in the
whole stack, or in the collection that the request is about.
"""


@dataclass(frozen=True)
class Ask:
    """What a request has beside its method and the shape of its path."""

    path: dict[str, str] = field(default_factory=dict)
    named: dict[str, Any] = field(default_factory=dict)


Probe = Callable[[World, Side], Ask]


@dataclass(frozen=True)
class Row:
    """A route's entry in the table."""

    access: Access
    role: Role | None
    probe: Probe = lambda world, side: Ask()


def _path(**names: str) -> Probe:
    """A probe whose path names things of the side, by attribute."""
    return lambda world, side: Ask({name: getattr(side, what) for name, what in names.items()})


def _query(**names: str) -> Probe:
    """Likewise, in the query. A value that is not an attribute stands for itself."""
    return lambda world, side: Ask(
        named={"params": {name: getattr(side, what, what) for name, what in names.items()}}
    )


def _body(make: Callable[[World, Side], Any], **names: str) -> Probe:
    """A JSON body, and things in the path."""
    return lambda world, side: Ask(
        {name: getattr(side, what) for name, what in names.items()},
        {"json": make(world, side)},
    )


def _version(world: World, side: Side, **params: str) -> Ask:
    body = {"splitInfo": SPLIT, "name": uuid4().hex}
    return Ask(named={"params": {"datasetSelectionId": side.selection, **params}, "json": body})


def _embedding(world: World, side: Side) -> Any:
    vector = {"uniqueName": side.unique_name, "embeddings": [0.0, 1.0]}
    return {"embeddingModelName": "m", "embeddingDimension": [2], "data": [vector]}


def _new_evaluation(world: World, side: Side) -> Ask:
    threshold = 0.01 + int(uuid4().hex[:4], 16) / (1 << 17)
    return Ask({"evaluation_id": world.evaluate(side, match_threshold=threshold)})


def _annotation_file(world: World, side: Side) -> Ask:
    content = {"images": [{"image": "a.jpg", "annotations": [BOX]}]}
    return Ask(named={"params": {"run": "file", "collection": side.name}, "json": content})


def _labels(world: World, side: Side) -> Any:
    return {"label": {"labelText": uuid4().hex}}


C, S = "/datalake/api/client", "/studio/api/client"
V = "/api/v1"
E = f"{V}/evaluations/{{evaluation_id}}"
D = f"{V}/datasets/{{version_id}}"
P = f"{V}/projects/{{project_id}}"
FROM_PAGE: Probe = lambda world, side: Ask(  # noqa: E731 - as the others
    named={"headers": {"Sec-Fetch-Site": "same-origin", "X-LayerNext-Page": "1"}}
)
FORGED = _query(expires="4000000000", signature="0")
EVALUATION = _path(evaluation_id="evaluation")
VERSION = _path(version_id="version")
PROJECT = _path(project_id="project")

TABLE: dict[str, Row] = {
    # Without a key.
    "GET /health": Row("open", None),
    "GET /ready": Row("open", None),
    "GET /api/openapi.json": Row("open", None),
    "GET /api/docs": Row("open", None),
    "GET /static/{version}/{name}": Row("open", None),
    "GET /static/{version}/{folder}/{name}": Row("open", None),
    "GET /sign-in": Row("open", None),
    "POST /sign-in": Row("open", None, FROM_PAGE),
    "GET /sign-in/oidc": Row("open", None),
    "GET /sign-in/oidc/callback": Row("signed", None),
    "POST /sign-out": Row("open", None, FROM_PAGE),
    # By a signed URL.
    "PUT /upload/{file_id}/{number}": Row("signed", None, FORGED),
    "GET /files/{file_id}": Row("signed", None, FORGED),
    "GET /files/{file_id}/{name}": Row("signed", None, FORGED),
    "GET /exports/{version_id}/{name}": Row("signed", None, FORGED),
    "GET /exports/{version_id}/{ending}/{image_id}": Row("signed", None, FORGED),
    "GET /pictures/{picture_id}": Row("signed", None, FORGED),
    "GET /export-files/{export_id}": Row("signed", None, FORGED),
    # About the whole stack.
    f"POST {C}/cocojson/import/label/create": Row("stack", "write"),
    f"POST {C}/system/labels/create": Row("stack", "write", _body(_labels)),
    f"POST {C}/label_groups/create": Row(
        "stack", "write", _body(lambda world, side: {"groupName": "cars"})
    ),
    f"POST {C}/label_groups/{{group_id}}/addLabels": Row("stack", "write"),
    f"POST {C}/label_groups/{{group_id}}/removeLabels": Row("stack", "write"),
    f"POST {C}/embeddings/create/embeddingModel": Row(
        "stack",
        "write",
        _body(lambda world, side: {"embeddingModelName": "m", "embeddingDimension": [2]}),
    ),
    "POST /analytics/model_setup": Row("stack", "write"),
    "POST /analytics/dataIn": Row("stack", "write"),
    "POST /analytics/dataIn_embedding": Row("stack", "write"),
    "POST /analytics/dataIn_annotation": Row("stack", "write"),
    "POST /analytics/dataIn_prompt_infer": Row("stack", "write"),
    **{
        f"{refusal.method} {refusal.path.replace(':str', '')}": Row("stack", "read")
        for refusal in left_out.REFUSALS
        if refusal.role == "read"
    },
    "POST /datalake/api/job/updateJob/basicAuthRequest": Row("stack", "write"),
    f"POST {V}/metadata/names": Row("stack", "admin", _body(lambda world, side: {"tags": ["t"]})),
    f"GET {V}/keys": Row("stack", "admin"),
    f"POST {V}/keys": Row(
        "stack", "admin", _body(lambda world, side: {"name": "k", "role": "read"})
    ),
    f"DELETE {V}/keys/{{api_key}}": Row(
        "stack",
        "admin",
        lambda world, side: Ask({"api_key": world.stack.store.keys.create("k", "read").api_key}),
    ),
    f"GET {V}/users": Row("stack", "admin"),
    f"POST {V}/users": Row("stack", "admin", _body(lambda world, side: {"name": uuid4().hex})),
    f"DELETE {V}/users": Row(
        "stack",
        "admin",
        lambda world, side: Ask(
            named={
                "params": {"name": world.stack.store.users.add(uuid4().hex, "service", "none").name}
            }
        ),
    ),
    f"GET {V}/status": Row("stack", "admin"),
    f"GET {V}/audit": Row("stack", "admin"),
    "GET /activity": Row("stack", "admin"),
    "GET /metrics": Row("stack", "admin"),
    # For every key.
    f"GET {C}/sdk/compatibility/{{version}}": Row("anyone", "read"),
    f"GET {C}/labels/list": Row("anyone", "read"),
    f"GET {C}/label_groups/list": Row("anyone", "read"),
    f"POST {C}/metadata/validateTags": Row(
        "anyone", "read", _body(lambda world, side: {"tags": []})
    ),
    f"POST {C}/metadata/validateMetaFields": Row(
        "anyone", "read", _body(lambda world, side: {"fields": []})
    ),
    f"GET {V}": Row("anyone", "read"),
    f"GET {V}/labels": Row("anyone", "read"),
    f"GET {V}/metadata/names": Row("anyone", "read"),
    f"POST {V}/sign-in-links": Row("anyone", "read"),
    # For who may write anywhere.
    f"POST {C}/system/label/references": Row(
        "somewhere", "write", _body(lambda world, side: {"car": {}})
    ),
    f"GET {S}/projects/initial/create": Row("somewhere", "write"),
    "GET /upload": Row("somewhere", "write"),
    # Listings.
    f"GET {V}/collections": Row("listing", "read"),
    f"GET {V}/collection-classes": Row("collection", "read", _query(collection="name")),
    f"GET {V}/runs": Row("listing", "read"),
    f"GET {V}/jobs": Row("listing", "read"),
    f"GET {V}/items": Row("listing", "read"),
    f"GET {V}/trash": Row("listing", "read"),
    f"GET {V}/annotations": Row("listing", "read"),
    f"GET {V}/datasets": Row("listing", "read"),
    f"GET {V}/evaluations": Row("listing", "read"),
    f"GET {V}/exports": Row("listing", "read"),
    f"GET {V}/items/order": Row("listing", "read"),
    f"POST {V}/items/overlays": Row(
        "listing",
        "read",
        _body(
            lambda world, side: {
                "items": [int(world.own.image, 16), int(world.other.image, 16)],
                "runs": [],
            }
        ),
    ),
    f"POST {V}/items/trails": Row(
        "listing",
        "read",
        _body(lambda world, side: {"item": int(world.own.image, 16), "runs": []}),
    ),
    f"POST {V}/files/bundle": Row(
        "listing", "read", _body(lambda world, side: {"ids": [world.own.image, world.other.image]})
    ),
    f"POST {V}/embeddings/search": Row(
        "listing", "read", _body(lambda world, side: {"model": "m", "vector": [1.0, 0.0]})
    ),
    f"POST {C}/embeddings/getVector": Row(
        "listing",
        "read",
        _body(
            lambda world, side: {
                "embeddingModelName": "m",
                "embeddingUniqueNameArray": ["own_a.jpg", "other_a.jpg"],
            }
        ),
    ),
    f"POST {C}/explorer/objects/list": Row("listing", "read", _body(lambda world, side: {})),
    f"POST {C}/explorer/objects/count": Row("listing", "read", _body(lambda world, side: {})),
    f"GET {C}/getDetails/system": Row("listing", "read"),
    f"GET {S}/projects/list": Row("listing", "read"),
    "GET /": Row("listing", "read"),
    "GET /jobs": Row("listing", "read"),
    "GET /labels": Row("listing", "read"),
    "GET /runs": Row("listing", "read"),
    "GET /run": Row("listing", "read"),
    "GET /compare": Row("listing", "read"),
    # About a collection: read.
    f"POST {C}/metadata/getCollectionIdByName": Row(
        "collection", "read", _body(lambda world, side: {"collectionName": side.name})
    ),
    f"POST {C}/metadata/getCollectionDetails": Row(
        "collection", "read", _body(lambda world, side: {"collectionId": side.id})
    ),
    f"GET {C}/{{object_id}}/getObjectTypeById": Row("collection", "read", _path(object_id="image")),
    f"GET {C}/collection/getuploadProgress": Row(
        "collection", "read", _query(collectionName="name")
    ),
    f"GET {C}/downloadUrl": Row("collection", "read", _query(file_key="unique_name")),
    f"POST {C}/metadata/getItemDetails": Row(
        "collection", "read", _body(lambda world, side: {"uniqueFileName": side.unique_name})
    ),
    f"POST {C}/explorer/{{collection_id}}/objects/list": Row(
        "collection", "read", _body(lambda world, side: {}, collection_id="id")
    ),
    f"POST {C}/explorer/{{collection_id}}/objects/count": Row(
        "collection", "read", _body(lambda world, side: {}, collection_id="id")
    ),
    "GET /dataset/api/dataset/getVersionData/{version_id}/{export_type}": Row(
        "collection",
        "read",
        lambda world, side: Ask({"version_id": side.version, "export_type": "RAW"}),
    ),
    f"GET {C}/getAnnotations/{{collection_id}}/collection": Row(
        "collection", "read", _path(collection_id="id")
    ),
    f"GET {C}/getAnnotations/{{project_id}}/project": Row(
        "collection", "read", _path(project_id="project")
    ),
    f"GET {C}/jobs/{{job_id}}/getStatus": Row("collection", "read", _path(job_id="job")),
    f"POST {S}/projects/get/projectName": Row(
        "collection", "read", _body(lambda world, side: {"projectId": side.project})
    ),
    f"GET {S}/projects/getAnnotations": Row(
        "collection",
        "read",
        lambda world, side: Ask(named={"params": {"projectIdList": f'["{side.project}"]'}}),
    ),
    f"GET {V}/uploads/{{upload_id}}": Row("collection", "read", _path(upload_id="upload")),
    f"GET {V}/jobs/{{job_id}}": Row("collection", "read", _path(job_id="job")),
    f"GET {V}/items/{{item_id}}": Row("collection", "read", _path(item_id="image")),
    f"GET {V}/files": Row("collection", "read", _query(collection="name")),
    f"GET {D}": Row("collection", "read", VERSION),
    f"GET {D}/diff": Row(
        "collection",
        "read",
        # The other version is the caller's: what counts is each of both.
        lambda world, side: Ask(
            {"version_id": world.own.version}, {"params": {"other": side.version}}
        ),
    ),
    f"GET {D}/samples": Row("collection", "read", VERSION),
    f"GET {P}": Row("collection", "read", PROJECT),
    f"GET {P}/tasks": Row("collection", "read", PROJECT),
    f"GET {E}": Row("collection", "read", EVALUATION),
    f"GET {E}/result": Row("collection", "read", EVALUATION),
    f"GET {E}/report": Row("collection", "read", EVALUATION),
    f"GET {E}/tallies": Row("collection", "read", EVALUATION),
    f"GET {E}/confusion": Row("collection", "read", EVALUATION),
    f"GET {V}/exports/{{export_id}}": Row("collection", "read", _path(export_id="export")),
    f"GET {V}/matches": Row(
        "collection", "read", _query(image="unique_name", run="detector", ground_truth="truth")
    ),
    f"GET {V}/comparisons/{{comparison_id}}": Row(
        "collection", "read", _path(comparison_id="comparison")
    ),
    f"GET {V}/runs/statistics": Row(
        "collection", "read", _query(collection="name", run="detector")
    ),
    f"GET {V}/images/{{image_id}}/thumbnail": Row("collection", "read", _path(image_id="image")),
    "GET /collections/{collection_id}": Row("collection", "read", _path(collection_id="id")),
    "GET /collections/{collection_id}/images/{image_id}": Row(
        "collection", "read", _path(collection_id="id", image_id="image")
    ),
    # About a collection: write.
    "POST /datalake/api/metadata/operationdata/{operation_type}/{operation_mode}/{operation_id}/update": Row(
        "collection",
        "write",
        lambda world, side: Ask(
            {"operation_type": "1", "operation_mode": "2", "operation_id": "p"},
            {"json": {**published_batch(side), "operationMode": None, "operationType": None}},
        ),
    ),
    "POST /datalake/api/metadata/operationdata/{operation_id}/update": Row(
        "collection",
        "write",
        lambda world, side: Ask({"operation_id": "p"}, {"json": published_batch(side)}),
    ),
    f"POST {C}/metadata/collection/create": Row(
        "collection", "write", _body(lambda world, side: {"collectionName": side.name})
    ),
    f"POST {C}/uploadMetadataInCollection": Row(
        "collection", "write", _body(lambda world, side: {"collectionName": side.name})
    ),
    f"POST {C}/fileUpload/initializeMultipartUpload": Row(
        "collection",
        "write",
        _body(lambda world, side: {"fileName": "c.jpg", "uploadId": side.file_upload}),
    ),
    f"POST {C}/fileUpload/getMultipartPreSignedUrls": Row(
        "collection", "write", _body(lambda world, side: {"fileId": side.file, "parts": 1})
    ),
    f"POST {C}/fileUpload/finalizeMultipartUpload": Row(
        "collection", "write", _body(lambda world, side: {"fileId": side.file})
    ),
    f"GET {C}/collectionUploadingStatus/{{upload_id}}/complete": Row(
        "collection", "write", _path(upload_id="file_upload")
    ),
    f"POST {C}/query/getSelectionId": Row(
        "collection",
        "write",
        _body(lambda world, side: {"isAllSelected": True, "collectionId": side.id}),
    ),
    f"POST {C}/file/trash": Row(
        "collection",
        "write",
        _body(lambda world, side: {"selectionId": world.select_nothing(side)}),
    ),
    f"POST {C}/vCollection/create": Row(
        "collection",
        "write",
        _body(
            lambda world, side: {
                "selectionId": side.selection,
                "vCollectionName": "best",
            }
        ),
    ),
    f"POST {C}/metadata/uploadMetadataByJson": Row(
        "collection",
        "write",
        _body(lambda world, side: {"metadata": [{"file": side.unique_name, "metadata": {"a": 1}}]}),
    ),
    f"POST {C}/metadata/uploadMetadataByMetaObject": Row(
        "collection",
        "write",
        _body(lambda world, side: {"collectionName": side.name, "metadata": {"a": 1}}),
    ),
    "GET /dataset/api/client/dataset/create": Row("collection", "write", _version),
    "GET /dataset/api/client/dataset/updateNewVersion": Row(
        "collection",
        "write",
        lambda world, side: _version(world, side, datasetVersionId=side.version),
    ),
    "GET /dataset/api/client/dataset/updateExistingVersion": Row(
        "collection",
        "write",
        lambda world, side: _version(world, side, datasetVersionId=side.version),
    ),
    "GET /dataset/api/client/dataset/deleteVersion": Row(
        "collection",
        "write",
        lambda world, side: Ask(
            named={"params": {"datasetVersionId": world.build_version(side, uuid4().hex)}}
        ),
    ),
    f"POST {C}/embeddings/insert/vectors": Row("collection", "write", _body(_embedding)),
    f"GET {C}/collection/deleteAnnotation": Row(
        "collection", "write", _query(collectionId="id", operationId="nobody")
    ),
    f"POST {S}/project/{{project_id}}/update": Row(
        "collection",
        "write",
        lambda world, side: Ask(
            {"project_id": side.project},
            {"params": {"isEditable": "True"}, "json": {"selectionId": side.selection}},
        ),
    ),
    f"POST {S}/project/{{project_id}}/delete": Row(
        "collection", "write", lambda world, side: Ask({"project_id": world.make_project(side)})
    ),
    f"POST {S}/project/{{project_id}}/updateLabel": Row(
        "collection", "write", _body(lambda world, side: {}, project_id="project")
    ),
    f"POST {S}/project/{{project_id}}/setLabelGroup": Row(
        "collection",
        "write",
        _body(lambda world, side: {"labelGroupId": world.label_group()}, project_id="project"),
    ),
    f"POST {S}/projects/modelRun/attach": Row(
        "collection",
        "write",
        _body(
            lambda world, side: {"projectId": side.project, "operationIdArray": ["detector"]},
        ),
    ),
    f"POST {V}/uploads": Row(
        "collection",
        "write",
        _body(lambda world, side: {"run": "r", "mode": "machine", "collection": side.name}),
    ),
    f"PUT {V}/uploads/{{upload_id}}/batches/{{sequence}}": Row(
        "collection",
        "write",
        lambda world, side: Ask(
            {"upload_id": side.upload, "sequence": "0"},
            {"json": {"image": "a.jpg", "annotations": [BOX]}},
        ),
    ),
    f"POST {V}/uploads/{{upload_id}}/finish": Row(
        "collection", "write", _body(lambda world, side: {"batches": 1}, upload_id="upload")
    ),
    f"DELETE {V}/annotations": Row("collection", "write", _query(collection="name", run="nobody")),
    f"POST {V}/annotation-files": Row("collection", "write", _annotation_file),
    f"POST {V}/file-links": Row(
        "collection",
        "write",
        _body(lambda world, side: {"collection": side.name, "source": str(Path(__file__).parent)}),
    ),
    f"POST {V}/collections": Row(
        "collection", "write", _body(lambda world, side: {"name": side.name})
    ),
    f"PUT {V}/collection-classes": Row(
        "collection", "write", _body(lambda world, side: {"collection": side.name, "classes": []})
    ),
    f"POST {V}/jobs/{{job_id}}/cancel": Row("collection", "write", _path(job_id="job")),
    f"POST {V}/file-uploads/{{upload_id}}/known": Row(
        "collection", "write", _body(lambda world, side: {"names": []}, upload_id="file_upload")
    ),
    f"POST {V}/file-uploads/{{upload_id}}/bundle": Row(
        "collection",
        "write",
        lambda world, side: Ask({"upload_id": side.file_upload}, {"content": bundle("a.jpg")}),
    ),
    f"POST {V}/trash/restore": Row(
        "collection", "write", _body(lambda world, side: {"collection": side.name})
    ),
    f"POST {P}/tasks": Row(
        "collection",
        "write",
        _body(lambda world, side: {"tasks": [1], "status": "completed"}, project_id="project"),
    ),
    f"POST {V}/evaluations": Row(
        "collection",
        "write",
        _body(
            lambda world, side: {
                "run": "detector",
                "ground_truth": "truth",
                "collection": side.name,
            }
        ),
    ),
    f"DELETE {E}": Row("collection", "write", _new_evaluation),
    f"POST {V}/exports": Row(
        "collection",
        "write",
        _body(lambda world, side: {"format": "coco", "collection": side.name, "run": "detector"}),
    ),
    f"DELETE {V}/exports/{{export_id}}": Row(
        "collection", "write", lambda world, side: Ask({"export_id": world.export(side)})
    ),
    f"POST {V}/comparisons": Row(
        "collection",
        "write",
        _body(lambda world, side: {"a": side.evaluation, "b": side.other_evaluation}),
    ),
    # About a collection: admin.
    f"POST {V}/trash/purge": Row(
        "collection",
        "admin",
        _body(lambda world, side: {"collection": side.name, "query": 'name = "nothing"'}),
    ),
    f"GET {V}/trash/purge/{{job_id}}": Row("collection", "admin", _path(job_id="job")),
    f"GET {V}/grants": Row("collection", "admin", _query(collection="name")),
    f"PUT {V}/grants": Row(
        "collection",
        "admin",
        _body(lambda world, side: {"collection": side.name, "user": world.guest(), "role": "read"}),
    ),
    f"DELETE {V}/grants": Row(
        "collection",
        "admin",
        lambda world, side: Ask(named={"params": {"collection": side.name, "user": world.guest()}}),
    ),
}
