"""A kind of geometry that the package does not have: registered in a module, it goes the whole way."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from layernext import DataError, LayerNextClient, LayerNextError
from layernext.wire import native
from tests.support.stack_process import StackProcess, running_stack

SERVE = """
import made_up_kinds
if __name__ == "__main__":  # processes that count or evaluate import this, too
    from layernext.cli import main
    main()
"""

USE = """
import json, sys
from pathlib import Path
from made_up_kinds import Ring, Scene
from layernext import DataError, ImageAnnotations, LayerNextClient, Rectangle, convert

key, secret, url, folder = sys.argv[1:]
folder = Path(folder)
image = ImageAnnotations(image="a.jpg", annotations=[
    Ring(label="target", ring=(50, 40, 5, 10), confidence=0.5),
    Rectangle(label="car", bbox=(1, 2, 3, 4)),
    Scene(label="rain", confidence=0.25),
])
said = {}

def refusal(call):
    try:
        call()
    except DataError as error:
        return str(error)

with LayerNextClient(key, secret, url) as client:
    client.upload_modelrun("yard", "rings", [image], progress=False)
    said["is_equal"] = [*client.iter_annotations("yard", "rings")] == [image]
    client.download_to_file("yard", "rings", folder / "run.json", progress=False)
    said["file_is_valid"] = client.validate_file(folder / "run.json").annotations
    wrong = {"image": "b.jpg", "annotations": [{"type": "ring", "label": "x", "ring": [1, 2, 9, 3]}]}
    said["wrong"] = refusal(lambda: client.upload_modelrun("yard", "w", [wrong], progress=False))
    twice = '{"images": [{"image": "b.jpg", "annotations": [{"type": "scene", "label": "x", "label": "y"}]}]}'
    (folder / "twice.json").write_text(twice)
    said["twice"] = refusal(lambda: client.validate_file(folder / "twice.json"))
    extra = {"image": "b.jpg", "annotations": [{"type": "scene", "label": "x", "bbox": [1, 2, 3, 4]}]}
    said["extra"] = refusal(lambda: client.upload_modelrun("yard", "w", [extra], progress=False))
    statistics = client.runs.statistics("yard", "rings")
    said["geometries"] = statistics.geometries
    said["sizes"] = sum(statistics.width.counts)
    said["with_rings"] = [item.name for item in client.items.iter(query="annotation.geometry = ring")]
    said["with_lines"] = [item.name for item in client.items.iter(query="annotation.geometry = line")]
    said["losses"] = convert(folder / "run.json", folder / "coco.json", "coco").to_dict()["losses"]
    said["strict"] = refusal(lambda: convert(folder / "run.json", folder / "strict.json", "coco", strict=True))
    client.upload_modelrun("yard", "truth", [image], ground_truth=True, progress=False)
    evaluation = client.evaluate(collection="yard", run="rings", ground_truth="truth")
    said["other_geometry"] = evaluation.counts["other_geometry"]
print(json.dumps(said))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the kinds' module, a command that serves with it, and a script that uses it."""
    shutil.copy(Path(__file__).parents[2] / "support" / "made_up_kinds.py", tmp_path)
    (tmp_path / "serve.py").write_text(SERVE)
    (tmp_path / "use.py").write_text(USE)
    return tmp_path


@pytest.fixture
def stack(folder: Path) -> Iterator[StackProcess]:
    """A stack that knows the kinds."""
    command = [sys.executable, str(folder / "serve.py")]
    with running_stack(folder / "stack", "--quiet", command=command) as running:
        yield running


