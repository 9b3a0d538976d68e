"""Formats that are only read: the right values, detection, every problem, archives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from layernext.errors import ConfigurationError, DataError, FormatError
from layernext.formats import (
    FORMATS,
    ExportOptions,
    Losses,
    Sample,
    convert,
    detect_format,
    read_format,
    write_export,
)
from layernext.formats.core.sample import points_of
from layernext.model import ImageLabel, Line, Polygon, Rectangle, RotatedBox
from tests.support.further_formats import CAT, SOURCES, VIA_IMAGE, VIA_SAMPLES, Source, dumped

READ_ONLY = {name for name, entry in FORMATS.items() if entry.write is None}


def test_every_format_that_is_only_read_has_a_source() -> None:
    """What is written has a round trip; what is only read is here."""
    assert set(SOURCES) >= READ_ONLY


@pytest.mark.parametrize("name", SOURCES)
def test_right_values(tmp_path: Path, name: str) -> None:
    """Detected, and read as what it is."""
    path = SOURCES[name].write(tmp_path)
    assert detect_format(path) == name
    assert list(read_format(path, name)) == SOURCES[name].samples


@pytest.mark.parametrize("name", SOURCES)
def test_zip_archive(tmp_path: Path, name: str) -> None:
    """The same in an archive."""
    SOURCES[name].write(tmp_path / "in")
    archive = Path(shutil.make_archive(str(tmp_path / "out"), "zip", tmp_path / "in"))
    assert detect_format(archive) == name
    assert list(read_format(archive, name)) == SOURCES[name].samples


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"open-images"}))
def test_conversion(tmp_path: Path, name: str) -> None:
    """All that is read can be written as CSV, and comes back."""
    path = SOURCES[name].write(tmp_path / "in")
    convert(path, tmp_path / "out.csv", "csv")
    assert list(read_format(tmp_path / "out.csv", "csv")) == SOURCES[name].samples


BAD: dict[str, tuple[str, str, int]] = {
    "culane": ("50.0", "x", 1),
    "tusimple": ("[-2, 100, 110]", "[-2, 100]", 1),
    "openlane": ("[3, 4]", "[3]", 1),
    "datumaro": ('"label_id": 0', '"label_id": 9', 2),
    "via": ('"width": 3', '"width": -3', 1),
    "createml": ('"width": 3', '"width": null', 1),
    "open-images": ("0.25,0.75", "0.75,0.25", 1),
    "open-images-labels": ("machine,/m/01yrx,0.5", "machine,/m/01yrx,5", 1),
    "dota": ("1 2 4 2", "1 2 4 y", 1),
    "kitti": ("1.0 2.0 4.0", "9.0 2.0 4.0", 2),
    "mot": ("1,7,1,2,3", "1,7,1,2,-3", 1),
}


@pytest.mark.parametrize("name", BAD)
def test_problems(tmp_path: Path, name: str) -> None:
    """A wrong value is named with file and place; the other annotations are read with `skip_invalid`."""
    old, new, count = BAD[name]
    source = SOURCES[name]
    assert any(old in text for text in source.files.values())
    files = {file: text.replace(old, new) for file, text in source.files.items()}
    path = Source(files=files, samples=[], path=source.path).write(tmp_path)
    with pytest.raises(DataError) as refusal:
        list(read_format(path, name))
    assert len(refusal.value.problems) == count
    assert all(str(tmp_path) in line for line in refusal.value.lines())
    losses = Losses()
    samples = list(read_format(path, name, losses=losses, skip_invalid=True))
    before = sum(len(sample.annotations) for sample in source.samples)
    assert losses.problems.count == count
    assert sum(len(sample.annotations) for sample in samples) < before


def test_culane_comes_back(tmp_path: Path) -> None:
    """Lanes are written and read again, to the last digit; other labels are named as a loss."""
    lines = [Line(label="lane", line=[(0.1, 1 / 3), (-5.0, 2e-7)])]
    samples = [Sample(image="a/b.jpg", annotations=lines)]  # type: ignore[arg-type]
    assert not write_export(samples, tmp_path / "out", "culane").losses
    assert list(read_format(tmp_path / "out", "culane")) == samples
    other = [Line(label="curb", line=[(1, 2)])]
    report = write_export([Sample(image="a.jpg", annotations=other)], tmp_path / "x", "culane")  # type: ignore[arg-type]
    assert list(report.losses) == ["a label; every line is a lane"]


def test_projects_and_old_files_of_via(tmp_path: Path) -> None:
    """A project has the images below a key; version 1 has regions by number."""
    project = {
        "_via_settings": {},
        "_via_img_metadata": {"a.jpg100": VIA_IMAGE},
        "_via_attributes": {},
    }
    (tmp_path / "a.json").write_text(dumped(project))
    assert detect_format(tmp_path / "a.json") == "via"
    assert list(read_format(tmp_path / "a.json", "via")) == VIA_SAMPLES
    regions = {str(n): region for n, region in enumerate(VIA_IMAGE["regions"])}  # type: ignore[arg-type]
    (tmp_path / "a.json").write_text(dumped({"a.jpg100": {**VIA_IMAGE, "regions": regions}}))
    assert list(read_format(tmp_path / "a.json", "via")) == VIA_SAMPLES


def test_losses_of_via(tmp_path: Path) -> None:
    """A region without a label is named, and so is a circle, of which the outline is read."""
    circle = {"shape_attributes": {"name": "circle", "cx": 5, "cy": 6, "r": 2}}
    regions = [circle | {"region_attributes": {"label": "a"}}, circle | {"region_attributes": {}}]
    (tmp_path / "a.json").write_text(dumped({"a": {**VIA_IMAGE, "regions": regions}}))
    losses = Losses()
    (sample,) = read_format(tmp_path / "a.json", "via", losses=losses)
    (polygon,) = sample.annotations
    assert isinstance(polygon, Polygon)
    assert max(x for x, _ in polygon.polygon) == pytest.approx(7)
    assert losses.shapes == 2


def test_detections_of_mot(tmp_path: Path) -> None:
    """Of detections the confidence is that of the model; -1 says that there is none."""
    (tmp_path / "det.txt").write_text("1,-1,1,2,3,4,0.75\n1,-1,1,2,3,4,-1,-1,-1,-1\n")
    assert detect_format(tmp_path / "det.txt") == "mot"
    (sample,) = read_format(tmp_path / "det.txt", "mot")
    assert [(box.confidence, box.metadata) for box in sample.annotations] == [
        (0.75, {}),
        (None, {}),
    ]


def test_open_images_in_pixels(tmp_path: Path) -> None:
    """With the folder of the images fractions become pixels; without it they stay."""
    path = SOURCES["open-images"].write(tmp_path / "in")
    (tmp_path / "photos").mkdir()
    for name in ("0001", "0002"):
        Image.new("RGB", (200, 100)).save(tmp_path / "photos" / f"{name}.jpg")
    first, _ = read_format(path, "open-images", images=tmp_path / "photos")
    box = first.annotations[0]
    assert isinstance(box, Rectangle)
    assert box.bbox == (50, 50, 100, 50)
    assert not first.normalized
    convert(path, tmp_path / "out.json", "layernext")
    images = json.loads((tmp_path / "out.json").read_text())["images"]
    assert all(image["isNormalized"] for image in images)


def test_rotated_box_of_datumaro(tmp_path: Path) -> None:
    """CVAT's rotation is read as a rotated box, as everywhere."""
    text = SOURCES["datumaro"].files["train.json"].replace('"occluded": false', '"rotation": 90.0')
    (tmp_path / "a.json").write_text(text)
    (sample,) = read_format(tmp_path / "a.json", "datumaro")
    assert isinstance(sample.annotations[0], RotatedBox)
    assert points_of(sample.annotations[0])[0] == (4.5, 2.5)


