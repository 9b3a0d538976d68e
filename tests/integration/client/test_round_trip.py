"""What is uploaded is read back equal, by every call and both protocols."""

from __future__ import annotations

import gzip
import json
import uuid
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings

from layernext import AttributeValue, ImageAnnotations, LayerNextClient, Rectangle
from layernext.errors import DataError, IncompatibleStack, NotFound, UploadIncomplete
from layernext.formats import iter_file
from layernext.model import Geometry, decode_trusted
from tests.integration.client.conftest import Pair
from tests.support.faulty_network import FaultyNetwork
from tests.support.stack_process import StackProcess
from tests.support.strategies import model_runs, names, v1_images

SAMPLES = Path(__file__).parents[3] / "src" / "layernext" / "cli" / "samples"
GEOMETRIES = {"rectangle": "bbox", "polygon": "polygon", "line": "line"}


def fresh(word: str = "yard") -> str:
    """A name that no other test uses."""
    return f"{word}-{uuid.uuid4().hex[:8]}"


def read(path: Path, geometry: Geometry | None) -> list[ImageAnnotations]:
    return [decode_trusted(raw, geometry) for raw in iter_file(path)]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("base", ["path1/path2/", "path1/path2", "a b/ü?#%41&+", None])
@pytest.mark.parametrize("truth", [False, True], ids=["machine", "human"])
def test_samples(pair: Pair, geometry: Geometry, base: str | None, *, truth: bool) -> None:
    """The seed's samples come back equal, whatever the collection is called."""
    sample = SAMPLES / f"example_{GEOMETRIES[geometry]}.json"
    run = fresh("test model/v1.0.1 ü?#%41")
    call = (
        pair.writer.upload_groundtruth_from_json if truth else pair.writer.upload_modelrun_from_json
    )
    report = call(base, run, str(sample), geometry)
    wanted = read(sample, geometry)
    if base is None and pair.protocol == "published":
        with pytest.raises(IncompatibleStack, match="collection"):
            list(pair.writer.iter_annotations(base, run, ground_truth=truth))
    else:
        assert list(pair.writer.iter_annotations(base, run, ground_truth=truth)) == wanted
    assert report.images == len(wanted)
    assert report.annotations == sum(len(image.annotations) for image in wanted)
    assert report.mode == ("human" if truth else "machine")
    assert report.bytes_sent > 0


@given(run=model_runs())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_run(client: LayerNextClient, run: list[ImageAnnotations]) -> None:
    """Any valid annotations, any Unicode, any finite numbers: equal after the round trip."""
    collection = fresh()
    report = client.upload_modelrun(collection, "run", run)
    assert list(client.iter_annotations(collection, "run")) == run
    assert (report.images, report.unmatched_images) == (len(run), len(run))


@given(collection=names, name=names, image=names, label=names)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_names(
    client: LayerNextClient, collection: str, name: str, image: str, label: str
) -> None:
    """Any Unicode names a collection, a run, an image and a label."""
    if not collection.strip("/"):
        return
    run = f"{name}{uuid.uuid4().hex[:8]}"
    wanted = [
        ImageAnnotations(image=image, annotations=[Rectangle(label=label, bbox=(1, 2, 3, 4))])
    ]
    client.upload_modelrun(collection, run, wanted)
    assert list(client.iter_annotations(collection, run)) == wanted
    (found,) = [r for r in client.runs.list(collection) if r.name == run]
    assert found.collection == collection.rstrip("/")
    assert client.remove_annotations(collection, run).images == 1
    assert list(client.iter_annotations(collection, run)) == []


@given(image=v1_images())
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_v1_file(
    client: LayerNextClient, tmp_path: Path, image: tuple[Geometry, dict[str, Any]]
) -> None:
    """A form v1 file comes back as the same JSON values, in form v1."""
    geometry, data = image
    path, back = tmp_path / "run.json", tmp_path / "back.json"
    path.write_text(json.dumps({"images": [data]}), encoding="utf-8")
    collection = fresh()
    client.upload_modelrun_from_json(collection, "run", path, geometry)
    client.download_to_file(collection, ["run"], back)
    assert json.loads(back.read_bytes()) == {"images": [data]}


