"""Formats on their way into a stack and out of it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from layernext import LabelClass, LayerNextClient, Skeleton
from layernext.errors import (
    ConfigurationError,
    Conflict,
    DataError,
    FormatError,
    InvalidRequest,
    JobFailed,
    NotFound,
)
from layernext.formats import FORMATS, LabelRules, Sample, SourceOptions, read_format, write_export
from layernext.model import AttributeValue, ImageAnnotations, Polygon, Rectangle
from layernext.stack.jobs import Housekeeping, JobRunner
from layernext.stack.objects import FolderStore
from layernext.stack.store import ExportOutcome, ExportSettings, Store
from layernext.stack.store.schema import export
from tests.support.further_formats import SOURCES

_numbers = count()


def fresh() -> str:
    """A name that no other test uses."""
    return f"formats {next(_numbers)}"


BOX = Rectangle(label="cup", bbox=(1.5, 2, 3, 4), confidence=0.5)
OUTLINE = Polygon(label="plate", polygon=[(0, 0), (5, 0), (5, 5)])
SOME = [
    Sample(image="a.jpg", annotations=[BOX, OUTLINE], width=64, height=48),
    Sample(image="b.jpg", annotations=[], width=64, height=48),
]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_formats_that_are_only_read_are_uploaded(
    client: LayerNextClient, tmp_path: Path, name: str
) -> None:
    """Their images and annotations arrive, fractions as fractions."""
    collection, source = fresh(), SOURCES[name]
    report = client.upload_modelrun(collection, "m 1", source.write(tmp_path / "in"), format=name)
    annotations = sum(len(sample.annotations) for sample in source.samples)
    assert (report.images, report.annotations) == (len(source.samples), annotations)
    images = {image.image: image for image in client.iter_annotations(collection, "m 1")}
    for sample in source.samples:
        assert images[sample.image].normalized == sample.normalized
        assert images[sample.image].annotations == sample.annotations


WRITTEN = {name for name, entry in FORMATS.items() if entry.read and entry.write} - {
    "culane", "classification", "open-images-labels", "yolo-pose", "masks", "coco-panoptic", "cvat-video", "mot",
}  # fmt: skip
"""Formats of boxes on images that are written, too."""


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_every_format_is_uploaded(client: LayerNextClient, tmp_path: Path, name: str) -> None:
    """One call brings a file of any format into a stack; what is not read of it is in the report."""
    source, photos, collection = tmp_path / "in", tmp_path / "photos", fresh()
    write_export(SOME, source, name)
    more = {}
    if name.startswith("yolo") or name == "dota":
        from PIL import Image

        photos.mkdir()
        for sample in SOME:
            Image.new("1", (64, 48)).save(photos / sample.image)
        more["images"] = photos
    if name == "coco-results":
        write_export(SOME, tmp_path / "instances.json", "coco")
        more["instances"] = tmp_path / "instances.json"
    report = client.upload_modelrun(collection, "m", source, format=name, **more)
    assert report.losses == {}
    found = {each.image: each.annotations for each in client.iter_annotations(collection, "m")}
    assert found["a.jpg"][0].label == "cup"
    left = found["a.jpg"][0]
    assert (
        isinstance(left, Polygon)
        if name == "yolo-segmentation"
        else left.bbox == pytest.approx((1.5, 2, 3, 4))
    )
    assert name == "coco-results" or found["b.jpg"] == []


def test_a_wrong_file_sends_nothing(client: LayerNextClient, tmp_path: Path) -> None:
    """The whole file is checked first; the error names file and place."""
    source, collection = tmp_path / "in.csv", fresh()
    write_export(SOME, source, "csv")
    with source.open("a") as file:
        file.write("c.jpg,,,,,,cup,rectangle,1.5,0,0,1,1,,,\n")
    with pytest.raises(FormatError, match=r"in\.csv:5: the confidence is 1\.5"):
        client.upload_modelrun(collection, "m", source, format="csv")
    assert collection not in [each.name for each in client.collections.list()]
    with pytest.raises(ConfigurationError, match="there is no format"):
        client.upload_modelrun(collection, "m", source, format="cvs")


def test_coco_with_labels_and_annotations(client: LayerNextClient, tmp_path: Path) -> None:
    """E05, finished: supercategories are labels, categories their attribute `name`, and annotations come, too."""
    content = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "categories": [
            {"id": 1, "name": "bottle", "supercategory": fresh()},
            {"id": 2, "name": "cup", "supercategory": "kitchen things"},
            {"id": 3, "name": "fork", "supercategory": "kitchen things"},
            {"id": 4, "name": fresh()},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "bbox": [1, 2, 3, 4],
                "segmentation": [[1, 2]],
            }
        ],
    }
    source, collection = tmp_path / "instances_val.json", fresh()
    source.write_text(json.dumps(content))
    report = client.upload_annotation_from_cocojson(source, collection)
    assert (report.run, report.mode, report.annotations) == ("instances_val", "human", 1)
    assert list(report.losses) == ["a segmentation that is not outlines; its box is"]
    (image,) = client.iter_annotations(collection, "instances_val")
    (one,) = image.annotations
    assert (one.label, one.attributes) == (
        "kitchen things",
        {"name": [AttributeValue(value="fork")]},
    )
    labels = {each.name: each for each in client.get_all_labels()}
    assert content["categories"][3]["name"] in labels
    (attribute,) = labels["kitchen things"].attributes
    assert {each["value"] for each in attribute.values} >= {"cup", "fork"}
    with pytest.raises(DataError, match="not kept: "):
        client.upload_annotation_from_cocojson(source, collection, strict=True)


def export_of(client: LayerNextClient, folder: Path, **wanted: Any) -> Path:
    """The file of an export that the stack has made."""
    begun = client.exports.start(**wanted)
    client.wait_for_job_complete(begun.job_id, timeout_s=60)
    found = client.exports.get(begun.id)
    assert (found.status, found.format, found.message) == ("completed", wanted["format"], "")
    report = client.exports.download(found.id, folder)
    assert report.downloaded == [found.file_name]
    assert client.exports.download(found.id, folder).unchanged == [found.file_name]
    path = folder / found.file_name
    assert found.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    return path


def test_export_of_a_run_as_a_job(client: LayerNextClient, tmp_path: Path) -> None:
    """The stack makes a file, which is whole, verified, and the same as what is written here."""
    collection = fresh()
    write_export(SOME, tmp_path / "in.json", "layernext")
    client.upload_modelrun(collection, "m", tmp_path / "in.json")
    path = export_of(client, tmp_path / "a", format="coco", collection=collection, run="m")
    client.runs.export(collection, "m", tmp_path / "own.json", "coco")
    assert path.read_bytes() == (tmp_path / "own.json").read_bytes()
    assert path.name == f"{collection}-m.json"
    bare = [replace(sample, width=None, height=None) for sample in SOME]
    write_export(bare, tmp_path / "bare.json", "layernext")
    sizeless = fresh()
    client.upload_modelrun(sizeless, "m", tmp_path / "bare.json")
    begun = client.exports.start("yolo", collection=sizeless, run="m")
    with pytest.raises(JobFailed, match="size in pixels is not known"):
        client.wait_for_job_complete(begun.job_id, timeout_s=60)
    with pytest.raises(Conflict, match=r"failed: .*not known"):
        client.exports.download(begun.id, tmp_path)
    assert client.exports.list()[0].id == begun.id
    client.exports.delete(begun.id)
    with pytest.raises(NotFound):
        client.exports.get(begun.id)
    for wrong in ({"format": "tfrecord", "run": "m"}, {"format": "coco"}):
        with pytest.raises((DataError, InvalidRequest), match=r"TensorFlow|needs collection"):
            client.exports.start(collection=collection, **wrong)
    with pytest.raises(NotFound, match="no annotations of 'n'"):
        client.exports.start("coco", collection=collection, run="n")
    client.upload_modelrun(collection, "m", tmp_path / "in.json", ground_truth=True)
    with pytest.raises(Conflict, match="model run and a ground truth"):
        client.exports.start("coco", collection=collection, run="m")
    assert client.exports.start("csv", collection=collection, run="m", ground_truth=True).run == "m"


def test_export_of_a_dataset(client: LayerNextClient, tmp_path: Path) -> None:
    """A version is exported as a job and directly, alike, with its splits as folders."""
    from PIL import Image

    collection, photos = fresh(), tmp_path / "photos"
    photos.mkdir()
    box = Rectangle(label="cup", bbox=(16, 12, 32, 24))
    names = [f"{n:02}.png" for n in range(10)]
    for number, name in enumerate(names):
        Image.new("L", (64, 48), number).save(photos / name)
    client.upload_files_to_collection(photos, "image", collection, progress=False)
    some = [ImageAnnotations(image=name, annotations=[box]) for name in names]
    client.upload_modelrun(collection, "truth", some, ground_truth=True)
    client.upload_modelrun(collection, "m", some[:4])
    split = {"train": 60, "validation": 20, "test": 20}
    made = client.create_dataset_from_collection(f"{collection} set", collection, split)
    client.wait_for_job_complete(made.job_id, timeout_s=60)
    path = export_of(client, tmp_path, format="yolo", dataset_version=made.version_id)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "theirs")
    report = client.datasets.export(made.version_id, tmp_path / "ours", "yolo")
    assert (report.images, report.annotations) == (10, 14)
    assert list(report.losses) == ["which model run or ground truth an annotation is of"]
    files = {
        each: sorted(p.relative_to(tmp_path / each) for p in (tmp_path / each).rglob("*.*"))
        for each in ("theirs", "ours")
    }
    assert files["ours"] == files["theirs"]
    assert len([each for each in files["ours"] if each.parts[:2] == ("labels", "val")]) == 2
    for each in files["ours"]:
        assert (tmp_path / "ours" / each).read_bytes() == (tmp_path / "theirs" / each).read_bytes()
    client.datasets.export(made.version_id, tmp_path / "t.parquet", "parquet", split="test")
    samples = list(read_format(tmp_path / "t.parquet", "parquet"))
    assert {each.split for each in samples} == {"test"}
    assert {(each.run, each.mode) for each in samples} >= {("truth", "human")}
    assert {(each.width, each.height) for each in samples} == {(64, 48)}


def test_an_export_expires(tmp_path: Path) -> None:
    """After its time an export is gone, and housekeeping deletes its file."""
    store = Store.open(f"sqlite:///{tmp_path / 'stack.sqlite3'}")
    objects = FolderStore(tmp_path / "objects")
    settings = ExportSettings(
        format="csv", collection_id=1, collection="c", run="m", mode="machine"
    )
    row = store.exports.create(settings, "c-m.csv", ".csv")
    objects.put([(row.object_path, b"image\n")])
    outcome = ExportOutcome(images=0, annotations=0, losses={})
    assert store.exports.finish(row.id, 6, "0" * 64, outcome)
    jobs = JobRunner(store.jobs, {})
    Housekeeping(store, objects, jobs, None).tidy()
    assert store.exports.get(row.id).size == 6
    with store.database.write() as connection:
        connection.execute(sa.update(export).values(expires_at="2020-01-01T00:00:00.000Z"))
    Housekeeping(store, objects, jobs, None).tidy()
    with pytest.raises(NotFound):
        store.exports.get(row.id)
    with pytest.raises(NotFound):
        b"".join(objects.read(row.object_path))
    assert not store.exports.finish(row.id, 6, "0" * 64, outcome)
    store.close()


CATEGORIES = [
    {"id": 7, "name": "plate"},
    {"id": 3, "name": "zero"},
    {"id": 9, "name": "one"},
    {"id": 12, "name": "unused"},
]


def instances(path: Path, image: str, *category_ids: int) -> Path:
    """A file of COCO instances: an image with a box of each category."""
    boxes = [
        {"id": n, "image_id": 1, "category_id": number, "bbox": [n, 0, 10, 10], "area": 100}
        for n, number in enumerate(category_ids, 1)
    ]
    images = [{"id": 1, "file_name": image, "width": 100, "height": 100}]
    path.write_text(json.dumps({"images": images, "categories": CATEGORIES, "annotations": boxes}))
    return path


def test_classes_stay_with_a_collection(client: LayerNextClient, tmp_path: Path) -> None:
    """Exports of two runs have the same class numbers, and ids of categories, as their sources."""
    collection = fresh()
    for run, ids in (("train", (3, 9)), ("val", (9,))):
        source = instances(tmp_path / f"{run}.json", f"{run}.jpg", *ids)
        client.upload_modelrun(collection, run, source, format="coco", ground_truth=True)
        client.runs.export(collection, run, tmp_path / f"{run}.out.json", "coco")
        written = json.loads((tmp_path / f"{run}.out.json").read_text())
        assert written["categories"] == CATEGORIES
    classes = client.collections.classes(collection)
    assert [(entry.name, entry.code) for entry in classes] == [
        (category["name"], category["id"]) for category in CATEGORIES
    ]


def test_classes_of_stack_exports(client: LayerNextClient, tmp_path: Path) -> None:
    """Exports that the stack writes, and those of dataset versions, have them, too."""
    collection = fresh()
    source = instances(tmp_path / "truth.json", "a.jpg", 9)
    client.upload_modelrun(collection, "truth", source, format="coco", ground_truth=True)
    path = export_of(client, tmp_path / "out", format="coco", collection=collection, run="truth")
    assert json.loads(path.read_text())["categories"] == CATEGORIES
    dataset = client.datasets.create(
        fresh(), collection, {"train": 100, "validation": 0, "test": 0}
    )
    client.jobs.wait(dataset.job_id)
    client.datasets.export(dataset.version_id, tmp_path / "version.json", "coco")
    written = json.loads((tmp_path / "version.json").read_text())["categories"]
    assert [category["name"] for category in written] == ["plate", "zero", "one", "unused"]
    rules = LabelRules(labels=["digit"], mapping={"zero": "digit", "one": "digit"})
    report = client.datasets.export(
        dataset.version_id, tmp_path / "digits.json", "coco", label_rules=rules
    )
    written = json.loads((tmp_path / "digits.json").read_text())["categories"]
    assert ([category["name"] for category in written], report.annotations) == (["digit"], 1)


def test_classes_can_be_set(client: LayerNextClient, tmp_path: Path) -> None:
    """Classes that a user sets are the first; a source appends what is new."""
    collection = fresh()
    client.upload_modelrun(collection, "m 1", [ImageAnnotations(image="a.jpg", annotations=[BOX])])
    assert client.collections.classes(collection) == []
    client.collections.set_classes(collection, ["one", "cup"])
    source = instances(tmp_path / "truth.json", "a.jpg", 9)
    client.upload_modelrun(collection, "truth", source, format="coco", ground_truth=True)
    names = [entry.name for entry in client.collections.classes(collection)]
    assert names == ["one", "cup", "plate", "zero", "unused"]
    with pytest.raises(DataError, match="'cup' is listed twice"):
        client.collections.set_classes(collection, ["cup", "cup"])
    with pytest.raises(NotFound):
        client.collections.classes("nothing of this name")


def test_skeletons_stay_with_a_collection(client: LayerNextClient, tmp_path: Path) -> None:
    """From COCO into the classes; from there into exports of every way, and into LayerNext JSON and back."""
    person = {
        "id": 1, "name": "person", "keypoints": ["head", "left", "right"], "skeleton": [[1, 2], [1, 3]],
        "sigmas": [0.1, 0.2, 0.3], "flips": [[2, 3]],
    }  # fmt: skip
    pose = {
        "image_id": 1, "category_id": 1, "keypoints": [1, 2, 2, 3.5, 4, 1, 0, 0, 0], "bbox": [0, 0, 9, 9],
    }  # fmt: skip
    images = [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}]
    source, collection = tmp_path / "truth.json", fresh()
    content = {"images": images, "categories": [person], "annotations": [pose]}
    source.write_text(json.dumps(content))
    client.collections.create(collection)
    client.collections.set_classes(collection, ["person", "dog"])
    client.upload_modelrun(collection, "truth", source, format="coco", ground_truth=True)
    first, second = client.collections.classes(collection)
    assert first.skeleton == Skeleton(
        points=("head", "left", "right"), edges=((0, 1), (0, 2)), sigmas=(0.1, 0.2, 0.3), flips=((1, 2),)
    )  # fmt: skip
    assert (second.name, second.skeleton) == ("dog", None)
    client.runs.export(collection, "truth", tmp_path / "own.json", "coco")
    path = export_of(client, tmp_path / "out", format="coco", collection=collection, run="truth")
    for exported in (tmp_path / "own.json", path):
        written = json.loads(exported.read_text())
        assert written["categories"][0] == person
        assert written["annotations"][0]["keypoints"] == pose["keypoints"]
    client.download_to_file(collection, ["truth"], tmp_path / "back.json")
    again = fresh()
    client.upload_modelrun(again, "truth", tmp_path / "back.json", ground_truth=True)
    assert [entry.skeleton for entry in client.collections.classes(again)] == [first.skeleton]
    broken = LabelClass(name="person", skeleton=Skeleton(points=("a",), edges=((0, 4),)))
    with pytest.raises(DataError, match=r"classes\[0\]\.skeleton\.edges\[0\]"):
        client.collections.set_classes(collection, [broken])
    assert client.collections.classes(collection) == [first, second]


def test_names_match_those_of_the_collection(client: LayerNextClient, tmp_path: Path) -> None:
    """Annotations go to the images that their names mean; a preview says which, and changes nothing."""
    collection = fresh()
    names = ["train/a.jpg", "val/b.jpg", "val/same.jpg", "train/same.jpg"]
    images = [ImageAnnotations(image=name, annotations=[]) for name in names]
    client.upload_modelrun(collection, "first", images)
    matches = client.files.match(collection, ["a", "same.jpg", "new.jpg"])
    assert [match.name for match in matches.values()] == ["train/a.jpg", None, None]
    assert matches["same.jpg"].candidates == ("val/same.jpg", "train/same.jpg")
    options = SourceOptions(match_names=True)
    source = instances(tmp_path / "truth.json", "another.png", 3)
    report = client.upload_modelrun(
        collection, "truth", source, format="coco", ground_truth=True, source_options=options
    )
    assert list(report.warnings) == ["an image that the collection does not have"]
    client.upload_modelrun(
        collection, "m", instances(source, "val\\b.png", 3), format="coco", source_options=options
    )
    assert [image.image for image in client.iter_annotations(collection, "m")] == ["val/b.jpg"]
    with pytest.raises(DataError, match="fits several images"):
        client.upload_modelrun(
            collection,
            "m",
            instances(source, "same.jpg", 3),
            format="coco",
            source_options=options,
        )


def test_label_rules_of_an_export_as_a_job(client: LayerNextClient, tmp_path: Path) -> None:
    """The job writes what the client writes with the same rules."""
    collection = fresh()
    write_export(SOME, tmp_path / "in.json", "layernext")
    client.upload_modelrun(collection, "m", tmp_path / "in.json")
    label = BOX.label
    for number, rules in enumerate(
        (
            LabelRules(labels=[label.upper()], ignore_case=True),
            LabelRules(mapping={label: "thing"}),
            LabelRules(class_agnostic=True),
        )
    ):
        options = {"collection": collection, "run": "m", "format": "coco"}
        path = export_of(client, tmp_path / f"{number}", label_rules=rules, **options)
        client.runs.export(collection, "m", tmp_path / f"{number}.json", "coco", label_rules=rules)
        assert path.read_bytes() == (tmp_path / f"{number}.json").read_bytes()
        names = [category["name"] for category in json.loads(path.read_text())["categories"]]
        assert label not in names
