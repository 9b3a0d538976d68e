"""Unknown keys of LayerNext JSON come back as they were: on both databases, by SDK and command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from layernext import ImageAnnotations, LayerNextClient, Rectangle
from layernext.errors import DataError
from tests.integration.cli.conftest import CommandLine
from tests.support.postgres import postgres_database
from tests.support.stack_process import StackProcess, running_stack

FILE = """{"version": 3.10, "info": {"by": "me: them", "n": [1.0, 2]},
"images": [
{"image": "a.jpg", "camera": {"id": 1.50}, "annotations": [
 {"type": "rectangle", "bbox": [1, 2, 3, 4], "label": "cup", "lable": "x"},
 {"type": "rectangle", "bbox": [1, 2, 3, 4], "label": "pan", "lable": null, "source": 7}]},
{"image": "b.jpg", "annotations": [
 {"type": "rectangle", "bbox": [1, 2, 3, 4], "label": "cup", "attributes": {"c": [{"value": 1, "by": "x"}]}}]}
], "end": 1e2}"""
WARNINGS = {
    'unknown key "version" of the file is kept': (1, '"version"'),
    'unknown key "info" of the file is kept': (1, '"info"'),
    'unknown key "end" of the file is kept': (1, '"end"'),
    'unknown key "camera" of images is kept': (1, "images[0]"),
    'unknown key "lable" of annotations is kept (did you mean "label"?)': (
        2,
        "images[0].annotations[0]",
    ),
    'unknown key "source" of annotations is kept': (1, "images[0].annotations[1]"),
    'unknown key "by" of attribute values is kept': (
        1,
        'images[1].annotations[0].attributes["c"][0]',
    ),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackProcess]:
    with ExitStack() as ending:
        database = None
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            database = ending.enter_context(postgres_database(server))
        folder = tmp_path_factory.mktemp("extra")
        yield ending.enter_context(running_stack(folder, database=database))


@pytest.fixture
def client(stack: StackProcess) -> Iterator[LayerNextClient]:
    with LayerNextClient(*stack.arguments, retry_for_s=5) as ours:
        yield ours


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "up.json"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("validate", ["first", "stream"])
def test_keys_come_back(client: LayerNextClient, source: Path, validate: str) -> None:
    """From a file to a file, every value as it was written; what may be a mistake is counted."""
    report = client.upload_modelrun("kept", validate, source, validate=validate)  # type: ignore[arg-type]
    assert report.warnings == WARNINGS
    target = source.with_name("down.json")
    client.download_to_file("kept", validate, path=target)
    assert json.loads(target.read_text(), parse_float=str) == json.loads(FILE, parse_float=str)
    first, second = client.iter_annotations("kept", validate)
    assert first.extra == {"camera": {"id": 1.5}}
    assert first.annotations[1].extra == {"lable": None, "source": 7}
    assert second.annotations[0].attributes["c"][0].extra == {"by": "x"}
    # What was read as typed data is uploaded as it was, too.
    again = client.upload_modelrun("kept", f"{validate} again", [first, second])
    assert again.warnings == {what: c for what, c in WARNINGS.items() if "of the file" not in what}
    assert list(client.iter_annotations("kept", f"{validate} again")) == [first, second]


def test_parts_of_an_image_keep_their_keys(client: LayerNextClient, tmp_path: Path) -> None:
    """An image that comes twice in an upload is one, with the keys of both."""
    box = Rectangle(label="a", bbox=(1, 2, 3, 4))
    images = [
        ImageAnnotations(image="a.jpg", annotations=[box], extra={name: number})
        for number, name in enumerate(("first", "second"))
    ]
    client.upload_modelrun("parts", "run", images)
    (image,) = client.iter_annotations("parts", "run")
    assert image.extra == {"first": 0, "second": 1}
    assert len(image.annotations) == 2


def test_strict_refuses_them_with_their_place(client: LayerNextClient, source: Path) -> None:
    with pytest.raises(DataError) as caught:
        client.upload_modelrun("strict", "run", source, strict=True)
    places = {problem.where for problem in caught.value.problems}
    assert {'"version"', "images[0]", "images[0].annotations[0]"} <= places
    assert all("unknown key" in problem.message for problem in caught.value.problems)
    assert "strict" not in {c.name for c in client.collections.list()}


def test_command_line(stack: StackProcess, source: Path) -> None:
    names = ("LAYERNEXT_API_KEY", "LAYERNEXT_SECRET", "LAYERNEXT_URL")
    command = CommandLine(source.parent, dict(zip(names, stack.arguments, strict=True)))
    line = (
        'warning: unknown key "lable" of annotations is kept (did you mean "label"?), '
        "2 times, first at images[0].annotations[0]"
    )
    assert line in command("upload", "typed", "run", source).stderr
    target = source.with_name("down.json")
    command("download", "typed", "run", "--out", target)
    assert json.loads(target.read_text()) == json.loads(FILE)
    assert line in command("validate", source).stderr
    for words in (["upload", "typed", "run", source], ["validate", source]):
        refused = command(*words, "--strict", code=4)
        assert 'images[0]: unknown key "camera"' in refused.stderr
    exported = source.with_name("export.json")
    command("export", "typed", "run", exported, "--to", "layernext")
    assert json.loads(exported.read_text())["images"] == json.loads(FILE)["images"]