def v2_run() -> list[dict[str, Any]]:
    return [
        {
            "image": "sub folder/a_1.jpg",
            "annotations": [
                {"type": "rectangle", "label": "fork lift", "bbox": [243.0, 298.28999999999996, 0, 1e-7], "confidence": 0.30611335805442985},
                {"type": "polygon", "label": "ü", "polygon": [[0.1, 0.2], [3, 4]], "attributes": {"color": [{"value": "red", "confidence": 0.5}, {"value": "blue"}], "load": []}},
                {"type": "line", "label": "ü", "line": [[1, 2]], "attributes": {"n": [{"value": 1}], "deep": [{"value": {"a": [None, True, 1.5]}}], "none": [{"value": None}]}},
                {"type": "points", "label": "p", "points": [[1, 2], [3, 4]], "metadata": {"track": 17, "x": {"y": [1, "2"]}}},
                {"type": "rotated_box", "label": "p", "bbox": [243.0, 298.28999999999996, 0, 1e-7], "rotation": -0.30611335805442985, "confidence": 1},
                {"type": "keypoints", "label": "p", "keypoints": [[243, 298.28999999999996, 2], [1.0, 1e-7, 0.25], [0, 0, 0]], "bbox": [1.5, 2, 3, 4]},
                {"type": "keypoints", "label": "p", "keypoints": [[0, 0, 0]], "confidence": 0.5},
            ],
        },
        {"image": "b.jpg", "annotations": []},
    ]  # fmt: skip


