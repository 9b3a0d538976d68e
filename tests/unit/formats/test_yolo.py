"""YOLO as its tools write it: layouts, tasks, predictions, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace
from PIL import Image

from layernext.errors import DataError, FormatError
from layernext.formats import (
    ExportOptions,
    Losses,
    Sample,
    Scores,
    convert,
    detect_format,
    read_format,
    write_export,
)
from layernext.formats.core.classes import Classes
from layernext.model import COCO_PERSON, Annotation, Keypoints, Polygon, Rectangle, Skeleton

BOX_LINE = "0 0.5 0.5 0.2 0.4"
BOX = (40.0, 12.0, 20.0, 16.0)
"""What `BOX_LINE` is in an image of 100 x 40 pixels."""


def dataset(folder: Path, files: dict[str, str]) -> Path:
    """A folder of files; those that are images are made, 100 x 40 pixels."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in {".jpg", ".png"}:
            Image.new("RGB", (100, 40)).save(path)
        else:
            path.write_text(text)
    return folder


def read(path: Path, losses: Losses | None = None) -> list[Sample]:
    assert detect_format(path) == "yolo"
    return list(read_format(path, "yolo", losses=losses))


def read_line(
    tmp_path: Path, *lines: str, more: str = "", names: str = "[x, y]"
) -> list[Annotation]:
    files = {"data.yaml": f"names: {names}\n{more}", "images/a.jpg": ""}
    dataset(tmp_path, {**files, "labels/a.txt": "".join(f"{line}\n" for line in lines)})
    (sample,) = read(tmp_path)
    return list(sample.annotations)


LAYOUTS = {
    "ultralytics": {
        "coco128.yaml": "path: ../{root}\ntrain: images/train2017\nval: images/train2017\nnames: {{0: x}}\n",
        "images/train2017/a.jpg": "",
        "labels/train2017/a.txt": BOX_LINE,
        "labels/train2017.cache": "",
    },
    "moved": {
        "data.yaml": "path: /datasets/elsewhere\ntrain: images/train\nnames: [x]\n",
        "images/train/a.jpg": "",
        "labels/train/a.txt": BOX_LINE,
    },
    "roboflow": {
        "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: ['x']\n",
        "train/images/a.jpg": "",
        "train/labels/a.txt": BOX_LINE,
    },
    "list-of-folders": {
        "data.yaml": "train: [one/images, two/images]\nnames: [x]\n",
        "two/images/a.jpg": "",
        "two/labels/a.txt": BOX_LINE,
    },
    "list-of-images": {
        "data.yaml": "train: train.txt\nval: train.txt\nnames: [x]\n",
        "train.txt": "./imgs/a.jpg\n",
        "imgs/a.jpg": "",
        "imgs/a.txt": BOX_LINE,
    },
    "darknet-of-cvat": {
        "obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
        "obj.names": "x\n",
        "train.txt": "data/obj_train_data/a.jpg\n",
        "obj_train_data/a.jpg": "",
        "obj_train_data/a.txt": BOX_LINE,
    },
}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_layouts(tmp_path: Path, name: str) -> None:
    """Images and labels are found where the tools put them, with the split of the description."""
    files = {
        inner: text.format(root=tmp_path.name) if name == "ultralytics" else text
        for inner, text in LAYOUTS[name].items()
    }
    (sample,) = read(dataset(tmp_path, files))
    assert sample == Sample(
        image="a.jpg",
        annotations=[Rectangle(label="x", bbox=BOX)],
        width=100,
        height=40,
        split="train",
    )


def test_description_itself(tmp_path: Path) -> None:
    """The YAML file is read like its folder, whatever its name."""
    files = LAYOUTS["moved"]
    dataset(
        tmp_path,
        {"birds.yml": files["data.yaml"], **{k: v for k, v in files.items() if k[0] != "d"}},
    )
    assert read(tmp_path / "birds.yml") == read(tmp_path)


def test_several_descriptions(tmp_path: Path) -> None:
    """If two YAML files describe datasets, the error names them."""
    dataset(tmp_path, {"a.yaml": "names: [x]", "b.yaml": "names: [y]"})
    with pytest.raises(FormatError, match=r"has several datasets: a\.yaml, b\.yaml"):
        read(tmp_path)