def test_a_registered_kind_goes_the_whole_way(folder: Path, stack: StackProcess) -> None:
    """It goes up, comes back, is checked, counted, searched, drawn as its box, and refused by name."""
    used = subprocess.run(
        [sys.executable, str(folder / "use.py"), *stack.arguments, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert used.returncode == 0, used.stderr
    said: dict[str, Any] = json.loads(used.stdout)
    ring = "the geometry ring"
    first = ["images[0].annotations[0]", "a.jpg: annotations[0]"]
    assert said["is_equal"]
    assert said["file_is_valid"] == 3
    assert "annotations[0].ring: has the radii [9, 3], must rise from 0" in said["wrong"]
    assert 'key "label" appears twice' in said["twice"]
    assert "annotations[0].bbox: does not belong to a scene, which has no shape" in said["extra"]
    assert said["geometries"] == {"ring": 1, "rectangle": 1, "scene": 1}
    assert said["sizes"] == 2, "a kind without a place in the image has no size"
    assert (said["with_rings"], said["with_lines"]) == (["a.jpg"], [])
    assert said["losses"][ring]["count"] == 1
    assert said["losses"][ring]["first"] in first
    assert said["losses"]["the geometry scene"]["count"] == 1
    assert f"not kept: {ring}" in said["strict"]
    assert said["other_geometry"] == 4, "of both sides"
    assert shapes_of(stack) == [
        [0, 1, 0.5, [40.0, 30.0, 20.0, 20.0]],
        [1, 1, None, [1.0, 2.0, 3.0, 4.0]],
        [2, 101, 0.25, []],
    ]


def test_a_client_that_does_not_know_a_kind(
    folder: Path, stack: StackProcess, tmp_path: Path
) -> None:
    """It says so by name when annotations are to become typed, and files keep what the stack has."""
    sets = {
        "image": "a.jpg",
        "annotations": [{"type": "scene", "label": "rain", "confidence": 0.5}],
    }
    with httpx.Client(base_url=stack.url, auth=(stack.api_key, stack.secret)) as http:
        request = {"collection": "yard", "run": "later", "mode": "machine"}
        upload = http.post(native.uploads_path(), json=request).raise_for_status().json()
        http.put(native.batch_path(upload["id"], 0), json=sets).raise_for_status()
        finish = native.finish_path(upload["id"])
        http.post(finish, json={"batches": 1}).raise_for_status()
    with LayerNextClient(*stack.arguments) as client:
        with pytest.raises(LayerNextError, match='type "scene", which this version of layernext'):
            list(client.iter_annotations("yard", "later"))
        client.download_to_file("yard", "later", tmp_path / "run.json", progress=False)
        assert json.loads((tmp_path / "run.json").read_text()) == {"images": [sets]}
        with pytest.raises(DataError, match='is "scene", must be rectangle'):
            client.upload_modelrun("yard", "again", tmp_path / "run.json", progress=False)


def test_a_key_that_nobody_knows(stack: StackProcess, tmp_path: Path) -> None:
    """A stack and a client that do not know a key, perhaps of a newer version, keep it."""
    box = {"type": "rectangle", "label": "cup", "bbox": [1, 2, 3, 4], "shade": 1}
    image = {"image": "a.jpg", "annotations": [box]}
    (tmp_path / "run.json").write_text(json.dumps({"images": [image]}))
    with LayerNextClient(*stack.arguments) as client:
        client.upload_modelrun("yard", "again", tmp_path / "run.json", progress=False)
        client.download_to_file("yard", ["again"], tmp_path / "back.json", progress=False)
        (typed,) = client.iter_annotations("yard", "again")
    assert json.loads((tmp_path / "back.json").read_text())["images"] == [image]
    assert typed.annotations[0].extra == {"shade": 1}


def shapes_of(stack: StackProcess) -> Any:
    """The shapes of the only image, as the pages draw them."""
    with httpx.Client(base_url=stack.url, auth=(stack.api_key, stack.secret)) as http:
        (item,) = http.get("/api/v1/items").json()["items"]
        body = {
            "items": [int(item["id"], 16)],
            "runs": [{"name": "rings", "mode": "machine"}],
        }
        (drawn,) = http.post("/api/v1/items/overlays", json=body).json()["items"]
    return drawn["sets"][0][3]
