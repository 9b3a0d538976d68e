"""What is uploaded is what comes back: any valid run, on both databases and both protocols."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from layernext import LayerNextClient
from layernext.model import ImageAnnotations, decode_trusted
from tests.support.stack_process import running_stack
from tests.support.strategies import has_published_shape, model_runs, names, v1_images

EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def postgres_database(postgres_server: str) -> str:
    return postgres_server


@pytest.fixture(scope="module", params=["native-sqlite", "native-postgresql", "published-sqlite"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LayerNextClient]:
    """Our client on a stack of each kind; the last one speaks only the published protocol."""
    protocol, database = request.param.split("-")
    url = request.getfixturevalue("postgres_database") if database == "postgresql" else None
    folder = tmp_path_factory.mktemp("stack")
    with (
        running_stack(folder, database=url, native=protocol == "native") as stack,
        LayerNextClient(*stack.arguments) as ours,
    ):
        yield ours


def tells_apart(run: list[ImageAnnotations]) -> bool:
    """Whether the published protocol can tell the run's names and attribute values apart.

    It knows values by their text, so 1 and "1" of one attribute are the same to it; and an
    image of a new collection by its path, in which a slash at the name's start is lost.
    """
    if any(image.image.startswith("/") for image in run):
        return False
    texts: dict[tuple[str, str, str], bool] = {}
    for image in run:
        for annotation in image.annotations:
            for name, values in annotation.attributes.items():
                for value in values:
                    is_text = isinstance(value.value, str)
                    text = value.value if is_text else msgspec.json.encode(value.value).decode()
                    if texts.setdefault((annotation.label, name, text), is_text) != is_text:
                        return False
    return True


@EXAMPLES
@given(run=model_runs(min_images=1), name=names)
def test_typed_run(client: LayerNextClient, run: list[ImageAnnotations], name: str) -> None:
    """Typed annotation sets come back equal, whatever their names and values."""
    if not client._connection.is_native:
        shapes = [annotation for image in run for annotation in image.annotations]
        if not tells_apart(run) or not all(map(has_published_shape, shapes)):
            return
    collection = f"any/collection {next(_numbers)}"
    client.upload_modelrun(collection, name, run)
    assert list(client.iter_annotations(collection, name)) == run


@EXAMPLES
@given(case=v1_images(), name=names)
def test_v1_file(
    client: LayerNextClient, case: tuple[Any, dict[str, Any]], name: str, tmp_path: Path
) -> None:
    """A form v1 file comes back equal as typed objects, and natively as the very same JSON."""
    geometry, image = case
    path, back = tmp_path / "run.json", tmp_path / "back.json"
    path.write_text(json.dumps({"images": [image]}))
    wanted = decode_trusted(json.dumps(image).encode(), geometry)
    is_published = not client._connection.is_native
    if is_published and not tells_apart([wanted]):
        return
    collection = f"one {geometry} {next(_numbers)}"
    client.upload_modelrun_from_json(collection, name, path, geometry)
    assert list(client.iter_annotations(collection, name)) == [wanted]
    if not is_published:
        client.download_to_file(collection, [name], back)
        assert json.loads(back.read_bytes()) == {"images": [image]}


def test_order_is_kept(client: LayerNextClient) -> None:
    """Images come back in the order in which they were uploaded, over many batches."""
    run = [ImageAnnotations(image=f"{n * 7919 % 5003}.jpg", annotations=[]) for n in range(5003)]
    client.upload_modelrun("ordered", "run", run)
    assert [image.image for image in client.iter_annotations("ordered", "run")] == [
        image.image for image in run
    ]
