"""Label Studio, as its exports and its tags write results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from layernext.errors import FormatError
from layernext.formats import (
    ExportOptions,
    Losses,
    Sample,
    convert,
    detect_format,
    read_format,
    write_export,
)
from layernext.formats.core.classes import Classes
from layernext.formats.label_studio_tasks import image_name
from layernext.model import (
    AttributeValue,
    ImageLabel,
    Keypoints,
    Line,
    Mask,
    Points,
    Polygon,
    Rectangle,
    Skeleton,
)

VALUE = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
BOX = Rectangle(label="cat", bbox=(20, 20, 60, 40))


def result(kind: str = "rectanglelabels", label: str | None = "cat", **more: Any) -> dict[str, Any]:
    value = more.pop("value", VALUE)
    if label is not None:
        value = value | {kind: [label]}
    return {"id": "z", "type": kind, "from_name": "label", "to_name": "image", "original_width": 200,
            "original_height": 100, "image_rotation": 0, "value": value} | more  # fmt: skip


def task(*results: dict[str, Any], image: Any = "a.jpg", key: str = "image") -> dict[str, Any]:
    return {"id": 1, "data": {key: image}, "annotations": [{"id": 5, "result": [*results]}]}


def read(folder: Path, *tasks: dict[str, Any], losses: Losses | None = None) -> list[Sample]:
    (folder / "a.json").write_text(json.dumps(tasks))
    assert detect_format(folder / "a.json") == "label-studio"
    return list(read_format(folder / "a.json", "label-studio", losses=losses))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/data/upload/3/0f6142fb-photo_21.jpg", "photo_21.jpg"),
        ("/data/upload/0f6142fb-photo_21.jpg", "photo_21.jpg"),
        ("data/upload/3/0f6142fb-a%20b.jpg", "a b.jpg"),
        ("/data/upload/3/photo_21.jpg", "photo_21.jpg"),
        ("/data/upload/3/deadbeef-cafecafe-x.jpg", "cafecafe-x.jpg"),
        ("/data/local-files/?d=photos/a.jpg", "photos/a.jpg"),
        ("/data/local-files/?d=photos%2Fa%20b.jpg", "photos/a b.jpg"),
        ("https://example.com/imgs/a.jpg?sig=1", "a.jpg"),
        ("s3://bucket/some/where/a.jpg", "a.jpg"),
        ("gs://bucket/a.jpg", "a.jpg"),
        ("a.jpg", "a.jpg"),
        ("sub/deadbeef-a?b.jpg", "sub/deadbeef-a?b.jpg"),
    ],
)
def test_names_of_images(tmp_path: Path, text: str, name: str) -> None:
    """The name is that of the file, without what Label Studio puts before it; names of ours stay."""
    assert image_name(text) == name
    (sample,) = read(tmp_path, task(result(), image=text))
    assert (sample.image, sample.annotations) == (name, [BOX])


def test_images_from_uploads_can_be_written(tmp_path: Path) -> None:
    """The names are those of files, so folders of any format can hold them."""
    read(tmp_path, task(result(), image="/data/upload/3/0f6142fb-photo_21.jpg"))
    convert(tmp_path / "a.json", tmp_path / "yolo", "yolo")
    text = (tmp_path / "yolo" / "labels" / "train" / "photo_21.txt").read_text()
    assert text == "0 0.25 0.4 0.3 0.4\n"


def test_two_uploads_of_one_name(tmp_path: Path) -> None:
    """The second keeps Label Studio's prefix, which is said; the same image twice is refused."""
    losses = Losses()
    tasks = [task(image=f"/data/upload/3/{prefix}-a.jpg") for prefix in ("00000000", "11111111")]
    samples = read(tmp_path, *tasks, losses=losses)
    assert [sample.image for sample in samples] == ["a.jpg", "11111111-a.jpg"]
    assert len(losses.warnings) == 1
    with pytest.raises(FormatError, match=r"\[1\]: the image 'x.jpg' comes twice"):
        read(tmp_path, task(image="x.jpg"), task(image="x.jpg"))


@pytest.mark.parametrize(
    "value", [VALUE, VALUE | {"rectanglelabels": []}], ids=["missing", "empty"]
)
def test_region_without_a_label(tmp_path: Path, value: dict[str, Any]) -> None:
    """It is named as a loss, and everything else is read."""
    losses = Losses()
    bare = result(label=None, value=value)
    (sample,) = read(tmp_path, task(bare, result()), losses=losses)
    assert sample.annotations == [BOX]
    where = f"{tmp_path / 'a.json'}: [0].result[0]"
    assert losses.counts == {"a region without a label": (1, where)}
    assert losses.shapes == 1


