"""Folders of label maps: as they are written, as the data sets have them, and as Pillow reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image

from layernext.errors import DataError, FormatError
from layernext.formats import Sample, convert, detect_format, read_format, write_export
from layernext.formats.core.label_rules import LabelRules
from layernext.formats.core.losses import Losses
from layernext.model import ImageAnnotations, Mask, RunLengths, SemanticMask, masks_of_map
from tests.support.strategies import names as any_names

MAP = np.array([[0, 1, 1, 2], [0, 0, 2, 2], [255, 255, 1, 0]], np.uint8)
"""Three classes and void."""


def save(path: Path, pixels: Any, palette: list[int] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


def maps_of(path: Path, name: str | None = None, **options: Any) -> dict[str, dict[str, Any]]:
    """The pixels of each label of each image, as lists."""
    return {
        sample.image: {
            one.label: one.mask.to_array().tolist()
            for one in sample.annotations
            if isinstance(one, SemanticMask)
        }
        for sample in read_format(path, name or detect_format(path), **options)
    }


def expected(pixels: Any, names: dict[int, str]) -> dict[str, Any]:
    return {name: (pixels == number).tolist() for number, name in names.items() if number in pixels}


def sample_of(pixels: Any, labels: list[str], **fields: Any) -> Sample:
    annotations = [
        SemanticMask(label=labels[number], mask=mask)
        for number, mask in masks_of_map(pixels).items()
        if number != 255
    ]
    height, width = pixels.shape
    return Sample(annotations=annotations, width=width, height=height, **fields)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Label maps come back as they were, by split; Pillow reads the class numbers of classes.txt."""
    plain = any_names.filter(lambda name: not {"\n", "\r"} & {*name})
    labels = data.draw(st.lists(plain, min_size=3, max_size=3, unique=True))
    rows = st.lists(st.sampled_from([0, 1, 2, 255]), min_size=5, max_size=5)
    samples = []
    for number in range(3):
        pixels = np.array(data.draw(st.lists(rows, min_size=4, max_size=4)), np.uint8)
        split = data.draw(st.sampled_from(["train", "validation", "test"]))
        samples.append(sample_of(pixels, labels, image=f"cam/{number}.png", split=split))
    target = tmp_path_factory.mktemp("masks") / "out"
    report = write_export(samples, target, "masks")
    assert not report.losses
    assert detect_format(target) == "masks"
    back = {sample.image: sample for sample in read_format(target, "masks")}
    codes = (target / "classes.txt").read_text(encoding="utf-8").split("\n")[:-1]
    for sample in samples:
        found = back[sample.image]
        by_label = {one.label: one for one in sample.annotations}
        assert {one.label: one for one in found.annotations} == by_label
        assert (found.split, found.width, found.height) == (sample.split, 5, 4)
        folder = {"validation": "val"}.get(sample.split or "", sample.split or "")
        with Image.open(target / folder / sample.image) as image:
            array = np.asarray(image)
        for label, one in by_label.items():
            assert ((array == codes.index(label) + 1) == one.mask.to_array()).all()


def test_cityscapes(tmp_path: Path) -> None:
    """Ids of labels, by split and city; the name of the image is that in leftImg8bit, other PNGs are not read."""
    ids = np.array([[7, 7, 23], [0, 26, 26]], np.uint8)
    folder = tmp_path / "gtFine" / "val" / "lindau"
    save(folder / "lindau_000000_000019_gtFine_labelIds.png", ids)
    save(folder / "lindau_000000_000019_gtFine_color.png", np.zeros((2, 3, 3), np.uint8))
    save(folder / "lindau_000000_000019_gtFine_instanceIds.png", ids)
    losses = Losses()
    (sample,) = read_format(tmp_path, detect_format(tmp_path), losses=losses)
    assert (sample.image, sample.split) == (
        "lindau/lindau_000000_000019_leftImg8bit.png",
        "validation",
    )
    assert [one.label for one in sample.annotations] == ["road", "sky", "car"]
    assert "the instances of objects" in losses.counts
    for path in folder.iterdir():
        path.unlink()
    save(
        folder / "lindau_000000_000019_gtFine_labelTrainIds.png", np.array([[0, 255, 18]], np.uint8)
    )
    (image,) = maps_of(tmp_path).values()
    assert image == {"road": [[True, False, False]], "bicycle": [[False, False, True]]}