@pytest.mark.parametrize("normalized", [False, True])
def test_v2_file(pair: Pair, tmp_path: Path, *, normalized: bool) -> None:
    """Every geometry, attributes of any JSON type, free metadata and empty sets: both protocols."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"images": v2_run()}), encoding="utf-8")
    collection = fresh()
    report = pair.writer.upload_annotations_for_collection(collection, "r", path, normalized, True)
    assert (report.images, report.annotations) == (2, 7)
    assert {"fork lift", "ü", "p"} >= set(report.new_labels)
    wanted = [msgspec.structs.replace(image, normalized=normalized) for image in read(path, None)]
    stored = list(pair.writer.iter_annotations(collection, "r"))
    assert sorted(stored, key=lambda i: i.image) == sorted(wanted, key=lambda i: i.image)


@pytest.mark.parametrize("kind", ["plain", "gz", "zst", "bom", "indented", "crlf"])
def test_file_forms(pair: Pair, tmp_path: Path, kind: str) -> None:
    """A file may be compressed, indented, have a byte order mark or Windows line ends."""
    text = json.dumps({"images": v2_run()}, indent=3 if kind in {"indented", "crlf"} else None)
    raw = text.replace("\n", "\r\n").encode() if kind == "crlf" else text.encode()
    packed = {
        "gz": gzip.compress(raw),
        "zst": zstandard.ZstdCompressor().compress(raw),
        "bom": b"\xef\xbb\xbf" + raw,
    }
    path = tmp_path / "run.json"
    path.write_bytes(packed.get(kind, raw))
    collection = fresh()
    pair.writer.upload_annotations_for_collection(collection, "r", path, False, True)
    stored = {image.image: image for image in pair.writer.iter_annotations(collection, "r")}
    assert stored == {image.image: image for image in read(path, None)}


def test_many_batches(pair: Pair) -> None:
    """Several batches, an image named twice: all annotations are there, in their order."""
    collection = fresh()

    def images() -> Any:
        for number in range(2_501):
            box = {"type": "rectangle", "label": f"l{number % 7}", "bbox": [number, 0, 1, 2]}
            yield {"image": f"{number % 2_500:05}.jpg", "annotations": [box]}

    seen: list[tuple[int, int | None]] = []
    report = pair.writer.upload_modelrun(
        collection, "r", images(), progress=lambda _what, done, total: seen.append((done, total))
    )
    assert (report.images, report.annotations) == (2_500, 2_501)
    if pair.protocol == "native":  # by the published one they adapt to the network
        assert report.batches == 3
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == 2_501
    stored = {
        image.image: image.annotations for image in pair.writer.iter_annotations(collection, "r")
    }
    assert len(stored) == 2_500
    assert [a.bbox[0] for a in stored["00000.jpg"] if isinstance(a, Rectangle)] == [0, 2_500]
    assert all(len(a) == 1 for name, a in stored.items() if name != "00000.jpg")


def test_repeated_upload_changes_nothing(pair: Pair) -> None:
    """The same upload a second time leaves the same sets; a smaller one replaces its images only."""
    collection = fresh()
    run = [
        ImageAnnotations(image=f"{n}.jpg", annotations=[Rectangle(label="a", bbox=(n, 0, 1, 1))])
        for n in range(3)
    ]
    for _ in range(2):
        pair.writer.upload_modelrun(collection, "r", run)
        assert list(pair.writer.iter_annotations(collection, "r")) == run
    other = ImageAnnotations(image="1.jpg", annotations=[])
    pair.writer.upload_modelrun(collection, "r", [other])
    assert Counter(i.image for i in pair.writer.iter_annotations(collection, "r")) == Counter(
        ["0.jpg", "1.jpg", "2.jpg"]
    )
    assert other in list(pair.writer.iter_annotations(collection, "r"))


def test_sessions_are_random(published_stack: StackProcess) -> None:
    """No two uploads share a session, at whatever moment they begin."""
    network = FaultyNetwork()
    with LayerNextClient(*published_stack.arguments, http=network) as client:
        for _ in range(2):
            client.upload_modelrun(fresh(), "r", [{"image": "a", "annotations": []}])
    bodies = [json.loads(r.content) for r in network.requests if r.url.path.endswith("/update")]
    sessions = [body["sessionId"] for body in bodies]
    assert len(sessions) == len(set(sessions)) == 2
    assert all(uuid.UUID(session).version == 4 for session in sessions)


def test_published_and_native_store_the_same(
    native_stack: Any, client: LayerNextClient, tmp_path: Path
) -> None:
    """On one stack, what one protocol wrote the other reads, equal, under the same collection."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"images": v2_run()}), encoding="utf-8")
    with LayerNextClient(*native_stack.arguments, protocol="published") as old:
        for collection in (
            fresh("new one/sub"),
            client.collections.create(fresh("known.one")).name,
        ):
            old.upload_annotations_for_collection(collection, "old", path, False, True)
            client.upload_annotations_for_collection(collection, "new", path, False, True)
            for reader in (old, client):
                by_old = {i.image: i for i in reader.iter_annotations(collection, "old")}
                by_new = {i.image: i for i in reader.iter_annotations(collection, "new")}
                assert by_old == by_new == {i.image: i for i in read(path, None)}
            assert {r.name: (r.image_count, r.annotation_count) for r in client.runs.list(collection)} == {
                "old": (2, 7),
                "new": (2, 7),
            }  # fmt: skip


