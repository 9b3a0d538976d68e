"""Every other call of the client against a real stack: lists, labels, removal, downloads, jobs."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from layernext import ImageAnnotations, LayerNextClient, Polygon, Rectangle
from layernext.errors import (
    ConfigurationError,
    Conflict,
    DataError,
    IncompatibleStack,
    JobFailed,
    LayerNextError,
    NotAllowed,
    NotFound,
)
from layernext.formats import iter_file
from layernext.model import decode_trusted
from tests.integration.client.conftest import Pair
from tests.support.faulty_network import FaultyNetwork
from tests.support.stack_process import StackProcess, create_key


def fresh(word: str = "yard") -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def sets(count: int, label: str = "cup") -> list[ImageAnnotations]:
    return [
        ImageAnnotations(image=f"{n}.jpg", annotations=[Rectangle(label=label, bbox=(n, 0, 1, 2))])
        for n in range(count)
    ]


def read(path: Path) -> list[ImageAnnotations]:
    return [decode_trusted(raw, None) for raw in iter_file(path)]


def test_lists(client: LayerNextClient) -> None:
    """Collections and runs are listed with their counts, and times in UTC."""
    collection = fresh("a/b")
    client.upload_modelrun(f"{collection}/", "run", sets(3))
    client.upload_modelrun(collection, "truth", sets(2), ground_truth=True)
    (found,) = [c for c in client.collections.list() if c.name == collection]
    assert (found.image_count, found.awaiting_file_count) == (3, 3)
    for key in (collection, f"{collection}/", found.id):
        runs = client.runs.list(key)
        assert [(r.name, r.mode, r.image_count, r.annotation_count) for r in runs] == [
            ("run", "machine", 3, 3),
            ("truth", "human", 2, 2),
        ]
        assert all(
            msgspec.convert(r.updated_at, datetime).utcoffset() == timedelta(0) for r in runs
        )
    assert {"run", "truth"} <= {r.name for r in client.runs.list()}
    with pytest.raises(NotFound):
        client.runs.list(fresh())


def test_lists_of_many_pages(native_stack: StackProcess) -> None:
    """A list that takes several pages is given whole, each record once."""

    def small_pages(request: httpx.Request, _: int) -> None:
        if request.url.path.endswith("/collections"):
            request.url = request.url.copy_merge_params({"limit": "2"})

    network = FaultyNetwork(small_pages)
    with LayerNextClient(*native_stack.arguments, http=network) as client:
        wanted = [client.collections.create(fresh()).name for _ in range(5)]
        listed = [collection.name for collection in client.collections.list()]
    assert [name for name in listed if name in wanted] == wanted
    assert len([r for r in network.requests if r.method == "GET"]) > 3


def test_labels(pair: Pair) -> None:
    """Labels come with references, colors, attributes and values; the published keys work, too."""
    label = fresh("fork lift ü")
    box = {
        "type": "rectangle",
        "label": label,
        "bbox": [0, 0, 1, 1],
        "attributes": {"color": [{"value": "red"}, {"value": "blue"}]},
    }
    report = pair.writer.upload_modelrun(fresh(), "r", [{"image": "a", "annotations": [box]}])
    assert report.new_labels == [label]
    report = pair.writer.upload_modelrun(fresh(), "r", [{"image": "a", "annotations": [box]}])
    assert report.new_labels == []
    (found,) = [one for one in pair.writer.get_all_labels() if one.name == label]
    assert uuid.UUID(found.ref)
    assert found.color.startswith("#")
    (color,) = found.attributes
    assert color.name == "color"
    assert {value["value"] for value in color.values} == {"red", "blue"}
    assert (found["label"], found["labelText"], found["color"]) == (found.ref, label, found.color)
    assert found.to_dict()["name"] == label


def test_removal(pair: Pair) -> None:
    """A run is removed from one collection only; repeating it removes nothing more."""
    here, there = fresh(), fresh()
    for collection in (here, there):
        pair.writer.upload_modelrun(collection, "r", sets(3))
        pair.writer.upload_modelrun(collection, "other", sets(1))
    report = pair.writer.remove_annotations(here, "r")
    assert (report.images, report.annotations) == (3, 3)
    assert pair.writer.remove_annotations(here, "r").images == 0
    assert list(pair.writer.iter_annotations(here, "r")) == []
    assert len(list(pair.writer.iter_annotations(there, "r"))) == 3
    assert len(list(pair.writer.iter_annotations(here, "other"))) == 1
    with pytest.raises(NotFound):
        pair.writer.remove_annotations(fresh(), "r")


@pytest.mark.parametrize("nowhere", ["", "/", None])
def test_removal_names_its_collection(pair: Pair, nowhere: Any) -> None:
    """Without a collection nothing is removed: it would be the run in all of them."""
    collection = fresh()
    run = fresh("run")
    pair.writer.upload_modelrun(collection, run, sets(2))
    with pytest.raises(DataError):
        pair.writer.remove_annotations(nowhere, run)
    assert len(list(pair.writer.iter_annotations(collection, run))) == 2


def test_download_collection(pair: Pair, tmp_path: Path) -> None:
    """The file has each image once, with the annotations of all runs that were asked for."""
    collection = fresh("dock side/ü")
    pair.writer.upload_modelrun(collection, "r1", sets(3))
    pair.writer.upload_modelrun(collection, "r2", sets(2, "saucer"))
    pair.writer.upload_modelrun(collection, "truth", sets(1, "spoon"), ground_truth=True)

    def labels(*arguments: Any) -> dict[str, list[str]]:
        folder = tmp_path / uuid.uuid4().hex
        report = pair.writer.download_collection(
            collection, *arguments, custom_download_path=folder
        )
        assert report.path.name == "annotations.json"
        assert report.path.parent.parent == folder
        images = read(report.path)
        assert report.images == len(images)
        return {image.image: sorted(a.label for a in image.annotations) for image in images}

    assert labels() == {
        "0.jpg": ["cup", "saucer", "spoon"],
        "1.jpg": ["cup", "saucer"],
        "2.jpg": ["cup"],
    }
    assert labels("human") == {"0.jpg": ["spoon"]}
    assert labels("machine", ["r2"]) == {"0.jpg": ["saucer"], "1.jpg": ["saucer"]}
    with pytest.raises(ConfigurationError, match="annotation_type"):
        pair.writer.download_collection(collection, "mixed")
    with pytest.raises(NotFound):
        pair.writer.download_collection(fresh(), custom_download_path=tmp_path / "none")


def test_download_of_many_pages(pair: Pair, tmp_path: Path) -> None:
    """A download that takes several pages has every image once."""
    collection = fresh()
    pair.writer.upload_modelrun(collection, "r", sets(613))
    report = pair.writer.download_collection(collection, custom_download_path=tmp_path)
    assert report.images == 613
    wanted = {image.image: image for image in sets(613)}
    for images in (read(report.path), list(pair.writer.iter_annotations(collection, "r"))):
        assert len(images) == 613
        assert {image.image: image for image in images} == wanted


@pytest.mark.parametrize(
    "name", ["../../escape", "/etc/escape", "..", "a\\..\\b", "C:\\x", "", None, ".", "a\x00b", 7]
)
@pytest.mark.parametrize("key", ["groupUniqueName", "rawFileName"])
def test_names_from_the_stack_stay_below_the_folder(
    native_stack: StackProcess, tmp_path: Path, name: Any, key: str
) -> None:
    """Whatever a stack calls a download, it is written below the folder that was asked for."""
    data = {"identifier": "x", "resourceArray": [], "groupUniqueName": "g", "rawFileName": "f.json"}

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        if request.url.path.endswith("/collection"):
            return httpx.Response(200, json={"data": data | {key: name}})
        return None

    folder = tmp_path / "deep" / "down"
    with LayerNextClient(*native_stack.arguments, http=FaultyNetwork(fault)) as client:
        report = client.download_collection("a" * 24, custom_download_path=folder)
    assert report.path.resolve().is_relative_to(folder.resolve())
    (written,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written == report.path


def test_download_to_file(client: LayerNextClient, tmp_path: Path) -> None:
    """One run is written as it was uploaded; several say to which run each image belongs."""
    collection = fresh()
    v1 = {"images": [{"image": "a.jpg", "annotations": [{"label": "x", "bbox": [1, 2, 3.0, 4], "metadata": {"k": 1}}]}]}  # fmt: skip
    source = tmp_path / "v1.json"
    source.write_text(json.dumps(v1))
    client.upload_modelrun_from_json(collection, "one", source, "rectangle")
    client.upload_modelrun(collection, "two", sets(1), ground_truth=True)
    path = tmp_path / "out.json"
    report = client.download_to_file(collection, ["one"], path)
    assert (report.images, report.path) == (1, path)
    assert json.loads(path.read_text()) == v1
    client.download_to_file(collection, [], path)
    rows = json.loads(path.read_text())["images"]
    assert {(row["image"], row["run"], row["mode"]) for row in rows} == {
        ("a.jpg", "one", "machine"),
        ("0.jpg", "two", "human"),
    }
    assert all(a["type"] == "rectangle" for row in rows for a in row["annotations"])
    client.download_to_file(collection, [], path, ground_truth=True)
    assert read(path) == sets(1)
    with pytest.raises(NotFound):
        client.download_to_file(fresh(), ["one"], tmp_path / "never.json")
    assert not (tmp_path / "never.json").exists()


@pytest.mark.parametrize("flag", [False, None])
@pytest.mark.parametrize("key", ["plain", "metadata"])
def test_normalized_is_kept(
    client: LayerNextClient, tmp_path: Path, flag: bool | None, key: str
) -> None:
    """A normalized run's file says so, whatever else stands in its images."""
    collection = fresh()
    box: dict[str, Any] = {"type": "rectangle", "label": "x", "bbox": [0.1, 0.2, 0.3, 0.4]}
    image: dict[str, Any] = {"image": "a.jpg", "annotations": [box]}
    if key == "metadata":
        box["metadata"] = {"isNormalized": False}
    else:
        image["isNormalized"] = flag
    source, back = tmp_path / "run.json", tmp_path / "back.json"
    source.write_text(json.dumps({"images": [image]}))
    client.upload_annotations_for_collection(collection, "r", source, True, True)
    client.download_to_file(collection, ["r"], back)
    (stored,) = read(back)
    assert stored.normalized
    assert stored.annotations == read(source)[0].annotations


