"""The published clients, unchanged, each in an environment of its own, against our stack.

What they upload is compared value by value with what our SDK reads back.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from layernext import LayerNextClient
from layernext.errors import NotFound
from layernext.formats import iter_file
from layernext.model import Geometry, ImageAnnotations, decode_trusted
from tests.support.stack_process import StackProcess, published_environment, running_stack

SAMPLES = Path(__file__).parents[3] / "src" / "layernext" / "cli" / "samples"

UPLOAD_005 = """
import json, sys
from layerx import LayerxClient
key, secret, url, calls = sys.argv[1:]
client = LayerxClient(key, secret, url)
for call in json.loads(calls):
    client.upload_modelrun_from_json(*call)
"""

CALL_111 = """
import json, sys
from layernext import LayerNextClient
key, secret, url, answer, calls = sys.argv[1:]
client = LayerNextClient(key, secret, url)
results = [getattr(client, name)(*arguments) for name, arguments in json.loads(calls)]
open(answer, "w").write(json.dumps(results))
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="module")
def client(stack: StackProcess) -> Iterator[LayerNextClient]:
    with LayerNextClient(*stack.arguments) as ours:
        yield ours


def call_005(stack: StackProcess, calls: list[list[Any]]) -> None:
    python = published_environment("layerx-0.0.5", "layerx-sdk==0.0.5")
    script = [str(python), "-c", UPLOAD_005, *stack.arguments, json.dumps(calls)]
    done = subprocess.run(script, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stdout, done.stdout


def call_111(stack: StackProcess, folder: Path, *calls: tuple[str, list[Any]]) -> list[Any]:
    python = published_environment("layernext-1.1.1", "layernext==1.1.1")
    answer = folder / "answer.json"
    script = [str(python), "-c", CALL_111, *stack.arguments, str(answer), json.dumps(calls)]
    done = subprocess.run(
        script, check=False, capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results: list[Any] = json.loads(answer.read_text())
    return results


def read_file(path: Path, geometry: Geometry | None) -> list[ImageAnnotations]:
    return [decode_trusted(raw, geometry) for raw in iter_file(path)]


@pytest.mark.parametrize(
    ("geometry", "name"),
    [("rectangle", "bbox"), ("polygon", "polygon"), ("line", "line")],
)
@pytest.mark.parametrize("base", ["path1/path2/", "path1/path2", "deep/er/path", None])
def test_005_samples(
    stack: StackProcess, client: LayerNextClient, geometry: Geometry, name: str, base: str | None
) -> None:
    """The seed's three samples, uploaded by 0.0.5, are read back equal by ours."""
    sample = SAMPLES / f"example_{name}.json"
    run = f"test model {geometry} {base}"
    call_005(stack, [[base, run, str(sample), geometry]])
    assert list(client.iter_annotations(base, run)) == read_file(sample, geometry)


def test_005_slashes_and_blanks(
    stack: StackProcess, client: LayerNextClient, tmp_path: Path
) -> None:
    """Operation ids with slashes and blanks, and images in sub-folders, arrive as they were."""
    sample = {
        "images": [
            {"image": f"shelf {n}/größe_{n}.jpg", "annotations": [{"label": "a b", "bbox": [n, 0, 1, 2.5]}]}
            for n in range(3)
        ]
    }  # fmt: skip
    path = tmp_path / "run.json"
    path.write_text(json.dumps(sample))
    client.create_collection("yard")
    call_005(stack, [["yard", "team/model v2", str(path), "rectangle"]])
    assert list(client.iter_annotations("yard", "team/model v2")) == read_file(path, "rectangle")


def v2_run() -> list[dict[str, Any]]:
    color = {"color": [{"value": "red", "confidence": 0.71, "metadata": {"source": "head-b"}}]}
    return [
        {
            "image": "dock_0007.jpg",
            "annotations": [
                {"type": "rectangle", "label": "forklift", "confidence": 0.87, "bbox": [412.5, 96, 120.25, 88.5], "metadata": {"track": "17"}, "attributes": color},
                {"type": "polygon", "label": "pallet", "confidence": 1, "polygon": [[0.1, 0.2], [3, 4], [298.28999999999996, 6]]},
                {"type": "line", "label": "edge of the dock", "line": [[1, 2], [3, 4]], "attributes": {"kind": [{"value": "kerb"}, {"value": "step", "confidence": 0}]}},
            ],
        },
        {"image": "dock_0008.jpg", "annotations": []},
        {"image": "dock_0009.jpg", "annotations": [{"type": "rectangle", "label": "forklift", "bbox": [0, 0, 0, 0]}]},
    ]  # fmt: skip


@pytest.mark.parametrize("is_model_run", [True, False], ids=["machine", "human"])
def test_111_upload(
    stack: StackProcess, client: LayerNextClient, tmp_path: Path, *, is_model_run: bool
) -> None:
    """A v2 file with every geometry, uploaded by 1.1.1, is read back equal by ours."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"images": v2_run()}))
    collection = f"yard.cam {is_model_run}"
    client.create_collection(collection)
    arguments = [collection, "run 1", str(path), False, is_model_run]
    call_111(stack, tmp_path, ("upload_annotations_for_collection", arguments))
    stored = list(client.iter_annotations(collection, "run 1", ground_truth=not is_model_run))
    assert stored == read_file(path, None)


def test_111_fresh_collection(stack: StackProcess, client: LayerNextClient, tmp_path: Path) -> None:
    """Images of a collection that nobody named before go to the one of the name the client used."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"images": v2_run()}))
    arguments = ["fresh_yard", "run 1", str(path), False, True]
    call_111(stack, tmp_path, ("upload_annotations_for_collection", arguments))
    with pytest.raises(NotFound, match="create the collection, and they move there"):
        list(client.iter_annotations("fresh_yard", "run 1"))
    client.collections.create("fresh_yard")
    assert list(client.iter_annotations("fresh_yard", "run 1")) == read_file(path, None)
    assert "fresh_yard" in [collection.name for collection in client.list_collections()]


def test_111_many_images(stack: StackProcess, client: LayerNextClient, tmp_path: Path) -> None:
    """More than one batch of 1,000, and the empty batch after an exact multiple."""
    images = [
        {"image": f"{n:06}.jpg", "annotations": [{"type": "rectangle", "label": "a", "bbox": [n, 0, 1, 2]}]}
        for n in range(2_000)
    ]  # fmt: skip
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"images": images}))
    client.create_collection("many")
    call_111(
        stack,
        tmp_path,
        ("upload_annotations_for_collection", ["many", "r", str(path), False, True]),
    )
    assert list(client.iter_annotations("many", "r")) == read_file(path, None)