def test_numpy_in_dictionaries(pair: Pair) -> None:
    """Arrays and scalars of numpy inside plain dictionaries are numbers like any other."""
    collection = fresh()
    item = {
        "image": "a.jpg",
        "annotations": [
            {
                "type": "rectangle",
                "label": "a",
                "bbox": np.array([1.5, 2, 3, 4], dtype=np.float32),
                "confidence": np.float32(0.25),
                "metadata": {"count": np.int64(3), "flag": np.bool_(True), "m": np.eye(2)},
            }
        ],
    }
    pair.writer.upload_modelrun(collection, "r", iter([item]))
    (image,) = pair.writer.iter_annotations(collection, "r")
    (box,) = image.annotations
    assert box == Rectangle(
        label="a",
        bbox=(1.5, 2, 3, 4),
        confidence=0.25,
        metadata={"count": 3, "flag": True, "m": [[1, 0], [0, 1]]},
    )


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (float("nan"), "images[1].annotations[0].metadata.x"),
        (np.float64("inf"), "images[1].annotations[0].metadata.x"),
        ([1, np.array([0.5, np.nan])], "images[1].annotations[0].metadata.x[1][1]"),
        ({"deep": float("-inf")}, "images[1].annotations[0].metadata.x.deep"),
    ],
    ids=["nan", "numpy-inf", "array", "nested"],
)
@pytest.mark.parametrize("typed", [False, True], ids=["dictionary", "typed"])
def test_not_finite(client: LayerNextClient, value: Any, where: str, *, typed: bool) -> None:
    """A number that JSON cannot carry is refused with its place, and never becomes null."""
    collection = fresh()
    fine = ImageAnnotations(image="a.jpg", annotations=[])
    if typed:
        box = Rectangle(label="a", bbox=(0, 0, 1, 1), metadata={"x": value})
        bad: Any = ImageAnnotations(image="b.jpg", annotations=[box])
    else:
        fields = {"type": "rectangle", "label": "a", "bbox": [0, 0, 1, 1], "metadata": {"x": value}}
        bad = {"image": "b.jpg", "annotations": [fields]}
    with pytest.raises(DataError) as caught:
        client.upload_modelrun(collection, "r", [fine, bad])
    assert caught.value.where == where


endless: list[Any] = []
endless.append(endless)
deep = {
    "image": "a",
    "annotations": [
        {"type": "rectangle", "label": "a", "bbox": [0, 0, 1, 1], "metadata": {"a": endless}}
    ],
}


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"image": "a"}, id="no-annotations"),
        pytest.param("a.jpg", id="text"),
        pytest.param({"image": "a", "annotations": [{"type": "rectangle", "label": "a", "bbox": [0, 0, -1, 1]}]}, id="negative"),
        pytest.param({"image": "a", "annotations": [], 7: 1}, id="key-is-a-number"),
        pytest.param({"image": "a", "annotations": [{"type": "image_label", "label": "a", 7: 1}]}, id="key-of-an-annotation-is-a-number"),
        pytest.param({"image": "\ud800", "annotations": []}, id="surrogate"),
        pytest.param({"image": "a", "annotations": [{"type": "rectangle", "label": "a", "bbox": [0, 0, 1, 1], "metadata": {1: 2}}]}, id="metadata-key-is-a-number"),
        pytest.param({"image": "a", "annotations": [{"type": "rectangle", "label": "a", "bbox": [0, 0, 1, 1], "metadata": {"a": object()}}]}, id="object"),
        pytest.param({"image": "a", "annotations": [{"type": "rectangle", "label": "a", "bbox": [0, 0, 1, 1], "metadata": {"a": {1, 2}}}]}, id="set"),
        pytest.param(ImageAnnotations(image="", annotations=[]), id="typed-empty-name"),
        pytest.param(ImageAnnotations(image="a", annotations=[Rectangle(label="a", bbox=(0, 0, 1, 1), metadata={"a": {1: 2}})]), id="typed-key-is-a-number"),
        pytest.param(ImageAnnotations(image="a", annotations=[Rectangle(label="a", bbox=(0, 0, 1, 1), metadata={"at": datetime(2024, 5, 2, tzinfo=timezone.utc)})]), id="typed-date"),
        pytest.param(ImageAnnotations(image="a", annotations=[Rectangle(label="a", bbox=(0, 0, 1, 1), attributes={"b": [AttributeValue(b"bytes")]})]), id="typed-bytes"),
        pytest.param(ImageAnnotations(image="a", annotations=[Rectangle(label="a", bbox=(0, 0, 1, 1), confidence=float("nan"))]), id="typed-confidence-nan"),
        pytest.param(deep, id="endless"),
        pytest.param(ImageAnnotations(image="a", annotations=[Rectangle(label="a", bbox=(0, 0, -1, 1))]), id="typed-negative"),
    ],
)  # fmt: skip
def test_bad_items(client: LayerNextClient, bad: Any) -> None:
    """What cannot be stored exactly is refused with the image's place, before it is sent."""
    collection = fresh()
    with pytest.raises(DataError, match=r"images\[1\]"):
        client.upload_modelrun(collection, "r", [{"image": "fine", "annotations": []}, bad])