def test_one_name_for_both_modes(client: LayerNextClient) -> None:
    """A model run and a ground truth of one name are two, and have to be told apart."""
    collection = fresh()
    client.upload_modelrun(collection, "r", sets(2))
    client.upload_modelrun(collection, "r", sets(1, "spoon"), ground_truth=True)
    with pytest.raises(Conflict, match="ground_truth"):
        list(client.iter_annotations(collection, "r"))
    assert list(client.iter_annotations(collection, "r", ground_truth=False)) == sets(2)
    assert list(client.iter_annotations(collection, "r", ground_truth=True)) == sets(1, "spoon")


def test_jobs(pair: Pair) -> None:
    """An upload is a job that ends; one that nobody knows has failed."""
    report = pair.writer.upload_modelrun(fresh(), "r", sets(1))
    if report.job_id is not None:
        job = pair.writer.wait_for_job_complete(report.job_id, timeout_s=5)
        assert job["is_success"]
        assert job["job_status"] == "COMPLETED"
    else:
        assert pair.protocol == "published"
    with pytest.raises(JobFailed) as caught:
        pair.writer.wait_for_job_complete("f" * 24, timeout_s=5)
    assert caught.value.job.status == "failed"


def test_roles(native_stack: StackProcess) -> None:
    """A key that may only read reads, and is told that it may not write."""
    key, secret = create_key(native_stack.folder, "read")
    with LayerNextClient(key, secret, native_stack.url) as reader:
        assert isinstance(reader.collections.list(), list)
        with pytest.raises(NotAllowed):
            reader.upload_modelrun(fresh(), "r", sets(1))


