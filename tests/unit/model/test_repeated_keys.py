"""An object that has a key twice is refused with its place, however the text is written."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layernext.errors import DataError
from layernext.model import Geometry, ImageDecoder, refuse_repeated_keys
from tests.support.strategies import annotation_sets, json_values

BOX = '"bbox": [1, 2, 3, 4]'


def refusal(raw: str, geometry: Geometry | None = "rectangle") -> str:
    """What the decoder says of an image."""
    decoder = ImageDecoder(geometry)
    assert decoder.try_decode(raw.encode()) is None
    with pytest.raises(DataError) as caught:
        decoder.decode(raw.encode(), index=3)
    return str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "place"),
    [
        (f'{{"label": "a", {BOX}, "label": "b"}}', 'annotations[1]: key "label"'),
        (f'{{"label": "a:b", {BOX}, "l\\u0061bel" : "c"}}', 'annotations[1]: key "label"'),
        (f'{{"label": "x\\u003ay", {BOX}, "label": "c"}}', 'annotations[1]: key "label"'),
        (f'{{"label": "a", {BOX}, {BOX}}}', 'annotations[1]: key "bbox"'),
        (f'{{"label": "a", {BOX}, "confidence": null, "confidence": 1}}', 'annotations[1]: key "confidence"'),
        (f'{{"label": "a", {BOX}, "metadata": {{"k": 1, "k": 2}}}}', 'annotations[1].metadata: key "k"'),
        (
            f'{{"label": "a", {BOX}, "metadata": {{"k": [0, {{"a b": {{"x": 1, "x": 1}}}}]}}}}',
            "annotations[1].metadata.k[1]['a b']: key \"x\"",
        ),
    ],
)  # fmt: skip
def test_annotations(annotation: str, place: str) -> None:
    """The place is that of the object, at any depth."""
    image = f'{{"image": "i", "annotations": [{{"label": "a", {BOX}}}, {annotation}]}}'
    assert refusal(image) == f"images[3].{place} appears twice"


def test_images_and_attributes() -> None:
    """Keys of the image itself, and those of form v2."""
    assert refusal('{"image": "a", "annotations": [], "image": "b"}') == (
        'images[3]: key "image" appears twice'
    )
    attributes = '{"c": [{"value": 1, "value": 2}], "d": []}'
    annotation = f'{{"type": "rectangle", "label": "a", {BOX}, "attributes": {attributes}}}'
    assert refusal(f'{{"image": "a", "annotations": [{annotation}]}}', None) == (
        'images[3].annotations[0].attributes.c[0]: key "value" appears twice'
    )


@given(annotation_sets())
def test_valid_sets_pass(image: Any) -> None:
    """Colons in names, free values and nulls cost at most time."""
    raw = msgspec.json.encode(image)
    assert ImageDecoder(None).decode(raw).image == image.image


@given(st.dictionaries(st.sampled_from(["a", "b:", "c\\", 'd"', "é"]), json_values, min_size=1))
def test_any_object(value: dict[str, Any]) -> None:
    """Plain JSON passes; a repeated key is noticed at any depth."""
    text = json.dumps(value)
    refuse_repeated_keys(text.encode())
    repeated = f"{{{json.dumps(next(iter(value)))} : [], {text[1:]}"
    for raw in (repeated, f'[{{"x": {repeated}}}]'):
        with pytest.raises(DataError, match="appears twice"):
            refuse_repeated_keys(raw.encode())
