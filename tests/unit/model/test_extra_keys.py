"""Keys that LayerNext JSON does not know are kept, counted, and refused only where they conflict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layernext.errors import DataError
from layernext.model import ImageDecoder, Rectangle, decode_trusted, encode_image
from layernext.model.extra_keys import COMMON_KEYS, RESERVED_IMAGE_KEYS, annotation_keys
from tests.support.strategies import json_values

BOX = {"label": "a", "bbox": [1, 2, 3, 4]}
V2 = {"type": "rectangle", **BOX}


def image_with(*annotations: dict[str, Any], **keys: Any) -> bytes:
    return json.dumps({"image": "x.jpg", "annotations": annotations, **keys}).encode()


@pytest.mark.parametrize(
    ("geometry", "raw", "counts"),
    [
        pytest.param(None, image_with(V2, {**V2, "lable": 1}, {**V2, "lable": 2}),
            {'unknown key "lable" of annotations is kept (did you mean "label"?)': (2, "images[7].annotations[1]")}, id="v2"),
        pytest.param("rectangle", image_with({**BOX, "score": 0.5}),
            {'unknown key "score" of annotations is kept (did you mean "confidence"?)': (1, "images[7].annotations[0]")}, id="v1"),
        pytest.param(None, image_with(V2, source={"a": [1, None]}),
            {'unknown key "source" of images is kept': (1, "images[7]")}, id="image"),
        pytest.param(None, image_with({**V2, "attributes": {"c": [{"value": 1, "by": "me"}]}}),
            {'unknown key "by" of attribute values is kept': (1, 'images[7].annotations[0].attributes["c"][0]')}, id="value"),
        pytest.param("rectangle", image_with(BOX, {"type": "polygon", "polygon": [[1, 2]], "label": "a", "z": None}),
            {'unknown key "z" of annotations is kept': (1, "images[7].annotations[1]")}, id="v2-in-v1"),
        pytest.param(None, image_with(V2, {**V2, "confidence": None, "metadata": {"a:b": ":"}}), {}, id="none"),
    ],
)  # fmt: skip
def test_unknown_keys_are_counted_and_kept(geometry, raw, counts) -> None:
    decoder = ImageDecoder(geometry)
    decoder.decode(raw, index=7)
    assert decoder.extra_keys.counts == counts
    fast = ImageDecoder(geometry)
    if fast.try_decode(raw) is not None:
        fast.note_extra(7)
        assert fast.extra_keys.counts == counts
    typed = decode_trusted(raw, geometry, with_extra_keys=True)
    again = decode_trusted(encode_image(typed), None, with_extra_keys=True)
    assert again == typed
    if counts:
        with pytest.raises(DataError, match="unknown key") as caught:
            ImageDecoder(geometry, refuses_extra=True).decode(raw, index=7)
        assert caught.value.problems[0].where == next(iter(counts.values()))[1]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (image_with({**V2, "polygon": [[1, 2]]}), "does not belong to a rectangle"),
        (image_with({**V2, "(extra)": {}}), "is reserved"),
        (image_with({**V2, "attributes": {"c": [{"value": 1, "(extra)": {}}]}}), "is reserved"),
        (image_with(V2, mode="human"), "upload each run by itself"),
        (b'{"image": "a", "annotations": [], "z": 1, "z": 2}', "appears twice"),
        (b'{"image": "a", "annotations": [], "z": 1e999}', "must be a finite number"),
        (b'{"image": "a", "annotations": [], "z": "\\ud800"}', "half a surrogate pair"),
    ],
)  # fmt: skip
def test_only_conflicts_are_refused(raw: bytes, text: str) -> None:
    with pytest.raises(DataError, match=text):
        ImageDecoder(None).decode(raw)


def test_extra_cannot_hide_a_key_of_the_format() -> None:
    image = decode_trusted(image_with(V2), None)
    box = Rectangle(label="a", bbox=(1, 2, 3, 4), extra={"label": "b"})
    image.annotations[:] = [box]
    with pytest.raises(DataError, match=r"annotations\[0\].extra: has \"label\""):
        encode_image(image)


unknown = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key not in annotation_keys() | RESERVED_IMAGE_KEYS.keys()
        | COMMON_KEYS | {"image", "annotations", "storageName", "isNormalized", "value", "width", "height"}),
    json_values, max_size=3,
)  # fmt: skip


@given(unknown, unknown, unknown)
def test_any_unknown_key_comes_back(image: Any, annotation: Any, value: Any) -> None:
    """Through typed data, too, and equal in value."""
    attributes = {"c": [{"value": 1, **value}]}
    plain = {
        "image": "x.jpg",
        "annotations": [{**V2, "attributes": attributes, **annotation}],
        **image,
    }
    raw = json.dumps(plain).encode()
    ImageDecoder(None).decode(raw)
    typed = decode_trusted(raw, None, with_extra_keys=True)
    assert json.loads(encode_image(typed)) == plain
