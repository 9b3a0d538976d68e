"""Two collections with something of every kind in each, and callers of every kind, for the access matrix."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from PIL import Image

from layernext.model import GrantRole, UserRole
from layernext.stack.store import NewKey
from layernext.wire import published
from tests.integration.stack.conftest import Stack

_file = BytesIO()
Image.new("RGB", (8, 8)).save(_file, "PNG")
IMAGE = _file.getvalue()
BOX = {"label": "car", "type": "rectangle", "bbox": [1, 2, 3, 4], "confidence": 0.5}
SPLIT = {"train": 100, "test": 0, "validation": 0}

CALLERS: dict[str, tuple[UserRole, GrantRole | None]] = {
    "stranger": ("none", None),
    "own reader": ("none", "read"),
    "own writer": ("none", "write"),
    "own admin": ("none", "admin"),
    "read": ("read", None),
    "write": ("write", None),
    "admin": ("admin", None),
}
"""Role in the whole stack, and what is granted in the collection of one's own."""


@dataclass
class Side:
    """A collection with what is in it, by id."""

    name: str
    id: str = ""
    image: str = ""
    upload: str = ""
    file_upload: str = ""
    file: str = ""
    evaluation: str = ""
    other_evaluation: str = ""
    comparison: str = ""
    selection: str = ""
    version: str = ""
    project: str = ""
    export: str = ""
    job: str = ""

    @property
    def unique_name(self) -> str:
        return f"{self.name}_a.jpg"