def test_image_without_labels_has_nothing_in_it(tmp_path: Path) -> None:
    """An image without a label file is a background image: an image without annotations."""
    files = {"data.yaml": "val: images/val\nnames: [x]\n", "labels/val/a.txt": BOX_LINE}
    images = {f"images/val/{name}.jpg": "" for name in "abc"}
    samples = read(dataset(tmp_path, {**files, **images}))
    assert [(sample.image, len(sample.annotations)) for sample in samples] == [
        ("a.jpg", 1), ("b.jpg", 0), ("c.jpg", 0),
    ]  # fmt: skip
    assert {sample.split for sample in samples} == {"validation"}


def test_labels_that_no_split_names(tmp_path: Path) -> None:
    """Labels outside of the splits are read all the same."""
    files = {"data.yaml": "train: images/train\nnames: [x]\n", "images/train/a.jpg": "",
             "images/b.jpg": "", "labels/train/a.txt": BOX_LINE, "labels/b.txt": BOX_LINE}  # fmt: skip
    samples = read(dataset(tmp_path, files))
    assert [(sample.image, sample.split) for sample in samples] == [
        ("a.jpg", "train"),
        ("b.jpg", None),
    ]


def test_bare_predictions(tmp_path: Path) -> None:
    """A folder of predictions takes its names from a list; without one the error says what to add."""
    dataset(tmp_path, {"p.jpg": "", "labels/p.txt": f"{BOX_LINE} 0.87\n"})
    with pytest.raises(
        FormatError, match=r"has no class names: add a data\.yaml, or a classes\.txt"
    ):
        read(tmp_path)
    (tmp_path / "classes.txt").write_text("x\n")
    (sample,) = read(tmp_path)
    assert sample.image == "p.jpg"
    assert sample.annotations == [Rectangle(label="x", bbox=BOX, confidence=0.87)]


def test_paths_stay_in_the_dataset(tmp_path: Path) -> None:
    """A description cannot have other folders read."""
    dataset(tmp_path / "other", {"images/secret.jpg": ""})
    files = {"data.yaml": f"train: {tmp_path}/other/images\nval: ../other/images\nnames: [x]\n",
             "images/a.jpg": "", "labels/a.txt": BOX_LINE}  # fmt: skip
    assert [sample.image for sample in read(dataset(tmp_path / "own", files))] == ["a.jpg"]


@pytest.mark.parametrize(
    ("keypoints", "shape"), [(2, 3), (17, 3), (2, 2)], ids=["two", "seventeen", "no-visibility"]
)
@pytest.mark.parametrize("confidence", [None, 0.5])
def test_pose(tmp_path: Path, keypoints: int, shape: int, confidence: float | None) -> None:
    """With ``kpt_shape`` a line is a box with keypoints; without a visibility all are visible."""
    numbers = " ".join(["0.4 0.45 2" if shape == 3 else "0.4 0.45"] * keypoints)
    line = f"{BOX_LINE} {numbers}" + (f" {confidence}" if confidence else "")
    files = {"data.yaml": f"kpt_shape: [{keypoints}, {shape}]\nnames: [x]\n", "images/a.jpg": ""}
    dataset(tmp_path, {**files, "labels/a.txt": line})
    losses = Losses()
    (sample,) = read(tmp_path, losses)
    assert sample.annotations == [
        Keypoints(label="x", keypoints=[(40, 18, 2)] * keypoints, bbox=BOX, confidence=confidence)
    ]
    assert losses.counts == {}
    (sample,) = read_format(tmp_path, "yolo", evaluated="rectangle")
    assert sample.annotations == [Rectangle(label="x", bbox=BOX, confidence=confidence)]