def test_images_of_kitti_by_folder(tmp_path: Path) -> None:
    """The extension is that of the picture in the folder."""
    path = SOURCES["kitti"].write(tmp_path / "in")
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "photos" / "000000.jpg")
    first, _ = read_format(path, "kitti", images=tmp_path / "photos")
    assert (first.image, first.width, first.height) == ("000000.jpg", 200, 100)
    assert first.annotations[0] == Rectangle(
        label="Car", bbox=CAT, metadata=first.annotations[0].metadata
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.json": '{"name": 1}'}, "unsupported format; the supported ones are"),
        ({"a/x.json": '{"items": [], "categories": {}}', "b/y.json": '{"items": [], "categories": {}}'},
         "has several files in the format datumaro: a/x.json, b/y.json"),
    ],
)  # fmt: skip
def test_folders_of_files(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """A folder of a format of single files is read if it has one, or one for each split."""
    path = Source(files=files, samples=[]).write(tmp_path)
    with pytest.raises(FormatError, match=message):
        list(read_format(path, detect_format(path)))


def test_a_file_for_each_split(tmp_path: Path) -> None:
    """Roboflow's COCO: the folders are the splits; the same names in two of them stay apart."""
    coco = dumped(
        {"images": [{"id": 1, "file_name": "a.jpg"}], "categories": [], "annotations": []}
    )
    names = (
        "train/_annotations.coco.json",
        "valid/_annotations.coco.json",
        "test/_annotations.coco.json",
    )
    path = Source(files=dict.fromkeys(names, coco), samples=[]).write(tmp_path)
    assert detect_format(path) == "coco"
    splits = [(sample.image, sample.split) for sample in read_format(path, "coco")]
    assert splits == [("a.jpg", "test"), ("a.jpg", "train"), ("a.jpg", "validation")]


def test_folders_by_class_are_written(tmp_path: Path) -> None:
    """Images go into the folder of their most confident label; what that does not say is named."""
    photos = tmp_path / "photos"
    names = ("a.jpg", "cat/b.jpg", "c.jpg")
    for name in names:
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(photos / name)
    labels = [
        [ImageLabel(label="dog", confidence=0.25), ImageLabel(label="cat", confidence=0.5)],
        [ImageLabel(label="cat")],
        [Rectangle(label="cat", bbox=CAT)],
    ]
    samples = [
        Sample(image=name, annotations=annotations, split="validation")  # type: ignore[arg-type]
        for name, annotations in zip(names, labels, strict=True)
    ]
    options = ExportOptions(copy_images=photos)
    report = write_export(samples, tmp_path / "out", "classification", options)
    assert set(report.losses) == {
        "an image without a label",
        "an image's name: the folder of its label goes before it",
        "confidence",
        "further labels of an image",
        "the geometry rectangle",
    }
    read = list(read_format(tmp_path / "out", "classification"))
    assert [(sample.image, sample.split) for sample in read] == [
        ("cat/a.jpg", "validation"),
        ("cat/b.jpg", "validation"),
    ]
    assert all(sample.annotations == [ImageLabel(label="cat")] for sample in read)
    with pytest.raises(ConfigurationError, match="folders by class consist of the images"):
        write_export(samples, tmp_path / "other", "classification")
