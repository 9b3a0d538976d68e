"""Every format: written, read back, and read by others."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layernext.errors import ConfigurationError, DataError, FormatError
from layernext.formats import FORMATS, Sample, convert, read_format, write_export
from layernext.formats.conversion import detect_format
from layernext.model import Annotation, AttributeValue, Line, Points, Polygon, Rectangle

number = st.floats(0, 1000, allow_nan=False).map(lambda x: round(x, 3))
point = st.tuples(number, number)
label = st.sampled_from(["cup", "größe", 'a "b" & <c>', "two words", "名前"])
confidence = st.none() | st.floats(0, 1).map(lambda x: round(x, 4))
shapes = {
    "rectangle": st.builds(
        lambda one, name, sure: Rectangle(label=name, bbox=one, confidence=sure),
        st.tuples(number, number, number, number), label, confidence,
    ),
    "polygon": st.builds(
        lambda one, name: Polygon(label=name, polygon=one),
        st.lists(point, min_size=3, max_size=6), label,
    ),
    "line": st.builds(
        lambda one, name: Line(label=name, line=one), st.lists(point, min_size=2, max_size=5), label
    ),
    "points": st.builds(
        lambda one, name: Points(label=name, points=one), st.lists(point, min_size=1, max_size=5),
        label,
    ),
}  # fmt: skip
HOLDS = {
    "layernext": ["rectangle", "polygon", "line", "points"],
    "coco": ["rectangle", "polygon"],
    "yolo": ["rectangle"],
    "yolo-segmentation": ["polygon"],
    "voc": ["rectangle"],
    "labelme": ["rectangle", "polygon", "line", "points"],
    "cvat": ["rectangle", "polygon", "line", "points"],
    "label-studio": ["rectangle", "polygon"],
    "csv": ["rectangle", "polygon", "line", "points"],
}
KEEPS_CONFIDENCE = {"layernext", "coco", "csv", "label-studio"}


def samples_of(name: str) -> st.SearchStrategy[list[Sample]]:
    one = st.one_of(*(shapes[each] for each in HOLDS[name]))
    sets = st.lists(st.lists(one, max_size=4), min_size=1, max_size=4)
    return sets.map(
        lambda found: [
            Sample(image=f"cam 1/ü{n}.jpg", annotations=some, width=1000, height=800)
            for n, some in enumerate(found)
        ]
    )


def same(left: Annotation, right: Annotation, name: str) -> bool:
    """Equal label and kind, and coordinates within a ten-thousandth of a pixel."""
    if left.label != right.label or type(left) is not type(right):
        return False
    if name in KEEPS_CONFIDENCE and left.confidence != right.confidence:
        return False
    ours, theirs = (_numbers(each) for each in (left, right))
    return ours == pytest.approx(theirs, abs=1e-4)


def _numbers(one: Annotation) -> list[float]:
    if isinstance(one, Rectangle):
        return list(one.bbox)
    pairs: Sequence[tuple[float, float]] = getattr(one, one.geometry)
    return [each for pair in pairs for each in pair]


@pytest.mark.parametrize("name", sorted(HOLDS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, name: str, data: Any) -> None:
    """What a format can hold comes back from it, shape by shape."""
    samples = data.draw(samples_of(name))
    folder = tmp_path_factory.mktemp("formats")
    target = folder / ("out" if FORMATS[name].is_folder else f"out.{name}")
    report = write_export(samples, target, name, strict=False)
    assert report.images == len(samples)
    assert [each.name for each in folder.iterdir()] == [target.name]
    images = folder / "images"
    if name.startswith("yolo"):
        _make_images(images, samples)
    found = {each.image: each for each in read_format(target, name, images=images)}
    assert set(found) == {sample.image for sample in samples}
    for sample in samples:
        other = found[sample.image].annotations
        assert len(other) == len(sample.annotations)
        for left, right in zip(sample.annotations, other, strict=True):
            assert same(left, right, name), (left, right)


def test_voc_of_a_box_without_height(tmp_path: Path) -> None:
    """0.062 + 1 - 1 is a little more than 0.062; the box is still no box upside down."""
    flat = Rectangle(label="cup", bbox=(0.0, 0.062, 0.0, 0.0))
    write_export(
        [Sample(image="a.jpg", annotations=[flat], width=9, height=9)], tmp_path / "out", "voc"
    )
    (back,) = read_format(tmp_path / "out", "voc")
    assert same(back.annotations[0], flat, "voc")


def _make_images(folder: Path, samples: list[Sample]) -> None:
    from PIL import Image

    for sample in samples:
        path = folder / sample.image
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            Image.new("1", (sample.width or 1, sample.height or 1)).save(path, "PNG")


def rich() -> list[Sample]:
    """An image with everything."""
    attributes = {"colour": [AttributeValue(value="red", confidence=0.5)]}
    fields: dict[str, Any] = {"attributes": attributes, "metadata": {"track": 7}, "confidence": 0.9}
    return [
        Sample(
            image="a.jpg",
            width=640,
            height=480,
            split="validation",
            annotations=[
                Rectangle(label="cup", bbox=(10, 20, 30, 40), **fields),
                Polygon(label="cup", polygon=[(0, 0), (10, 0), (10, 10)], **fields),
                Line(label="edge", line=[(0, 0), (5, 5)], **fields),
                Points(label="dot", points=[(1, 2)], **fields),
            ],
        ),
        Sample(image="b.jpg", width=640, height=480, annotations=[]),
    ]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_losses_are_named(tmp_path: Path, name: str) -> None:
    """What a format cannot hold is counted with its first place, or refused with `strict`."""
    report = write_export(rich(), tmp_path / "out", name)
    plain = report.to_dict()["losses"]
    if name == "csv":
        assert plain == {}
        again = list(read_format(tmp_path / "out", "csv"))
        assert again == rich()
        return
    assert plain
    assert all(each["count"] > 0 and each["first"].startswith("a.jpg") for each in plain.values())
    with pytest.raises(DataError, match="cannot be kept"):
        write_export(rich(), tmp_path / "strict", name, strict=True)
    assert not (tmp_path / "strict").exists()


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_coco_is_read_by_the_reference(tmp_path: Path) -> None:
    """pycocotools reads instances and results, and finds a perfect model perfect."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    samples = [
        Sample(
            image=f"{n}.jpg",
            width=640,
            height=480,
            annotations=[
                Rectangle(label=f"l{k % 3}", bbox=(k * 9, n * 7, 20 + k, 30), confidence=0.9)
                for k in range(n)
            ],
        )
        for n in range(5)
    ]
    truths, found = tmp_path / "truths.json", tmp_path / "found.json"
    labels = ["l0", "l1", "l2"]
    write_export(samples, truths, "coco", labels=labels)
    write_export(samples, found, "coco-results", labels=labels)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(truths))
        evaluation = COCOeval(reference, reference.loadRes(str(found)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
    assert len(reference.getAnnIds()) == 10
    polygon = [Sample(image="p.jpg", width=9, height=9, annotations=[rich()[0].annotations[1]])]
    write_export(polygon, tmp_path / "p.json", "coco")
    with contextlib.redirect_stdout(io.StringIO()):
        read = COCO(str(tmp_path / "p.json"))
    (one,) = read.loadAnns(read.getAnnIds())
    assert (one["area"], one["bbox"]) == (50.0, [0.0, 0.0, 10.0, 10.0])
    assert read.annToMask(one).sum() > 0


def test_yolo_as_documented(tmp_path: Path) -> None:
    """Middles and sizes as fractions; data.yaml names splits and classes."""
    write_export(rich(), tmp_path / "out", "yolo")
    text = (tmp_path / "out" / "labels" / "val" / "a.txt").read_text()
    box, outline = text.splitlines()
    assert [float(each) for each in box.split()[1:]] == pytest.approx(
        [25 / 640, 40 / 480, 30 / 640, 40 / 480]
    )
    assert outline.startswith("0 ")
    assert (tmp_path / "out" / "labels" / "train" / "b.txt").read_text() == ""
    yaml = (tmp_path / "out" / "data.yaml").read_text()
    assert (
        yaml
        == 'path: .\ntrain: images/train\nval: images/val\nnames:\n  0: "cup"\n  1: "edge"\n  2: "dot"\n'
    )


def test_csv_columns(tmp_path: Path) -> None:
    """Any reader of tables finds a row for each annotation."""
    write_export(rich(), tmp_path / "out.csv", "csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["type"]) for row in rows] == [
        ("a.jpg", "rectangle"), ("a.jpg", "polygon"), ("a.jpg", "line"), ("a.jpg", "points"),
        ("b.jpg", ""),
    ]  # fmt: skip
    assert json.loads(rows[0]["attributes"])["colour"][0]["value"] == "red"


@pytest.mark.parametrize(
    "name", ["layernext", "coco", "voc", "labelme", "cvat", "label-studio", "csv"]
)
def test_convert_finds_out_the_format(tmp_path: Path, name: str) -> None:
    """Each file is known by its content, and converted."""
    box = Rectangle(label="cup", bbox=(10.5, 20, 30, 40))
    samples = [Sample(image="a.jpg", width=640, height=480, annotations=[box])]
    source = tmp_path / ("in.csv" if name == "csv" else "in")
    write_export(samples, source, name)
    assert detect_format(source) == name
    report = convert(source, tmp_path / "out.json", "layernext")
    assert (report.images, report.annotations) == (1, 1)
    (image,) = msgspec.json.decode((tmp_path / "out.json").read_bytes())["images"]
    assert image["annotations"][0]["bbox"] == pytest.approx([10.5, 20, 30, 40])
    with pytest.raises(ConfigurationError, match="is there already"):
        convert(source, tmp_path / "out.json", "layernext")
    assert convert(source, tmp_path / "out.json", "csv", overwrite=True).images == 1


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("coco", "[]", "no COCO file"),
        ("coco", '{"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 1}]}',
         r"annotations\[0\].image_id"),
        ("coco", ('{"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 1, "name": "c"}],'
         ' "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, -1, 1]}]}'),
         r"annotations\[0\].bbox"),
        ("cvat", "<a/>", "not <annotations>"),
        ("cvat", '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "document type"),
        ("cvat", "<annotations><image name='a'><box label='x' xtl='q'/></image></annotations>",
         r"image\[0\].box\[0\].xtl"),
        ("cvat", "<annotations>", "is not XML"),
        ("label-studio", "{}", "no list of tasks"),
        ("label-studio", "[1]", r"\[0\]"),
        ("csv", "a,b\n1,2\n", "needs the columns"),
        ("csv", "image,label,type\na,b,circle\n", ":2"),
    ],
)  # fmt: skip
def test_wrong_files_name_the_place(tmp_path: Path, name: str, content: str, place: str) -> None:
    """One sentence with the place, and no target."""
    (tmp_path / "in").write_text(content)
    with pytest.raises(FormatError, match=place):
        convert(tmp_path / "in", tmp_path / "out", "csv", source_format=name)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("image", ["../a.jpg", "/a.jpg", "a/../../b.jpg", "c:\\a.jpg", "a//b.jpg"])
@pytest.mark.parametrize("name", ["yolo", "voc", "labelme"])
def test_names_stay_below_the_folder(tmp_path: Path, name: str, image: str) -> None:
    """A name cannot lead out of the target."""
    samples = [Sample(image=image, width=1, height=1, annotations=[])]
    with pytest.raises(DataError, match="plain path"):
        write_export(samples, tmp_path / "deep" / "out", name)
    assert list(tmp_path.rglob("*.*")) == []