POSE_LINE = f"{BOX_LINE} 0.4 0.45 2 0.1 0.2 0.25 0 0 0"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("flip_idx: [0, 2, 1]\nkpt_names:\n  0: [nose, left, right]\n", Skeleton(points=("nose", "left", "right"), flips=((1, 2),))),
        ("kpt_names: [[nose, left, right]]\n", Skeleton(points=("nose", "left", "right"))),
        ("kpt_names: [nose, left, right]\n", Skeleton(points=("nose", "left", "right"))),
        ("flip_idx: [2, 1, 0]\n", Skeleton(points=("1", "2", "3"), flips=((0, 2),))),
        ("flip_idx: [7, 1, 0]\n", None),
        ("kpt_names: [a, b]\n", None),
    ],
    ids=["all", "list-of-lists", "list", "flips", "wrong-flips", "wrong-names"],
)  # fmt: skip
def test_skeleton_of_a_pose_dataset(tmp_path: Path, rows: str, expected: Skeleton | None) -> None:
    """Names and mirrored points are the class's skeleton."""
    files = {"data.yaml": f"kpt_shape: [3, 3]\nnames: [x]\n{rows}", "images/a.jpg": ""}
    dataset(tmp_path, {**files, "labels/a.txt": POSE_LINE})
    classes = Classes()
    (sample,) = read_format(tmp_path, "yolo", classes=classes)
    assert classes.skeletons.get("x") == expected
    (pose,) = sample.annotations
    assert isinstance(pose, Keypoints)
    assert pose.keypoints == [(40, 18, 2), (10, 8, 0.25), (0, 0, 0)]


def test_pose_dataset_is_written_for_ultralytics(tmp_path: Path) -> None:
    """It comes back with its skeleton; what differs in its points is named, and so is what is no pose."""
    names = ("nose", "left eye", "right eye")
    skeleton = Skeleton(points=names, flips=((1, 2),))
    pose = Keypoints(label="x", keypoints=[(40, 18, 2), (10, 8, 1), (0, 0, 0)], bbox=BOX)
    odd = Keypoints(label="x", keypoints=[(1, 2, 2)])
    box = Rectangle(label="y", bbox=BOX)
    sample = Sample(image="a.jpg", width=100, height=40, annotations=[pose, odd, box])
    options = ExportOptions(labels=["y", "x"], skeletons={"x": skeleton, "y": COCO_PERSON})
    report = write_export([sample], tmp_path / "out", "yolo-pose", options)
    assert sorted(report.losses) == [
        "keypoints of 1 points; those of this dataset have 3", "the geometry rectangle",
    ]  # fmt: skip
    content = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert content["kpt_shape"] == [3, 3]
    assert content["flip_idx"] == [0, 2, 1]
    assert content["kpt_names"] == {1: list(names)}
    Image.new("RGB", (100, 40)).save(tmp_path / "a.jpg")
    classes = Classes()
    (again,) = read_format(tmp_path / "out", "yolo", images=tmp_path, classes=classes)
    assert again.annotations == [pose]
    assert classes.skeletons == {"x": skeleton}
    person = Keypoints(label="x", keypoints=[(1.0, 2.0, 2)] * 17, bbox=BOX)
    options = ExportOptions(skeletons={"x": COCO_PERSON})
    report = write_export(
        [replace(sample, annotations=[person])], tmp_path / "p", "yolo-pose", options
    )
    assert report.losses == {}
    classes = Classes()
    list(read_format(tmp_path / "p", "yolo-pose", images=tmp_path, classes=classes))
    assert classes.skeletons == {"x": COCO_PERSON}


def test_pose_of_another_shape(tmp_path: Path) -> None:
    """A line that does not fit ``kpt_shape`` is refused with the number that does."""
    with pytest.raises(
        FormatError, match="has 4 numbers after the class; expected 10 by kpt_shape"
    ):
        read_line(tmp_path, BOX_LINE, more="kpt_shape: [2, 3]\n")


