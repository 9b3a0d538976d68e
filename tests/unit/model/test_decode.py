"""Decoding one image: what is accepted, and as what."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layernext.errors import DataError
from layernext.model import (
    AttributeValue,
    Geometry,
    ImageAnnotations,
    ImageDecoder,
    Line,
    Points,
    Rectangle,
    confidences_by_label,
    decode_trusted,
    iter_attribute_values,
)
from tests.support.strategies import annotation_sets, json_values, v1_images


def image_with(*annotations: dict[str, object]) -> bytes:
    return json.dumps({"image": "a.jpg", "annotations": annotations}).encode()


@given(annotation_sets())
def test_v2_round_trip(wanted: ImageAnnotations) -> None:
    """What is encoded as v2 is accepted and read back equal."""
    raw = msgspec.json.encode(wanted)
    checked = ImageDecoder(None).decode(raw)
    assert [a.label for a in checked.annotations] == [a.label for a in wanted.annotations]
    assert decode_trusted(raw, None) == wanted


@given(v1_images())
def test_v1_round_trip(case: tuple[str, dict[str, object]]) -> None:
    """A v1 image is accepted, and its metadata becomes attributes, value by value."""
    geometry, image = case
    raw = json.dumps(image).encode()
    ImageDecoder(geometry).decode(raw)  # type: ignore[arg-type]
    typed = decode_trusted(raw, geometry)  # type: ignore[arg-type]
    assert typed.image == image["image"]
    for annotation, source in zip(typed.annotations, image["annotations"], strict=True):  # type: ignore[call-overload]
        key = {"rectangle": "bbox"}.get(geometry, geometry)
        shape = getattr(annotation, key)
        wanted = source[key]
        assert list(shape) == wanted if key == "bbox" else [list(p) for p in shape] == wanted
        assert annotation.confidence == source.get("confidence")
        plain = {name: values[0].value for name, values in annotation.attributes.items()}
        assert plain == source.get("metadata", {})
        assert annotation.metadata == {}


@pytest.mark.parametrize("geometry", [None, "rectangle"])
def test_second_shape_is_refused(geometry: Geometry | None) -> None:
    """What could not come back is not taken: an annotation has one shape."""
    shapes = '"bbox": [1, 2, 3, 4], "polygon": [[1, 2]]'
    kind = '"type": "rectangle", ' if geometry is None else ""
    raw = f'{{"image": "a", "annotations": [{{{kind}"label": "a", {shapes}}}]}}'.encode()
    with pytest.raises(DataError) as caught:
        ImageDecoder(geometry).decode(raw)
    assert str(caught.value) == (
        "images[0].annotations[0].polygon: does not belong to a rectangle, which has `bbox`"
    )


@pytest.mark.parametrize(
    ("geometry", "annotation", "wanted"),
    [
        pytest.param(
            "rectangle",
            {"type": "line", "label": "a", "line": [[1, 2]], "metadata": {"k": 1}},
            Line(label="a", line=[(1, 2)], metadata={"k": 1}),
            id="type-overrides-the-geometry-argument",
        ),
        pytest.param(
            "rectangle",
            {"attributes": {"c": [{"value": 1}]}, "label": "a", "bbox": [1, 2, 3, 4]},
            Rectangle(label="a", bbox=(1, 2, 3, 4), attributes={"c": [AttributeValue(1)]}),
            id="attributes-make-it-v2",
        ),
        pytest.param(
            "line",
            {"label": "a", "polygon": [[1, 2], [3, 4]]},
            Line(label="a", line=[(1, 2), (3, 4)]),
            id="line-given-as-polygon",
        ),
        pytest.param(
            None,
            {
                "type": "points",
                "label": "a",
                "points": [[1, 2]],
                "confidence": None,
                "metadata": None,
            },
            Points(label="a", points=[(1, 2)]),
            id="null-is-absent",
        ),
        pytest.param(
            None,
            {"type": "line", "label": "a", "polygon": [[1, 2]]},
            Line(label="a", line=[(1, 2)]),
            id="v2-line-given-as-polygon",
        ),
    ],
)
def test_unusual_but_valid(geometry, annotation, wanted) -> None:
    """The forms that the published documentation permits are read as it says."""
    raw = image_with(annotation)
    checked = ImageDecoder(geometry).decode(raw)
    assert checked.annotations[0].label == "a"
    assert decode_trusted(raw, geometry).annotations == [wanted]


@pytest.mark.parametrize(
    ("geometry", "annotation", "place", "text"),
    [
        pytest.param("rectangle", {"label": "a", "bbox": [1, 2, -4.0, 4]}, ".bbox", "width is -4.0, must be ≥ 0", id="width"),
        pytest.param("rectangle", {"label": "a", "bbox": [1, 2, 4, -1]}, ".bbox", "height is -1, must be ≥ 0", id="height"),
        pytest.param("rectangle", {"label": "a", "bbox": [1, 2, 3]}, ".bbox", "has 3 numbers, must have 4: x, y, width, height", id="three"),
        pytest.param("rectangle", {"label": "a", "bbox": [1, "2", 3, 4]}, ".bbox[1]", 'is "2", must be a finite number (y)', id="text"),
        pytest.param("rectangle", {"label": "a", "bbox": [1, True, 3, 4]}, ".bbox[1]", "is true, must be a finite number (y)", id="bool"),
        pytest.param("rectangle", {"label": "a"}, ".bbox", "is missing; a rectangle requires it", id="no-bbox"),
        pytest.param("polygon", {"label": "a", "bbox": [1, 2, 3, 4]}, ".polygon", "is missing; a polygon requires it; this annotation has bbox", id="other-geometry"),
        pytest.param("polygon", {"label": "a", "polygon": []}, ".polygon", "is [], must be a list of at least one [x, y]", id="no-points"),
        pytest.param("line", {"label": "a", "line": [[1, 2], [3]]}, ".line[1]", "is [3], must be [x, y]", id="half-a-point"),
        pytest.param("line", {"label": "a", "line": [[1, None]]}, ".line[0][1]", "is null, must be a finite number", id="null-number"),
        pytest.param("rectangle", {"bbox": [1, 2, 3, 4]}, ".label", "is missing, must be a string", id="no-label"),
        pytest.param("rectangle", {"bbox": [1, 2, 3, 4], "label": ""}, ".label", "is empty, must name a class", id="empty-label"),
        pytest.param("rectangle", {"bbox": [1, 2, 3, 4], "label": "a\0"}, ".label", "contains the character U+0000, which no name may have", id="nul-label"),
        pytest.param("rectangle", {"bbox": [1, 2, 3, 4], "label": "a", "confidence": 1.5}, ".confidence", "is 1.5, must be from 0 to 1", id="confidence"),
        pytest.param("rectangle", {"bbox": [1, 2, 3, 4], "label": "a", "confidance": 1}, "", 'unknown key "confidance"', id="misspelt"),
        pytest.param(None, {"bbox": [1, 2, 3, 4], "label": "a"}, ".type", "is missing, must be rectangle, polygon, line, points, mask, rotated_box, image_label, keypoints or semantic_mask", id="no-type"),
        pytest.param(None, {"type": "circle", "label": "a"}, ".type", 'is "circle", must be rectangle, polygon, line, points, mask, rotated_box, image_label, keypoints or semantic_mask', id="unknown-type"),
        pytest.param(None, {"type": "rectangle", "bbox": [1, 2, 3, 4], "label": "a", "attributes": {"c": "red"}}, '.attributes["c"]', 'is "red", must be a list of {"value": …}', id="attribute-no-list"),
        pytest.param(None, {"type": "rectangle", "bbox": [1, 2, 3, 4], "label": "a", "attributes": {"c": [{"confidence": 1}]}}, '.attributes["c"][0].value', "is missing", id="value-missing"),
        pytest.param(None, {"type": "rectangle", "bbox": [1, 2, 3, 4], "label": "a", "metadata": []}, ".metadata", "is [], must be an object", id="metadata-list"),
    ],
)  # fmt: skip
def test_problems_name_their_place(geometry, annotation, place, text) -> None:
    """Each broken annotation is refused with its path and one sentence."""
    good = {"type": "rectangle", "label": "g", "bbox": [0, 0, 1, 1]}
    with pytest.raises(DataError) as caught:
        ImageDecoder(geometry).decode(image_with(good, annotation), index=12, file="example.json")
    problem = caught.value.problems[0]
    assert problem.where == f"images[12].annotations[1]{place}"
    assert problem.message.startswith(text)
    assert str(caught.value).startswith(f"example.json: {problem.where}: {text}")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"[]", "is [], must be an object with `image` and `annotations`", id="list"),
        pytest.param(b'{"annotations": []}', "is missing, must be a string", id="no-image"),
        pytest.param(b'{"image": "a"}', "is missing, must be a list", id="no-annotations"),
        pytest.param(b'{"image": 3, "annotations": []}', "is 3, must be a string", id="number"),
        pytest.param(b'{"image": "a", "annotations": {}}', "is {}, must be a list", id="object"),
        pytest.param(b'{"image": "a", "annotations": [1]}', "is 1, must be an object", id="one"),
        pytest.param(b'{"image": "a", "annotations": [], "x": 1}', 'unknown key "x"', id="key"),
        pytest.param(b'{"image": "\xff", "annotations": []}', "is not UTF-8 text", id="latin"),
        pytest.param(b'{"image": "a", "annotations": [}', "is not JSON", id="broken"),
        pytest.param(b'{"image": "\\ud800", "annotations": []}', "contains half a surrogate", id="surrogate"),
        pytest.param(b"[" * 100_000, "is nested too deeply", id="deep"),
        pytest.param(
            b'{"image": "a", "annotations": [{"label": "a", "bbox": [0, 0, 1, 1], "metadata": {"k": '
            + b"[" * 100_000 + b"]" * 100_000 + b"}}]}", "is nested too deeply", id="deep-metadata"),
    ],
)  # fmt: skip
def test_broken_images(raw: bytes, text: str) -> None:
    """A file that is not an image is refused with a sentence, never with another exception."""
    with pytest.raises(DataError) as caught:
        ImageDecoder("rectangle").decode(raw)
    assert caught.value.problems[0].message.startswith(text)


def test_all_problems_of_an_image_are_found() -> None:
    """One refusal lists every problem, and says how many there are."""
    bad = {"label": "", "bbox": [1, 2, 3, -4], "confidence": 2}
    with pytest.raises(DataError) as caught:
        ImageDecoder("rectangle").decode(image_with(bad, bad))
    assert len(caught.value.problems) == 6
    assert str(caught.value).endswith("(and 5 other problems)")


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_input_is_read_or_refused(raw: bytes) -> None:
    """No bytes raise anything but a DataError."""
    for geometry in (None, "rectangle"):
        try:
            ImageDecoder(geometry).decode(raw)  # type: ignore[arg-type]
        except DataError as error:
            assert error.problems  # noqa: PT017


def test_summaries() -> None:
    """Labels are counted and attribute values listed in both forms."""
    v2 = image_with(
        {"type": "rectangle", "label": "a", "bbox": [0, 0, 1, 1], "attributes": {"c": [{"value": "r"}, {"value": 2}]}},
        {"type": "rectangle", "label": "a", "bbox": [0, 0, 1, 1], "metadata": {"c": "free"}},
    )  # fmt: skip
    image = ImageDecoder(None).decode(v2)
    assert confidences_by_label(image) == {"a": [None, None]}
    assert list(iter_attribute_values(image)) == [("a", "c", "r"), ("a", "c", 2)]
    v1 = image_with({"label": "b", "bbox": [0, 0, 1, 1], "metadata": {"c": "r"}})
    assert list(iter_attribute_values(ImageDecoder("rectangle").decode(v1))) == [("b", "c", "r")]
