"""`layernext items`, `datasets`, `projects`, `convert`, `export` as a person would type them."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from layernext import LayerNextClient
from tests.integration.cli.conftest import CommandLine


def fill(cli: CommandLine, tmp_path: Path) -> str:
    """A collection of real images with a run."""
    name, folder = f"yard-{uuid.uuid4().hex[:8]}", tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number * 20, 1, 7)).save(buffer, "PNG")
        (folder / f"{number}.png").write_bytes(buffer.getvalue())
    cli("files", "upload", folder, name, "--quiet")
    box = {"label": "cup", "bbox": [1, 2, 30, 40]}
    images = [{"image": f"{n}.png", "annotations": [box]} for n in range(4)]
    (tmp_path / "run.json").write_text(json.dumps({"images": images}))
    cli("upload", name, "run", tmp_path / "run.json", "--geometry", "rectangle", "--quiet")
    return name


def answer(cli: CommandLine, *arguments: Any) -> Any:
    return json.loads(cli(*arguments, "--json").stdout)


def test_similar_images_and_declared_names(connected: CommandLine, tmp_path: Path) -> None:
    """Nearest images by image and by vector; metadata names declared and withdrawn."""
    name = fill(connected, tmp_path)
    with LayerNextClient(*connected.environment.values()) as client:
        rows = [{"uniqueName": f"{name}_{n}.png", "embeddings": [1.0, float(n)]} for n in range(4)]
        client.insert_image_embeddings(rows, "m", [2])
    found = answer(connected, "items", "similar", "m", "--image", f"{name}_0.png", "-n", "2")
    assert [each["unique_name"] for each in found] == [f"{name}_1.png", f"{name}_2.png"]
    (tmp_path / "vector.json").write_text("[0, 1]")
    text = connected("items", "similar", "m", "--vector", tmp_path / "vector.json").stdout
    assert f"{name}_3.png" in text.splitlines()[1]
    (tmp_path / "vector.json").write_text("{}")
    wrong = connected("items", "similar", "m", "--vector", tmp_path / "vector.json", code=4)
    assert "is not a list of numbers" in wrong.stderr
    declared = answer(connected, "items", "declare", "--field", "shift", "--tag", "rain")
    assert declared == {"fields": ["shift"], "tags": ["rain"], "is_strict": False}
    assert "tag  rain" in connected("items", "declare").stdout
    connected("items", "declare", "--field", "shift", "--tag", "rain", "--withdraw")


def test_items(connected: CommandLine, tmp_path: Path) -> None:
    """Found by a query, given metadata, trashed and restored."""
    name = fill(connected, tmp_path)
    entry = {"file": "1.png", "metadata": {"shift": "night"}}
    (tmp_path / "metadata.json").write_text(json.dumps({"files": [entry, {"file": "no.png"}]}))
    report = answer(connected, "items", "metadata", name, tmp_path / "metadata.json")
    assert (report["updated"], report["unmatched"]) == (1, ["no.png"])
    (item,) = answer(connected, "items", "list", name, "--query", "metadata.shift = night")
    assert (item["name"], item["width"]) == ("1.png", 64)
    everything = connected("items", "list", name)
    assert "1.png" in everything.stdout
    assert everything.stderr == ""
    assert "only the first 1 are listed; pass a higher --limit for more" in (
        connected("items", "list", name, "--limit", 1).stderr
    )
    assert answer(connected, "items", "trash", name, "--query", "name = 1.png")["files"] == 1
    assert [each["name"] for each in answer(connected, "items", "list", name, "--trash")] == [
        "1.png"
    ]
    assert answer(connected, "items", "restore", name) == {"restored": 1}
    connected("items", "trash", name, "--query", "name = 2.png")
    assert "--yes" in connected("items", "purge", name, code=2).stderr
    assert answer(connected, "items", "purge", name, "--older-than", "1", "--yes")["files"] == 0
    assert answer(connected, "items", "purge", name, "--yes")["files"] == 1
    assert answer(connected, "items", "restore", name) == {"restored": 0}
    wrong = connected("items", "list", name, "--query", "lable = cup", code=4)
    assert "column 1" in wrong.stderr
    assert "did you mean" in wrong.stderr


def test_datasets(connected: CommandLine, tmp_path: Path) -> None:
    """Made, listed, compared, downloaded, deleted."""
    name = fill(connected, tmp_path)
    made = answer(connected, "datasets", "create", name, name, "--split", "50", "25", "25")
    assert made["splits"] == {"train": 2, "validation": 1, "test": 1}
    assert made["id"] in connected("datasets", "list").stdout
    assert answer(connected, "datasets", "diff", made["id"], made["id"])["unchanged"] == 4
    connected("datasets", "download", made["id"], tmp_path / "down", "--type", "COCO", "--no-media")
    assert len(list((tmp_path / "down").rglob("*.json"))) >= 3
    connected("datasets", "delete", made["id"])
    connected("datasets", "delete", made["id"], code=5)


def test_projects(connected: CommandLine, tmp_path: Path) -> None:
    """Made, worked on, handed over and taken back, deleted."""
    name = fill(connected, tmp_path)
    made = answer(connected, "projects", "create", "day 1", name, "--per-task", "3")
    assert made["added"] == 4
    tasks = answer(connected, "projects", "tasks", made["id"], "--set", "completed", "--task", "2")
    assert [task["status"] for task in tasks] == ["not_started", "completed"]
    assert "day 1" in connected("projects", "list").stdout
    connected("projects", "export", made["id"], tmp_path / "p.xml")
    connected("projects", "export", made["id"], tmp_path / "p.xml", code=3)
    taken = answer(connected, "projects", "import", made["id"], name, tmp_path / "p.xml")
    assert taken["images"] == 4
    connected("projects", "delete", made["id"])


def test_convert_and_export(connected: CommandLine, tmp_path: Path) -> None:
    """A run goes out in another format; a file becomes another; losses are said."""
    name = fill(connected, tmp_path)
    connected("export", name, "run", tmp_path / "out.json", "--to", "coco", "--quiet")
    connected("convert", tmp_path / "out.json", tmp_path / "yolo", "--to", "yolo")
    assert len(list((tmp_path / "yolo" / "labels" / "train").iterdir())) == 4
    connected("convert", tmp_path / "out.json", tmp_path / "yolo", "--to", "yolo", code=3)
    connected("convert", tmp_path / "out.json", tmp_path / "x", "--to", "nothing", code=3)
    connected("convert", tmp_path / "no.json", tmp_path / "x", "--to", "csv", code=4)


def test_exports(connected: CommandLine, tmp_path: Path) -> None:
    """The stack writes a file in the background; it is listed, fetched and deleted. A version goes out directly."""
    name = fill(connected, tmp_path)
    begun = answer(
        connected, "exports", "start", "--collection", name, "--run", "run", "--to", "voc", "--wait"
    )
    assert (begun["status"], begun["images"], begun["file_name"]) == (
        "completed",
        4,
        f"{name}-run.zip",
    )
    assert begun["id"] in connected("exports", "list").stdout
    connected("exports", "download", begun["id"], tmp_path / "down", "--quiet")
    with zipfile.ZipFile(tmp_path / "down" / f"{name}-run.zip") as archive:
        assert "Annotations/3.xml" in archive.namelist()
    connected("exports", "delete", begun["id"])
    connected("exports", "delete", begun["id"], code=5)
    connected("exports", "start", "--to", "voc", code=4)
    made = answer(connected, "datasets", "create", name, name, "--split", "50", "25", "25")
    report = answer(
        connected,
        "datasets",
        "export",
        made["id"],
        tmp_path / "v.json",
        "--to",
        "coco",
        "--split",
        "train",
    )
    assert (report["images"], report["losses"].keys()) == (2, {"the split"})
    source = tmp_path / "down" / "wrong.csv"
    source.write_text("image,label,type\na.png,cup,circle\n")
    refused = connected("upload", name, "other", source, code=4)
    assert f"{source}:2: is not an annotation" in refused.stderr