def test_pascal_voc(tmp_path: Path) -> None:
    """Places in a palette; 255 is void, 0 is the background, which is a class there; boxes beside them are VOC's."""
    pixels = np.array([[0, 15, 255], [0, 15, 15]], np.uint8)
    palette = [number * 7 % 256 for number in range(768)]
    save(tmp_path / "SegmentationClass" / "2007_000032.png", pixels, palette)
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_000032\n")
    (sample,) = read_format(tmp_path, detect_format(tmp_path))
    assert (sample.image, sample.split) == ("2007_000032.jpg", "validation")
    assert maps_of(tmp_path) == {
        "2007_000032.jpg": expected(pixels, {0: "background", 15: "person"})
    }
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text("<annotation></annotation>")
    assert detect_format(tmp_path) == "voc"


def test_colors_of_cvat(tmp_path: Path) -> None:
    """What CVAT exports: colors, with a class for each in labelmap.txt."""
    pixels = np.array([[[250, 50, 83], [0, 0, 0]], [[250, 50, 83], [9, 9, 9]]], np.uint8)
    save(tmp_path / "SegmentationClass" / "a.png", pixels)
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:250,50,83::\n"
    )
    losses = Losses()
    assert maps_of(tmp_path, losses=losses) == {
        "a.jpg": {
            "background": [[False, True], [False, False]],
            "car": [[True, False], [True, False]],
        }
    }
    assert losses.counts == {
        "pixels whose color no class has; they are void": (
            1,
            str(tmp_path / "SegmentationClass/a.png"),
        )
    }
    (tmp_path / "labelmap.txt").write_text("car:red::\n")
    with pytest.raises(
        FormatError, match=r"labelmap\.txt: line 1: must be a label, a colon and its"
    ):
        maps_of(tmp_path)


def test_ade20k(tmp_path: Path) -> None:
    """Names by number from objectInfo150.txt; 0 is void."""
    (tmp_path / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t9\t9\twall\n2\t0.1\t9\t9\tbuilding, edifice\n"
    )
    pixels = np.array([[0, 1], [2, 2]], np.uint8)
    save(tmp_path / "annotations" / "validation" / "ADE_val_00000001.png", pixels)
    (sample,) = read_format(tmp_path, detect_format(tmp_path))
    assert (sample.image, sample.split) == ("ADE_val_00000001.jpg", "validation")
    assert [one.label for one in sample.annotations] == ["wall", "building, edifice"]


@pytest.mark.parametrize("kind", ["gray", "palette", "sixteen", "rgb", "bits"])
def test_numbers_of_any_png(tmp_path: Path, kind: str) -> None:
    """Gray, palette, 16 bits, gray saved as colors, and bits, with names given by number."""
    names = ["road", "sky", "tree"]
    pixels: Any = MAP
    if kind == "palette":
        save(tmp_path / "in" / "a.png", pixels, [0] * 768)
    elif kind == "rgb":
        save(tmp_path / "in" / "a.png", np.repeat(pixels[..., None], 3, axis=2))
    elif kind == "sixteen":
        names = [f"class {number}" for number in range(301)]
        pixels = np.where(MAP == 2, 300, MAP).astype(np.uint16)
        names[255] = ""
        save(tmp_path / "in" / "a.png", pixels)
    elif kind == "bits":
        pixels = (MAP == 1).astype(np.uint8)
        (tmp_path / "in").mkdir()
        Image.fromarray(pixels * 255).convert("1").save(tmp_path / "in" / "a.png")
    else:
        save(tmp_path / "in" / "a.png", pixels)
    numbered = {number: name for number, name in enumerate(names) if name}
    found = maps_of(tmp_path / "in", "masks", names=names)["a.png"]
    assert found == expected(pixels, numbered)


def test_images_give_names_and_splits_their_extension(tmp_path: Path) -> None:
    """The folder of the images says what they are called."""
    save(tmp_path / "in" / "masks" / "train" / "a.png", MAP)
    save(tmp_path / "images" / "a.jpg", np.zeros((3, 4, 3), np.uint8))
    options = {"names": ["road", "sky", "tree"], "images": tmp_path / "images"}
    assert [*maps_of(tmp_path / "in", "masks", **options)] == ["a.jpg"]


