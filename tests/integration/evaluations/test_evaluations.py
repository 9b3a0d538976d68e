"""Evaluations over HTTP, against real stacks on both databases: numbers, staleness, pages, ends."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest

from layernext import LayerNextClient
from layernext.errors import Conflict, DataError, NotFound
from layernext.evaluation import Evaluator, RunPairing, compare_evaluations
from layernext.model import EvaluationSettings
from tests.support.postgres import postgres_database
from tests.support.stack_process import StackProcess, running_stack

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
    tallies = {one.image: one for one in client.evaluations.iter_tallies(found)}
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
    info = client.evaluations.info(first.info.id)
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
    because = client.evaluations.info(first.info.id).stale_because
    assert because == "annotations of the ground truth have changed"
    client.remove_annotations(name, "run")
    with pytest.raises(NotFound, match="no evaluation"):
        client.evaluations.get(first.info.id)
    assert client.evaluations.list(collection=name) == []


def test_images_behind_a_cell(client: LayerNextClient) -> None:
    """Every cell of the confusion matrix opens as many annotations as it counts, and no others."""
    name, truths, runs = filled(client, seed=2)
    found = client.evaluate(collection=name, run="run", ground_truth="truth", confidence=0.3)
    labels: list[str | None] = [*found.confusion.labels, None]
    expected: dict[Any, dict[str, int]] = {}
    for one in alone(truths, runs, confidence=0.3).iter_tallies():
        for there, said, count in one.confusion:
            expected.setdefault((there, said), {})[one.image] = count
    for row, there in enumerate(labels):
        for column, said in enumerate(labels):
            behind = list(client.evaluations.iter_confused(found, there, said))
            counts = [one.count or 0 for one in behind]
            assert sum(counts) == found.confusion.counts[row][column]
            assert counts == sorted(counts, reverse=True)
            assert {one.image: one.count for one in behind} == expected.get((there, said), {})
    with pytest.raises(NotFound, match="no label 'spoon'"):
        list(client.evaluations.iter_confused(found, "spoon", None))


def test_orders_of_tallies(client: LayerNextClient) -> None:
    """Each order sorts by what it says; pages never overlap; a query restricts."""
    name, truths, _ = filled(client, seed=3)
    found = client.evaluate(collection=name, run="run", ground_truth="truth")
    worst = [one.f1 for one in client.evaluations.iter_tallies(found) if one.f1 is not None]
    assert worst == sorted(worst)
    best = [
        one.f1 for one in client.evaluations.iter_tallies(found, order="best") if one.f1 is not None
    ]
    assert best == worst[::-1]
    for order in ("false_positives", "missed", "mislabelled", "true_positives"):
        values = [
            getattr(one, order) for one in client.evaluations.iter_tallies(found, order=order)
        ]
        assert values == sorted(values, reverse=True)
    names = {one.image for one in client.evaluations.iter_tallies(found, order="image")}
    assert names == {one["image"] for one in truths}
    some = list(client.evaluations.iter_tallies(found, query="name = 000.jpg OR name = 001.jpg"))
    assert {one.image for one in some} == {"000.jpg", "001.jpg"}
    with pytest.raises(DataError, match="column 1"):
        list(client.evaluations.iter_tallies(found, query="nonsense = 1"))


def test_the_matches_of_an_image(client: LayerNextClient) -> None:
    """What became of each annotation of one image adds up to the image's tally."""
    name, _, _ = filled(client, seed=4)
    found = client.evaluate(collection=name, run="run", ground_truth="truth")
    for tally in list(client.evaluations.iter_tallies(found))[:10]:
        matched = client.evaluations.match_image(tally.id, evaluation=found)
        outcomes = [one.outcome for one in matched.matches.annotations]
        assert outcomes.count("matched") == tally.true_positives
        is_false = {"false_positive", "duplicate", "mislabelled"}
        assert sum(one in is_false for one in outcomes) == tally.false_positives
        assert len(matched.matches.truths) == tally.truths
        by_name = client.evaluations.match_image(
            tally.unique_name, run="run", ground_truth="truth", confidence=matched.confidence
        )
        assert by_name == matched
    with pytest.raises(NotFound, match="no image"):
        client.evaluations.match_image("nowhere", evaluation=found)


def test_statistics_of_a_run(client: LayerNextClient) -> None:
    """Counts and histograms are those of the annotations, and are counted again after a change."""
    name, _, runs = filled(client, seed=5)
    every = [one for image in runs for one in image["annotations"]]
    found = client.runs.statistics(name, "run")
    assert (found.images, found.annotations) == (len(runs), len(every))
    assert found.labels == Counter(one["label"] for one in every)
    assert found.empty_images == sum(not image["annotations"] for image in runs)
    assert found.geometries == {"rectangle": len(every)}
    low, high = found.confidence.edges[2:4]
    inside = [one for one in every if low <= one["confidence"] < high]
    assert found.confidence.counts[2] == len(inside)
    wide = [one for one in every if 32 <= one["bbox"][2] < 64]
    assert found.width.counts[found.width.edges.index(32)] == len(wide)
    assert sum(found.annotations_per_image.counts) == len(runs)
    upload(client, name, "run", [{"image": "000.jpg", "annotations": every[:3]}])
    assert client.runs.statistics(name, "run").labels != found.labels
    with pytest.raises(NotFound, match="no model run"):
        client.runs.statistics(name, "another")


