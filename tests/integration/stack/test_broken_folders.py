"""Folders that the stack cannot use: answers, jobs and reports never show where they are."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from layernext import LayerNextClient, LayerNextError
from tests.support.small_disk import stack_on_small_disk
from tests.support.stack_process import StackProcess

BOX = {"label": "cup", "bbox": [1, 2, 3, 4]}
RUN = {"images": [{"image": "1.png", "annotations": [BOX]}]}
Asking = Callable[..., httpx.Response]


def missing(folder: Path) -> None:
    shutil.rmtree(folder)


def file_in_its_place(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("not a folder")


def loop(folder: Path) -> None:
    """A link to itself: an error that is neither of the two above, even for root."""
    shutil.rmtree(folder)
    folder.symlink_to(folder.name)


def read_only(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o500 if path.is_dir() else 0o400)


BREAKS = [
    pytest.param(missing, id="missing"),
    pytest.param(file_in_its_place, id="file"),
    pytest.param(loop, id="loop"),
    pytest.param(
        read_only,
        id="read-only",
        marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder"),
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Of the stack; writable again when it is removed."""
    yield tmp_path
    for path in [tmp_path, *tmp_path.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


@pytest.fixture
def images(folder: Path) -> Path:
    source = folder / "images"
    source.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(source / f"{number}.png")
    (folder / "run.json").write_text(json.dumps(RUN))
    return source


def fill(client: LayerNextClient, images: Path) -> dict[str, str]:
    """A collection with images, a run, a dataset version and an export; their ids."""
    job = client.upload_files_to_collection(images, "image", "yard", progress=False)
    client.wait_for_job_complete(job.job_id)
    client.upload_modelrun_from_json("yard", "run", str(images.parent / "run.json"), "rectangle")
    created = client.create_dataset_from_collection(
        "day1", "yard", {"train": 100, "validation": 0, "test": 0}, export_types=["RAW", "COCO"]
    )
    client.wait_for_job_complete(created.job_id)
    export = client.exports.start("coco", collection="yard", run="run")
    client.wait_for_job_complete(export.job_id)
    return {
        "version": created.version_id,
        "export": export.id,
        "item": client.files.list("yard")[0].id,
    }


def parameter(path: str, ids: dict[str, str]) -> str:
    """A path of the API's description with ids of what is stored."""
    for name, value in {
        "version_id": ids["version"], "export_id": ids["export"], "item_id": ids["item"],
        "image_id": ids["item"], "picture_id": ids["item"],
    }.items():  # fmt: skip
        path = path.replace(f"{{{name}}}", value)
    return path


def answers(ask: Asking, ids: dict[str, str]) -> Iterator[httpx.Response]:
    """Every route that reads, and those that write files."""
    paths = ask("GET", "/api/openapi.json").json()["paths"]
    for path, methods in paths.items():
        if "get" in methods and path not in {"/api/openapi.json", "/api/docs"}:
            yield ask("GET", parameter(path, ids))
    query = {"collection": "yard", "run": "other", "name": "run.json"}
    yield ask("POST", "/api/v1/annotation-files", params=query, content=json.dumps(RUN))
    for body in (
        {"format": "coco", "collection": "yard", "run": "run"},
        {"format": "yolo", "version": ids["version"]},
    ):
        yield ask("POST", "/api/v1/exports", json=body)
    yield ask("POST", "/api/v1/files/bundle", json={"ids": [ids["item"]]})
    yield ask("POST", "/api/v1/trash/purge", json={})


def calls(
    client: LayerNextClient, folder: Path, ids: dict[str, str]
) -> Iterator[Callable[[], Any]]:
    """What a user does with files."""
    more = folder / "more"
    more.mkdir(exist_ok=True)
    Image.new("RGB", (50, 30)).save(more / "more.png")
    (more / "large.bin").write_bytes(os.urandom(9 << 20))
    yield lambda: client.upload_files_to_collection(more, "image", "yard", progress=False)
    yield lambda: client.upload_files_to_collection(more, "other", "bin", progress=False)
    yield lambda: client.files.download("yard", folder / "back", progress=False)
    yield lambda: client.exports.download(ids["export"], folder / "back")
    yield lambda: client.download_dataset(ids["version"], "RAW", folder / "version")
    yield lambda: client.upload_modelrun_from_json(
        "yard", "late", str(folder / "run.json"), "rectangle"
    )
    yield client.get_stack_status


def look_for_paths(
    stack: tuple[str, str, str], folder: Path, secrets: list[str], ids: dict[str, str]
) -> int:
    """Use a stack whose folders are broken; the number of errors, none of which shows a path."""
    errors = 0
    api_key, secret, url = stack
    with (
        httpx.Client(base_url=url, auth=(api_key, secret), timeout=180) as http,
        LayerNextClient(*stack, retry_for_s=1) as client,
    ):

        def check(text: str) -> None:
            shown = [path for path in secrets if path in text]
            assert shown == [], text

        def said(call: Callable[[], Any]) -> str:
            nonlocal errors
            try:
                return repr(call())
            except (LayerNextError, OSError) as error:
                errors += 1
                return f"{error} {getattr(error, 'detail', '')}"

        for call in calls(client, folder, ids):
            # Reports and errors name the user's own files.
            check(said(call).replace(str(folder / "more"), "").replace(str(folder / "back"), ""))
        for answer in answers(http.request, ids):
            errors += answer.status_code >= 500
            check(f"{answer.text} {dict(answer.headers)}")
        for job in client.jobs.list():
            with suppress(LayerNextError):
                client.wait_for_job_complete(job.id, timeout_s=60)
        for path in ("/api/v1/jobs", "/api/v1/items", "/api/v1/exports", "/api/v1/status"):
            check(http.get(path).text)
    return errors


@pytest.mark.parametrize("damage", BREAKS)
def test_folder_of_files(damage: Callable[[Path], None], folder: Path, images: Path) -> None:
    """The folder of the uploaded files is broken while the stack runs."""
    stack = StackProcess(folder / "stack")
    stack.start()
    try:
        with LayerNextClient(*stack.arguments) as client:
            ids = fill(client, images)
        damage(stack.folder / "objects")
        assert look_for_paths(stack.arguments, folder, [str(stack.folder), "objects/"], ids) > 0
    finally:
        stack.stop()


@pytest.mark.parametrize("damage", BREAKS)
def test_folder_of_temporary_files(
    damage: Callable[[Path], None],
    folder: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The folder for temporary files is broken while the stack runs."""
    temporary = folder / "temporary"
    temporary.mkdir()
    stack = StackProcess(folder / "stack")
    with monkeypatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        stack.start()
    try:
        with LayerNextClient(*stack.arguments) as client:
            ids = fill(client, images)
        damage(temporary)
        secrets = [str(stack.folder), str(temporary)]
        assert look_for_paths(stack.arguments, folder, secrets, ids) > 0
    finally:
        stack.stop()


def test_full_disk(folder: Path, images: Path) -> None:
    """The disk of the data folder is full."""
    with stack_on_small_disk(folder, "64m") as disk:
        with LayerNextClient(*disk.arguments) as client:
            ids = fill(client, images)
        disk.fill()
        secrets = [str(folder / "disk"), tempfile.gettempdir() + "/layernext"]
        assert look_for_paths(disk.arguments, folder, secrets, ids) > 0
