"""Evaluations over HTTP, against real stacks on both databases: numbers, staleness, pages, ends."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest

from layernext import LayerNextClient
from layernext.errors import NotFound
from layernext.evaluation import Evaluator
from layernext.model import EvaluationSettings
from tests.postgres import postgres_database
from tests.stack_process import StackProcess, running_stack

LABELS = ("cup", "fork", 'a "label"\n<b>', "杯子")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackProcess]:
    with ExitStack() as ending:
        database = None
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            database = ending.enter_context(postgres_database(server))
        folder = tmp_path_factory.mktemp("stack")
        yield ending.enter_context(running_stack(folder, database=database))


@pytest.fixture
def client(stack: StackProcess) -> Iterator[LayerNextClient]:
    with LayerNextClient(*stack.arguments, retry_for_s=5) as ours:
        yield ours


def fresh(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def some_sets(seed: int, images: int = 40) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A ground truth and a run that finds some of it, as JSON data; confidences have ties."""
    rng = random.Random(seed)
    truths, runs = [], []
    for number in range(images):
        there, found = [], []
        for _ in range(rng.randrange(0, 8)):
            x, y, w, h = (
                rng.uniform(0, 200),
                rng.uniform(0, 200),
                rng.uniform(4, 90),
                rng.uniform(4, 90),
            )
            label = rng.choice(LABELS)
            there.append({"type": "rectangle", "label": label, "bbox": [x, y, w, h]})
            if rng.random() < 0.8:
                said = label if rng.random() < 0.8 else rng.choice(LABELS)
                moved = [x + rng.gauss(0, 3), y + rng.gauss(0, 3), w, h]
                confidence = round(rng.random(), 1)
                found.append(
                    {"type": "rectangle", "label": said, "bbox": moved, "confidence": confidence}
                )
        for _ in range(rng.randrange(0, 3)):
            box = [rng.uniform(0, 200), rng.uniform(0, 200), 20, 20]
            found.append(
                {"type": "rectangle", "label": rng.choice(LABELS), "bbox": box,
                 "confidence": round(rng.random(), 1)}
            )  # fmt: skip
        name = f"{number:03}.jpg"
        truths.append({"image": name, "annotations": there})
        if number % 13:
            runs.append({"image": name, "annotations": found})
    return truths, runs


def upload(client: LayerNextClient, collection: str, run: str, sets: Any, **options: Any) -> None:
    client.upload_modelrun(collection, run, sets, **options)


def filled(client: LayerNextClient, seed: int = 1) -> tuple[str, list[Any], list[Any]]:
    name = fresh("yard")
    truths, runs = some_sets(seed)
    upload(client, name, "truth", truths, ground_truth=True)
    upload(client, name, "run", runs)
    return name, truths, runs


def alone(truths: list[Any], runs: list[Any], **settings: Any) -> Evaluator:
    """The same without a stack."""
    evaluator = Evaluator(EvaluationSettings(**settings))
    by_name = {one["image"]: json.dumps(one).encode() for one in runs}
    for one in truths:
        evaluator.add(one["image"], json.dumps(one).encode(), by_name.get(one["image"]))
    return evaluator


def test_the_same_numbers_as_without_a_stack(client: LayerNextClient) -> None:
    """Every number, table and tally is equal to what the sets themselves give."""
    name, truths, runs = filled(client)
    found = client.evaluate(collection=name, run="run", ground_truth="truth")
    evaluator = alone(truths, runs)
    expected = evaluator.result()
    ours = msgspec.to_builtins(found)
    theirs = msgspec.to_builtins(expected)
    ours.pop("info")
    assert ours.pop("counts").items() >= theirs.pop("counts").items()
    assert ours == theirs
    assert 0.1 < (found.summary["AP"] or 0) < 0.9
    tallies = {one.image: one for one in client.iter_tallies(found)}
    for one in evaluator.iter_tallies():
        wanted = msgspec.structs.asdict(one)
        wanted.pop("confusion")
        assert msgspec.structs.asdict(tallies[one.image]).items() >= wanted.items()
    assert len(tallies) == len(truths)
    assert found.info.is_current
    assert found.info.stale_because is None
    assert found.info.image_count == len(truths)


def test_stale_after_an_upload(client: LayerNextClient) -> None:
    """A change of either side makes a result stale, says of which, and the next call renews it."""
    name, truths, runs = filled(client)
    first = client.evaluate(collection=name, run="run", ground_truth="truth")
    assert client.evaluate(collection=name, run="run", ground_truth="truth").info.computed_at == (
        first.info.computed_at
    )
    upload(client, name, "run", [{"image": "000.jpg", "annotations": []}])
    info = client.get_evaluation_info(first.info.id)
    assert (info.is_current, info.stale_because) == (False, "annotations of the run have changed")
    second = client.evaluate(collection=name, run="run", ground_truth="truth")
    assert second.info.id == first.info.id
    assert second.info.is_current
    changed = [
        {"image": "000.jpg", "annotations": []},
        *(r for r in runs if r["image"] != "000.jpg"),
    ]
    assert second.summary == alone(truths, changed).result().summary
    upload(client, name, "truth", truths[:1], ground_truth=True)
    because = client.get_evaluation_info(first.info.id).stale_because
    assert because == "annotations of the ground truth have changed"
    client.remove_annotations(name, "run")
    with pytest.raises(NotFound, match="no evaluation"):
        client.get_evaluation(first.info.id)
    assert client.list_evaluations(collection=name) == []