def test_what_only_the_native_protocol_can(published_stack: StackProcess, tmp_path: Path) -> None:
    """Calls that the published protocol has no request for say so."""
    with LayerNextClient(*published_stack.arguments) as client:
        for call in (
            client.collections.list,
            client.runs.list,
            lambda: client.collections.create("a"),
            lambda: client.download_to_file("a", [], tmp_path / "a.json"),
            lambda: list(client.iter_annotations(None, "r")),
        ):
            with pytest.raises(IncompatibleStack, match="published protocol"):
                call()


def test_runs_on_no_image(pair: Pair, tmp_path: Path) -> None:
    """A run without any image is uploaded, and its report says 0."""
    path = tmp_path / "run.json"
    path.write_text('{"images": []}')
    report = pair.writer.upload_annotations_for_collection(fresh(), "r", path, False, True)
    assert (report.images, report.annotations, report.unmatched_images) == (0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(("yard", "", "f.json", "rectangle"), DataError, id="no-run"),
        pytest.param(("yard", "r" * 513, "f.json", "rectangle"), DataError, id="long-run"),
        pytest.param(("ya\x00rd", "r", "f.json", "rectangle"), DataError, id="nul"),
        pytest.param(("yard", None, "f.json", "rectangle"), DataError, id="run-none"),
        pytest.param((7, "r", "f.json", "rectangle"), DataError, id="collection-is-a-number"),
        pytest.param(("yard", "r", "f.json", "circle"), ConfigurationError, id="geometry"),
        pytest.param(("yard", "r", "f.json", None), ConfigurationError, id="geometry-none"),
        pytest.param(("yard", "r", "no such file.json", "rectangle"), DataError, id="no-file"),
    ],
)
def test_arguments_are_checked_first(tmp_path: Path, arguments: Any, error: Any) -> None:
    """What cannot be right is said before anything is sent."""
    sent = FaultyNetwork()
    collection, run, file, geometry = arguments
    (tmp_path / "f.json").write_text('{"images": []}')
    with (
        LayerNextClient("key", "secret", "http://127.0.0.1:1", http=sent) as client,
        pytest.raises(error) as caught,
    ):
        client.upload_modelrun_from_json(collection, run, tmp_path / file, geometry)
    assert isinstance(caught.value, LayerNextError)
    assert not sent.requests