def test_what_is_not_there_is_named(client: LayerNextClient) -> None:
    """A name that does not exist is answered with the names that do, or are like it."""
    name, _, _ = filled(client, seed=6)
    with pytest.raises(NotFound, match="no model run 'rum' here; did you mean 'run'"):
        client.evaluate(collection=name, run="rum", ground_truth="truth")
    with pytest.raises(NotFound, match="no ground truth 'x' here; there is 'run', 'truth'"):
        client.evaluate(collection=name, run="run", ground_truth="x")
    with pytest.raises(NotFound, match="no collection"):
        client.evaluate(collection=fresh("none"), run="run", ground_truth="truth")
    with pytest.raises(DataError, match="confidence is 2"):
        client.evaluate(collection=name, run="run", ground_truth="truth", confidence=2)
    with pytest.raises(DataError, match="is not an option"):
        client.evaluate(collection=name, run="run", ground_truth="truth", treshold=2)
    with pytest.raises(NotFound, match="no evaluation"):
        client.evaluations.get("0" * 24)


def test_queries_about_tallies(client: LayerNextClient) -> None:
    """Queries and orders of items go by the tallies of the evaluation that is meant."""
    name, _, runs = filled(client, seed=7)

    def names(query: str, **options: Any) -> list[str]:
        return [one.name for one in client.items.iter(name, query=query, **options)]

    with pytest.raises(DataError, match="no evaluation of run 'run' here"):
        names("run = run AND run.missed > 0")
    found = client.evaluate(collection=name, run="run", ground_truth="truth")
    # Of special settings, and against another run: neither is meant.
    client.evaluate(collection=name, run="run", ground_truth="truth", match_threshold=0.9)
    upload(client, name, "other", [{"image": "000.jpg", "annotations": []}])
    client.evaluate(collection=name, run="run", ground_truth="other")
    tallies = {one.image: one for one in client.evaluations.iter_tallies(found)}
    many = {one.image for one in tallies.values() if one.false_positives > 2}
    assert many
    assert set(names("run = run AND run.false_positives > 2")) == many
    assert set(names("run.false_positives > 2 AND ground_truth = truth")) == many
    both = {one.image for one in tallies.values() if one.missed and one.false_positives > 2}
    assert set(names("run = run AND run.false_positives > 2 AND run.missed > 0")) == both
    assert set(names("NOT run.false_positives > 2")) == set(tallies) - many
    good = {one.image for one in tallies.values() if one.f1 is not None and 0.5 <= one.f1 <= 1}
    assert set(names("run.f1 = 0.5..1")) == good
    cups = {
        one["image"] for one in runs if any(each["label"] == "cup" for each in one["annotations"])
    }
    query = "run = run AND run.false_positives > 2 AND annotation.label = cup"
    assert set(names(query)) == many & cups
    order = names("run = run", sort="-run.false_positives")
    counts = [tallies[one].false_positives for one in order]
    assert counts == sorted(counts, reverse=True)
    assert len(order) == len(runs)
    with pytest.raises(DataError, match=r"did you mean .run\.false_positives"):
        names("run.false_positive > 2")
    upload(client, name, "run", [{"image": "000.jpg", "annotations": []}])
    with pytest.raises(DataError, match="against 'truth' is out of date"):
        names("run = run AND ground_truth = truth AND run.missed > 0")


def test_two_runs_against_each_other(client: LayerNextClient) -> None:
    """Where two runs disagree is an evaluation of one with the other as truth."""
    name, _, runs = filled(client, seed=8)
    upload(client, name, "same", runs)
    upload(client, name, "other", [{"image": one["image"], "annotations": []} for one in runs])
    same = client.evaluate(collection=name, run="run", ground_truth="same")
    assert {one.f1 for one in client.evaluations.iter_tallies(same)} <= {1.0, None}
    other = client.evaluate(collection=name, run="run", ground_truth="other")
    assert (other.info.run_mode, other.info.truth_mode) == ("machine", "machine")
    assert {one.f1 for one in client.evaluations.iter_tallies(other)} <= {0.0, None}
    with pytest.raises(Conflict, match="are the same"):
        client.evaluate(collection=name, run="run", ground_truth="run")


