"""Queries of any shape find what an evaluation in plain Python finds, image by image, on both databases.

The trees are made here and written out as text, so that the parser is compared, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layernext.errors import DataError
from layernext.stack.search import ItemFilter, Search
from layernext.stack.search.query.plan import MAX_DEPTH
from layernext.stack.store import Store
from tests.contract.store.batches import box, prepared, upload


@dataclass
class Picture:
    """An image as the reference knows it."""

    metadata: dict[str, list[Any]] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    sets: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)


def shape(label: str, confidence: float | None, *colors: Any) -> dict[str, Any]:
    return box(label, confidence=confidence, attributes={"c": [{"value": v} for v in colors]})


PICTURES = {
    "a.jpg": Picture(
        {"shift": ["night"], "speed": [12], "Tags": ["rain", "dock"], "x y": ["a"]},
        {"m1", "m2"},
        {
            ("one", "machine"): [shape("car", 0.9, "red"), shape("car", 0.2), shape("bus", 0.5)],
            ("two", "machine"): [shape("bus", 0.1, "blue", 3)],
        },
    ),
    "B.jpg": Picture(
        {"shift": ["day"], "speed": ["7.5"], "Tags": ["dock"]},
        {"m1"},
        {("one", "machine"): [shape("truck", 0.5)], ("truth", "human"): [shape("car", None)]},
    ),
    "c_1.jpg": Picture({"shift": ["Late"], "x y": [True, None]}, set(), {("one", "machine"): []}),
    "100%.jpg": Picture(
        {"speed": ["fast", -1e3]}, set(), {("truth", "human"): [shape("car", None)]}
    ),
    "日本.jpg": Picture({"shift": ["'; DROP TABLE image; --", "a\\b", "[x]"]}, {"m2"}),
}
COLLECTION = "yard"


@dataclass(frozen=True)
class Leaf:
    """A condition; with `is_negated` written with the opposite operator."""

    name: str
    operator: str
    values: tuple[str, ...]
    is_negated: bool = False


@dataclass(frozen=True)
class Group:
    """``and``, ``or``, ``not`` (of one), or ``brackets`` (around one)."""

    kind: str
    parts: tuple[Tree, ...]


Tree: TypeAlias = Leaf | Group

TEXTS = ["a.jpg", "b.jpg", "*.jpg", "?.jpg", "%", "_", "\\", "*", "", "one", "t", "car", "night", "yard",
         "YARD", "rain", "m1", "m?", "日*", "'; DROP TABLE image; --", 'say "hi"', "[x]", "a and b", "true",
         "null", "red", "3", "12.0", "nan", "inf", "1e999", "x" * 300]  # fmt: skip
NUMBERS = ["0", "1", "2", "3", "0.5", "0.9", "0.2", "-1", "1e300", "12", "7.5", "0.50001", "-1000"]
TEXT_FIELDS = ["name", "collection", "embedding.model", "run", "ground_truth", "annotation.label",
               "annotation.attribute.c"]  # fmt: skip
METADATA = ["shift", "speed", "Tags", "x y", "none"]
OF_SET = ("run", "ground_truth", "annotation.")

texts, numbers = st.sampled_from(TEXTS), st.sampled_from(NUMBERS)
lists = st.lists(texts, min_size=1, max_size=4).map(tuple)
leaves = st.one_of(
    st.builds(Leaf, st.sampled_from(TEXT_FIELDS), st.sampled_from("=~"), st.tuples(texts), st.booleans()),
    st.builds(Leaf, st.sampled_from(TEXT_FIELDS), st.just("in"), lists, st.booleans()),
    st.builds(
        Leaf,
        st.sampled_from([f'metadata."{name}"' for name in METADATA]),
        st.sampled_from(["=", "~", "<", "<=", ">", ">="]),
        st.tuples(st.one_of(texts, numbers)),
    ),
    st.builds(
        Leaf,
        st.sampled_from(["annotation.count", "annotation.confidence"]),
        st.sampled_from(["=", "<", "<=", ">", ">="]),
        st.tuples(numbers),
    ),
    st.builds(
        Leaf,
        st.sampled_from(["annotation.count", "annotation.confidence", 'metadata."speed"']),
        st.just(".."),
        st.tuples(numbers, numbers),
        st.booleans(),
    ),
    st.builds(
        Leaf, st.just("annotation.geometry"), st.just("="), st.tuples(st.sampled_from(["rectangle", "line"]))
    ),
    st.builds(Leaf, st.just("annotated"), st.just("="), st.tuples(st.sampled_from(["raw", "machine", "human"]))),
)  # fmt: skip


def groups(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    several = st.lists(inner, min_size=2, max_size=5).map(tuple)
    return st.one_of(
        st.builds(Group, st.sampled_from(["and", "or"]), several),
        st.builds(Group, st.sampled_from(["not", "brackets"]), st.tuples(inner)),
    )


trees: st.SearchStrategy[Tree] = st.recursive(leaves, groups, max_leaves=25)


def text_of(tree: Tree) -> str:
    """The query as a user writes it."""
    if isinstance(tree, Leaf):
        quoted = ['"' + re.sub(r'(["\\])', r"\\\1", value) + '"' for value in tree.values]
        if tree.operator == "..":
            sign = "!=" if tree.is_negated else "="
            return f"{tree.name} {sign} {'..'.join(tree.values)}"
        if tree.operator == "in":
            return f"{tree.name} {'not ' * tree.is_negated}in ({', '.join(quoted)})"
        return f"{tree.name} {'!' * tree.is_negated}{tree.operator} {quoted[0]}"
    if tree.kind == "not":
        return (
            f"not {text_of(tree.parts[0])}"
            if isinstance(tree.parts[0], Leaf)
            else (f"NOT({text_of(tree.parts[0])})")
        )
    if tree.kind == "brackets":
        return f"({text_of(tree.parts[0])})"
    parts = [
        text_of(part) if isinstance(part, Leaf) else f"({text_of(part)})" for part in tree.parts
    ]
    return f" {tree.kind} ".join(parts)


def holds(tree: Tree, name: str) -> bool:
    """Whether an image fulfills a query, as docs/queries.md says."""
    picture = PICTURES[name]
    if isinstance(tree, Leaf):
        return leaf_holds(tree, name, picture) != tree.is_negated
    if tree.kind in {"not", "brackets"}:
        return holds(tree.parts[0], name) != (tree.kind == "not")
    if tree.kind == "or":
        return any(holds(part, name) for part in tree.parts)
    together = [p for p in tree.parts if isinstance(p, Leaf) and not p.is_negated and is_of_set(p)]
    rest = [part for part in tree.parts if not (isinstance(part, Leaf) and part in together)]
    return (not together or has_set(together, picture)) and all(holds(part, name) for part in rest)


def is_of_set(leaf: Leaf) -> bool:
    return leaf.name.startswith(OF_SET)


def leaf_holds(leaf: Leaf, name: str, picture: Picture) -> bool:
    if is_of_set(leaf):
        return has_set([leaf], picture)
    if leaf.name == "annotated":
        modes = {mode for _, mode in picture.sets}
        return leaf.values[0] in (modes or {"raw"})
    if leaf.name == "embedding.model":
        return any(text_holds(leaf, model) for model in picture.models)
    if leaf.name.startswith("metadata."):
        values = picture.metadata.get(leaf.name[len('metadata."') : -1], [])
        return any(metadata_holds(leaf, value) for value in values)
    return text_holds(leaf, {"name": name, "collection": COLLECTION}[leaf.name])


def has_set(conditions: list[Leaf], picture: Picture) -> bool:
    def of(name: str) -> list[Leaf]:
        return [leaf for leaf in conditions if leaf.name == name]

    def is_meant(run: str, mode: str) -> bool:
        return all(mode == "machine" and text_holds(leaf, run) for leaf in of("run")) and all(
            mode == "human" and text_holds(leaf, run) for leaf in of("ground_truth")
        )

    def is_wanted(annotation: dict[str, Any]) -> bool:
        confidence = annotation.get("confidence")
        return (
            all(
                confidence is not None and number_holds(leaf, confidence)
                for leaf in of("annotation.confidence")
            )
            and all("rectangle" in leaf.values for leaf in of("annotation.geometry"))
            and all(
                any(text_holds(leaf, plain(v["value"])) for v in annotation["attributes"]["c"])
                for leaf in of("annotation.attribute.c")
            )
        )

    for (run, mode), shapes in picture.sets.items():
        if not is_meant(run, mode):
            continue
        if all(leaf.name in {"run", "ground_truth"} for leaf in conditions):
            return True
        labels = of("annotation.label")
        labelled = [a for a in shapes if all(text_holds(leaf, a["label"]) for leaf in labels)]
        number = sum(map(is_wanted, labelled))
        counts = of("annotation.count")
        fits = all(number_holds(leaf, number) for leaf in counts) if counts else number > 0
        if fits and (labelled or not labels):
            return True
    return False


def plain(value: Any) -> str:
    return value if isinstance(value, str) else {True: "true", None: "null"}.get(value, f"{value}")


ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def number_holds(leaf: Leaf, value: float) -> bool:
    bounds = [float(bound) for bound in leaf.values]
    if leaf.operator == "..":
        return bounds[0] <= value <= bounds[1]
    return value == bounds[0] if leaf.operator == "=" else ORDERS[leaf.operator](value, bounds[0])


def text_holds(leaf: Leaf, value: str) -> bool:
    pattern = leaf.values[0]
    if leaf.operator != "~":
        return value in leaf.values
    if "*" not in pattern and "?" not in pattern:
        return pattern.lower() in value.lower()
    signs = {"*": ".*", "?": "."}
    expression = "".join(signs.get(sign, re.escape(sign)) for sign in pattern)
    return re.fullmatch(expression, value, re.IGNORECASE | re.DOTALL) is not None


def as_number(value: Any) -> float | None:
    try:
        number = None if value is None or isinstance(value, bool) else float(value)
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None


def metadata_holds(leaf: Leaf, value: Any) -> bool:
    text, number = plain(value), as_number(value)
    bounds = [as_number(bound) for bound in leaf.values]
    if leaf.operator == "~":
        return text_holds(leaf, text)
    if leaf.operator in {"=", "in"}:
        return text in leaf.values or (number is not None and number in bounds)
    if None not in bounds:
        return number is not None and number_holds(leaf, number)
    return ORDERS[leaf.operator](text, leaf.values[0])


def fill(store: Store) -> None:
    """The pictures, once."""
    search = Search(store)
    if store.collections.list_page(after=None, limit=1).items:
        return
    upload(store, *(prepared(name) for name in PICTURES), run="gone", collection=COLLECTION)
    store.annotations.remove(None, "gone", None)
    for run, mode in {key for picture in PICTURES.values() for key in picture.sets}:
        sets = {n: p.sets[run, mode] for n, p in PICTURES.items() if (run, mode) in p.sets}
        shapes = (prepared(name, *annotations) for name, annotations in sets.items())
        upload(store, *shapes, run=run, mode=mode, collection=COLLECTION)
    rows = {row.name: row for row in search.items.list_after(ItemFilter(), after=0, limit=100)}
    store.metadata.merge_fields({rows[name].image_id: p.metadata for name, p in PICTURES.items()})
    for model in ("m1", "m2"):
        vectors = [
            (rows[n].unique_name, [1.0, 2.0]) for n, p in PICTURES.items() if model in p.models
        ]
        search.embeddings.insert(model, 2, vectors)


def check(store: Store, tree: Tree) -> None:
    search = Search(store)
    query = text_of(tree)
    place = store.collections.find(COLLECTION)
    assert place is not None
    expected = sorted(name for name in PICTURES if holds(tree, name))
    for collection_id in (None, place.row_id):
        filtered = ItemFilter(query=query, collection_id=collection_id)
        rows = search.items.list_after(filtered, after=0, limit=100)
        assert sorted(row.name for row in rows) == expected, query
        assert search.items.count(filtered) == len(expected), query


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=150,
    deadline=None,
)
@given(trees)
def test_any_query_finds_what_it_says(store: Store, tree: Tree) -> None:
    """Deep, wide, with odd texts: the answer is the reference's, or it is refused for its depth alone."""
    fill(store)
    refused = None
    try:
        check(store, tree)
    except DataError as error:
        refused = error.problems[0].message
    assert refused is None or "deep" in refused


