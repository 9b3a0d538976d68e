"""What a format declares to hold is what it does: the table in docs/formats.md is made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from layernext.errors import DataError
from layernext.formats import FORMATS, KEPT, Sample, read_format, write_export
from layernext.formats.core.losses import FIELDS
from layernext.model import (
    GEOMETRIES,
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
from layernext.model.geometry.run_lengths import compressed

CORNERS = [(1.0, 2.0), (4.0, 2.0), (4.0, 6.0), (1.0, 6.0)]
MASK = compressed([12, 4, 6, 4, 6, 4, 164])
"""The pixels within the corners, in an image of 20 by 10."""

ANNOTATIONS: dict[str, Annotation] = {
    "rectangle": Rectangle(label="cup", bbox=(1, 2, 3, 4)),
    "polygon": Polygon(label="cup", polygon=CORNERS),
    "line": Line(label="cup", line=CORNERS),
    "points": Points(label="cup", points=CORNERS),
    "rotated_box": RotatedBox(label="cup", bbox=(2, 3, 12, 4), rotation=90),
    "image_label": ImageLabel(label="cup"),
    "mask": Mask(label="cup", mask=RunLengths((10, 20), MASK)),
    "keypoints": Keypoints(
        label="cup", keypoints=[(1.0, 2.0, 2), (4.0, 6.0, 1), (0, 0, 0)], bbox=(0.5, 1.0, 4.0, 6.0)
    ),
    "semantic_mask": SemanticMask(label="cup", mask=RunLengths((10, 20), MASK)),
}
BOX = ANNOTATIONS["rectangle"]
CHANGED: dict[str, list[Annotation]] = {
    "its box": [BOX],
    "its outline": [ANNOTATIONS["polygon"]],
    "a rotated box": [ANNOTATIONS["rotated_box"]],
    "a mask": [ANNOTATIONS["mask"]],
    "as pixels": [ANNOTATIONS["semantic_mask"]],
    "of 4 points; a box as a rotated one": [ANNOTATIONS["rotated_box"]],
}
FIELD_VALUES: dict[str, Any] = {
    "confidence": 0.5,
    "attributes": {"color": [AttributeValue(value="red")]},
    "metadata": {"track": 7},
}
WRITTEN = sorted(
    name
    for name, entry in FORMATS.items()
    if entry.write is not None and name != "classification"  # it consists of the images
)


def round_trip(folder: Path, name: str, sample: Sample) -> tuple[Sample | None, dict[str, Any]]:
    """What comes back of a sample, and the losses; None if the format is not read."""
    written = FORMATS[name]
    target = folder / ("out" if written.is_folder else f"out{written.extension}")
    options: dict[str, Any] = {}
    if name == "coco-results":
        other = Sample(image="b.png", width=20, height=10, annotations=[BOX])
        write_export([sample, other], folder / "instances.json", "coco")
        options["instances"] = folder / "instances.json"
    if name.startswith("yolo"):
        from PIL import Image

        options["images"] = folder / "images"
        options["images"].mkdir()
        Image.new("1", (20, 10)).save(options["images"] / "a.png")
    report = write_export([sample], target, name)
    if written.read is None:
        return None, report.losses
    return next(iter(read_format(target, name, **options)), None), report.losses


@pytest.mark.parametrize("kind", GEOMETRIES)
@pytest.mark.parametrize("name", WRITTEN)
def test_geometries(tmp_path: Path, name: str, kind: str) -> None:
    """A geometry comes back as declared; one that is not declared is named as a loss."""
    sample = Sample(image="a.png", width=20, height=10, annotations=[ANNOTATIONS[kind]])
    declared = FORMATS[name].holds.geometries.get(kind)
    result, losses = round_trip(tmp_path, name, sample)
    is_refused = any(what.startswith(f"the geometry {kind}") for what in losses)
    assert is_refused == (declared is None)
    if result is None:
        return
    confidence = 1.0 if name == "coco-results" else None
    geometries = [type(ANNOTATIONS[kind])] if declared else []
    if declared in CHANGED:
        geometries = [type(each) for each in CHANGED[declared]]
    assert [type(each) for each in result.annotations] == geometries
    if declared and declared.startswith(KEPT) and confidence is None:
        assert result.annotations == sample.annotations


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", WRITTEN)
def test_fields(tmp_path: Path, name: str, field: str) -> None:
    """A field comes back if it is declared, and is named as a loss if not."""
    value = FIELD_VALUES[field]
    kind = next(iter(FORMATS[name].holds.geometries))
    annotation = replace(ANNOTATIONS[kind], **{field: value})
    sample = Sample(image="a.png", width=20, height=10, annotations=[annotation])
    result, losses = round_trip(tmp_path, name, sample)
    is_declared = field in FORMATS[name].holds.fields
    assert (field in losses) == (not is_declared)
    if result is not None and is_declared:
        assert getattr(result.annotations[0], field) == value


@pytest.mark.parametrize("name", WRITTEN)
def test_splits_and_sizes(tmp_path: Path, name: str) -> None:
    """Splits and sizes come back if they are declared; a size that is needed is asked for."""
    holds = FORMATS[name].holds
    sample = Sample(image="a.png", width=20, height=10, split="validation", annotations=[BOX])
    (tmp_path / "whole").mkdir()
    result, losses = round_trip(tmp_path / "whole", name, sample)
    if name != "coco-results":  # it has no images of its own
        assert ("the split" in losses) == (holds.splits is None)
    if result is not None:
        assert result.split == ("validation" if holds.splits else None)
        if holds.sizes != "no":
            assert (result.width, result.height) == (20, 10)
    unknown = Sample(image="a.png", annotations=[BOX])
    if holds.sizes == "needed":
        with pytest.raises(DataError, match="size in pixels is not known"):
            write_export([unknown], tmp_path / "unsized", name)
    else:
        write_export([unknown], tmp_path / "unsized", name)


@pytest.mark.parametrize("name", WRITTEN)
def test_runs(tmp_path: Path, name: str) -> None:
    """The run of an annotation comes back if that is declared."""
    sample = Sample(
        image="a.png", width=20, height=10, run="model 7", mode="machine", annotations=[BOX]
    )
    result, _ = round_trip(tmp_path, name, sample)
    if result is not None:
        assert (result.run == "model 7") == FORMATS[name].holds.runs


PARTS = Polygon(label="cup", parts=[[CORNERS], [[(6.0, 1.0), (9.0, 1.0), (9.0, 4.0)]]])


@pytest.mark.parametrize("name", WRITTEN)
def test_parts(tmp_path: Path, name: str) -> None:
    """A polygon of several parts comes back whole, or what becomes of it is named; no part is lost."""
    sample = Sample(image="a.png", width=20, height=10, annotations=[PARTS])
    result, losses = round_trip(tmp_path, name, sample)
    holds = FORMATS[name].holds
    of_four_points = name in {"dota", "yolo-obb"}
    if result is None or "polygon" not in holds.geometries or of_four_points:
        assert losses
        return
    is_kept = [replace(each, confidence=None) for each in result.annotations] == [PARTS]
    assert is_kept or any("part" in what or "outline" in what for what in losses)
    assert is_kept == (name in {"layernext", "coco", "coco-results", "csv", "parquet"})
    if not holds.parts:
        single = [part[0] for part in PARTS.parts]
        assert [each.polygon for each in result.annotations] == single  # type: ignore[union-attr]
    boxes = [kind_of(each).box(kind_of(each).coordinates_of(each)) for each in result.annotations]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = (max(box[axis] + box[axis + 2] for box in boxes) for axis in (0, 1))
    assert (left, top, right, bottom) == pytest.approx((1, 1, 9, 6))
