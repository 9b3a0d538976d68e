"""Annotation projects through the SDK, against a real stack."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from layernext import ImageAnnotations, LayerNextClient, Polygon, Rectangle
from layernext.errors import DataError, NotFound


def fresh(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def fill(client: LayerNextClient, tmp_path: Path, count: int = 5) -> str:
    """A collection of real images with a run."""
    name, folder = fresh("yard"), tmp_path / "images"
    folder.mkdir()
    for number in range(count):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number * 20, number, 7)).save(buffer, "PNG")
        (folder / f"{number}.png").write_bytes(buffer.getvalue())
    report = client.upload_files_to_collection(str(folder), "image", name)
    client.wait_for_job_complete(report["job_id"], timeout_s=30)
    box = Rectangle(label="cup", bbox=(1, 2, 30, 40))
    sets = [ImageAnnotations(image=f"{n}.png", annotations=[box]) for n in range(count)]
    client.upload_modelrun(name, fresh("run"), sets)
    return name


def test_a_project_from_start_to_end(client: LayerNextClient, tmp_path: Path) -> None:
    """Made, extended, labelled, worked on, handed over and taken back, deleted."""
    name = fill(client, tmp_path)
    made = client.create_annotation_project_from_collection(
        "day 1", name, "name != 4.png", frames_per_task=3
    )
    assert (made.added, made["isSuccess"]) == (4, True)
    assert client.wait_for_job_complete(made.job_id)["is_success"]
    project = client.projects.get(made.id)
    assert (project.name, project.image_count) == ("day 1", 4)
    assert project.tasks == {"not_started": 2}
    more = client.add_files_to_annotation_project_from_collection(made.id, name)
    assert more.added == 1
    assert [task.image_count for task in client.projects.tasks(made.id)] == [3, 1, 1]
    assert client.get_annotation_project_name_by_id(made.id) == {"projectName": "day 1"}
    (listed,) = [each for each in client.get_annotation_project_list() if each["id"] == made.id]
    assert (listed["name"], listed["totalTaskCount"]) == ("day 1", 3)

    label = client.create_system_label({"className": fresh("label")})["label_reference"]
    client.add_labels_to_studio_project(made.id, [label])
    assert client.projects.get(made.id).labels == [label]
    client.remove_labels_to_studio_project(made.id, [label])
    assert client.projects.get(made.id).labels == []
    group = client.create_label_group(fresh("group"), [label])
    client.attach_label_group_to_annotation_project(made.id, group.id)
    (run,) = {each.name for each in client.runs.list(name)}
    client.attach_model_run_to_project(made.id, [run])
    client.projects.set_task_status(made.id, [1, 2], "completed")
    project = client.projects.set_task_status(made.id, 3, "in_progress")
    assert (project.runs, project.label_group) == ([run], group.id)
    assert project.tasks == {"completed": 2, "in_progress": 1}

    outline = Polygon(label="cup", polygon=[(0, 0), (10, 0), (10, 12.5)])
    people = [ImageAnnotations(image="0.png", annotations=[outline])]
    client.upload_modelrun(name, made.id, people, ground_truth=True)
    report = client.download_annotation_projects(
        [made.id], ["completed"], custom_download_path=tmp_path / "down"
    )
    assert report.failed == []
    (folder,) = (tmp_path / "down").iterdir()
    images = json.loads((folder / "annotations.json").read_text())["images"]
    assert [(each["image"], len(each["annotations"])) for each in images] == [
        ("0.png", 1), ("1.png", 0), ("2.png", 0), ("3.png", 0),
    ]  # fmt: skip
    assert sorted(path.name for path in (folder / "data").iterdir()) == [
        "0.png", "1.png", "2.png", "3.png",
    ]  # fmt: skip
    only = tmp_path / "only"
    client.download_project_annotations(made.id, None, True, only, False)
    (path,) = only.rglob("annotations.json")
    assert len(json.loads(path.read_text())["images"]) == 1

    client.delete_annotation_project(made.id)
    with pytest.raises(NotFound):
        client.get_annotation_project_name_by_id(made.id)
    assert len(list(client.iter_annotations(name, made.id))) == 1


@pytest.mark.parametrize("kind", ["cvat", "label-studio"])
def test_hand_over_and_back(client: LayerNextClient, tmp_path: Path, kind: Any) -> None:
    """What goes out comes back as the project's ground truth, shape by shape."""
    name = fill(client, tmp_path, 3)
    made = client.create_annotation_project_from_datalake(
        fresh("project"), f'collection = "{name}"', default_shape_type="polygon"
    )
    box, outline = (
        Rectangle(label="cup", bbox=(1, 2, 30.5, 40)),
        Polygon(label="cup", polygon=[(0, 0), (10, 0), (10, 12.5)]),
    )
    sets = [ImageAnnotations(image="1.png", annotations=[box, outline])]
    client.upload_modelrun(name, made.id, sets, ground_truth=True)
    path = tmp_path / "project"
    report = client.projects.export(made.id, path, kind)
    assert (report.images, report.annotations, report.losses) == (3, 2, {})
    client.remove_annotations(name, made.id)
    client.projects.import_file(made.id, name, path, kind)
    found = {each.image: each.annotations for each in client.iter_annotations(name, made.id)}
    assert {image: len(some) for image, some in found.items()} == {
        "0.png": 0,
        "1.png": 2,
        "2.png": 0,
    }
    first, second = found["1.png"]
    assert isinstance(first, Rectangle)
    assert first.bbox == pytest.approx(box.bbox)
    assert isinstance(second, Polygon)
    assert second.polygon == [pytest.approx(each) for each in outline.polygon]