def test_every_problem_is_listed(tmp_path: Path) -> None:
    """A score in percent, a missing size, a missing image: each with its place and no name of Python's."""
    results = [result(score=59), result(original_width=None), result(value={"x": 1}), result()]
    with pytest.raises(FormatError) as refusal:
        read(tmp_path, task(*results), task(image=""), task(result(), image=7))
    lines = [line.partition("a.json: ")[2] for line in refusal.value.lines()]
    assert lines == [
        "[0].result[0]: the score is 59, must be from 0 to 1",
        "[0].result[1]: has no size of its image: original_width and original_height must be numbers",
        "[0].result[2]: is not a result: its label, numbers or points cannot be read",
        "[1]: is not a task: it has no image in `data`",
        "[2]: is not a task: it has no image in `data`",
    ]


def test_label_and_shape_in_two_results(tmp_path: Path) -> None:
    """With the tags Rectangle and Labels a region and its label share an id; choices are attributes."""
    bare = result("rectangle", None)
    label = result("labels", None, value=VALUE | {"labels": ["cat"]})
    choices = result("choices", None, value={"choices": ["red", "big"]}, from_name="color")
    text = result("textarea", None, value={"text": ["seen"]}, from_name="note")
    rating = result("rating", None, value={"rating": 4}, from_name="stars")
    other = result("choices", None, value={"choices": ["night"]}, id="other")
    losses = Losses()
    (sample,) = read(tmp_path, task(bare, label, choices, text, rating, other), losses=losses)
    assert sample.annotations == [
        Rectangle(
            label="cat",
            bbox=BOX.bbox,
            attributes={
                "color": [AttributeValue("red"), AttributeValue("big")],
                "note": [AttributeValue("seen")],
                "stars": [AttributeValue(4)],
            },
        ),
        ImageLabel(label="night", metadata={"from_name": "label"}),
    ]
    assert not losses.counts


def test_labels_of_the_image(tmp_path: Path) -> None:
    """Choices of a whole image are its labels; another result about it is named."""
    weather = result(
        "choices", None, value={"choices": ["rain", "night"]}, from_name="choice", score=0.5
    )
    stars = result("rating", None, value={"rating": 4}, id="other")
    losses = Losses()
    (sample,) = read(tmp_path, task(weather | {"id": "whole"}, stars), losses=losses)
    assert sample.annotations == [
        ImageLabel(label="rain", confidence=0.5),
        ImageLabel(label="night", confidence=0.5),
    ]
    assert list(losses.counts) == ["a result of the type rating about an image"]
    broken = result("choices", None, value={"choices": "rain"}, id="other")
    with pytest.raises(FormatError, match="its choices cannot be read"):
        read(tmp_path, task(broken))


def test_other_shapes(tmp_path: Path) -> None:
    """Polygons, key points, ellipses and vectors; only the ellipse is another shape then."""
    losses = Losses()
    corners = [{"x": 0, "y": 0}, {"x": 50, "y": 0}, {"x": 50, "y": 100}]
    (sample,) = read(
        tmp_path,
        task(
            result("polygonlabels", value={"points": [[0, 0], [50, 0], [50, 100]]}),
            result("keypointlabels", value={"x": 50, "y": 50, "width": 1}),
            result("ellipselabels", value={"x": 50, "y": 50, "radiusX": 10, "radiusY": 10}),
            result("vectorlabels", value={"vertices": corners, "closed": False}),
        ),
        losses=losses,
    )
    polygon, points, ellipse, line = sample.annotations
    assert polygon == Polygon(label="cat", polygon=[(0, 0), (100, 0), (100, 100)])
    assert points == Points(label="cat", points=[(100, 50)])
    assert isinstance(ellipse, Polygon)
    assert max(x for x, _ in ellipse.polygon) == pytest.approx(120)
    assert max(y for _, y in ellipse.polygon) == pytest.approx(60)
    assert line == Line(label="cat", line=[(0, 0), (100, 0), (100, 100)])
    assert losses.shapes == 1


