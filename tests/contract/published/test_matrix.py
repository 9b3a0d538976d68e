"""Every public method of the published clients, unchanged, against our stack; effects seen through our SDK."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from layernext import LayerNextClient
from tests.contract.published.matrix import (
    ANALYSIS,
    BROKEN,
    EARLY,
    NEW,
    RAISES,
    STAYS_OUT,
    early_steps,
    steps,
)
from tests.contract.published.outcomes import RECORDED, record
from tests.contract.published.packages import PACKAGES
from tests.contract.published.surface import LEFT_OUT
from tests.support.stack_process import StackProcess, running_stack

Run = tuple[str, dict[str, Any], Path, str]

VERSIONS = [*(version for version in PACKAGES if version != "0.0.5"), "ours"]
WITH_EFFECTS = [version for version in VERSIONS if version not in EARLY]
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

    (work / "model").mkdir()
    (work / "model" / "model.pt").write_bytes(b"weights")
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


def prepare_early(stack: StackProcess, work: Path, name: str) -> dict[str, str]:
    """A label and a dataset, which the first versions can use and cannot make."""
    with LayerNextClient(*stack.arguments) as client:
        label = client.create_system_label({"className": "cup"})
        upload = client.upload_files_to_collection(work / "images", "image", f"{name} source")
        client.wait_for_job_complete(upload.job_id, timeout_s=60)
        version = client.create_dataset_from_collection(
            f"{name} source",
            upload.collection_id,
            {"train": 50, "validation": 25, "test": 25},
            export_types=["YOLO Darknet"],
        )
        client.wait_for_job_complete(version.job_id, timeout_s=60)
    return {"label": label.label_reference, "version": version.version_id}


_RUNS: dict[str, Run] = {}


@pytest.fixture
def runs(stack: StackProcess, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """All steps of a version, done once: version, results by step, the folder, the collection."""

    def run_of(version: str) -> Run:
        if version not in _RUNS:
            work, name = tmp_path_factory.mktemp("work"), f"dock-{version.replace('.', '-')}"
            _RUNS[version] = run_steps(version, stack, work, name)
        return _RUNS[version]

    return run_of


def run_steps(version: str, stack: StackProcess, work: Path, name: str) -> Run:
    """Let a client do its steps."""
    prepare(work, name)
    if version in EARLY:
        todo = early_steps(version, str(work), name, prepare_early(stack, work, name))
    else:
        todo = steps(version, str(work), name)
    (work / "steps.json").write_text(json.dumps(todo))
    if version == "ours":
        python, place = Path(sys.executable), "layernext.LayerNextClient"
    else:
        package = PACKAGES[version]
        python, place = package.python(), f"{package.module}.{package.client}"
    done = subprocess.run(
        [str(python), str(DRIVER), place, *stack.arguments, str(work / "steps.json")],
        check=False, capture_output=True, text=True, timeout=400, cwd=work,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
    assert [line["step"] for line in lines] == [step[0] for step in todo]
    return version, {line["step"]: line for line in lines}, work, name


def is_failure(result: Any) -> bool:
    """Whether an answer says that it did not work, under any of the names that are in use."""
    if not isinstance(result, dict):
        return False
    return any(result.get(key) is False for key in ("isSuccess", "is_success", "success"))


def outcome(version: str, line: dict[str, Any]) -> str:
    """What became of a call: works, 501, a numbered fault of the client, or what went wrong."""
    method, error, result = line["method"], line.get("error"), line.get("result")
    broken = BROKEN.get(version, {}).get(method)
    if broken and method in RAISES:
        return f"fault {broken}" if "TypeError" in (error or "") else "is not broken any more"
    if method in ANALYSIS:
        return "501" if error is None or "501" in error or "does not run models" in error else error
    if method in STAYS_OUT:
        return "501" if error or is_failure(result) else f"answered {result}"
    if error is not None or is_failure(result):
        return f"{error or result} {line['said'][-300:]}"
    return f"fault {broken}" if broken else "works"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_method_works(runs: Callable[[str], Run], version: str) -> None:
    """Every method is called, and what became of it is what docs/compatibility.md says."""
    _, results, _, _ = runs(version)
    found: dict[str, str] = {}
    for line in results.values():
        result = outcome(version, line)
        if found.get(line["method"], "works") == "works":
            found[line["method"]] = result
    assert [
        each for each in found.items() if not each[1].startswith(("works", "501", "fault"))
    ] == []
    if version == "ours":
        return
    assert set(PACKAGES[version].methods()) - set(found) <= set(LEFT_OUT)
    record(version, found)
    assert found == RECORDED[version]


def test_our_answers_have_the_published_keys(runs: Callable[[str], Run]) -> None:
    """Whatever 2.3.4 answers, ours answers with the same keys, and values of the same JSON types."""
    _, published, _, _ = runs("2.3.4")
    _, ours, _, _ = runs("ours")
    wrong = []
    for step, line in published.items():
        if line["method"] in ANALYSIS or line.get("result") is None:
            continue
        wrong += missing_keys(step, line["result"], ours[step]["result"])
    assert wrong == []


def missing_keys(where: str, published: Any, ours: Any) -> list[str]:
    """What an answer lacks of another."""
    if isinstance(published, dict) and isinstance(ours, dict):
        absent = [f"{where}.{key}" for key in published if key not in ours]
        inner = [
            missing_keys(f"{where}.{key}", value, ours[key])
            for key, value in published.items()
            if key in ours
        ]
        return absent + [each for some in inner for each in some]
    if isinstance(published, list) and isinstance(ours, list):
        return missing_keys(f"{where}[0]", published[0], ours[0]) if published and ours else []
    kinds = [
        int | float if isinstance(each, int | float) else type(each) for each in (published, ours)
    ]
    return [] if kinds[0] == kinds[1] else [f"{where} is {published!r}, ours {ours!r}"]


@pytest.mark.parametrize("version", WITH_EFFECTS)
def test_effects(runs: Callable[[str], Run], stack: StackProcess, version: str) -> None:
    """What the calls did is what our SDK finds."""
    _, results, work, name = runs(version)
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
        if version in NEW:
            assert runs[f"{name} by job"].annotation_count == 8
            for field in ("names", "paths"):
                assert items["1.jpg"].metadata[field] == 7
            (vector,) = results["vector"]["result"]
            assert (vector["uniqueName"], vector["embeddings"]) == (f"{name}_1.jpg", [1.0, 1.5])
            assert results["count"]["result"]["count"] >= 4
            assert len(list(client.iter_items(f"{name} meta", query="metadata.metadata = 7"))) == 1
        versions = [each for each in client.list_datasets() if each.dataset.startswith(name)]
        assert len(versions) == 3, "two datasets, one with a version after the first"


@pytest.mark.parametrize("version", WITH_EFFECTS)
def test_downloads(runs: Callable[[str], Run], version: str) -> None:
    """What the published clients wrote is whole: images byte for byte, annotations value by value."""
    _, _, work, _ = runs(version)
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
    if version in NEW:
        for folder in ("d7", "d8"):
            assert len(list((work / folder).rglob("*.jpg"))) >= 4, folder


@pytest.mark.parametrize("version", EARLY)
def test_early_effects(runs: Callable[[str], Run], stack: StackProcess, version: str) -> None:
    """Uploads and downloads of the versions before 1.0.15 are whole."""
    _, results, work, name = runs(version)
    images = {path.name: path.read_bytes() for path in (work / "images").iterdir()}
    with LayerNextClient(*stack.arguments) as client:
        items = {item.name: item for item in client.iter_items(name)}
        assert set(images) <= set(items)
        assert items["0.jpg"].metadata["shift"] == "day"
        found = {run.name: run.annotation_count for run in client.list_model_runs(name)}
        assert found[f"{name} data"] == found[results["project"]["result"]["id"]] == 8
        assert f"{name} v1" not in found, "removed by the last step"
    for folder, count in ((name, 8), *(() if version == "0.0.21" else ((f"{name}_project", 8),))):
        written = {path.name: path.read_bytes() for path in (work / folder).rglob("*.jpg")}
        assert {file: written.get(file) for file in images} == images, folder
        entries = json.loads((work / folder / "annotations.json").read_text())["images"]
        assert sum(len(each["annotations"]) for each in entries) == count, folder
    (data,) = work.glob(f"{name} source-*/data")
    assert len(list(data.glob("*.jpg"))) == len(list(data.glob("*.txt"))) == 4
