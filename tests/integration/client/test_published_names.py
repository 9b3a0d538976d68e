"""Calls as published scripts write them: earlier names, numbers for words, the argument order of 1.x."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from layernext import DataError, LayerNextClient, MediaType, NotFound
from layernext.datalake.constants import JobStatus, JobType, ObjectType
from tests.integration.client.conftest import Pair

BOX = {"label": "cup", "bbox": [1, 2, 30, 40], "confidence": 0.5}

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


@pytest.fixture
def name() -> str:
    return f"scripts {uuid.uuid4().hex[:8]}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, their annotations in form v1 and v2, and their metadata."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(2):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number * 40, 9, 9)).save(buffer, "JPEG")
        (images / f"{number}.jpg").write_bytes(buffer.getvalue())
    forms: dict[str, dict[str, Any]] = {"v1": {}, "v2": {"type": "rectangle"}}
    for form, kind in forms.items():
        rows = [{"image": f"{n}.jpg", "annotations": [{**kind, **BOX}]} for n in range(2)]
        (tmp_path / f"{form}.json").write_text(json.dumps({"images": rows}))
    entries = [{"file": f"{n}.jpg", "metadata": {"shift": n}} for n in range(2)]
    (tmp_path / "metadata.json").write_text(json.dumps({"files": entries}))
    return tmp_path


def count_of(client: LayerNextClient, collection: str, run: str) -> int:
    """Annotations of a run in a collection."""
    return sum(len(image.annotations) for image in client.iter_annotations(collection, run))


@pytest.mark.parametrize("kind", [5, MediaType.IMAGE, MediaType.IMAGE.value, "image"], ids=repr)
def test_file_upload(pair: Pair, folder: Path, name: str, kind: int | str) -> None:
    """`file_upload(path, 5, …)` as in 2.3.4; a word works, too."""
    with pytest.warns(DeprecationWarning, match="upload_files_to_collection"):
        report = pair.writer.file_upload(str(folder / "images"), kind, name, {"site": "north"})
    assert sorted(report.uploaded) == ["0.jpg", "1.jpg"]


def test_file_upload_of_an_unknown_kind(client: LayerNextClient, folder: Path) -> None:
    """A code that is none is refused with those that there are."""
    with pytest.raises(
        DataError, match=r"is 2, must be one of 4 \(video\), 5 \(image\), 7 \(other\)"
    ):
        client.file_upload(str(folder / "images"), 2, "kitchen")


def test_annotations_by_job_id(pair: Pair, folder: Path, name: str) -> None:
    """The files of an upload get their annotations by the upload's job, by either protocol."""
    client = pair.writer
    upload = client.upload_files_to_collection(str(folder / "images"), "image", name)
    client.wait_for_job_complete(upload.job_id, timeout_s=30)
    arguments = (upload.job_id, "by job", str(folder / "v2.json"), False, True)
    report = client.upload_annotations_by_job_id(*arguments)
    assert (report.images, report.annotations, report.unmatched_images) == (2, 2, 0)
    if pair.protocol == "native":
        assert count_of(client, name, "by job") == 2
    again = client.upload_annotations_by_job_id(*arguments)
    assert again.annotations == 2


def test_annotations_by_an_unknown_job(pair: Pair, folder: Path) -> None:
    """There is no such upload: nothing is sent."""
    with pytest.raises(NotFound, match="no upload of files with the job id 'nothing'"):
        pair.writer.upload_annotations_by_job_id(
            "nothing", "by job", str(folder / "v2.json"), False, True
        )


def test_download_annotations(client: LayerNextClient, folder: Path, name: str) -> None:
    """Of a run by its name; without one all ground truth, as in 1.1.1 and 2.3.4."""
    upload = client.upload_files_to_collection(str(folder / "images"), "image", name)
    client.wait_for_job_complete(upload.job_id, timeout_s=30)
    for run, is_model_run in (("model", True), ("truth", False)):
        client.upload_annotations_for_collection(
            name, run, str(folder / "v2.json"), False, is_model_run
        )
    with pytest.warns(DeprecationWarning, match="download_collection"):
        of_run = client.download_annotations(upload.collection_id, "model", str(folder / "a"))
    truth = client.download_annotations(
        upload.collection_id, None, str(folder / "b"), is_media_include=False
    )
    with pytest.warns(DeprecationWarning, match="model_id is called operation_id now"):
        early = client.download_annotations(
            upload.collection_id, model_id="model", custom_download_path=str(folder / "c")
        )
    assert (of_run.images, truth.images, early.images) == (2, 2, 2)
    assert of_run.files is not None
    assert truth.files is None


