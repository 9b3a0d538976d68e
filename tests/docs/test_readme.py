"""The README's own claims: the usage block as published, the two commands, the training loop."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import layernext
from tests.support.stack_process import running_stack

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "src" / "layernext" / "cli" / "samples"
README = (ROOT / "README.md").read_text(encoding="utf-8")
SEED = """
client = layernext.LayerNextClient(api_key, secret, url)

collection_base_path = 'path1/path2/'

#upload box type annotations
file_path_bbox = '/home/bob/mydata/example_bbox.json' #local file path
client.upload_modelrun_from_json(collection_base_path, 'test model v1.0.1', file_path_bbox, 'rectangle')

#upload polygon type annotations
file_path_polygon = '/home/bob/mydata/example_polygon.json'
client.upload_modelrun_from_json(collection_base_path, 'test model v1.0.2', file_path_polygon, 'polygon')

#upload line type annotations
file_path_line = '/home/bob/mydata/example_line.json'
client.upload_modelrun_from_json(collection_base_path, 'test model v1.0.3', file_path_line, 'line')
""".strip()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_usage_is_the_published_one():
    """The block is that of the published client, but for spaces at the ends of lines."""
    (usage,) = [block for block in python_blocks() if "import layernext" in block]
    lines = [line.rstrip() for line in usage.splitlines()]
    assert "\n".join(lines).strip().endswith(SEED)


def test_python_runs_as_written(stack):
    """The blocks in their order, with a stack's key, secret and URL and the samples' folder."""
    api_key, secret, url = stack.arguments
    program = "\n".join(python_blocks())
    for placeholder, value in {
        "'xxxxxxxxxx'": repr(api_key),
        "'xxxxxxxxxxx'": repr(secret),
        "'https://api.xxxx.layernext.ai'": repr(url),
        "/home/bob/mydata": str(SAMPLES),
    }.items():
        assert placeholder in program
        program = program.replace(placeholder, value)
    exec(compile(program, "README.md", "exec"), {})  # the README is ours
    with layernext.LayerNextClient(api_key, secret, url) as client:
        stored = {run.name: run.annotation_count for run in client.runs.list("path1/path2")}
        (image,) = client.iter_annotations("path1/path2", "test model v1.0.3")
    versions = [f"test model v1.0.{number}" for number in (1, 2, 3)]
    assert stored == {**dict.fromkeys(versions, 1), "epoch 7": 1}
    assert image.image == "000000397133.jpg"
    assert isinstance(image.annotations[0], layernext.Line)


def test_commands_are_those_of_dev(monkeypatch):
    """Every `python3 dev.py …` in README and CONTRIBUTING names a command that exists."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    from tools.developer_commands import COMMANDS

    text = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"python3 dev\.py (\w+)", text))
    assert {"demo", "test"} <= named <= COMMANDS.keys()
    assert "python3 dev.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_error_of_the_readme(tmp_path):
    """The sentence that the README shows is what the check says of such a file."""
    good = '{"label": "a", "bbox": [1, 2, 3, 4]}'
    bad = '{"label": "a", "bbox": [1, 2, -4.0, 4]}'
    images = [
        f'{{"image": "{number}.jpg", "annotations": [{good}, {good}, {good}, '
        f"{bad if number == 12 else good}]}}"
        for number in range(14)
    ]
    path = tmp_path / "example_bbox.json"
    path.write_text('{"images": [' + ", ".join(images) + "]}", encoding="utf-8")
    with pytest.raises(layernext.DataError) as caught:
        layernext.validate_file(path, "rectangle")
    assert str(caught.value) in README
