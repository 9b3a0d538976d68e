"""Comparisons of two evaluations in the stack."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from layernext.evaluation import compare_files
from layernext.model import Comparison
from layernext.stack.app import services_in
from layernext.stack.search import Search
from tests.integration.stack.conftest import Stack, assert_error

BOX = [10.0, 10.0, 20.0, 20.0]


@pytest.fixture
def working(stack: Stack) -> Iterator[Stack]:
    """A stack whose jobs are done."""
    jobs = services_in(stack.app).jobs
    jobs.start()
    yield stack
    jobs.stop()


def made(labels: list[str | None], confidence: bool = True) -> dict[str, Any]:
    """An image for each label, with a box of it, or with nothing."""
    extra = {"confidence": 0.5} if confidence else {}
    return {
        "images": [
            {
                "image": f"{n}.jpg",
                "annotations": [{"label": one, "bbox": BOX, **extra}] if one else [],
            }
            for n, one in enumerate(labels)
        ]
    }


FILES = {
    "truth": made(["cup", "cup", "cat", "cat"], confidence=False),
    "one": made(["cup", None, "cat", "cup"]),
    "two": made(["cup", "cup", None, "cup"]),
}


def upload(stack: Stack) -> None:
    for name, content in FILES.items():
        mode = "human" if name == "truth" else "machine"
        params = {"run": name, "mode": mode, "collection": "yard"}
        stack.ask("POST", "/api/v1/annotation-files", params=params, content=json.dumps(content))


def evaluated(stack: Stack, run: str) -> str:
    body = {"collection": "yard", "run": run, "ground_truth": "truth"}
    info = stack.json("POST", "/api/v1/evaluations", json=body)
    waited(stack, f"/api/v1/evaluations/{info['id']}")
    return str(info["id"])


def waited(stack: Stack, path: str) -> Any:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        found = stack.json("GET", path)
        if found["status"] in {"completed", "failed"}:
            assert found["status"] == "completed", found["message"]
            return found
        time.sleep(0.05)
    raise AssertionError("it never came to an end")


def test_comparison(working: Stack, tmp_path: Any) -> None:
    """The stack finds what is found in files, once; a change makes it out of date."""
    stack = working
    upload(stack)
    ids = {"a": evaluated(stack, "one"), "b": evaluated(stack, "two")}
    begun = stack.json("POST", "/api/v1/comparisons", json=ids)
    found = waited(stack, f"/api/v1/comparisons/{begun['id']}")
    assert stack.json("POST", "/api/v1/comparisons", json=ids)["id"] == begun["id"]
    for name, content in FILES.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    paths = [tmp_path / f"{name}.json" for name in ("truth", "one", "two")]
    alone = compare_files(*paths, name_a="one", name_b="two")
    assert msgspec.convert(found["comparison"], Comparison) == alone
    assert (alone.gained, alone.lost) == (1, 1)
    names = {one.image for one in alone.different_images}
    assert set(found["image_ids"]) == names
    tally = stack.json("GET", f"/api/v1/evaluations/{ids['a']}/tallies")["items"]
    assert found["image_ids"].items() <= {one["image"]: one["id"] for one in tally}.items()
    assert found["is_current"]
    more = json.dumps(made(["cat"]))
    stack.ask(
        "POST",
        "/api/v1/annotation-files",
        params={"run": "two", "collection": "yard"},
        content=more,
    )
    assert not stack.json("GET", f"/api/v1/comparisons/{begun['id']}")["is_current"]
    assert_error(stack.ask("POST", "/api/v1/comparisons", json=ids), 409, "conflict")
    place = stack.store.collections.find("yard")
    assert place is not None
    Search(stack.store).items.trash(Search(stack.store).items.select_ids([], [place.row_id]))
    assert_error(stack.ask("GET", f"/api/v1/comparisons/{begun['id']}"), 404)
    assert stack.store.jobs.result(begun["id"]) != {}
    assert stack.store.evaluations.delete(ids["b"])
    assert stack.store.jobs.result(begun["id"]) == {}, "it names images"


def test_what_cannot_be_compared(working: Stack) -> None:
    """Evaluations of other settings, or that are not there."""
    stack = working
    upload(stack)
    one = evaluated(stack, "one")
    body = {
        "collection": "yard",
        "run": "two",
        "ground_truth": "truth",
        "settings": {"protocol": "voc"},
    }
    other = stack.json("POST", "/api/v1/evaluations", json=body)["id"]
    error = assert_error(stack.ask("POST", "/api/v1/comparisons", json={"a": one, "b": other}), 422)
    assert "another settings" in error["message"]
    assert_error(stack.ask("POST", "/api/v1/comparisons", json={"a": one, "b": "none"}), 404)
    assert_error(stack.ask("GET", "/api/v1/comparisons/none"), 404)