def test_argument_order_of_1x(client: LayerNextClient, folder: Path, name: str) -> None:
    """Eight arguments of `upload_data`, two of `upload_metadata_for_files`, a code in eighth place."""
    images, v1 = str(folder / "images"), str(folder / "v1.json")
    report = client.upload_data(name, images, {}, "run 1x", v1, "rectangle", False, True)
    assert report.annotations is not None
    assert report.annotations.annotations == count_of(client, name, "run 1x") == 2
    by_name = client.upload_data(
        name, images, {}, "run named", v1,
        shape_type="rectangle", is_normalized=False, is_model_run=True,
    )  # fmt: skip
    assert by_name.annotations is not None

    assert client.upload_metadata_for_files(name, str(folder / "metadata.json")).updated == 2
    with pytest.warns(DeprecationWarning, match="collection_base_path is called collection_name"):
        report_1x = client.upload_metadata_for_files(
            collection_base_path=name,
            content_type="image",
            json_data_file_path=str(folder / "metadata.json"),
        )
    assert report_1x.updated == 2
    with pytest.raises(DataError, match="json_data_file_path: is missing"):
        client.upload_metadata_for_files(name, "image")

    marked = client.upload_files_to_collection(
        images, "image", name, {}, False, str(folder / "metadata.json"), None, "a mark"
    )
    assert sorted(marked.skipped) == ["0.jpg", "1.jpg"]


def test_keywords_of_005(client: LayerNextClient, folder: Path, name: str) -> None:
    """`upload_modelrun_from_json` takes the keywords of 0.0.5; both at once are a mistake."""
    with pytest.warns(DeprecationWarning, match="is called"):
        report = client.upload_modelrun_from_json(
            storage_base_path=name,
            model_id="run 0",
            file_path=str(folder / "v1.json"),
            annotation_geometry="rectangle",
        )
    assert report.annotations == 2
    with pytest.raises(TypeError, match="got both 'model_id' and 'model_run_name'"):
        client.upload_modelrun_from_json(
            name, model_run_name="a", model_id="b", file_path="x", annotation_geometry="line"
        )


def test_studio_names_of_0021(client: LayerNextClient, folder: Path, name: str) -> None:
    """The projects of 0.0.21, with codes for words."""
    upload = client.upload_files_to_collection(str(folder / "images"), "image", name)
    client.wait_for_job_complete(upload.job_id, timeout_s=30)
    first = client.create_studio_project_from_collection(
        f"{name} a", upload.collection_id, "", {}, 4
    )
    query = f"collection = {name}"
    second = client.create_studio_project_from_datalake(
        f"{name} b", query, {}, ObjectType.IMAGE.value, 4
    )
    assert {first.id, second.id} <= {row["id"] for row in client.get_studio_project_list()}
    client.update_objects_to_studio_project_from_collection(
        first.id, upload.collection_id, "", {}, 4
    )
    client.update_objects_to_studio_project_from_datalake(second.id, query, {}, ObjectType.IMAGE, 4)
    client.delete_studio_project(second.id)
    assert second.id not in {row["id"] for row in client.get_studio_project_list()}


def test_jobs_by_constants(client: LayerNextClient, name: str) -> None:
    """Members of the enumerations and their values, as scripts pass either."""
    for kind, status in (
        (JobType.UPLOAD_EMBEDDING, JobStatus.COMPLETED),
        (JobType.UPLOAD_EMBEDDING.value, JobStatus.COMPLETED.value),
    ):
        job = client.create_or_update_job(name, "my job", kind, 100, status)
        assert job.status == "completed"