class World:
    """A stack with two sides and a key of each caller."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.group = ""
        self.own, self.other = Side("own"), Side("other")
        for side in (self.own, self.other):
            self._fill(side)
        self.keys = {name: self._key(name, *roles) for name, roles in CALLERS.items()}

    def _key(self, name: str, role: UserRole, granted: GrantRole | None) -> NewKey:
        store = self.stack.store
        store.users.add(name, "service", role)
        if granted is not None:
            row = store.collections.find(self.own.id)
            assert row is not None
            store.grants.give(row.row_id, name, granted)
        return store.keys.create(name, "admin", user=name)

    def ask(self, caller: str | None, method: str, path: str, **named: Any) -> httpx.Response:
        """One request."""
        auth = None
        if caller is not None:
            auth = (self.keys[caller].api_key, self.keys[caller].secret)
        url = f"http://testserver.local{path}"
        return self.stack.client.request(method, url, auth=auth, follow_redirects=False, **named)

    def json(self, method: str, path: str, **named: Any) -> Any:
        """What an administrator gets."""
        return self.stack.json(method, path, **named)

    def _fill(self, side: Side) -> None:
        self._files(side)
        images = [{"image": "a.jpg", "annotations": [BOX]}]
        for run, mode in (("detector", "machine"), ("second", "machine"), ("truth", "human")):
            self.stack.upload(
                images, run=run, mode=mode, collection=side.name, geometry="rectangle"
            )
        side.upload = self.stack.open_upload(
            run="late", collection=side.name, geometry="rectangle"
        ).id
        side.id = next(
            each["id"]
            for each in self.json("GET", "/api/v1/collections")["items"]
            if each["name"] == side.name
        )
        items = self.json("GET", "/api/v1/items", params={"collection": side.name})["items"]
        side.image = items[0]["id"]
        side.evaluation = self.evaluate(side)
        side.other_evaluation = self.evaluate(side, run="second")
        side.comparison = self.json(
            "POST",
            "/api/v1/comparisons",
            json={"a": side.evaluation, "b": side.other_evaluation},
        )["id"]
        side.selection = self.select(side)
        side.version = self.build_version(side, f"set of {side.name}")
        side.project = self.make_project(side)
        side.export = self.export(side)
        side.job = self.json("GET", f"/api/v1/exports/{side.export}")["job_id"]
        self.json(
            "POST",
            published.INSERT_EMBEDDINGS_PATH,
            json={
                "embeddingModelName": "m",
                "embeddingDimension": [2],
                "data": [{"uniqueName": side.unique_name, "embeddings": [1.0, 0.0]}],
            },
        )

    def _files(self, side: Side) -> None:
        side.file_upload = self.json(
            "POST", published.UPLOAD_METADATA_PATH, json={"collectionName": side.name}
        )["uploadId"]
        path = f"/api/v1/file-uploads/{side.file_upload}/bundle"
        assert self.stack.ask("POST", path, content=bundle("a.jpg")).status_code == 200
        self.json(
            "GET", f"/datalake/api/client/collectionUploadingStatus/{side.file_upload}/complete"
        )
        while self.json("GET", "/api/v1/items")["items"][-1]["state"] == "pending":
            time.sleep(0.02)
        side.file = self.begin_file(side, "b.jpg")

    def begin_file(self, side: Side, name: str) -> str:
        """Begin another file; its id."""
        began = self.json(
            "POST",
            published.BEGIN_FILE_PATH,
            json={"fileName": name, "uploadId": side.file_upload},
        )
        return str(began["fileId"])

    def evaluate(self, side: Side, run: str = "detector", **settings: Any) -> str:
        """Evaluate a run, and wait for it."""
        body = {"run": run, "ground_truth": "truth", "collection": side.name}
        made = self.json("POST", "/api/v1/evaluations", json=body | {"settings": settings})
        self.wait(made["job_id"])
        return str(made["id"])

    def wait(self, job_id: str) -> None:
        """Wait until a job has ended."""
        while self.json("GET", f"/api/v1/jobs/{job_id}")["status"] in {"queued", "in_progress"}:
            time.sleep(0.02)

    def select(self, side: Side) -> str:
        """A selection of the side's images."""
        body = {"isAllSelected": True, "collectionId": side.id}
        return str(self.json("POST", published.SELECTION_PATH, json=body)["selectionTag"])

    def select_nothing(self, side: Side) -> str:
        """A selection that once had an image of the side, which is in the trash meanwhile."""
        name = uuid4().hex
        path = f"/api/v1/file-uploads/{side.file_upload}/bundle"
        assert self.stack.ask("POST", path, content=bundle(name)).status_code == 200
        body = {
            "isAllSelected": True,
            "collectionId": side.id,
            "query": f'name = "{name}"',
        }
        return str(self.json("POST", published.SELECTION_PATH, json=body)["selectionTag"])

    def label_group(self) -> str:
        """A group of labels."""
        body = {"groupName": uuid4().hex, "labelKeys": []}
        return str(self.json("POST", published.CREATE_LABEL_GROUP_PATH, json=body)["groupId"])

    def guest(self) -> str:
        """A user who is nobody."""
        names = [user.name for user in self.stack.store.users.list_all()]
        if "guest" not in names:
            self.stack.store.users.add("guest", "person", "none")
        return "guest"

    def build_version(self, side: Side, name: str) -> str:
        """A dataset's first version, ready."""
        made = self.json(
            "GET",
            published.CREATE_DATASET_PATH,
            params={"datasetSelectionId": side.selection},
            json={"splitInfo": SPLIT, "name": name, "exportTypes": ["RAW"]},
        )
        self.wait(made["jobId"])
        return str(made["datasetVersionId"])

    def make_project(self, side: Side) -> str:
        """A project with the side's images."""
        project = str(self.json("GET", published.RESERVE_PROJECT_PATH)["id"])
        self.json(
            "POST",
            f"/studio/api/client/project/{project}/update",
            json={"selectionId": side.selection, "name": f"project of {side.name}"},
        )
        return project

    def export(self, side: Side) -> str:
        """An export of a run."""
        body = {"format": "coco", "collection": side.name, "run": "detector"}
        made = self.json("POST", "/api/v1/exports", json=body)
        self.wait(made["job_id"])
        return str(made["id"])


def bundle(name: str) -> bytes:
    """A file as a bundle has it."""
    checksum = hashlib.sha256(IMAGE).hexdigest()
    line = {"name": name, "size": len(IMAGE), "checksum": checksum}
    return msgspec.json.encode(line) + b"\n" + IMAGE


def published_batch(side: Side) -> dict[str, Any]:
    """A body of E03 and E04 with one image of a side."""
    entry = {"objectKey": side.unique_name, "data": {"annotationObjects": []}}
    return {
        "metaUpdatesArray": msgspec.json.encode([entry]).decode(),
        "operationMode": 2,
        "operationType": 1,
    }