def test_111_labels_download_remove(
    stack: StackProcess, client: LayerNextClient, tmp_path: Path
) -> None:
    """Labels, download and removal of 1.1.1 show what our SDK shows."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"images": v2_run()}))
    collection = client.create_collection("dock side")
    upload = ["dock side", "run 2", str(path), False, True]
    _, labels, _ = call_111(
        stack,
        tmp_path,
        ("upload_annotations_for_collection", upload),
        ("get_all_labels", []),
        ("download_collection", [collection.id, "machine", [], str(tmp_path / "down")]),
    )
    ours = {label.name: label for label in client.get_all_labels()}
    assert {row["labelText"]: (row["label"], row["color"]) for row in labels} == {
        name: (label.ref, label.color) for name, label in ours.items()
    }
    (downloaded,) = (tmp_path / "down").rglob("annotations.json")
    images = [
        msgspec.convert(image, ImageAnnotations)
        for image in json.loads(downloaded.read_text())["images"]
    ]
    assert sorted(images, key=lambda i: i.image) == read_file(path, None)

    call_111(stack, tmp_path, ("remove_annotations", [collection.id, "run 2"]))
    assert list(client.iter_annotations("dock side", "run 2")) == []
    assert [run.name for run in client.list_model_runs("dock side")] == []
