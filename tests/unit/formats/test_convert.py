"""Every format: written, read back, and read by others."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from layernext.errors import ConfigurationError, DataError, FormatError
from layernext.formats import (
    FORMATS,
    ExportOptions,
    Sample,
    convert,
    detect_format,
    read_format,
    write_export,
)
from layernext.formats.core import spill
from layernext.formats.registry import registry
from layernext.model import AttributeValue, Line, Points, Polygon, Rectangle


def test_voc_of_a_box_without_height(tmp_path: Path) -> None:
    """0.062 + 1 - 1 is a little more than 0.062; the box is still no box upside down."""
    flat = Rectangle(label="cup", bbox=(0.0, 0.062, 0.0, 0.0))
    write_export(
        [Sample(image="a.jpg", annotations=[flat], width=9, height=9)], tmp_path / "out", "voc"
    )
    (back,) = read_format(tmp_path / "out", "voc")
    assert back.annotations == [flat]


def _make_images(folder: Path, samples: list[Sample]) -> None:
    from PIL import Image

    for sample in samples:
        path = folder / sample.image
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            Image.new("1", (sample.width or 1, sample.height or 1)).save(path, "PNG")


def rich() -> list[Sample]:
    """An image with everything."""
    attributes = {"color": [AttributeValue(value="red", confidence=0.5)]}
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


# Folders by class consist of the images; `test_further_formats` writes them.
@pytest.mark.parametrize(
    "name", sorted(name for name in FORMATS if FORMATS[name].write and name != "classification")
)
def test_losses_are_named(tmp_path: Path, name: str) -> None:
    """What a format cannot hold is counted with its first place, or refused with `strict`."""
    report = write_export(rich(), tmp_path / "out", name)
    plain = report.to_dict()["losses"]
    if name in {"csv", "parquet"}:
        assert plain == {}
        again = list(read_format(tmp_path / "out", name))
        assert again == rich()
        return
    assert plain
    assert all(each["count"] > 0 and each["first"].startswith("a.jpg") for each in plain.values())
    with pytest.raises(DataError, match="not kept: "):
        write_export(rich(), tmp_path / "strict", name, ExportOptions(strict=True))
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
    write_export(samples, truths, "coco", ExportOptions(labels=labels))
    write_export(samples, found, "coco-results", ExportOptions(labels=labels))
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
    assert yaml == 'path: .\ntrain: images/train\nval: images/val\nnames:\n  0: "cup"\n'


def test_csv_columns(tmp_path: Path) -> None:
    """Any reader of tables finds a row for each annotation."""
    write_export(rich(), tmp_path / "out.csv", "csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["type"]) for row in rows] == [
        ("a.jpg", "rectangle"), ("a.jpg", "polygon"), ("a.jpg", "line"), ("a.jpg", "points"),
        ("b.jpg", ""),
    ]  # fmt: skip
    assert json.loads(rows[0]["attributes"])["color"][0]["value"] == "red"


@pytest.mark.parametrize(
    "name", ["layernext", "coco", "voc", "labelme", "cvat", "label-studio", "csv", "parquet"]
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
    with pytest.raises(ConfigurationError, match="exists already"):
        convert(source, tmp_path / "out.json", "layernext")
    assert convert(source, tmp_path / "out.json", "csv", overwrite=True).images == 1


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("coco", "[]", "an object with `images` and `categories`"),
        ("coco", "{}", "no list `images`"),
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
        ("label-studio", "{}", "expected the list of tasks"),
        ("label-studio", "[1]", r"\[0\]"),
        ("csv", "a,b\n1,2\n", "needs the columns"),
        ("csv", "image,label,type\na,b,circle\n", ":2"),
        ("csv", "image,label,type,points\na,b,line,[]\n", ":2: has no points"),
        ("parquet", "PAR1", "not a Parquet file"),
    ],
)  # fmt: skip
def test_wrong_files_name_the_place(tmp_path: Path, name: str, content: str, place: str) -> None:
    """One sentence with the place, and no target."""
    (tmp_path / "in").write_text(content)
    with pytest.raises(FormatError, match=place):
        convert(tmp_path / "in", tmp_path / "out", "csv", source_format=name)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_coco_in_any_order(tmp_path: Path) -> None:
    """Annotations may stand before their images and mixed, as in the official files; a file may be packed."""
    content = {
        "annotations": [
            {"id": n, "image_id": n % 3, "category_id": 1, "bbox": [n, 0, 1, 1]} for n in range(7)
        ],
        "info": {"year": 2017},
        "images": [{"id": n, "file_name": f"{n}.jpg"} for n in (2, 0, 1, 9)],
        "categories": [{"id": 1, "name": "cup", "supercategory": "kitchen"}],
    }
    (tmp_path / "in.json.gz").write_bytes(gzip.compress(json.dumps(content).encode()))
    report = convert(tmp_path / "in.json.gz", tmp_path / "out.json.zst", "layernext")
    assert report.losses == {
        "the supercategory of a label": (1, f"{tmp_path / 'in.json.gz'}: categories[0]")
    }
    found = [(s.image, [one.bbox[0] for one in s.annotations])  # type: ignore[union-attr]
             for s in read_format(tmp_path / "out.json.zst", "layernext")]  # fmt: skip
    assert found == [("2.jpg", [2, 5]), ("0.jpg", [0, 3, 6]), ("1.jpg", [1, 4]), ("9.jpg", [])]


def test_coco_spills_beyond_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is larger than the cache comes back all the same."""
    monkeypatch.setattr(spill, "CACHE_KIB", 64)
    monkeypatch.setattr(spill, "ROWS_AT_ONCE", 100)
    box = Rectangle(label="cup", bbox=(0.1, 0.2, 0.3, 0.4), metadata={"note": "x" * 500})
    some = [Sample(image=f"{n}.jpg", annotations=[box] * 40) for n in range(50)]
    write_export(some, tmp_path / "out.json", "coco")
    expected = [replace(sample, id=number) for number, sample in enumerate(some, 1)]
    assert list(read_format(tmp_path / "out.json", "coco")) == expected


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("coco", ('{"images": [{"id": 1, "file_name": "a"}], "annotations": [],'
         '"categories": [{"id": 1, "name": "c", "keypoints": ["nose"], "skeleton": [[1, 9]]}]}'),
         "the skeleton of a label, which contradicts itself"),
        ("coco", ('{"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 1, "name": "c"}],'
         '"annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1],'
         '"segmentation": [[1, 2], [3, 4]]}]}'), "a segmentation that is not outlines"),
        ("cvat", '<annotations><image name="a"><ellipse label="x" cx="1" cy="1" rx="1" ry="1"/></image></annotations>',
         "an ellipse; its outline is"),
        ("label-studio", ('[{"data": {"image": "a"}, "annotations": [{"result": [{"type": "textarea",'
         '"original_width": 1, "original_height": 1, "value": {}}]}]}]'), "a result of the type"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(tmp_path: Path, name: str, content: str, what: str) -> None:
    """Shapes and keys that we do not read are counted with their place, or refused with `strict`."""
    (tmp_path / "in").write_text(content)
    report = convert(tmp_path / "in", tmp_path / "out", "csv", source_format=name)
    (found,) = (each for each in report.losses if what in each)
    assert report.losses[found][0] == 1
    assert str(tmp_path / "in") in report.losses[found][1]
    with pytest.raises(DataError, match="not kept: "):
        convert(tmp_path / "in", tmp_path / "x", "csv", source_format=name, strict=True)


@pytest.mark.parametrize(
    "name",
    ["yolo", "voc", "labelme", "masks", "cvat", "label-studio", "coco", "coco-results", "culane"],
)
def test_two_images_never_become_one(tmp_path: Path, name: str) -> None:
    """An image that comes twice, or only differs in its ending, would overwrite the other."""
    second = "a.png" if FORMATS[name].is_folder else "a.jpg"
    some = [Sample(image=image, width=9, height=9, annotations=[])
            for image in ("a.jpg", "b.jpg", second)]  # fmt: skip
    with pytest.raises(DataError, match="comes twice"):
        write_export(some, tmp_path / "out", name)
    assert list(tmp_path.iterdir()) == []


def test_runs_in_one_file(tmp_path: Path) -> None:
    """Tables say of which run an annotation is; elsewhere the sets of an image become one, and that is named."""
    box = Rectangle(label="cup", bbox=(0, 0, 1, 1))
    some = [Sample(image="a.jpg", annotations=[box], run="m 1", mode="machine"),
            Sample(image="a.jpg", annotations=[box, box], run="truth", mode="human")]  # fmt: skip
    write_export(some, tmp_path / "out.parquet", "parquet")
    assert list(read_format(tmp_path / "out.parquet", "parquet")) == some
    report = write_export(some, tmp_path / "out.json", "coco")
    assert list(report.losses) == ["which model run or ground truth an annotation is of"]
    (merged,) = read_format(tmp_path / "out.json", "coco")
    assert len(merged.annotations) == 3


def test_images_beside_labels(tmp_path: Path) -> None:
    """With the images copied, a folder of YOLO is whole, and read without another one."""
    from PIL import Image

    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "photos" / "a.png")
    fraction = {"type": "rectangle", "label": "cup", "bbox": [0.25, 0.5, 0.5, 0.25]}
    image = {"image": "a.png", "isNormalized": True, "annotations": [fraction]}
    (tmp_path / "in.json").write_text(json.dumps({"images": [image]}))
    for kind, place in (("yolo", "images/train/a.png"), ("voc", "JPEGImages/a.png")):
        convert(
            tmp_path / "in.json",
            tmp_path / kind,
            kind,
            images=tmp_path / "photos",
            copy_images=True,
        )
        assert (tmp_path / kind / place).read_bytes() == (
            tmp_path / "photos" / "a.png"
        ).read_bytes()
        (sample,) = read_format(tmp_path / kind, kind)
        assert sample.annotations == [Rectangle(label="cup", bbox=(16, 24, 32, 12))]
    with pytest.raises(DataError, match=r"a\.png: has fractions"):
        convert(tmp_path / "in.json", tmp_path / "out", "coco")