def test_published_refuses_what_it_cannot_carry(native_stack: Any, client: LayerNextClient) -> None:
    """Two values that the published protocol writes alike are refused before anything is sent."""
    collection = fresh()
    box = {"type": "rectangle", "label": fresh("label"), "bbox": [0, 0, 1, 1]}
    values = {"attributes": {"n": [{"value": 1}, {"value": "1"}]}}
    items = [{"image": "a.jpg", "annotations": [box | values]}]
    with (
        LayerNextClient(*native_stack.arguments, protocol="published") as old,
        pytest.raises(DataError, match="published protocol"),
    ):
        old.upload_modelrun(collection, "r", items)
    with pytest.raises(NotFound):
        client.runs.list(collection)
    client.upload_modelrun(collection, "r", items)
    (image,) = client.iter_annotations(collection, "r")
    assert [v.value for v in image.annotations[0].attributes["n"]] == [1, "1"]


def test_unique_names_and_paths(pair: Pair, tmp_path: Path) -> None:
    """The same images are found by unique name and by storage path."""
    collection = fresh("yard.cam")
    path = tmp_path / "run.json"

    def write(*images: str) -> None:
        rows = [{"image": i, "annotations": [{"type": "rectangle", "label": "a", "bbox": [1, 2, 3, 4]}]} for i in images]  # fmt: skip
        path.write_text(json.dumps({"images": rows}))

    write("a_1.jpg", "b.jpg")
    pair.writer.upload_annotations_for_collection(collection, "by name", path, False, True)
    write(f"{collection}_a_1.jpg", f"{collection}_b.jpg")
    pair.writer.upload_annotations_by_unique_name("by unique name", path, False, True)
    for run in ("by name", "by unique name"):
        stored = [image.image for image in pair.writer.iter_annotations(collection, run)]
        assert stored == ["a_1.jpg", "b.jpg"]
    write("/lake/x/c.jpg")
    report = pair.writer.upload_annotations_by_storage_path(
        "by path", path, False, True, "bucket-2"
    )
    assert (report.images, report.unmatched_images) == (1, 1)


def test_published_refuses_a_slash_at_the_start(published_stack: Any) -> None:
    """A name that would change on the way into a new collection is refused; later it is fine."""
    box = {"type": "rectangle", "label": "a", "bbox": [1, 2, 3, 4]}
    plain, rooted = ({"image": name, "annotations": [box]} for name in ("a.jpg", "/b.jpg"))
    collection = fresh()
    with LayerNextClient(*published_stack.arguments) as client:
        with pytest.raises(DataError, match=r"images\[1\].image: '/b.jpg' begins with a slash"):
            client.upload_modelrun(collection, "run", [plain, rooted])
        client.upload_modelrun(collection, "run", [plain])
        client.upload_modelrun(collection, "run", [rooted])
        stored = [image.image for image in client.iter_annotations(collection, "run")]
    assert stored == ["a.jpg", "/b.jpg"]