@pytest.mark.parametrize(
    ("prepare", "options", "problem"),
    [
        (lambda f: save(f / "a.png", MAP), {}, "has no classes.txt, so nothing says"),
        (lambda f: save(f / "a.png", MAP), {"names": ["road"]}, "has pixels with the number 1, 2, and there are names for 0 to 0"),
        (lambda f: save(f / "a.png", np.dstack([MAP, MAP, MAP + 1])), {"names": ["road"]}, "has colors, must have class numbers"),
        (lambda f: (f / "a.png").write_bytes(b"\x89PNG no"), {"names": ["road"]}, "is not a readable PNG"),
        (lambda f: (f / "a.txt").write_text("a"), {"names": ["road"]}, "has no PNGs of label maps"),
    ],
    ids=["no-names", "unknown", "colors", "damaged", "none"],
)  # fmt: skip
def test_what_cannot_be_read_is_named(
    tmp_path: Path, prepare: Any, options: dict[str, Any], problem: str
) -> None:
    prepare(tmp_path)
    with pytest.raises(FormatError, match=problem):
        maps_of(tmp_path, "masks", **options)


def test_instances_become_label_maps_with_a_loss(tmp_path: Path) -> None:
    """Objects are pixels of their class; a semantic mask of another size, or a broken label, is refused."""
    mask = RunLengths.from_array(MAP == 1)
    objects = [
        Mask(label="cup", mask=mask),
        Mask(label="cup", mask=RunLengths.from_array(MAP == 2)),
    ]
    sample = Sample(image="a.png", annotations=[*objects], width=4, height=3)
    report = write_export([sample], tmp_path / "out", "masks")
    assert report.losses == {"which annotation a pixel is of": (2, "a.png: annotations[0]")}
    assert maps_of(tmp_path / "out")["a.png"] == {"cup": ((MAP == 1) | (MAP == 2)).tolist()}
    for wrong, problem in (
        (SemanticMask(label="a\nb", mask=mask), "has a label with a line break"),
        (SemanticMask(label="a", mask=RunLengths((1, 2), [2])), "its mask has 2 x 1 pixels"),
    ):
        broken = Sample(image="a.png", annotations=[wrong], width=4, height=3)
        with pytest.raises(DataError, match=problem):
            write_export([broken], tmp_path / "broken", "masks")


def test_from_json_to_pngs_and_back(tmp_path: Path) -> None:
    """As the command line converts: names of classes, exact pixels, no loss."""
    import msgspec

    sample = sample_of(MAP, ["road", "sky", "tree"], image="a.png")
    annotation_set = ImageAnnotations(image="a.png", annotations=sample.annotations)
    (tmp_path / "in.json").write_bytes(msgspec.json.encode({"images": [annotation_set]}))
    save(tmp_path / "images" / "a.png", MAP)
    report = convert(tmp_path / "in.json", tmp_path / "maps", "masks", images=tmp_path / "images")
    assert not report.losses
    report = convert(tmp_path / "maps", tmp_path / "back.json", "layernext")
    assert report.losses == {"the split": (1, "a.png")}
    (back,) = read_format(tmp_path / "back.json", "layernext")
    assert back.annotations == sample.annotations


def test_labels_that_become_one_have_one_mask(tmp_path: Path) -> None:
    """Renamed labels are joined; what only some of them have beside pixels is named."""
    sample = sample_of(MAP, ["road", "sky", "tree"], image="a.png")
    rules = LabelRules(mapping={"road": "ground", "tree": "ground"})
    losses = Losses()
    (ruled,) = rules.apply([sample], losses)
    ground, sky = ruled.annotations
    assert isinstance(ground, SemanticMask)
    assert ground.mask == RunLengths.from_array((MAP == 0) | (MAP == 2))
    assert sky.label == "sky"
    assert not losses.counts
    first, *others = sample.annotations
    scored = replace(sample, annotations=[replace(first, confidence=0.5), *others])
    (ruled,) = rules.apply([scored], losses)
    assert losses.counts == {
        "fields of a semantic mask that is joined with another one": (1, "a.png")
    }


def test_label_maps_of_two_runs_are_not_mixed(tmp_path: Path) -> None:
    """A format without runs has one map of an image; tables hold both."""
    samples = [
        sample_of(pixels, ["road", "sky", "tree"], image="a.png", run=run, mode="machine")
        for run, pixels in (("one", MAP), ("two", MAP[::-1]))
    ]
    with pytest.raises(DataError, match="has semantic_mask annotations of several runs, which"):
        write_export(samples, tmp_path / "out.json", "layernext")
    write_export(samples, tmp_path / "out.csv", "csv")
    assert list(read_format(tmp_path / "out.csv", "csv")) == samples
