"""Formats on their way into a stack and out of it."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from layernext import LayerNextClient
from layernext.errors import ConfigurationError, DataError, FormatError
from layernext.formats import FORMATS, Sample, write_export
from layernext.model import AttributeValue, Polygon, Rectangle

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


@pytest.mark.parametrize("name", sorted(each for each in FORMATS if FORMATS[each].is_read))
def test_every_format_is_uploaded(client: LayerNextClient, tmp_path: Path, name: str) -> None:
    """One call brings a file of any format into a stack; what is not read of it is in the report."""
    source, photos, collection = tmp_path / "in", tmp_path / "photos", fresh()
    write_export(SOME, source, name)
    more = {}
    if name.startswith("yolo"):
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
    with pytest.raises(FormatError, match=r"in\.csv:5: has the confidence 1\.5"):
        client.upload_modelrun(collection, "m", source, format="csv")
    assert collection not in [each.name for each in client.list_collections()]
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
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "keypoints": [1, 2, 2]}
        ],
    }
    source, collection = tmp_path / "instances_val.json", fresh()
    source.write_text(json.dumps(content))
    report = client.upload_annotation_from_cocojson(source, collection)
    assert (report.run, report.mode, report.annotations) == ("instances_val", "human", 1)
    assert list(report.losses) == ["the key 'keypoints'"]
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
    with pytest.raises(DataError, match="cannot be kept"):
        client.upload_annotation_from_cocojson(source, collection, strict=True)