def alternating(depth: int, leaf: Leaf) -> Tree:
    tree: Tree = leaf
    for level in range(depth):
        # The other parts are all different, so that none is left out.
        other = Leaf('metadata."shift"', "~", (f"*{level}*",), is_negated=level % 2 == 0)
        kind = "and" if level % 2 == 0 else "or"
        tree = Group(kind, (other, tree) if level % 3 else (tree, other))
    return tree


CAR = Leaf("annotation.label", "=", ("car",))
LEAVES = [CAR, Leaf("run", "=", ("one",)), Leaf("embedding.model", "=", ("m1",)),
          Leaf('metadata."speed"', "..", ("1", "100")), Leaf("annotated", "=", ("raw",))]  # fmt: skip


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
def test_the_deepest_query(store: Store, leaf: Leaf) -> None:
    """NOT and brackets that mean nothing are no depth; one level more than there can be is refused."""
    search = Search(store)
    fill(store)
    deepest = alternating(MAX_DEPTH, leaf)
    check(store, deepest)
    for kind in ("not", "brackets"):
        tree: Tree = leaf
        for _ in range(24):
            tree = Group(kind, (tree,))
        check(store, tree)
    many = Group("not", (Group("and", (alternating(MAX_DEPTH - 1, leaf), *LEAVES)),))
    check(store, many)
    text = text_of(deepest)
    place = store.collections.find(COLLECTION)
    assert place is not None
    with_everything = ItemFilter(
        query=text,
        collection_id=place.row_id,
        kinds=(4, 5),
        annotated=("raw", "machine", "human"),
        from_date="2000-01-01",
        to_date="2100-01-01",
        has_file=False,
        is_in_dataset=True,
    )
    assert search.items.count(with_everything) == 0
    assert search.items.select(with_everything).count == 0
    assert search.items.restore(with_everything) == 0
    assert search.items.list_trash(with_everything, after=0, limit=1) == []
    with pytest.raises(
        DataError, match="query: AND and OR in parentheses nest more than 20 levels deep"
    ):
        check(store, alternating(MAX_DEPTH + 1, leaf))