def test_first_call_shakes_hands_once(native_stack: StackProcess) -> None:
    """Nothing is sent by the constructor; the handshake is done once, by the first call."""
    network = FaultyNetwork()
    with LayerNextClient(*native_stack.arguments, http=network) as client:
        assert not network.requests
        client.collections.list()
        client.collections.list()
    paths = [request.url.path for request in network.requests]
    assert len([path for path in paths if "compatibility" in path]) == 1
    assert len(paths) == 3
    client.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param({"isCompatible": False, "message": "too old"}, "too old", id="refused"),
        pytest.param([], "not a LayerNext stack", id="list"),
        pytest.param({}, "not a LayerNext stack", id="empty"),
    ],
)
def test_incompatible(native_stack: StackProcess, answer: Any, words: str) -> None:
    """A stack that refuses this client, or is none, is named so."""
    network = FaultyNetwork(lambda _request, _: httpx.Response(200, json=answer))
    with (
        LayerNextClient(*native_stack.arguments, http=network) as client,
        pytest.raises(IncompatibleStack, match=words),
    ):
        client.get_all_labels()


@pytest.mark.parametrize("offer", [{"version": 99}, {"base_path": "/api/v9"}, "yes", None, 7])
def test_unknown_native_protocols(native_stack: StackProcess, offer: Any) -> None:
    """A native protocol that this client does not know is left alone; the published one works."""

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        if "compatibility" in request.url.path:
            return httpx.Response(200, json={"isCompatible": True, "native": offer})
        return None

    network = FaultyNetwork(fault)
    collection = fresh()
    with LayerNextClient(*native_stack.arguments, http=network) as client:
        client.upload_modelrun(collection, "r", sets(2))
        assert list(client.iter_annotations(collection, "r")) == sets(2)
    assert not [r for r in network.requests if r.url.path.startswith("/api/")]


def test_polygons_and_boxes_in_one_file_with_geometry(
    client: LayerNextClient, tmp_path: Path
) -> None:
    """In a form v1 file an annotation that names its type is read as form v2."""
    path = tmp_path / "run.json"
    rows = [
        {"label": "a", "bbox": [1, 2, 3, 4]},
        {"label": "b", "type": "polygon", "polygon": [[1, 2], [3, 4]], "metadata": {"n": 1}},
    ]
    path.write_text(json.dumps({"images": [{"image": "i", "annotations": rows}]}))
    collection = fresh()
    client.upload_modelrun_from_json(collection, "r", path, "rectangle")
    (image,) = client.iter_annotations(collection, "r")
    assert image.annotations == [
        Rectangle(label="a", bbox=(1, 2, 3, 4)),
        Polygon(label="b", polygon=[(1, 2), (3, 4)], metadata={"n": 1}),
    ]