def test_tracks(tmp_path: Path) -> None:
    """A box with a confidence and a track keeps both; six numbers are a triangle otherwise."""
    first, second = read_line(tmp_path, f"{BOX_LINE} 0.87 3", f"{BOX_LINE} 0.5 1")
    assert first == Rectangle(label="x", bbox=BOX, confidence=0.87, metadata={"track": 3})
    assert second.metadata == {"track": 1}
    (triangle,) = read_line(tmp_path, "0 0.5 0.5 0.2 0.4 0.87 0.3")
    assert triangle == Polygon(label="x", polygon=[(50, 20), (20, 16), (87, 12)])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(f"{BOX_LINE} 1", "ends in 1, a confidence or a track number", id="track-1"),
        pytest.param(f"{BOX_LINE} 2", "ends in 2, a confidence or a track number", id="track-2"),
        pytest.param(f"{BOX_LINE} 0.9 1", "may be a triangle, or a box with a confidence and the track 1", id="either"),
        pytest.param(f"{BOX_LINE} 1.5", "the confidence at the end is 1.5, must be from 0 to 1", id="confidence"),
        pytest.param("3 0.5 0.5 0.2 0.4", r"class 3 is not among the names of data.yaml \(0 to 1\)", id="class"),
        pytest.param("0.5 0.5 0.5 0.2 0.4", "class 0.5 is not among the names", id="half-class"),
        pytest.param("x 0.5 0.5 0.2 0.4", "is not a YOLO line, which has only numbers", id="word"),
        pytest.param("0 0.5 0.5", r"has 2 numbers after the class; expected 4 \(a box\)", id="short"),
    ],
)  # fmt: skip
def test_lines_that_are_refused(tmp_path: Path, line: str, message: str) -> None:
    """One sentence with file, line and reason; nothing is guessed."""
    with pytest.raises(DataError, match=message) as caught:
        read_line(tmp_path, line)
    assert "a.txt:1" in str(caught.value)


def test_class_as_a_float(tmp_path: Path) -> None:
    """A class may be written as a float, as numpy writes every column."""
    assert read_line(tmp_path, "1.0 0.5 0.5 0.2 0.4") == [Rectangle(label="y", bbox=BOX)]


def test_oriented_box_is_its_outline(tmp_path: Path) -> None:
    """Four corners are read as a polygon."""
    (polygon,) = read_line(tmp_path, "0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5")
    assert polygon == Polygon(label="x", polygon=[(10, 4), (30, 4), (30, 20), (10, 20)])


FURTHER_LAYOUTS = {
    "labelimg": {"classes.txt": "x\n", "a.jpg": "", "a.txt": BOX_LINE, "README.txt": "read me"},
    "of-another-machine": {
        "data.yaml": "train: /content/datasets/thing/train/images\nnames: {'0': x}\n",
        "train/images/a.jpg": "",
        "train/labels/a.txt": BOX_LINE,
    },
    "list-of-another-machine": {
        "data.yaml": "train: train.txt\nnames: [x]\n",
        "train.txt": "/home/me/thing/images/train/a.jpg\r\n",
        "images/train/a.jpg": "",
        "labels/train/a.txt": BOX_LINE,
    },
    "beside-the-yaml": {
        "data.yaml": "path: ../datasets/{root}\ntrain: images/train\nnames: [x]\n",
        "images/train/a.jpg": "",
        "labels/train/a.txt": BOX_LINE,
    },
    "number-of-classes": {
        "data.yaml": "train: images/train\nnc: 1\n",
        "images/train/a.jpg": "",
        "labels/train/a.txt": BOX_LINE,
    },
    "label-studio": {
        "classes.txt": "x\n",
        "notes.json": '{"categories": [{"id": 0, "name": "x"}]}',
        "images/a.jpg": "",
        "labels/a.txt": BOX_LINE,
    },
}


@pytest.mark.parametrize("name", FURTHER_LAYOUTS)
def test_further_layouts(tmp_path: Path, name: str) -> None:
    """What labelImg, Label Studio and moved datasets look like."""
    (sample,) = read(dataset(tmp_path, FURTHER_LAYOUTS[name]))
    label = "class_0" if name == "number-of-classes" else "x"
    assert sample.annotations == [Rectangle(label=label, bbox=BOX)]
    assert sample.image == "a.jpg"


@pytest.mark.parametrize("inner", ["", "labels"])
def test_names_of_predictions(tmp_path: Path, inner: str) -> None:
    """A folder of predictions without names is refused with the fix, and read with it."""
    path = dataset(tmp_path, {"labels/a.txt": "1 0.5 0.5 0.2 0.4 0.87\n"}) / inner
    with pytest.raises(FormatError, match=r"has no class names.*--names"):
        list(read_format(path, "yolo"))
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (100, 40)).save(tmp_path / "photos" / "a.jpg")
    (sample,) = read_format(path, "yolo", names=["cat", "dog"], images=tmp_path / "photos")
    assert sample.annotations == [Rectangle(label="dog", bbox=BOX, confidence=0.87)]
    with pytest.raises(FormatError, match=r"class 1 is not among the names of --names \(0 to 0\)"):
        list(read_format(path, "yolo", names=["cat"], images=tmp_path / "photos"))