def packed(pixels: list[int]) -> list[int]:
    """A mask as Label Studio's bits: every pixel four times the same value, in literal and repeated blocks."""
    values = [value for pixel in pixels for value in [pixel] * 4]
    bits = f"{len(values):032b}{7:05b}" + f"{2:04b}{4:04b}{7:04b}{15:04b}"
    position = 0
    while position < len(values):
        end = position
        while end < len(values) and values[end] == values[position] and end - position < 16:
            end += 1
        if position % 8:
            bits += f"1{1:02b}{end - position - 1:05b}{values[position]:08b}"
        else:
            end = min(end, position + 8)
            block = values[position:end]
            bits += f"0{0:02b}{len(block) - 1:03b}" + "".join(f"{value:08b}" for value in block)
        position = end
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def test_painted_mask(tmp_path: Path) -> None:
    """The pixels of a brush: here 3 x 2 with a corner missing, in an image of 5 x 3; they go out again."""
    pixels = [0, 255, 255, 255, 0,
              0, 255, 255, 0, 0,
              0, 0, 0, 0, 0]  # fmt: skip
    brush = result("brushlabels", value={"format": "rle", "rle": packed(pixels)},
                   original_width=5, original_height=3)  # fmt: skip
    losses = Losses()
    (sample,) = read(tmp_path, task(brush), losses=losses)
    (mask,) = sample.annotations
    assert isinstance(mask, Mask)
    assert mask.mask.to_array().ravel().tolist() == [pixel == 255 for pixel in pixels]
    assert losses.counts == {}
    write_export([sample], tmp_path / "out.json", "label-studio")
    (back,) = read_format(tmp_path / "out.json", "label-studio")
    assert back.annotations == [mask]
    brush["value"]["rle"] = brush["value"]["rle"][:9]
    with pytest.raises(FormatError, match=r"result\[0\]: is not a result"):
        read(tmp_path, task(brush))


def test_json_min(tmp_path: Path) -> None:
    """The shorter export has the regions of each tag in a list."""
    region = VALUE | {"rectanglelabels": ["cat"], "original_width": 200, "original_height": 100}
    entry = {"image": "/data/upload/3/0f6142fb-a.jpg", "id": 1, "label": [region], "annotator": 1,
             "annotation_id": 5, "created_at": "2026", "lead_time": 3.5}  # fmt: skip
    (sample,) = read(tmp_path, entry)
    assert sample == Sample(image="a.jpg", annotations=[BOX], width=200, height=100)


def test_image_under_another_name(tmp_path: Path) -> None:
    """The field of the image is what the labeling configuration calls it."""
    (sample,) = read(tmp_path, task(result(), key="photo", image="s3://b/c.PNG"))
    assert sample.image == "c.PNG"


def test_points_of_a_rectangle_are_keypoints(tmp_path: Path) -> None:
    """Points whose parent is a rectangle are its keypoints, by name; what has no such parent stays a point."""
    size = {"original_width": 100, "original_height": 50, "to_name": "image"}

    def point(name: str, x: float, parent: str | None) -> dict[str, Any]:
        value = {"x": x, "y": 10, "width": 1, "keypointlabels": [name]}
        fields = {"id": f"{name}{x}", "type": "keypointlabels", "value": value, **size}
        return fields if parent is None else fields | {"parentID": parent}

    value = {
        "x": 0,
        "y": 0,
        "width": 50,
        "height": 100,
        "rotation": 0,
        "rectanglelabels": ["person"],
    }
    box = {"id": "p", "type": "rectanglelabels", "value": value, "score": 0.5, **size}
    choice = {"id": "p", "type": "choices", "from_name": "pose", "value": {"choices": ["sits"]}}
    results = [
        [box, choice, point("nose", 20, "p"), point("dot", 90, None)],
        [point("eye", 30, "p"), box, point("nose", 40, "gone")],
    ]
    tasks = [
        {"data": {"image": f"{number}.jpg"}, "annotations": [{"result": result}]}
        for number, result in enumerate(results)
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(tasks))
    classes = Classes()
    first, second = read_format(path, "label-studio", classes=classes)
    pose = Keypoints(
        label="person",
        keypoints=[(20, 5, 2), (0, 0, 0)],
        bbox=(0, 0, 50, 50),
        confidence=0.5,
        attributes={"pose": [AttributeValue(value="sits")]},
    )
    assert first.annotations == [pose, Points(label="dot", points=[(90, 5)])]
    assert second.annotations == [
        replace(pose, keypoints=[(0, 0, 0), (30, 5, 2)], attributes={}),
        Points(label="nose", points=[(40, 5)]),
    ]
    assert classes.skeletons == {"person": Skeleton(points=("nose", "eye"))}
    options = ExportOptions(skeletons=classes.skeletons)
    (kept,) = second.annotations[:1]
    report = write_export(
        [replace(second, annotations=[kept])], tmp_path / "b.json", "label-studio", options
    )
    assert report.losses == {}
    classes = Classes()
    (again,) = read_format(tmp_path / "b.json", "label-studio", classes=classes)
    assert again.annotations == [kept]
    assert classes.skeletons == {"person": Skeleton(points=("nose", "eye"))}