def test_ground_truth_and_model_run_of_one_name(pair: Pair) -> None:
    """Read apart, whatever protocol is spoken."""
    collection, name = fresh(), fresh("same")
    for truth in (False, True):
        box = {"type": "rectangle", "label": "truth" if truth else "cup", "bbox": [1, 2, 3, 4]}
        items = [{"image": "a.jpg", "annotations": [box]}]
        pair.writer.upload_modelrun(collection, name, items, ground_truth=truth)
    for truth in (False, True):
        (image,) = pair.writer.iter_annotations(collection, name, ground_truth=truth)
        assert [one.label for one in image.annotations] == ["truth" if truth else "cup"]


def test_run_as_a_file(pair: Pair, tmp_path: Path) -> None:
    """One run can be written to a file by either protocol, and the file uploaded again."""
    collection, path = fresh(), tmp_path / "run.json.gz"
    box = {"type": "rectangle", "label": "cup", "bbox": [1.5, 2, 3, 4], "confidence": 0.5}
    items = [{"image": f"{n}.jpg", "annotations": [box] * n} for n in range(3)]
    pair.writer.upload_modelrun(collection, "run", items)
    report = pair.writer.download_to_file(collection, "run", path)
    assert report.images == 3
    wanted = list(pair.writer.iter_annotations(collection, "run"))
    assert read(path, None) == wanted
    pair.writer.upload_modelrun(collection, "again", path)
    assert list(pair.writer.iter_annotations(collection, "again")) == wanted


def test_published_says_when_images_went_elsewhere(
    native_stack: Any, client: LayerNextClient
) -> None:
    """`park_west` is new and `park` is known: a key cannot tell them apart, and that is said."""
    park = fresh("park")
    item = {"image": "1.jpg", "annotations": []}
    client.upload_modelrun(park, "run", [item])
    with (
        LayerNextClient(*native_stack.arguments, protocol="published") as old,
        pytest.raises(UploadIncomplete, match=f"the beginning of '{park}_west'"),
    ):
        old.upload_modelrun(f"{park}_west", "run", [item])


def test_names_that_begin_alike_over_the_published_protocol(published_stack: Any) -> None:
    """Where both collections are guesses, each is found under its own name."""
    park = fresh("park")
    with LayerNextClient(*published_stack.arguments) as client:
        for name in (park, f"{park}_west"):
            client.upload_modelrun(name, "run", [{"image": "1.jpg", "annotations": []}])
            assert [one.image for one in client.iter_annotations(name, "run")] == ["1.jpg"]


def test_names_are_no_markup(client: LayerNextClient, capfd: pytest.CaptureFixture[str]) -> None:
    """A progress bar shows a run's name as it is."""
    collection, name = fresh(), "a[/b] [red]c"
    client.upload_modelrun(collection, name, [{"image": "a", "annotations": []}], progress=True)
    assert name in capfd.readouterr().err


def test_a_file_of_one_run_takes_one_stream(native_stack: StackProcess, tmp_path: Path) -> None:
    """The stream itself says whether there is one run, so that no other request is made for it."""
    collection = fresh()
    box = {"label": "cup", "bbox": [1, 2, 3.0, 4]}
    network = FaultyNetwork()
    with LayerNextClient(*native_stack.arguments, http=network) as client:
        for ground_truth in (False, True):
            client.upload_modelrun(
                collection,
                "r",
                [{"image": "a.jpg", "annotations": [box]}],
                geometry="rectangle",
                ground_truth=ground_truth,
            )
        network.requests.clear()
        client.download_to_file(collection, "r", tmp_path / "one.json", ground_truth=True)
        # The skeletons stand before the images, so they are asked for first.
        paths = ["/api/v1/collection-classes", "/api/v1/annotations"]
        assert [request.url.path for request in network.requests] == paths
        client.download_to_file(collection, "r", tmp_path / "both.json")
    (entry,) = json.loads((tmp_path / "one.json").read_bytes())["images"]
    assert entry == {"image": "a.jpg", "annotations": [box]}
    both = json.loads((tmp_path / "both.json").read_bytes())["images"]
    assert sorted(entry["mode"] for entry in both) == ["human", "machine"]
