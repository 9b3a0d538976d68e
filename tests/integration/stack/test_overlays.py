"""What the grid asks for: the order of all items, and pages of items with their shapes."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest

from layernext.stack.api.native.overlays import MAX_COORDINATES, MAX_SHAPES
from layernext.stack.search import Search
from tests.integration.stack.conftest import Stack, assert_error

Json = dict[str, Any]


def box(label: str = "car", confidence: float | None = None, x: float = 1.23456) -> Json:
    one: Json = {"type": "rectangle", "label": label, "bbox": [x, 2, 30, 40.5]}
    return one if confidence is None else {**one, "confidence": confidence}


def order(stack: Stack, **query: Any) -> list[int]:
    answer = stack.json("GET", "/api/v1/items/order", role="read", params=query)
    numbers = list(accumulate(answer["steps"]))
    assert answer["total"] == len(numbers)
    return numbers


def overlays(stack: Stack, items: list[int], *runs: tuple[str, str]) -> Json:
    body = {"items": items, "runs": [{"name": name, "mode": mode} for name, mode in runs]}
    found: Json = stack.json("POST", "/api/v1/items/overlays", role="read", json=body)
    return found


def test_order(stack: Stack) -> None:
    """All items of the query, in the order asked for; a number in hexadecimal is the id."""
    stack.upload([{"image": name, "annotations": [box(name)]} for name in ("b", "c", "a")])
    stack.upload([{"image": "z", "annotations": []}], collection="elsewhere")
    items = stack.json("GET", "/api/v1/items", params={"collection": "yard"})["items"]
    numbers = {one["name"]: int(one["id"], 16) for one in items}
    assert order(stack, collection="yard") == [numbers[name] for name in "abc"]
    assert order(stack, collection="yard", sort="-name") == [numbers[name] for name in "cba"]
    assert order(stack, collection="yard", query="label = c") == [numbers["c"]]
    assert order(stack, collection="yard", type="video") == []
    assert len(order(stack)) == 4
    one = stack.json("GET", f"/api/v1/items/{numbers['a']:024x}")
    assert one == next(each for each in items if each["name"] == "a")


def test_overlays(stack: Stack) -> None:
    """Each set has its run's place, shapes rounded, labels by number; order is that of the request."""
    line = {"type": "line", "label": "lane", "line": [[0.04, 1], [2, 3.06]]}
    stack.upload([{"image": "a", "annotations": [box("car", 0.5), line]}], run="model")
    stack.upload([{"image": "a", "annotations": [box("bus")]}], run="model", mode="human")
    stack.upload([{"image": "b", "annotations": []}], run="model")
    stack.upload(
        [{"image": "b", "annotations": [{"label": "car", "polygon": [[0.1234567, 0.5]]}]}],
        run="old",
        geometry="polygon",
        normalized=True,
    )
    first, second = order(stack)
    found = overlays(stack, [second, first, second, 999], ("model", "human"), ("model", "machine"))
    assert [one["name"] for one in found["items"]] == ["b", "a"]
    labels = found["labels"]
    sets = found["items"][1]["sets"]
    assert [(one[0], one[1], one[2]) for one in sets] == [(1, 2, False), (0, 1, False)]
    named = [[[labels[label], *rest] for label, *rest in one[3]] for one in sets]
    assert named == [
        [["car", 1, 0.5, [1.2, 2, 30, 40.5]], ["lane", 3, None, [0.0, 1, 2, 3.1]]],
        [["bus", 1, None, [1.2, 2, 30, 40.5]]],
    ]
    assert found["items"][0]["sets"] == [[1, 0, False, []]]
    (old,) = overlays(stack, [second], ("old", "machine"), ("nobody", "human"))["items"]
    assert old["sets"] == [[0, 1, True, [[0, 2, None, [0.12346, 0.5]]]]]
    assert "has_file" not in old
    assert overlays(stack, [])["items"] == []


def test_very_many_shapes(stack: Stack) -> None:
    """Of very many shapes the most confident ones come, in their order, and the count is true."""
    many = [box(confidence=n % 100 / 100, x=n) for n in range(3 * MAX_SHAPES)]
    long = {"type": "line", "label": "l", "line": [[n, n] for n in range(MAX_COORDINATES)]}
    stack.upload([{"image": "a", "annotations": many}, {"image": "b", "annotations": [long]}])
    one, other = overlays(stack, order(stack), ("run", "machine"))["items"]
    (_, count, _, shapes) = one["sets"][0]
    assert (count, len(shapes)) == (3 * MAX_SHAPES, MAX_SHAPES)
    assert min(shape[2] for shape in shapes) >= 0.66
    places = [shape[3][0] for shape in shapes]
    assert places == sorted(places)
    assert other["sets"] == [[0, 1, False, []]]


def test_trash(stack: Stack) -> None:
    """What is in the trash is in no order and on no page."""
    search = Search(stack.store)
    stack.upload([{"image": name, "annotations": []} for name in "ab"])
    first, second = order(stack)
    search.items.trash(search.items.select_ids([first]))
    assert order(stack) == [second]
    assert [one["number"] for one in overlays(stack, [first, second])["items"]] == [second]
    assert_error(stack.ask("GET", f"/api/v1/items/{first:024x}"), 404)


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
def test_compressed(stack: Stack, encoding: str) -> None:
    """A long answer is compressed as the client takes it; the content is the same."""
    stack.upload([{"image": f"{n:05d}", "annotations": []} for n in range(3_000)])
    answer = stack.ask("GET", "/api/v1/items/order", headers={"Accept-Encoding": encoding})
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert answer.json()["total"] == 3_000
    if encoding != "identity":
        assert int(answer.headers["content-length"]) < 500


def test_wrong_questions(shared: Stack) -> None:
    """A wrong query has its column; too many items, strange numbers and unknown orders are refused."""
    bad = shared.ask("GET", "/api/v1/items/order", params={"query": "label = a AND x = 1"})
    assert assert_error(bad, 422)["details"][0]["where"] == "query, column 15"
    assert_error(shared.ask("GET", "/api/v1/items/order", params={"sort": "luck"}), 400)
    assert_error(shared.ask("GET", "/api/v1/items/order", params={"collection": "none"}), 404)
    assert_error(shared.ask("GET", "/api/v1/items/order", params={"sort": "worst"}), 400)
    by_none = {"sort": "worst", "evaluation": "none"}
    assert_error(shared.ask("GET", "/api/v1/items/order", params=by_none), 404)
    for items in ([-1], [1 << 63], ["1"], [1.5], list(range(501))):
        body = {"items": items}
        assert_error(shared.ask("POST", "/api/v1/items/overlays", json=body), 422)