def test_dataset_versions(client: LayerNextClient) -> None:
    """A version is evaluated as it was frozen, split by split, with its own labels."""
    name, truths, runs = filled(client, seed=9)
    report = client.create_dataset_from_collection(
        fresh("set"), name, {"train": 50, "validation": 25, "test": 25}, labels=["cup", "fork"]
    )
    client.wait_for_job_complete(report.job_id, timeout_s=30)
    upload(client, name, "run", [{"image": one["image"], "annotations": []} for one in runs])

    def only(sets: list[Any], wanted: set[str]) -> list[Any]:
        return [
            {**one, "annotations": [a for a in one["annotations"] if a["label"] in {"cup", "fork"}]}
            for one in sets
            if one["image"] in wanted
        ]

    total = 0
    for split in ("train", "validation", "test"):
        found = client.evaluate(
            dataset_version=report.version_id, split=split, run="run", ground_truth="truth"
        )
        images = {one.image for one in client.evaluations.iter_tallies(found)}
        total += len(images)
        expected = alone(only(truths, images), only(runs, images)).result()
        assert found.summary == expected.summary
        assert found.info.is_current
        assert (found.info.split, found.info.collection) == (split, None)
    assert total == len(truths)
    client.delete_dataset_version(report.version_id)
    assert client.evaluations.list(dataset_version=report.version_id) == []


def test_fractions_need_sizes(client: LayerNextClient) -> None:
    """Images without a known size whose coordinates are fractions are left out, and named."""
    name = fresh("yard")
    box = {"type": "rectangle", "label": "cup", "bbox": [0.1, 0.1, 0.5, 0.5]}
    upload(client, name, "truth", [{"image": "a.jpg", "annotations": [box]}],
           ground_truth=True, normalized=True)  # fmt: skip
    upload(client, name, "run", [{"image": "a.jpg", "annotations": [box]}], normalized=True)
    found = client.evaluate(collection=name, run="run", ground_truth="truth")
    assert (found.info.unsized_images, found.info.unsized_names) == (1, ["a.jpg"])
    assert found.summary["AP"] is None


def test_a_deleted_evaluation_is_gone(client: LayerNextClient) -> None:
    """Deleting takes the result and its tallies away; the same request makes another one."""
    name, _, _ = filled(client, seed=10)
    found = client.evaluate(collection=name, run="run", ground_truth="truth")
    client.evaluations.delete(found.info.id)
    with pytest.raises(NotFound):
        client.evaluations.delete(found.info.id)
    again = client.evaluate(collection=name, run="run", ground_truth="truth")
    assert again.info.id != found.info.id
    assert again.summary == found.summary


def test_runs_compared(client: LayerNextClient) -> None:
    """A comparison in the stack is that of the same sets without one; it says when it is old."""
    name, truths, runs = filled(client, seed=13)
    _, others = some_sets(13)
    for one in others[:20]:
        one["annotations"] = one["annotations"][1:]
    upload(client, name, "other", others)
    found = client.compare(
        collection=name, run_a="run", run_b="other", ground_truth="truth", resamples=50
    )
    sides = [alone(truths, runs), alone(truths, others)]
    first, second = (each.result().confidence for each in sides)
    pairing = RunPairing(confidence_a=first, confidence_b=second)
    by_name = [{one["image"]: json.dumps(one).encode() for one in each} for each in (runs, others)]
    for one in truths:
        pairing.add(one["image"], by_name[0].get(one["image"]), by_name[1].get(one["image"]))
    expected = compare_evaluations(
        *sides, pairing=pairing, name_a="run", name_b="other", resamples=50
    )
    assert msgspec.to_builtins(found) == msgspec.to_builtins(expected)
    assert found.lost > 0
    ids = [one.id for one in client.evaluations.list(collection=name)]
    transport = client._connection.transport
    body = {"a": ids[0], "b": ids[1], "resamples": 0}
    job_id = transport.request_json("POST", "/api/v1/comparisons", json=body)["id"]
    client.wait_for_job_complete(job_id, timeout_s=30)
    path = f"/api/v1/comparisons/{job_id}"
    assert transport.request_json("GET", path)["is_current"]
    upload(client, name, "other", others[:1])
    assert not transport.request_json("GET", path)["is_current"]
    with pytest.raises(Conflict, match="is not current: annotations of the run have changed"):
        transport.request_json("POST", "/api/v1/comparisons", json=body)


def test_a_report_in_markdown(client: LayerNextClient) -> None:
    """The report says what was compared and has the numbers; no name of the data forms its lines."""
    name, _, _ = filled(client, seed=12)
    upload(client, name, "a\n# run", some_sets(12)[1])
    found = client.evaluate(collection=name, run="a\n# run", ground_truth="truth")
    path = f"/api/v1/evaluations/{found.info.id}/report"
    text = client._connection.transport.request("GET", path).decode()
    assert text.startswith(f"a # run against truth in {name}")
    assert f"{found.summary['AP']:.4f}" in text
    assert "<b>" not in text


def test_trashed_images_are_hidden(client: LayerNextClient) -> None:
    """Images in the trash are in no list, and make the evaluation out of date."""
    name, truths, _ = filled(client, seed=11)
    found = client.evaluate(collection=name, run="run", ground_truth="truth")
    client.trash_objects_from_collection(name, query="name = 001.jpg")
    assert "001.jpg" not in {one.image for one in client.evaluations.iter_tallies(found)}
    assert not client.evaluations.info(found.info.id).is_current
    renewed = client.evaluate(collection=name, run="run", ground_truth="truth")
    assert renewed.info.image_count == len(truths) - 1
