"""Every call that changes something, when the stack did the work and the answer got lost.

A case is run on a healthy network and on one that drops the first answer to each request; both must
change every table by the same number of rows and give the same kind of result. A public method of
the client must be a case or be listed as one that changes nothing.
"""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from PIL import Image

from layernext import AsyncLayerNextClient, ImageAnnotations, LayerNextClient, Rectangle
from layernext.client import transport
from layernext.errors import Conflict, NotFound
from layernext.stack.store import LOOK_JOB
from tests.support.faulty_network import FaultyNetwork
from tests.support.stack_process import StackProcess, running_stack

SPLIT = {"train": 50, "validation": 50, "test": 0}
SECONDS = 180


def lost_answers() -> FaultyNetwork:
    """Carries out each request, and drops the first answer to it."""
    seen = set()

    def drop(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        # Without an id are parts of files and streams, each of which has a URL of its own.
        call_id = request.headers.get("Idempotency-Key")
        if (call_id, request.url) in seen:
            return answer
        seen.add((call_id, request.url))
        answer.read()
        answer.close()
        raise httpx.ReadError("the connection was reset")

    return FaultyNetwork(after=drop)


def fresh(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


class Scene:
    """What a call is made on; each part is made on first use, over a healthy network."""

    def __init__(self, client: LayerNextClient, folder: Path) -> None:
        self._client = client
        self.folder = folder
        self.box = Rectangle(label=fresh("cup"), bbox=(1, 2, 30, 40), confidence=0.5)

    def sets(self, names: tuple[str, ...] = ("0.png", "1.png")) -> list[ImageAnnotations]:
        return [ImageAnnotations(image=name, annotations=[self.box]) for name in names]

    def write(self, name: str, content: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path

    @cached_property
    def images(self) -> Path:
        path = self.folder / fresh("images")
        path.mkdir()
        for number in range(2):
            buffer = io.BytesIO()
            shade = uuid.uuid4().bytes
            Image.new("RGB", (64, 48), (shade[0], shade[1], number)).save(
                buffer, "PNG", compress_level=0
            )
            (path / f"{number}.png").write_bytes(buffer.getvalue())
        return path

    @cached_property
    def collection(self) -> str:
        name = fresh("yard")
        report = self._client.upload_files_to_collection(str(self.images), "image", name)
        self._client.wait_for_job_complete(report["job_id"], timeout_s=SECONDS)
        self._client.upload_modelrun(name, self.run, self.sets())
        self._client.upload_modelrun(name, self.truth, self.sets(), ground_truth=True)
        return name

    @cached_property
    def run(self) -> str:
        return fresh("run")

    @cached_property
    def truth(self) -> str:
        return fresh("truth")

    @cached_property
    def other_run(self) -> str:
        name = fresh("run")
        self._client.upload_modelrun(self.collection, name, self.sets(("0.png",)))
        return name

    @cached_property
    def trashed(self) -> str:
        self._client.trash_objects_from_collection(self.collection)
        return self.collection

    @cached_property
    def dataset(self) -> str:
        report = self._client.create_dataset_from_collection(
            fresh("set"), self.collection, SPLIT, export_types=["RAW"]
        )
        self._client.wait_for_job_complete(report["jobId"], timeout_s=SECONDS)
        return str(report.version_id)

    @cached_property
    def user(self) -> str:
        return self._client.users.add(fresh("user")).name

    @cached_property
    def granted_user(self) -> str:
        self._client.grants.add(self.collection, self.user, "write")
        return self.user

    @cached_property
    def evaluation(self) -> str:
        evaluation = self._client.evaluate(
            collection=self.collection, run=self.run, ground_truth=self.truth
        )
        return str(evaluation.info.id)

    @cached_property
    def export(self) -> str:
        export = self._client.exports.start("coco", collection=self.collection, run=self.run)
        self._client.wait_for_job_complete(export.job_id, timeout_s=SECONDS)
        return str(export.id)

    @cached_property
    def project(self) -> str:
        report = self._client.create_annotation_project_from_collection(
            fresh("project"), self.collection, "name = 0.png"
        )
        return str(report.id)

    @cached_property
    def label(self) -> str:
        created = self._client.create_system_label({"className": fresh("label")})
        return str(created["label_reference"])

    @cached_property
    def group(self) -> str:
        return str(self._client.create_label_group(fresh("group"), [self.label]).id)

    @cached_property
    def form_v1(self) -> Path:
        box = {"label": self.box.label, "bbox": [1, 2, 3, 4]}
        return self.write("v1.json", {"images": [{"image": "0.png", "annotations": [box]}]})

    def form_v2(self, image: str, **more: str) -> Path:
        box = {"type": "rectangle", "label": self.box.label, "bbox": [1, 2, 3, 4]}
        return self.write("v2.json", {"images": [{"image": image, **more, "annotations": [box]}]})

    @cached_property
    def coco(self) -> Path:
        annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
        content = {
            "images": [{"id": 1, "file_name": "0.png", "width": 64, "height": 48}],
            "categories": [{"id": 1, "name": "cup", "supercategory": self.box.label}],
            "annotations": [annotation],
        }
        return self.write("coco.json", content)

    def metadata(self, file: str) -> Path:
        content = {"files": [{"file": file, "metadata": {"place": "yard"}}]}
        return self.write("metadata.json", content)


def _log_run(client: LayerNextClient, scene: Scene) -> Any:
    with client.model_run(scene.collection, fresh("logged")) as run:
        for annotations in scene.sets():
            run.log(annotations.image, boxes=[scene.box.bbox], labels=[scene.box.label])
    return run.report


def _handed_over(client: LayerNextClient, scene: Scene) -> Path:
    path = scene.folder / f"{fresh('project')}.xml"
    client.projects.export(scene.project, path, "cvat")
    return path


def _metadata_of_job(client: LayerNextClient, scene: Scene) -> Any:
    report = client.upload_files_to_collection(str(scene.images), "image", fresh("yard"))
    return client.upload_metadata_by_job_id(report["job_id"], scene.metadata("0.png"))


Case = Callable[[LayerNextClient, Scene], Any]


def _annotations_of_job(client: LayerNextClient, scene: Scene) -> Any:
    report = client.upload_files_to_collection(str(scene.images), "image", fresh("yard"))
    run, file = fresh("run"), scene.form_v2("0.png")
    return client.upload_annotations_by_job_id(str(report.job_id), run, file, False, True)


CASES: dict[str, Case] = {
    "add_user": lambda c, _: c.users.add(fresh("user")),
    "grant": lambda c, s: c.grants.add(s.collection, s.user, "read"),
    "remove_user": lambda c, s: c.users.remove(s.user),
    "revoke": lambda c, s: c.grants.remove(s.collection, s.granted_user),
    "upload_annotations_by_job_id": _annotations_of_job,
    "add_files_to_annotation_project_from_collection": lambda c, s: (
        c.add_files_to_annotation_project_from_collection(s.project, s.collection)
    ),
    "add_files_to_annotation_project_from_datalake": lambda c, s: (
        c.add_files_to_annotation_project_from_datalake(s.project, f"collection = {s.collection}")
    ),
    "add_labels_to_studio_project": lambda c, s: (
        c.add_labels_to_studio_project(s.project, [s.label])
    ),
    "attach_label_group_to_annotation_project": lambda c, s: (
        c.attach_label_group_to_annotation_project(s.project, s.group)
    ),
    "attach_labels_to_group": lambda c, s: c.attach_labels_to_group(s.group, [s.label]),
    "attach_model_run_to_project": lambda c, s: c.attach_model_run_to_project(s.project, [s.run]),
    "compare": lambda c, s: c.compare(
        collection=s.collection, run_a=s.run, run_b=s.other_run, ground_truth=s.truth, resamples=10
    ),
    "create_annotation_project_from_collection": lambda c, s: (
        c.create_annotation_project_from_collection(fresh("project"), s.collection)
    ),
    "create_annotation_project_from_datalake": lambda c, s: (
        c.create_annotation_project_from_datalake(
            fresh("project"), f"collection = {s.collection}"
        )
    ),
    "create_collection": lambda c, _: c.collections.create(fresh("empty")),
    "create_dataset_from_collection": lambda c, s: (
        c.create_dataset_from_collection(fresh("set"), s.collection, SPLIT)
    ),
    "create_dataset_from_datalake": lambda c, s: c.create_dataset_from_datalake(
        fresh("set"), SPLIT, query=f"collection = {s.collection}"
    ),
    "create_label_group": lambda c, s: c.create_label_group(fresh("group"), [s.label]),
    "create_or_update_collection": lambda c, _: (
        c.create_or_update_collection(fresh("empty"), "image", {"place": "yard"})
    ),
    "create_or_update_job": lambda c, _: c.create_or_update_job(fresh("job"), "own", -1, 100.0, 2),
    "create_system_label": lambda c, _: c.create_system_label({"className": fresh("label")}),
    "declare_metadata": lambda c, _: len(c.metadata.declare([fresh("field")]).fields) > 0,
    "delete_annotation_project": lambda c, s: c.delete_annotation_project(s.project),
    "delete_dataset_version": lambda c, s: c.delete_dataset_version(s.dataset),
    "delete_evaluation": lambda c, s: c.evaluations.delete(s.evaluation),
    "delete_export": lambda c, s: c.exports.delete(s.export),
    "detach_labels_from_group": lambda c, s: c.detach_labels_from_group(s.group, [s.label]),
    "detach_labels_to_group": lambda c, s: c.detach_labels_to_group(s.group, [s.label]),
    "evaluate": lambda c, s: c.evaluate(
        collection=s.collection, run=s.run, ground_truth=s.truth, again=True
    ),
    "file_upload": lambda c, s: c.file_upload(str(s.images), "image", fresh("yard")),
    "get_run_statistics": lambda c, s: c.runs.statistics(s.collection, s.run),
    "import_project": lambda c, s: c.projects.import_file(
        s.project, s.collection, _handed_over(c, s), "cvat"
    ),
    "insert_image_embeddings": lambda c, s: c.insert_image_embeddings(
        [{"uniqueName": f"{s.collection}_0.png", "embeddings": [1.0, 2.0]}], fresh("model"), [2]
    ),
    "insert_image_embeddings_batch": lambda c, s: c.insert_image_embeddings_batch(
        [{"uniqueName": f"{s.collection}_0.png", "embeddings": [1.0, 2.0]}], fresh("model"), [2]
    ),
    "model_run": _log_run,
    "purge": lambda c, s: c.trash.purge(s.trashed),
    "remove_annotations": lambda c, s: c.remove_annotations(s.collection, s.run),
    "remove_labels_from_studio_project": lambda c, s: (
        c.remove_labels_from_studio_project(s.project, [s.label])
    ),
    "remove_labels_to_studio_project": lambda c, s: (
        c.remove_labels_to_studio_project(s.project, [s.label])
    ),
    "restore": lambda c, s: c.trash.restore(s.trashed),
    "set_task_status": lambda c, s: c.projects.set_task_status(s.project, 1, "completed"),
    "start_evaluation": lambda c, s: (
        c.evaluations.start(collection=s.collection, run=s.run, ground_truth=s.truth, again=True).run
        == s.run
    ),
    "start_export": lambda c, s: c.exports.start("coco", collection=s.collection, run=s.run),
    "trash_objects_from_collection": lambda c, s: c.trash_objects_from_collection(s.collection),
    "trash_objects_from_datalake": lambda c, s: (
        c.trash_objects_from_datalake(f"collection = {s.collection}")
    ),
    "update_dataset_version_from_collection": lambda c, s: (
        c.update_dataset_version_from_collection(s.dataset, s.collection, SPLIT)
    ),
    "update_dataset_version_from_datalake": lambda c, s: (
        c.update_dataset_version_from_datalake(
            s.dataset, SPLIT, query=f"collection = {s.collection}"
        )
    ),
    "upload_annoations_for_folder": lambda c, s: c.upload_annoations_for_folder(
        s.collection, fresh("run"), s.form_v1, "rectangle", False, True, s.project
    ),
    "upload_annotation_from_cocojson": lambda c, s: (
        c.upload_annotation_from_cocojson(s.coco, s.collection, fresh("run"))
    ),
    "upload_annotations_by_storage_path": lambda c, s: c.upload_annotations_by_storage_path(
        fresh("run"), s.form_v2(f"{s.collection}/0.png"), False, True
    ),
    "upload_annotations_by_unique_name": lambda c, s: c.upload_annotations_by_unique_name(
        fresh("run"), s.form_v2(f"{s.collection}_0.png"), False, True
    ),
    "upload_annotations_for_collection": lambda c, s: c.upload_annotations_for_collection(
        s.collection, fresh("run"), s.form_v2("0.png"), False, True
    ),
    "upload_annotations_for_folder": lambda c, s: c.upload_annotations_for_folder(
        s.collection, fresh("run"), s.form_v1, "rectangle", False, True, s.project
    ),
    "upload_data": lambda c, s: c.upload_data(
        fresh("yard"), str(s.images), None, fresh("run"), s.form_v2("0.png"), False, True
    ),
    "upload_files_to_collection": lambda c, s: (
        c.upload_files_to_collection(str(s.images), "image", fresh("yard"))
    ),
    "upload_groundtruth_from_json": lambda c, s: (
        c.upload_groundtruth_from_json(s.collection, fresh("truth"), s.form_v1, "rectangle")
    ),
    "upload_metadata_by_job_id": _metadata_of_job,
    "upload_metadata_by_storage_path": lambda c, s: c.upload_metadata_by_storage_path(
        s.metadata(f"{s.collection}/0.png")
    ),
    "upload_metadata_by_unique_name": lambda c, s: c.upload_metadata_by_unique_name(
        s.metadata(f"{s.collection}_0.png")
    ),
    "upload_metadata_for_collection": lambda c, s: (
        c.upload_metadata_for_collection(s.collection, "image", {"place": "yard"})
    ),
    "upload_metadata_for_files": lambda c, s: c.upload_metadata_for_files(
        s.collection, "image", s.metadata("0.png")
    ),
    "upload_modelrun": lambda c, s: c.upload_modelrun(s.collection, fresh("run"), s.sets()),
    "upload_modelrun_from_json": lambda c, s: (
        c.upload_modelrun_from_json(s.collection, fresh("run"), s.form_v1, "rectangle")
    ),
}  # fmt: skip


READS = {
    "close",
    "download_annotations",
    "get_studio_project_list",
    "list_audit_entries",
    "list_grants",
    "list_users",
    "diff_dataset_versions",
    "download_annotation_projects",
    "download_collection",
    "download_dataset",
    "download_export",
    "download_files",
    "download_files_from_collection",
    "download_files_from_metalake",
    "download_project_annotations",
    "download_to_file",
    "export",
    "export_dataset",
    "export_project",
    "find_similar",
    "get_all_label_groups",
    "get_all_labels",
    "get_annotation_project_list",
    "get_annotation_project_name_by_id",
    "get_collection_details",
    "get_collection_id_by_name",
    "get_dataset_version",
    "get_downloadable_url",
    "get_embedding_vector",
    "get_evaluation",
    "get_evaluation_info",
    "get_export",
    "get_file_details",
    "get_item_count_from_collection",
    "get_item_count_from_metalake",
    "get_item_list_from_collection",
    "get_item_list_from_datalake",
    "get_labels_in_group",
    "get_metadata_names",
    "get_project",
    "get_stack_info",
    "get_stack_status",
    "get_system_stat_count",
    "get_upload_status",
    "get_valid_sort_fields",
    "iter_annotations",
    "iter_confused",
    "iter_items",
    "iter_tallies",
    "iter_trash",
    "list_collections",
    "list_datasets",
    "list_evaluations",
    "list_exports",
    "list_files",
    "list_jobs",
    "list_model_runs",
    "list_tasks",
    "match_image",
    "validate_file",
    "wait_for_job_complete",
}
OTHER_NAMES = {
    "compare_runs",
    "create_studio_project_from_collection",
    "create_studio_project_from_datalake",
    "delete_studio_project",
    "update_objects_to_studio_project_from_collection",
    "update_objects_to_studio_project_from_datalake",
}
"""Earlier names of other cases."""

REFUSED = {
    "auto_annotate_project",
    "auto_tag_collection",
    "generate_auto_tags_to_metalake",
    "generate_embeddings_for_collection",
    "generate_embeddings_to_metalake",
    "prompt_inference",
    "register_model",
}
"""A stack runs no models: nothing is sent."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("lost-answers")) as running:
        yield running


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_FIRST_WAIT_S", 0.005)


def test_every_public_method_is_a_case() -> None:
    public = {name for name in dir(LayerNextClient) if not name.startswith("_")}
    assert public == CASES.keys() | READS | REFUSED | OTHER_NAMES
    assert not CASES.keys() & (READS | REFUSED | OTHER_NAMES)


@pytest.mark.filterwarnings("ignore:use upload_files_to_collection:DeprecationWarning")
@pytest.mark.parametrize("name", CASES)
def test_a_lost_answer_changes_nothing(name: str, stack: StackProcess, tmp_path: Path) -> None:
    """The same rows and the same kind of result as on a healthy network."""
    outcomes = []
    with (
        LayerNextClient(*stack.arguments) as healthy,
        LayerNextClient(*stack.arguments, http=lost_answers()) as lossy,
    ):
        for number, client in enumerate((healthy, lossy)):
            folder = tmp_path / str(number)
            folder.mkdir()
            before = rows_at_rest(stack, healthy)
            result = CASES[name](client, Scene(healthy, folder))
            after = rows_at_rest(stack, healthy)
            changed = {
                name: after[name] - before[name] for name in after if after[name] != before[name]
            }
            outcomes.append((changed, shape_of(result)))
    assert outcomes[1] == outcomes[0]


def rows_at_rest(stack: StackProcess, client: LayerNextClient) -> dict[str, int]:
    """How many rows each table has once no job is left to do."""
    deadline = time.monotonic() + SECONDS
    while any(job.status in {"queued", "in_progress"} for job in client.jobs.list()):
        assert time.monotonic() < deadline, "a job does not end"
        time.sleep(0.01)
    with closing(sqlite3.connect(stack.folder / "stack.sqlite3")) as database:
        tables = [name for (name,) in database.execute(TABLES)]
        return {
            table: database.execute(
                f'SELECT count(*) FROM "{table}" WHERE {COUNTED.get(table, "true")}'
            ).fetchone()[0]
            for table in tables
        }


TABLES = """
SELECT name FROM sqlite_master
WHERE type = 'table' AND name NOT IN (
    'audit_entry', 'recorded_answer', 'dropped_object', 'run_statistics'
)
"""
"""But for what is recorded to repeat it, and what housekeeping deletes when it gets to it."""

COUNTED = {"job": f"kind != '{LOOK_JOB}'"}
"""The stack queues these by itself, one however many files came in the meantime."""


def shape_of(result: Any) -> Any:
    """A result without its ids, names and times."""
    if isinstance(result, bool | int) or result is None:
        return result
    if isinstance(result, str | float):
        return type(result)
    if isinstance(result, list | tuple):
        return [shape_of(value) for value in result]
    if isinstance(result, dict) and "uploaded" in result:
        # A file of which the answer got lost is there at the next attempt, and listed as skipped.
        rest = {
            name: value for name, value in result.items() if name not in {"uploaded", "skipped"}
        }
        return shape_of({**rest, "stored": [*result["uploaded"], *result["skipped"]]})
    if isinstance(result, dict):
        return {
            shape_of(name) if len(result) == 1 else str(name): shape_of(value)
            for name, value in result.items()
            if name != "bytes_sent"  # compressed names differ in length
        }
    return type(result), shape_of(msgspec.to_builtins(result, enc_hook=str))


def test_what_never_was_is_not_found(stack: StackProcess) -> None:
    """Also when the first answer that said so got lost."""
    with LayerNextClient(*stack.arguments, http=lost_answers()) as client:
        for delete in (
            client.evaluations.delete,
            client.exports.delete,
            client.delete_dataset_version,
            client.delete_annotation_project,
        ):
            with pytest.raises(NotFound):
                delete("0" * 24)


def test_a_new_call_is_a_new_change(stack: StackProcess, tmp_path: Path) -> None:
    with LayerNextClient(*stack.arguments, http=lost_answers()) as client:
        scene = Scene(client, tmp_path)
        client.create_dataset_from_collection("twice", scene.collection, SPLIT)
        with pytest.raises(Conflict):
            client.create_dataset_from_collection("twice", scene.collection, SPLIT)
        client.exports.delete(scene.export)
        with pytest.raises(NotFound):
            client.exports.delete(scene.export)


def test_the_async_client_repeats_as_well(stack: StackProcess, tmp_path: Path) -> None:
    async def work() -> None:
        async with AsyncLayerNextClient(*stack.arguments, http=lost_answers()) as client:
            first = await client.exports.start("coco", collection=scene.collection, run=scene.run)
            assert [export.id for export in await client.exports.list()].count(first.id) == 1
            assert len(await client.exports.list()) == before + 1
            await client.exports.delete(first.id)
            await client.evaluations.delete(scene.evaluation)
            await client.delete_dataset_version(scene.dataset)

    with LayerNextClient(*stack.arguments) as healthy:
        scene = Scene(healthy, tmp_path)
        assert all((scene.collection, scene.evaluation, scene.dataset))
        before = len(healthy.exports.list())
        asyncio.run(work())
