"""Every public method of the published clients, unchanged, against our stack; effects seen through our SDK."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from layernext import LayerNextClient
from tests.contract.published.matrix import ANALYSIS, BROKEN, RAISES, steps
from tests.stack_process import StackProcess, published_environment, running_stack

CLIENTS = {
    "1.0.15": ("layerx-1.0.15", "layerx-sdk==1.0.15", "layerx.LayerxClient"),
    "1.1.1": ("layernext-1.1.1", "layernext==1.1.1", "layernext.LayerNextClient"),
    "2.3.4": ("layernext-2.3.4", "layernext==2.3.4", "layernext.LayerNextClient"),
}
DRIVER = Path(__file__).with_name("driver.py")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def prepare(work: Path, name: str) -> None:
    """Real images, annotation files of both forms, metadata files of every kind."""
    for number in range(5):
        folder = work / ("more" if number == 4 else "images")
        folder.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number * 40, 9, 9)).save(buffer, "JPEG")
        (folder / f"{number}.jpg").write_bytes(buffer.getvalue())

    def write(file: str, prefix: str, *, is_v2: bool) -> None:
        images = []
        for number in range(4):
            box = {"label": "cup", "bbox": [1, 2, 30, 40], "confidence": 0.5}
            other = {"label": "fork", "bbox": [3, 4, 5, 6], "confidence": 0.25}
            some = [box, other]
            if is_v2:
                some = [{"type": "rectangle", **each} for each in some]
            images.append({"image": f"{prefix}{number}.jpg", "annotations": some})
        (work / file).write_text(json.dumps({"images": images}))

    write("v1.json", "", is_v2=False)
    write("v2.json", "", is_v2=True)
    write("by_name.json", f"{name}_", is_v2=True)
    write("by_path.json", f"{name}/", is_v2=True)
    for file, prefix in (
        ("metadata.json", ""),
        ("names.json", f"{name}_"),
        ("paths.json", f"{name}/"),
    ):
        entries = [
            {"file": f"{prefix}1.jpg", "metadata": {file.partition(".")[0]: 7, "Tags": ["b"]}}
        ]
        (work / file).write_text(json.dumps({"files": entries}))


@pytest.fixture(scope="module", params=list(CLIENTS))
def run(
    request: pytest.FixtureRequest, stack: StackProcess, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any], Path, str]:
    """All steps of a version, done: version, results by step, the folder, the collection."""
    version: str = request.param
    work, name = tmp_path_factory.mktemp("work"), f"dock-{version.replace('.', '-')}"
    prepare(work, name)
    environment, package, place = CLIENTS[version]
    (work / "steps.json").write_text(json.dumps(steps(version, str(work), name)))
    python = published_environment(environment, package)
    done = subprocess.run(
        [str(python), str(DRIVER), place, *stack.arguments, str(work / "steps.json")],
        check=False, capture_output=True, text=True, timeout=280, cwd=work,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
    return version, {line["step"]: line for line in lines}, work, name


def is_failure(result: Any) -> bool:
    """Whether an answer says that it did not work, under any of the names that are in use."""
    if not isinstance(result, dict):
        return False
    return any(result.get(key) is False for key in ("isSuccess", "is_success", "success"))


def test_every_method_works(run: tuple[str, dict[str, Any], Path, str]) -> None:
    """No call raises or says that it failed, but for those that cannot work in that client."""
    version, results, work, name = run
    wrong = []
    for step, method, _, _ in steps(version, str(work), name):
        line = results[step]
        if method in RAISES and method in BROKEN[version]:
            if "TypeError" not in line.get("error", ""):
                wrong.append((step, "is not broken any more", line))
        elif method in ANALYSIS:
            if "error" in line and "501" not in line["error"]:
                wrong.append((step, line["error"]))
        elif "error" in line or is_failure(line["result"]):
            wrong.append((step, line.get("error") or line["result"], line["said"][-300:]))
    assert wrong == []


def test_effects(run: tuple[str, dict[str, Any], Path, str], stack: StackProcess) -> None:
    """What the calls did is what our SDK finds."""
    version, results, work, name = run
    images = {path.name: path.read_bytes() for path in (work / "images").iterdir()}
    with LayerNextClient(*stack.arguments) as client:
        assert client.restore(name) >= 4
        items = {item.name: item for item in client.iter_items(name)}
        assert set(images) <= set(items)
        assert items["0.jpg"].metadata["shift"] == "day"
        assert items["0.jpg"].metadata["site"] == "north"
        assert items["1.jpg"].metadata["metadata"] == 7
        assert items["1.jpg"].width == 64
        runs = {each.name: each for each in client.list_model_runs(name)}
        assert f"{name} v1" not in runs, "removed by the last steps"
        project = results["project"]["result"]["id"]
        assert (runs[project].mode, runs[project].annotation_count) == ("human", 8)
        assert client.get_project(project).image_count >= 4
        if version != "1.0.15":
            for kind in ("v2", "by name", "by path"):
                assert runs[f"{name} {kind}"].annotation_count == 8, kind
        if version == "2.3.4":
            assert runs[f"{name} by job"].annotation_count == 8
            for field in ("names", "paths"):
                assert items["1.jpg"].metadata[field] == 7
            assert results["vector"]["result"] == [
                {"uniqueName": f"{name}_1.jpg", "embeddings": [1.0, 1.5]}
            ]
            assert results["count"]["result"]["count"] >= 4
            assert len(list(client.iter_items(f"{name} meta", query="metadata.metadata = 7"))) == 1
        versions = [each for each in client.list_datasets() if each.dataset.startswith(name)]
        assert len(versions) == 3, "two datasets, one with a version after the first"


def test_downloads(run: tuple[str, dict[str, Any], Path, str]) -> None:
    """What the published clients wrote is whole: images byte for byte, annotations value by value."""
    version, _, work, _ = run
    images = {path.name: path.read_bytes() for path in (work / "images").iterdir()}
    for folder in ("d1", "d3", "d4", "d5"):
        found = {path.name: path.read_bytes() for path in (work / folder).rglob("*.jpg")}
        assert {name: found.get(name) for name in images} == images, folder
    for folder, count in (("d1", 8), ("d2", 8), ("d5", 8)):
        (path,) = (work / folder).rglob("annotations.json")
        entries = json.loads(path.read_text())["images"]
        boxes = [one["bbox"] for each in entries for one in each["annotations"]]
        assert len(boxes) == count, folder
        assert [1, 2, 30, 40] in boxes
    texts = [path for path in (work / "d3").rglob("*.txt") if path.stem.isdigit()]
    assert len(texts) >= 4
    if version == "2.3.4":
        for folder in ("d7", "d8"):
            assert len(list((work / folder).rglob("*.jpg"))) >= 4, folder