def test_labels_without_pictures_are_fractions(tmp_path: Path) -> None:
    """Without the size of the image the fractions stay, which LayerNext JSON holds, and COCO does not."""
    dataset(tmp_path, {"data.yaml": "names: {0: cat}", "labels/p.txt": f"{BOX_LINE} 0.87"})
    (sample,) = read(tmp_path)
    assert (sample.image, sample.normalized, sample.width) == ("p", True, None)
    (box,) = sample.annotations
    assert isinstance(box, Rectangle)
    assert box.bbox == pytest.approx((0.4, 0.3, 0.2, 0.4))
    convert(tmp_path, tmp_path / "out.json", "layernext")
    (image,) = json.loads((tmp_path / "out.json").read_text())["images"]
    assert image["isNormalized"] is True
    with pytest.raises(DataError, match="p: has fractions for coordinates"):
        convert(tmp_path, tmp_path / "coco.json", "coco")


def test_classes_keep_their_order(tmp_path: Path) -> None:
    """Unused classes stay, and so does every number."""
    files = {
        "data.yaml": "names: [z, unused, a]\n",
        "images/a.jpg": "",
        "labels/a.txt": "2 0.5 0.5 0.2 0.4",
    }
    convert(dataset(tmp_path / "in", files), tmp_path / "out", "yolo")
    assert (tmp_path / "out" / "labels" / "train" / "a.txt").read_text().startswith("2 ")
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert text.endswith('0: "z"\n  1: "unused"\n  2: "a"\n')


def test_every_problem_is_listed(tmp_path: Path) -> None:
    """All lines of all files; `skip_invalid` reads the others."""
    dataset(tmp_path, {
        "data.yaml": "names: [x]", "images/a.jpg": "", "images/b.jpg": "",
        "labels/a.txt": f"9 1 1 1 1\n{BOX_LINE}\nx\n", "labels/b.txt": f"{BOX_LINE} 59\n",
    })  # fmt: skip
    with pytest.raises(FormatError) as refusal:
        read(tmp_path)
    places = [problem.where.removeprefix(f"{tmp_path}/") for problem in refusal.value.problems]
    assert places == ["labels/a.txt:1", "labels/a.txt:3", "labels/b.txt:1"]
    samples = list(read_format(tmp_path, "yolo", skip_invalid=True))
    assert [len(sample.annotations) for sample in samples] == [1, 0]


def test_confidences_in_percent(tmp_path: Path) -> None:
    """They are read with the scale."""
    files = {"data.yaml": "names: [x]", "images/a.jpg": "", "labels/a.txt": f"{BOX_LINE} 59\n"}
    (sample,) = read_format(dataset(tmp_path, files), "yolo", scores=Scores.parse(100))
    assert sample.annotations[0].confidence == pytest.approx(0.59)


@pytest.mark.parametrize("file", ["data.yaml", "classes.txt"])
def test_names_of_windows(tmp_path: Path, file: str) -> None:
    """Names in Latin-1 are read as such."""
    text = "names: [K\u00e4fer]\n" if file == "data.yaml" else "K\u00e4fer\n"
    dataset(tmp_path, {"images/a.jpg": "", "labels/a.txt": BOX_LINE})
    (tmp_path / file).write_bytes(text.encode("cp1252"))
    (sample,) = read(tmp_path)
    assert sample.annotations[0].label == "K\u00e4fer"


def test_zip_archive(tmp_path: Path) -> None:
    """A dataset in a zip archive is read as its folder; locations name the archive."""
    files = {
        "data.yaml": "names: [x]",
        "images/a.jpg": "",
        "labels/a.txt": f"{BOX_LINE}\n9 1 1 1 1",
    }
    dataset(tmp_path / "in", files)
    archive = Path(shutil.make_archive(str(tmp_path / "out"), "zip", tmp_path / "in"))
    assert detect_format(archive) == "yolo"
    with pytest.raises(FormatError, match="class 9") as refusal:
        list(read_format(archive, "yolo"))
    assert refusal.value.where == f"{archive}/labels/a.txt:2"
    (sample,) = read_format(archive, "yolo", skip_invalid=True)
    assert sample.annotations == [Rectangle(label="x", bbox=BOX)]