@pytest.mark.parametrize("kind", ["and", "or"])
def test_the_widest_query(store: Store, kind: str) -> None:
    """A hundred conditions of each kind, each another one, in one AND or OR."""
    search = Search(store)
    fill(store)
    models = [f"model {number}" for number in range(100)]
    rows = search.items.list_after(ItemFilter(), after=0, limit=100)
    for model in models:
        search.embeddings.insert(model, 1, [(rows[0].unique_name, [1.0])])
    PICTURES[rows[0].name].models |= set(models)
    try:
        for leaves in (
            [Leaf("embedding.model", "=", (model,)) for model in models],
            [Leaf("embedding.model", "~", (f"{number}*",)) for number in range(100)],
            [Leaf("run", "in", ("one", f"{number}")) for number in range(100)],
            [Leaf('metadata."shift"', "in", ("night", f"{number}")) for number in range(100)],
            [Leaf('metadata."speed"', ">", (f"-{number}",)) for number in range(100)],
            [Leaf("annotation.count", ">=", (f"0.{number}",)) for number in range(100)],
        ):
            check(store, Group(kind, tuple(leaves)))
            check(store, Group(kind, tuple(Group("brackets", (leaf,)) for leaf in leaves)))
            check(store, Group(kind, tuple(Group("not", (leaf,)) for leaf in leaves)))
    finally:
        PICTURES[rows[0].name].models -= set(models)
