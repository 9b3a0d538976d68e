"""A key that an object repeats is refused with its place, in every format that is JSON."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from layernext.errors import DataError
from layernext.formats import convert
from layernext.formats.core.json_stream import MAX_KEYS

COCO_IMAGE = '{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}'
COCO_LABEL = '{"id": 1, "name": "cup"}'
COCO_BOX = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}'
SHAPE = '{"label": "cup", "points": [[1, 2], [3, 4]], "shape_type": "rectangle"}'


def coco(
    image: str = COCO_IMAGE, label: str = COCO_LABEL, box: str = COCO_BOX, more: str = ""
) -> str:
    return f'{{"images": [{image}], "categories": [{label}], "annotations": [{box}]{more}}}'


def with_repeat(text: str, key: str, value: str) -> str:
    """The object with a key that it has already, at its end."""
    assert f'"{key}"' in text
    return f'{text[:-1]}, "{key}": {value}}}'


def studio(result: str = "", meta: str = '"width": 9') -> str:
    value = '"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["cup"]'
    return (
        f'[{{"data": {{"image": "a.jpg"}}, "meta": {{{meta}}}, "annotations": [{{"result": ['
        f'{{"type": "rectanglelabels", "original_width": 9, "original_height": 9, '
        f'"value": {{{value}{result}}}}}]}}]}}]'
    )


def labelme(shape: str = SHAPE, more: str = "") -> str:
    return (
        f'{{"shapes": [{shape}], "imagePath": "a.jpg", "imageWidth": 9, "imageHeight": 9, '
        f'"imageData": "aGVs"{more}}}'
    )


def several_runs(more: str) -> str:
    box = f'{{"type": "rectangle", "bbox": [1, 2, 3, 4], "label": "cup"{more}}}'
    return f'{{"images": [{{"run": "a", "image": "a.jpg", "annotations": [{box}]}}]}}'


GOOD = [
    pytest.param("coco", coco(), id="coco"),
    pytest.param("coco", coco(box=f'{COCO_BOX[:-1]}, "segmentation": []}}'), id="coco-empty-shape"),
    pytest.param(
        "coco", coco(image=COCO_IMAGE.replace("a.jpg", "a: 1, b: 2.jpg")), id="coco-colons"
    ),
    pytest.param("label-studio", studio(), id="label-studio"),
    pytest.param("labelme", labelme(), id="labelme"),
    pytest.param("layernext", several_runs(""), id="several-runs"),
]
BAD = [
    pytest.param("coco", coco(more=', "images": []'), '"images"', "line 1", id="coco-images"),
    pytest.param(
        "coco", coco(with_repeat(COCO_IMAGE, "width", "8")), '"width"', "images[0]", id="coco-image"
    ),
    pytest.param(
        "coco", coco(label=with_repeat(COCO_LABEL, "name", '"mug"')), '"name"', "categories[0]",
        id="coco-label",
    ),
    pytest.param(
        "coco", coco(box=with_repeat(COCO_BOX, "bbox", "[5, 6, 7, 8]")), '"bbox"', "annotations[0]",
        id="coco-annotation",
    ),
    pytest.param(
        "coco", coco(box=f'{COCO_BOX[:-1]}, "attributes": {{"a": 1, "a": 2}}}}'), '"a"',
        "annotations[0].attributes", id="coco-attributes",
    ),
    pytest.param(
        "coco", coco(box=with_repeat(f'{COCO_BOX[:-1]}, "keypoints": []}}', "bbox", "[5, 6, 7, 8]")),
        '"bbox"', "annotations[0]", id="coco-foreign-key",
    ),
    pytest.param(
        "coco", coco(box=with_repeat(COCO_BOX, "bbox", "[5, 6, 7, 8]").replace('"id"', '"\\u0069d"')),
        '"bbox"', "annotations[0]", id="coco-escape",
    ),
    pytest.param(
        "label-studio", studio(result=', "x": 5'), '"x"', "[0].annotations[0].result[0].value",
        id="label-studio-value",
    ),
    pytest.param(
        "label-studio", studio(meta='"width": 9, "width": 8'), '"width"', "[0].meta",
        id="label-studio-meta",
    ),
    pytest.param("labelme", labelme(more=', "shapes": []'), '"shapes"', "", id="labelme-shapes"),
    pytest.param(
        "labelme", labelme(with_repeat(SHAPE, "label", '"mug"')), '"label"', "shapes[0]",
        id="labelme-shape",
    ),
    pytest.param(
        "layernext", several_runs(', "label": "mug"'), '"label"', "images[0].annotations[0]",
        id="several-runs",
    ),
]  # fmt: skip


def read(tmp_path: Path, kind: str, text: str, *, compress: bool = False) -> None:
    source = tmp_path / ("source" if kind == "labelme" else "source.json")
    if kind == "labelme":
        source.mkdir()
        (source / "a.json").write_text(text)
    elif compress:
        source = tmp_path / "source.json.gz"
        source.write_bytes(gzip.compress(text.encode()))
    else:
        source.write_text(text)
    convert(source, tmp_path / "target.json", source_format=kind, target_format="coco")


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_no_key_is_repeated(tmp_path: Path, kind: str, text: str) -> None:
    """The files of this test are read as long as no key is repeated."""
    read(tmp_path, kind, text)
    assert json.loads((tmp_path / "target.json").read_text())["annotations"]


@pytest.mark.parametrize(("kind", "text", "key", "where"), BAD)
def test_repeated_key(tmp_path: Path, kind: str, text: str, key: str, where: str) -> None:
    """The error names the key and its place, and nothing is written."""
    with pytest.raises(DataError) as caught:
        read(tmp_path, kind, text)
    assert f"key {key} appears twice" in str(caught.value)
    assert where in str(caught.value)
    assert not (tmp_path / "target.json").exists()


def test_repeated_key_of_results(tmp_path: Path) -> None:
    """A list of results has no object around it; its entries are checked, too."""
    instances = tmp_path / "instances.json"
    instances.write_text(coco())
    results = tmp_path / "results.json"
    result = '{"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [1, 2, 3, 4]}'
    results.write_text(f"[{result}, {with_repeat(result, 'score', '0.9')}]")
    with pytest.raises(DataError, match=r'\[1\]: key "score" appears twice'):
        convert(
            results, tmp_path / "out.json", source_format="coco-results", target_format="layernext",
            instances=instances,
        )  # fmt: skip


@pytest.mark.parametrize("column", ["attributes", "metadata"])
def test_repeated_key_in_a_cell(tmp_path: Path, column: str) -> None:
    """Tables hold JSON in some columns."""
    cell = '{"a": [{"value": 1}], "a": [{"value": 2}]}'
    row = {
        "image": "a.jpg", "width": 9, "height": 9, "label": "cup", "type": "rectangle",
        "x": 1, "y": 2, "box_width": 3, "box_height": 4, column: cell,
    }  # fmt: skip
    source = tmp_path / "source.csv"
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    with pytest.raises(DataError, match=rf'{column}: key "a" appears twice'):
        convert(source, tmp_path / "out.json", source_format="csv", target_format="layernext")


def test_compressed_file(tmp_path: Path) -> None:
    """Compressed files are checked alike."""
    with pytest.raises(DataError, match='key "bbox" appears twice'):
        read(
            tmp_path, "coco", coco(box=with_repeat(COCO_BOX, "bbox", "[5, 6, 7, 8]")), compress=True
        )


def test_keys_are_bounded(tmp_path: Path) -> None:
    """The keys that are remembered do not grow with the file."""
    more = "".join(f', "k{number}": 0' for number in range(MAX_KEYS))
    with pytest.raises(DataError, match="has more than 10,000 keys"):
        read(tmp_path, "coco", coco(more=more))
