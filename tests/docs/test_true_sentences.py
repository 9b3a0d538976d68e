"""Sentences of the pages that were once untrue: each is found in its page, and then tried."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from layernext import Conflict, DataError, FormatError, LayerNextClient, LayerNextError
from layernext.formats import convert
from tests.support.stack_process import COMMAND, StackProcess, create_key, running_stack
from tests.support.videos import write_video

ROOT = Path(__file__).parents[2]
BOX = {"type": "rectangle", "label": "cup", "bbox": [1, 2, 3, 4]}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def client(stack: StackProcess) -> Iterator[LayerNextClient]:
    with LayerNextClient(*stack.arguments) as opened:
        yield opened


def require(page: str, sentence: str) -> None:
    """The page says so, whatever its line breaks."""
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert sentence in text, f"{page} no longer says: {sentence}"


def images(folder: Path, count: int = 2) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / f"{number}.png")
    return folder


def test_no_page_installs_from_an_index() -> None:
    """README: the package is not on an index; so no page and no message says to install it from one."""
    require("README.md", "The package is not on an index: install it from this folder")
    files = [*ROOT.glob("*.md"), *ROOT.rglob("docs/**/*.md"), *ROOT.rglob("src/**/*.py")]
    wrong = [
        file.relative_to(ROOT).as_posix()
        for file in [*files, *(ROOT / "deploy").rglob("*.md"), *(ROOT / "examples").rglob("*.py")]
        if re.search(r"pip install ['\"]?layernext[-_]sdk(?![-_\w.]*\.whl)\b(?!-)", file.read_text("utf-8"))
    ]  # fmt: skip
    assert wrong == []


def test_role_of_exports(stack: StackProcess, client: LayerNextClient) -> None:
    """protocol.md: POST /api/v1/exports needs the role write."""
    require("docs/protocol.md", "| `POST` `/api/v1/exports` | write + |")
    client.upload_modelrun("exported", "run", [{"image": "1.jpg", "annotations": [BOX]}])
    body = {"format": "coco", "collection": "exported", "run": "run"}
    read = httpx.post(
        f"{stack.url}/api/v1/exports", json=body, auth=create_key(stack.folder, "read"), timeout=180
    )
    write = httpx.post(
        f"{stack.url}/api/v1/exports",
        json=body,
        auth=create_key(stack.folder, "write"),
        timeout=180,
    )
    assert (read.status_code, write.status_code) == (403, 200)


def test_predictions_of_yolo(tmp_path: Path) -> None:
    """formats.md: the confidence of a prediction is read, where the classes have names."""
    require(
        "docs/formats.md",
        "folders of predictions with a `classes.txt` next to them. ",
    )
    images(tmp_path / "photos", 1)
    source = tmp_path / "predictions"
    (source / "labels" / "train").mkdir(parents=True)
    (source / "labels" / "train" / "0.txt").write_text("0 0.5 0.5 0.25 0.25 0.875\n")
    target = tmp_path / "out.json"
    with pytest.raises((FormatError, DataError), match=r"supported format|classes"):
        convert(source, target, "layernext", images=tmp_path / "photos")
    (source / "classes.txt").write_text("cup\n")
    convert(source, target, "layernext", images=tmp_path / "photos")
    (image,) = json.loads(target.read_text())["images"]
    assert image["annotations"][0]["confidence"] == 0.875


def test_runs_of_a_version(client: LayerNextClient, tmp_path: Path) -> None:
    """evaluation.md: a version holds only the runs that existed when it was frozen."""
    require("docs/evaluation.md", "A version holds only the runs that existed when it was frozen.")
    job = client.upload_files_to_collection(
        images(tmp_path / "a"), "image", "frozen", progress=False
    )
    client.wait_for_job_complete(job.job_id)
    truth = [{"image": f"{number}.png", "annotations": [BOX]} for number in range(2)]
    client.upload_modelrun("frozen", "truth", truth, ground_truth=True)
    run = [
        {"image": image["image"], "annotations": [{**BOX, "confidence": 0.5}]} for image in truth
    ]
    client.upload_modelrun("frozen", "early", run)
    made = client.create_dataset_from_collection(
        "day", "frozen", {"train": 100, "validation": 0, "test": 0}, export_types=["RAW"]
    )
    client.wait_for_job_complete(made.job_id)
    client.upload_modelrun("frozen", "late", run)
    names = {"ground_truth": "truth", "dataset_version": made.version_id}
    assert client.evaluate(run="early", **names).counts["images"] == 2
    with pytest.raises(LayerNextError, match="late"):
        client.evaluate(run="late", **names)


def test_losses_of_an_upload(stack: StackProcess, tmp_path: Path) -> None:
    """formats.md: an upload of what is read coarsely ends with code 4, unless --allow-losses is given."""
    require(
        "docs/formats.md",
        "`layernext upload` uploads it and ends with code 4, unless `--allow-losses` is given:",
    )
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 4}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [
            {
                "id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2],
                "segmentation": [[0, 0], [1, 1]],
            }
        ],
    }  # fmt: skip
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    api_key, secret, url = stack.arguments
    upload = [
        *COMMAND, "upload", "masks", "run", str(path), "--api-key", api_key, "--secret", secret,
        "--url", url, "--quiet",
    ]  # fmt: skip
    codes = [
        subprocess.run([*upload, *more], capture_output=True, check=False).returncode
        for more in ([], ["--allow-losses"])
    ]
    assert codes == [4, 0]


def test_annotations_of_videos(client: LayerNextClient, tmp_path: Path) -> None:
    """files.md: annotating the name of a collection of videos is refused, and makes no second collection."""
    require(
        "docs/files.md",
        "**Annotations belong to images**: an upload of annotations to the name of a collection of "
        "videos or other files is refused.",
    )
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "a.mp4")
    job = client.upload_files_to_collection(tmp_path / "videos", "video", "reel", progress=False)
    client.wait_for_job_complete(job.job_id)
    for is_truth in (False, True):
        with pytest.raises(Conflict, match="holds videos, and annotations belong to images"):
            client.upload_modelrun(
                "reel", "run", [{"image": "a.mp4", "annotations": [BOX]}], ground_truth=is_truth
            )
    assert [found.name for found in client.collections.list()].count("reel") == 1