def test_masks(tmp_path: Path) -> None:
    """Pixels are class numbers, 0 is the background, and a later shape covers an earlier one."""
    from PIL import Image

    shapes = [
        Rectangle(label="table", bbox=(0, 0, 9, 9)),
        Polygon(label="cup", polygon=[(2, 2), (4, 2), (4, 4), (2, 4)]),
    ]
    some = [
        Sample(image="a.jpg", width=20, height=10, split="validation", annotations=list(shapes))
    ]
    write_export(some, tmp_path / "out", "masks")
    with Image.open(tmp_path / "out" / "val" / "a.png") as mask:
        assert mask.size == (20, 10)
        assert [mask.getpixel(at) for at in ((0, 0), (3, 3), (8, 8), (9, 9))] == [1, 2, 1, 0]
        assert [mask.tobytes().count(bytes([code])) for code in (1, 2)] == [81 - 4, 4]
    assert (tmp_path / "out" / "classes.txt").read_text() == "table\ncup\n"


def test_what_is_not_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TFRecord says why; an unknown name says which there are; a plug-in that only writes is not read."""
    written = replace(FORMATS["csv"], name="written", read=None)
    monkeypatch.setitem(registry._plug_ins, "written", written)
    (tmp_path / "in.json").write_text('{"images": []}')
    with pytest.raises(ConfigurationError, match="TensorFlow"):
        convert(tmp_path / "in.json", tmp_path / "out", "tfrecord")
    with pytest.raises(ConfigurationError, match="there are layernext, "):
        convert(tmp_path / "in.json", tmp_path / "out", "cocoa")
    with pytest.raises(ConfigurationError, match="written, not read"):
        convert(tmp_path / "in.json", tmp_path / "out", "csv", source_format="written")


def test_parquet_for_others(tmp_path: Path) -> None:
    """Columns are typed; an image without annotations is a row of nulls; many rows are several groups."""
    from pyarrow import parquet

    write_export(rich(), tmp_path / "out.parquet", "parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert (kinds["width"], kinds["x"], kinds["label"]) == ("int32", "double", "string")
    assert kinds["points"].startswith("list<element: list<element: double>")
    rows = table.to_pylist()
    assert [(row["image"], row["type"]) for row in rows] == [
        ("a.jpg", "rectangle"), ("a.jpg", "polygon"), ("a.jpg", "line"), ("a.jpg", "points"),
        ("b.jpg", None),
    ]  # fmt: skip
    assert json.loads(rows[0]["attributes"])["color"][0]["value"] == "red"


@pytest.mark.parametrize("image", ["../a.jpg", "/a.jpg", "a/../../b.jpg", "c:\\a.jpg", "a//b.jpg"])
@pytest.mark.parametrize("name", ["yolo", "voc", "labelme"])
def test_names_stay_below_the_folder(tmp_path: Path, name: str, image: str) -> None:
    """A name cannot lead out of the target."""
    samples = [Sample(image=image, width=1, height=1, annotations=[])]
    with pytest.raises(DataError, match="relative path"):
        write_export(samples, tmp_path / "deep" / "out", name)
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize("seed", range(3))
def test_masks_cover_what_other_tools_see(tmp_path: Path, seed: int) -> None:
    """Pixels of an outline are those of pycocotools; a shape in no pixel's middle keeps its corners."""
    import numpy as np
    from PIL import Image
    from pycocotools import mask as coco_masks

    random = np.random.default_rng(seed)
    steps = [[0, 0], [60, 0], [60, 20], [20, 20], [20, 50], [60, 50], [60, 70], [0, 70]]
    points = [(float(x + random.integers(0, 5)), float(y)) for x, y in steps]
    dot = Polygon(label="dot", polygon=[(90.1, 70.1), (90.2, 70.1), (90.1, 70.2)])
    shapes = [Polygon(label="c", polygon=points), dot]
    sample = Sample(image="a.jpg", width=100, height=80, annotations=list(shapes))
    write_export([sample], tmp_path / "out", "masks")
    with Image.open(tmp_path / "out" / "train" / "a.png") as image:
        pixels = np.asarray(image)
    flat = [number for point in points for number in point]
    area = int(coco_masks.area(coco_masks.frPyObjects([flat], 80, 100))[0])
    assert abs(int((pixels == 1).sum()) - area) <= 40  # slanted edges: half of a pixel on each row
    assert (pixels == 2).sum() == 1
