"""The registry: formats of other packages, and the choice of a format by what a file shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from layernext.errors import ConfigurationError, FormatError
from layernext.formats import FORMATS, Registry, Sample, write_export
from layernext.model import Rectangle
from tests.support.format_plug_ins import DOTS, install


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that Python finds."""
    folder = tmp_path / "plug-ins"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "dots_format", raising=False)
    return folder


def write_json(path: Path) -> Path:
    box = Rectangle(label="cup", bbox=(1, 2, 3, 4), confidence=0.5)
    write_export([Sample(image="a.jpg", annotations=[box])], path, "layernext")
    return path


def command(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line, in a process that finds the packages in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "layernext.cli", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_installed_package_adds_a_format(tmp_path: Path) -> None:
    """A package that pip installed is written, detected and read by the command line."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "dots_format.py").write_text(DOTS)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "layernext-dots"\nversion = "1.0"\n'
        '[project.entry-points."layernext.formats"]\ndots = "dots_format:FORMAT"\n'
        '[tool.hatch.build.targets.wheel]\ninclude = ["dots_format.py"]\n'
    )
    folder = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*pip, "--no-index", "--disable-pip-version-check", "--target", folder, source], check=True
    )
    json = write_json(tmp_path / "in.json")
    there = command(folder, "convert", json, tmp_path / "out.dots", "--to", "dots")
    assert (there.returncode, there.stderr) == (0, "")
    assert "not kept: confidence, once" in there.stdout
    assert (tmp_path / "out.dots").read_text() == "a.jpg|cup|1.0|2.0|3.0|4.0\n"
    back = command(folder, "convert", tmp_path / "out.dots", tmp_path / "back.csv", "--to", "csv")
    assert (back.returncode, back.stderr) == (0, "")
    assert "rectangle,,1.0,2.0,3.0,4.0" in (tmp_path / "back.csv").read_text()
    missing = command(tmp_path, "convert", json, tmp_path / "no", "--to", "dots")
    assert missing.returncode != 0
    assert "there is no format 'dots'" in missing.stderr


def test_plug_in_is_loaded_only_when_needed(plug_ins: Path, tmp_path: Path) -> None:
    """Looking up a built-in format imports no plug-in."""
    install(plug_ins, "layernext-dots", {"dots_format": DOTS}, {"dots": "dots_format:FORMAT"})
    registry = Registry()
    assert registry.get("coco") is FORMATS["coco"]
    assert "dots_format" not in sys.modules
    (tmp_path / "a.dots").write_text("")
    assert registry.detect(tmp_path / "a.dots").name == "dots"
    assert [entry.name for entry in registry.list_all()] == [*FORMATS, "dots"]


def write_coco(path: Path) -> Path:
    """A file that every format is asked about, as it is not LayerNext JSON."""
    path.write_text(
        '{"images": [{"id": 1, "file_name": "a"}], "categories": [], "annotations": []}'
    )
    return path


BROKEN = {
    "broken": ("broken_format", "import no_such_module", "No module named 'no_such_module'"),
    "coco": ("coco_format", DOTS, "a built-in format has this name"),
    "empty": ("empty_format", "FORMAT = 7", "is a int, must be a Format"),
    "renamed": ("renamed_format", DOTS, "its Format is named 'dots'"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_unusable_plug_in_is_named(
    plug_ins: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A plug-in that cannot be used is reported in one sentence; the other formats work."""
    module, text, reason = BROKEN[name]
    install(plug_ins, "layernext-broken", {module: text}, {name: f"{module}:FORMAT"})
    install(plug_ins, "layernext-dots", {"dots_format": DOTS}, {"dots": "dots_format:FORMAT"})
    registry = Registry()
    assert registry.detect(write_coco(tmp_path / "in.json")).name == "coco"
    assert registry.get("dots").name == "dots"
    assert registry.get("coco") is FORMATS["coco"]
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith(f"the format plug-in {name!r} of layernext-broken 1.0 is ignored: ")
    assert reason in message
    assert registry.problems == {name: message}
    if name not in FORMATS:
        with pytest.raises(ConfigurationError, match=f"no format {name!r}") as caught:
            registry.get(name)
        assert caught.value.hint == message


def test_two_packages_with_one_name(plug_ins: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The first package by name has the format; the other one is reported."""
    install(plug_ins, "a-dots", {"dots_format": DOTS}, {"dots": "dots_format:FORMAT"})
    install(plug_ins, "b-dots", {"other_format": "raise SystemExit"}, {"dots": "other_format:X"})
    assert Registry().get("dots").about == "boxes between bars"
    (record,) = caplog.records
    assert "'dots' of b-dots 1.0 is ignored: a-dots 1.0 has a format of this name" in (
        record.getMessage()
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("raise ValueError('out of dots')", "out of dots", id="raises"),
        pytest.param("return 'yes'", "must return a Detection or None", id="other-type"),
    ],
)
def test_failing_detect_is_left_out(
    plug_ins: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, body: str, reason: str
) -> None:
    """A plug-in whose detect fails is named, and the others decide."""
    text = DOTS.replace(
        'if not probe.is_folder and probe.path.suffix == ".dots":', f"{body}\n    if 1:"
    )
    install(plug_ins, "layernext-dots", {"dots_format": text}, {"dots": "dots_format:FORMAT"})
    path = write_coco(tmp_path / "in.json")
    assert Registry().detect(path).name == "coco"
    (record,) = caplog.records
    assert record.getMessage() == (
        f"the format plug-in 'dots' is left out of the detection of {path}: "
        f"its detect failed: {record.args[2]}"  # type: ignore[index]
    )
    assert reason in record.getMessage()


def test_ambiguous_source_names_candidates(tmp_path: Path) -> None:
    """If two formats are equally certain, the error names both with their reasons, and the way out."""
    (tmp_path / "a.xml").write_text("<annotation/>")
    (tmp_path / "b.json").write_text('{"shapes": []}')
    with pytest.raises(FormatError) as caught:
        Registry().detect(tmp_path)
    message = str(caught.value)
    assert (
        "could be voc (it has <annotation> in a.xml) or labelme (it has `shapes` in b.json)"
        in message
    )
    assert "--from" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("a.json", '{"images": [{"image": "a"}]}', "layernext", id="layernext"),
        pytest.param("a.json", '{"images": []}', "layernext", id="no-images"),
        pytest.param("a.json", '{"info": {}, "licenses": [{"id": 1}], "images": [{"id": 1, "file_name": "a"}]}',
                     "coco", id="licenses-first"),
        pytest.param("a.json", '{"categories": [], "images": []}', "coco", id="categories"),
        pytest.param("a.json", '[{"image_id": 1}]', "coco-results", id="results"),
        pytest.param("a.json", '[{"data": {}}]', "label-studio", id="tasks"),
        pytest.param("a.json", '{"shapes": [], "imagePath": "a"}', "labelme", id="labelme"),
        pytest.param("a.json", '{"images": [', "layernext", id="broken"),
        pytest.param("a.xml", "<?xml version='1.0'?><!-- <x> --><annotations>", "cvat", id="cvat"),
        pytest.param("a.xml", "<annotation>", "voc", id="voc-file"),
        pytest.param("a.csv", "image;label", "csv", id="csv-name"),
        pytest.param("a.txt", "image,label", "csv", id="csv-header"),
        pytest.param("a", "PAR1", "parquet", id="parquet"),
    ],
)  # fmt: skip
def test_files_are_recognized(tmp_path: Path, name: str, content: str, expected: str) -> None:
    """By what a file contains, not by its name alone."""
    (tmp_path / name).write_text(content)
    assert Registry().detect(tmp_path / name).name == expected


@pytest.mark.parametrize(
    "content", ['{"a": 1}', '[{"filename": "a.jpg"}]', "[1]", "hello"], ids=repr
)
def test_unknown_files_are_refused(tmp_path: Path, content: str) -> None:
    """A file that no format recognizes is not read as some other format."""
    (tmp_path / "in").write_text(content)
    with pytest.raises(
        FormatError, match="unsupported format; the supported ones are layernext, coco, "
    ):
        Registry().detect(tmp_path / "in")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    """It is no file of an unknown format."""
    (tmp_path / "in").write_text("")
    with pytest.raises(FormatError, match="in: the file is empty"):
        Registry().detect(tmp_path / "in")


LOADED = """
import sys
import layernext.formats
from layernext.formats import get_format
assert "layernext.formats.cvat" not in sys.modules
get_format("cvat")
assert "layernext.formats.cvat" in sys.modules
assert "layernext.formats.datumaro" not in sys.modules
"""


def test_built_in_formats_are_imported_when_they_are_used() -> None:
    """The SDK starts without the formats that a program does not use; each has the name it is found by."""
    subprocess.run([sys.executable, "-c", LOADED], check=True)
    assert [entry.name for entry in FORMATS.values()] == list(FORMATS)
    assert "no-such-format" not in FORMATS