def test_what_cannot_be(client: LayerNextClient, tmp_path: Path) -> None:
    """Wrong arguments are named before anything is made."""
    name = fill(client, tmp_path, 1)
    made = client.create_annotation_project_from_collection("p", name)
    before = len(client.get_annotation_project_list())
    wrong: list[tuple[str, dict[str, Any], type[Exception], str]] = [
        ("create_annotation_project_from_collection",
         {"project_name": "x", "collection_id": name, "default_shape_type": "circle"},
         DataError, "default_shape_type"),
        ("create_annotation_project_from_collection",
         {"project_name": "x", "collection_id": name, "frames_per_task": 0},
         DataError, "frames_per_task"),
        ("create_annotation_project_from_collection",
         {"project_name": "x", "collection_id": name, "filter": {"tags": 1}}, DataError, "unknown"),
        ("create_annotation_project_from_collection",
         {"project_name": "", "collection_id": name}, DataError, "project_name"),
        ("create_annotation_project_from_collection",
         {"project_name": "x", "collection_id": fresh("no")}, NotFound, "no collection"),
        ("create_annotation_project_from_datalake",
         {"project_name": "x", "datalake_query": ""}, DataError, "pass a query"),
        ("attach_model_run_to_project",
         {"project_id": made.id, "operation_id_array": ["nothing"]}, DataError, "nothing"),
        ("attach_model_run_to_project",
         {"project_id": made.id, "operation_id_array": []}, DataError, "at least one"),
        ("add_labels_to_studio_project",
         {"project_id": made.id, "add_list": ["no"]}, NotFound, "no label"),
        ("set_task_status", {"project_id": made.id, "tasks": 9, "status": "fixed"}, NotFound, "task 9"),
        ("set_task_status", {"project_id": made.id, "tasks": 1, "status": "done"}, DataError, "status"),
        ("delete_annotation_project", {"project_id": "nothing"}, NotFound, "no project"),
        ("download_annotation_projects", {"project_id_list": []}, DataError, "at least one"),
    ]  # fmt: skip
    for method, arguments, kind, text in wrong:
        with pytest.raises(kind, match=text):
            getattr(client, method)(**arguments)
    assert len(client.get_annotation_project_list()) == before


def test_runs_go_to_a_project(client: LayerNextClient, tmp_path: Path) -> None:
    """An upload can name the project that its run is attached to, if all of it is stored."""
    name = fill(client, tmp_path, 1)
    made = client.create_annotation_project_from_collection("p", name)
    path = tmp_path / "run.json"
    path.write_text(
        '{"images": [{"image": "0.png", "annotations": [{"label": "a", "bbox": [1, 2, 3, 4]}]}]}'
    )
    run = fresh("run")
    bad = tmp_path / "bad.json"
    bad.write_text(path.read_text().replace("[1, 2, 3, 4]", "[1, 2, -3, 4]"))
    with pytest.raises(DataError, match="width is -3"):
        client.upload_annotations_for_folder(name, run, bad, "rectangle", False, True, made.id)
    assert client.projects.get(made.id).runs == []
    client.upload_annotations_for_folder(name, run, path, "rectangle", False, True, made.id)
    assert client.projects.get(made.id).runs == [run]


def test_collections_come_with_their_images(client: LayerNextClient, tmp_path: Path) -> None:
    """The published call brings annotations and images; the second time only what is missing."""
    name = fill(client, tmp_path, 3)
    target = tmp_path / "down"
    report = client.download_collection(name, custom_download_path=target)
    data = report.path.parent / "data"
    assert sorted(path.name for path in data.iterdir()) == ["0.png", "1.png", "2.png"]
    (data / "1.png").unlink()
    client.download_collection(name, custom_download_path=target)
    assert (data / "1.png").read_bytes() == (tmp_path / "images" / "1.png").read_bytes()
    alone = client.download_collection(
        name, custom_download_path=tmp_path / "x", is_media_include=False
    )
    assert [path.name for path in alone.path.parent.iterdir()] == ["annotations.json"]


def test_names_of_two_collections_do_not_clash(client: LayerNextClient, tmp_path: Path) -> None:
    """A project's download has every image, also where two collections have files of one name."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    names = [fill(client, tmp_path / folder, 2) for folder in ("one", "two")]
    made = client.create_annotation_project_from_datalake(
        fresh("project"), f"collection in ({', '.join(names)})"
    )
    client.download_annotation_projects([made.id], custom_download_path=tmp_path / "down")
    (folder,) = (tmp_path / "down").iterdir()
    wanted = sorted(f"{name}_{number}.png" for name in names for number in range(2))
    assert sorted(path.name for path in (folder / "data").iterdir()) == wanted
    images = json.loads((folder / "annotations.json").read_text())["images"]
    assert sorted(each["image"] for each in images) == wanted
