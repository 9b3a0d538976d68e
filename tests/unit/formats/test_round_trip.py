"""Every format gives back what it was given, but for the losses that it named."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from layernext.formats import FORMATS, ExportOptions, Sample, read_format, write_export
from layernext.formats.core.sample import points_of
from layernext.model import (
    Annotation,
    AttributeValue,
    ImageLabel,
    Keypoints,
    Line,
    Mask,
    Points,
    Polygon,
    Rectangle,
    RotatedBox,
    RunLengths,
    SemanticMask,
    kind_of,
)
from tests.support.strategies import names, samples

# XML has no control characters but tab and line feed.
xml_names = names.filter(lambda text: not re.search(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", text))
file_names = st.integers(0, 9).map(lambda n: f"cam {n % 2}/ü{n}.jpg")

NAMES = {
    "yolo": (file_names, names),
    "yolo-segmentation": (file_names, names),
    "voc": (file_names, xml_names),
    "labelme": (file_names, names),
    "cvat": (xml_names, xml_names),
}
KEEPS_SPLIT = {"yolo", "yolo-segmentation", "voc", "cvat", "label-studio", "csv", "parquet"}
HAS_TRAIN_FOR_NONE = {"yolo", "yolo-segmentation", "voc"}
NEAR = {"yolo": 1e-6, "yolo-segmentation": 1e-6, "labelme": 1e-9, "label-studio": 1e-9}
"""Pixels: formats that reckon with coordinates, and how near these come back."""


def without(one: Annotation, *fields: str) -> Annotation:
    empty: dict[str, Any] = {"confidence": None, "track": None, "attributes": {}, "metadata": {}}
    return replace(one, **{name: empty[name] for name in fields})


PAINTS = {"labelme", "cvat", "label-studio"}
"""Formats that keep the pixels of a mask, in another encoding."""


def is_empty(one: Annotation) -> bool:
    """Whether this is a mask without pixels."""
    return isinstance(one, Mask) and not kind_of(one).area(one.mask)


def with_plain_masks(sample: Sample) -> Sample:
    """Masks encoded as we do it, so that the same pixels are the same mask."""
    annotations = [
        replace(one, mask=RunLengths.from_array(one.mask.to_array()))
        if isinstance(one, Mask)
        else one
        for one in sample.annotations
    ]
    return replace(sample, annotations=annotations)


def box(one: Annotation) -> Annotation | None:
    """What is left of a shape in a format of boxes."""
    if isinstance(one, Polygon | Mask | RotatedBox | Keypoints):
        kind = kind_of(one)
        around = kind.box(kind.coordinates_of(one))
        return Rectangle(
            label=one.label, bbox=around, confidence=one.confidence, track=one.track,
            attributes=one.attributes, metadata=one.metadata,
        )  # fmt: skip
    return one if isinstance(one, Rectangle) else None


def outlined(one: Annotation) -> Annotation:
    """A rotated box as the polygon of its corners."""
    if not isinstance(one, RotatedBox):
        return one
    kind = kind_of(one)
    return Polygon(
        label=one.label, polygon=kind.outline(kind.coordinates_of(one)), confidence=one.confidence,
        track=one.track, attributes=one.attributes, metadata=one.metadata,
    )  # fmt: skip


def in_coco(one: Annotation) -> Annotation | None:
    one = outlined(one)
    if isinstance(one, Mask | Keypoints):
        return one
    return one if isinstance(one, Polygon) and len(one.polygon) >= 3 else box(one)


def in_yolo(one: Annotation) -> Annotation | None:
    found = box(one)
    return found and without(found, "confidence", "track", "attributes", "metadata")


def in_segmentation(one: Annotation) -> Annotation | None:
    one = outlined(one)
    if isinstance(one, Rectangle):
        x, y, w, h = one.bbox
        corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
        return Polygon(label=one.label, polygon=corners)
    if isinstance(one, Mask):
        outline = points_of(one)
        return Polygon(label=one.label, polygon=outline) if outline else None
    if isinstance(one, Polygon) and len(one.polygon) >= 3:
        return without(one, "confidence", "track", "attributes", "metadata")
    return None


def in_classes_of_visibility(one: Keypoints) -> list[Any]:
    """Points that are not labeled, hidden or visible."""
    return [(x, y, 0 if not v else 1 if v == 1 or v < 0.5 else 2) for x, y, v in one.keypoints]


def in_cvat(one: Annotation) -> Annotation | None:
    import msgspec

    if isinstance(one, SemanticMask) or is_empty(one):
        return None
    if isinstance(one, Keypoints):
        one = replace(one, keypoints=in_classes_of_visibility(one), bbox=None)

    attributes = {
        name: [
            AttributeValue(
                value=values[0].value
                if isinstance(values[0].value, str)
                else msgspec.json.encode(values[0].value).decode()
            )
        ]
        for name, values in one.attributes.items()
        if values
    }
    if isinstance(one, RotatedBox):
        one = replace(one, rotation=one.rotation % 360)
        if not one.rotation % 360:
            one = Rectangle(label=one.label, bbox=one.bbox)
    return replace(one, confidence=None, track=None, metadata={}, attributes=attributes)


def in_parts(one: Keypoints, visibilities: list[Any]) -> Annotation:
    """A box, and a shape for each labeled point."""
    around = one.bbox or kind_of(one).box(kind_of(one).coordinates_of(one))
    if not any(visibilities):
        return Rectangle(label=one.label, bbox=around, confidence=one.confidence)
    seen = zip(one.keypoints, visibilities, strict=True)
    points = [(x, y, v) if v else (0, 0, 0) for (x, y, _), v in seen]
    return replace(one, keypoints=points, bbox=around)


def in_labelme(one: Annotation) -> Annotation | None:
    if isinstance(one, Keypoints):
        one = in_parts(one, [v for *_, v in in_classes_of_visibility(one)])
    return (
        None
        if isinstance(one, ImageLabel | SemanticMask) or is_empty(one)
        else without(one, "confidence", "track", "attributes", "metadata")
    )


def in_label_studio(one: Annotation) -> Annotation | None:
    if isinstance(one, RotatedBox) and not one.rotation % 360:
        one = Rectangle(label=one.label, bbox=one.bbox, confidence=one.confidence)
    if isinstance(one, Keypoints):
        one = in_parts(one, [2 if v else 0 for *_, v in one.keypoints])
    if isinstance(one, Line | Points | SemanticMask) or is_empty(one):
        return None
    return without(one, "track", "attributes", "metadata")


LEFT = {
    "layernext": lambda one: one,
    "coco": in_coco,
    "yolo": in_yolo,
    "yolo-segmentation": in_segmentation,
    "voc": in_yolo,
    "labelme": in_labelme,
    "cvat": in_cvat,
    "label-studio": in_label_studio,
    "csv": lambda one: one,
    "parquet": lambda one: one,
}  # layernext-v1 has a test of its own, COCO results need the instances


def expected(sample: Sample, name: str) -> Sample:
    left = [LEFT[name](one) for one in sample.annotations]
    split = sample.split if name in KEEPS_SPLIT else None
    if split is None and name in HAS_TRAIN_FOR_NONE:
        split = "train"
    return replace(
        sample,
        annotations=[one for one in left if one is not None],
        split=split,
    )


def numbers(one: Annotation) -> list[float]:
    if isinstance(one, ImageLabel | RotatedBox):
        return []
    if isinstance(one, Rectangle):
        return list(one.bbox)
    if isinstance(one, Keypoints):
        return [*(number for point in one.keypoints for number in point), *(one.bbox or ())]
    pairs = getattr(one, one.geometry)
    return [each for pair in pairs for each in pair]


def unmoved(one: Annotation) -> Annotation:
    if isinstance(one, ImageLabel):
        return one
    if isinstance(one, RotatedBox):
        return replace(one, bbox=(0, 0, 0, 0), rotation=0)
    if isinstance(one, Keypoints):
        return replace(one, keypoints=[], bbox=None)
    return replace(one, **{"bbox" if isinstance(one, Rectangle) else one.geometry: ()})


def assert_same(found: Sample, wanted: Sample, name: str) -> None:
    if name not in NEAR:
        assert found == wanted
        return
    assert replace(found, annotations=[]) == replace(wanted, annotations=[])
    assert list(map(unmoved, found.annotations)) == list(map(unmoved, wanted.annotations))
    for left, right in zip(found.annotations, wanted.annotations, strict=True):
        if isinstance(left, Mask):
            assert left == right
            continue
        assert numbers(left) == pytest.approx(numbers(right), abs=NEAR[name])
        if isinstance(left, RotatedBox) and isinstance(right, RotatedBox):
            corners = [points_of(each) for each in (left, right)]
            for one, others in (corners, reversed(corners)):
                assert all(min(math.dist(a, b) for b in others) <= NEAR[name] for a in one)


def make_images(folder: Path, some: list[Sample]) -> None:
    from PIL import Image

    for sample in some:
        path = folder / sample.image
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("1", (sample.width or 1, sample.height or 1)).save(path, "PNG")


@pytest.mark.parametrize("name", sorted(LEFT))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, name: str, data: Any) -> None:
    """What was written comes back, less what the format cannot hold, which is then named."""
    images, labels = NAMES.get(name, (names, names))
    some = data.draw(samples(images, labels))
    if name == "cvat":
        some = [_plain_attributes(sample) for sample in some]
    if name in PAINTS:
        some = [with_plain_masks(sample) for sample in some]
    folder = tmp_path_factory.mktemp("formats")
    target = folder / ("out" if FORMATS[name].is_folder else f"out{FORMATS[name].extension}")
    report = write_export(some, target, name)
    assert report.images == len(some)
    assert [each.name for each in folder.iterdir()] == [target.name]
    if name.startswith("yolo"):
        make_images(folder / "images", some)
    folder_of_images = folder / "images" if name[0] == "y" else None
    # Ids are in COCO only.
    found = [replace(each, id=None) for each in read_format(target, name, images=folder_of_images)]
    wanted = [expected(sample, name) for sample in some]
    if FORMATS[name].is_folder:
        found.sort(key=lambda sample: sample.image)
        wanted.sort(key=lambda sample: sample.image)
    assert len(found) == len(wanted)
    for left, right in zip(found, wanted, strict=True):
        assert_same(left, right, name)
    is_changed = any(
        left.annotations != right.annotations or (left.split and left.split != right.split)
        for left, right in zip(
            sorted(some, key=lambda s: s.image), sorted(wanted, key=lambda s: s.image), strict=True
        )
    )
    assert bool(report.losses) == is_changed, report.losses


def _plain_attributes(sample: Sample) -> Sample:
    """Without attributes whose names or values XML cannot hold: those are refused, not lost."""

    def holds(name: str, values: list[AttributeValue]) -> bool:
        return not re.search(
            r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", name + str([v.value for v in values[:1]])
        ) and not any(
            isinstance(v.value, str) and re.search(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", v.value)
            for v in values
        )

    return replace(
        sample,
        annotations=[
            replace(one, attributes={k: v for k, v in one.attributes.items() if holds(k, v)})
            for one in sample.annotations
        ],
    )


@settings(max_examples=25, deadline=None)
@given(some=samples())
def test_round_trip_of_v1(tmp_path_factory: pytest.TempPathFactory, some: list[Sample]) -> None:
    """One geometry in a file, and one value for each attribute."""
    target = tmp_path_factory.mktemp("formats") / "out.json"
    report = write_export(some, target, "layernext-v1")
    outlines = [list(map(outlined, sample.annotations)) for sample in some]
    kinds = [
        one.geometry
        for shapes in outlines
        for one in shapes
        if one.geometry in {"rectangle", "polygon", "line"}
    ]
    lost = 0
    for found, sample, shapes in zip(
        read_format(target, "layernext-v1"), some, outlines, strict=True
    ):
        left = [one for one in shapes if kinds and one.geometry == kinds[0]]
        lost += len(shapes) - len(left)
        wanted = [
            replace(
                one,
                track=None,
                metadata={},
                attributes={
                    name: [AttributeValue(value=values[0].value)]
                    for name, values in one.attributes.items()
                    if values
                },
            )
            for one in left
        ]
        assert found == Sample(image=sample.image, annotations=wanted)
    named = sum(count for what, (count, _) in report.losses.items() if "the geometry" in what)
    assert named == lost


@settings(max_examples=25, deadline=None)
@given(some=samples())
def test_round_trip_of_coco_results(
    tmp_path_factory: pytest.TempPathFactory, some: list[Sample]
) -> None:
    """With the file of instances that they are of, results keep names, boxes and confidences."""
    folder = tmp_path_factory.mktemp("formats")
    some = [replace(each, split=None) for each in some]
    write_export(some, folder / "all.json", "coco")
    left = [
        replace(each, annotations=[one for one in map(in_coco, each.annotations) if one])
        for each in some
    ]
    left = [each for each in left if each.annotations]
    if not left:
        return
    options = ExportOptions(instances=folder / "all.json")
    # The order of the images is that of the instances.
    report = write_export(reversed(some), folder / "results.json", "coco-results", options)
    assert not any("name" in what or "among" in what for what in report.losses)
    found = [
        replace(each, id=None)
        for each in read_format(
            folder / "results.json", "coco-results", instances=folder / "all.json"
        )
    ]
    assert found == [
        replace(
            each,
            annotations=[
                replace(
                    one,
                    attributes={},
                    metadata={},
                    confidence=1.0 if one.confidence is None else one.confidence,
                )
                for one in each.annotations
            ],
        )
        for each in left
    ]
