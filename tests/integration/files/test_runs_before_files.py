"""A model run that comes before its images, by every kind of name; fractions until sizes are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from layernext import DataError, LayerNextClient
from tests.support.stack_process import StackProcess, running_stack

W, H = 200, 100
BOX = [0.1, 0.25, 0.5, 0.3333333333333333]
IN_PIXELS = [20.0, 25.0, 100.0, 33.33333333333333]
LINE = [[0, 0], [1, 0.5]]
ANNOTATIONS = [
    {"type": "rectangle", "label": "cup", "bbox": BOX},
    {"type": "line", "label": "edge", "line": LINE},
]


@pytest.fixture
def stack(database_url: str, tmp_path: Path) -> Iterator[StackProcess]:
    """On each of the databases."""
    database = None if database_url.startswith("sqlite") else database_url
    with running_stack(tmp_path / "stack", database=database) as process:
        yield process


def test_a_run_finds_its_images(stack: StackProcess, tmp_path: Path) -> None:
    """Named by file, by unique name and by path in storage; nothing is doubled or lost."""
    source = tmp_path / "images"
    source.mkdir()
    for number in range(3):
        Image.new("RGB", (W, H), (number, 2, 3)).save(source / f"{number}.png")
    names = {
        "by name": [f"{n}.png" for n in range(3)],
        "by unique name": [f"yard_cam_{n}.png" for n in range(3)],
        "by path": [f"raw/2026/{n}.png" for n in range(3)],
    }
    for word, some in names.items():
        images = [{"image": each, "annotations": ANNOTATIONS} for each in some]
        (tmp_path / f"{word}.json").write_text(json.dumps({"images": images}))
    with LayerNextClient(*stack.arguments) as client:
        first = client.upload_annotations_for_collection(
            "yard.cam", "by name", str(tmp_path / "by name.json"), True, True
        )
        assert first.unmatched_images == 3
        client.upload_annotations_by_unique_name(
            "by unique name", str(tmp_path / "by unique name.json"), True, True
        )
        client.upload_annotations_by_storage_path(
            "by path", str(tmp_path / "by path.json"), True, True
        )
        with pytest.raises(DataError, match="size of its image is not known"):
            client.runs.export("yard.cam", "by name", tmp_path / "early.json", "coco")
        report = client.upload_files_to_collection(
            source, "image", "yard.cam", storage_prefix_path="raw/2026", progress=False
        )
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        items = list(client.items.iter("yard.cam"))
        assert [(item.has_file, item.width, item.height) for item in items] == [(True, W, H)] * 3
        for word in names:
            sets = list(client.iter_annotations("yard.cam", word))
            assert len(sets) == 3, word
            for one in sets:
                assert one.normalized, "what was uploaded comes back as it was"
                assert list(one.annotations[0].bbox) == BOX
                assert [list(point) for point in one.annotations[1].line] == LINE
        client.runs.export("yard.cam", "by name", tmp_path / "late.json", "coco")
        made = json.loads((tmp_path / "late.json").read_text())
        boxes = [each["bbox"] for each in made["annotations"] if each["bbox"][2] == IN_PIXELS[2]]
        assert boxes[0] == pytest.approx(IN_PIXELS)
        client.download_collection(
            "yard.cam", custom_download_path=str(tmp_path / "down"), is_media_include=False
        )
        (path,) = (tmp_path / "down").rglob("annotations.json")
        for image in json.loads(path.read_text())["images"]:
            assert "isNormalized" not in image
            assert len(image["annotations"]) == 6
            assert image["annotations"][0]["bbox"] == pytest.approx(IN_PIXELS)
