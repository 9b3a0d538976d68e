"""What is asked about one collection costs the same, however many runs and images others have.

Each call is measured twice: while its collection is alone, and with hundreds of runs and images elsewhere.
The statements that it runs are counted, and what they read: on SQLite by steps of its machine, on
PostgreSQL by the rows of every scan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import Store
from tests.contract.store.batches import box, prepared, upload

IMAGES = 30
RUNS_ELSEWHERE = 400
IMAGES_ELSEWHERE = 1_500
TRASHED = 100
ALLOWED = {"sqlite": 5, "postgresql": 300}
"""How much more may be read: a little on the way into a larger index, and PostgreSQL takes what it believes to
be the shortest way, which is through the trash of all as long as that is small."""

Statements = list[tuple[str, Any]]
Ask = Callable[[Store, int], object]


def counted(query: str) -> Ask:
    return lambda store, place: Search(store).items.count(
        ItemFilter(query=query, collection_id=place)
    )


def paged(**options: Any) -> Ask:
    def ask(store: Store, place: int) -> object:
        return Search(store).items.list_page(
            ItemFilter(collection_id=place), offset=0, limit=10, **options
        )

    return ask


def image_ids(store: Store, place: int) -> list[int]:
    chosen = ItemFilter(collection_id=place)
    return Search(store).items.list_order(chosen, sort="id", descending=False)[:10]


def trash_of(store: Store, place: int) -> object:
    return Search(store).items.list_trash(
        ItemFilter(query="annotation.count > 0", collection_id=place), after=0, limit=10
    )


CALLS: dict[str, Ask] = {
    "label": counted("annotation.label = car"),
    "label of a run": counted("run = run and annotation.label = car"),
    "attribute": counted("annotation.attribute.color = red"),
    "no label": counted("not annotation.label = car"),
    "two sets": counted("annotation.label = car or annotation.count > 3"),
    "run": counted("run = run"),
    "runs by pattern": counted("run ~ *"),
    "annotated": counted("annotated = machine"),
    "not annotated": counted("annotated = raw"),
    "metadata": counted("metadata.shift = night"),
    "page by id": paged(sort="id", descending=False),
    "page by name": paged(sort="name", descending=False),
    "page of the newest": paged(sort="modified", descending=True),
    "next": lambda store, place: Search(store).items.list_after(
        ItemFilter(collection_id=place), after=0, limit=100
    ),
    "order": lambda store, place: Search(store).items.list_order(
        ItemFilter(collection_id=place), sort="name", descending=False
    ),
    "trash": trash_of,
    "collection": lambda store, place: store.metadata.collection_record(place),
    "runs": lambda store, place: store.runs.list_page(place, after=None, limit=10),
    "sets": lambda store, place: list(store.annotations.iter_sets(place)),
    "sets of a run": lambda store, place: list(store.annotations.iter_sets(place, runs=["run"])),
    "sets of an image": lambda store, place: list(
        store.annotations.iter_sets(place, image="0.jpg")
    ),
    "images": lambda store, place: store.annotations.image_page(
        place, runs=(), mode=None, after_image=0, limit=100, with_files=True
    ),
    "overlays": lambda store, place: store.annotations.sets_of_images(
        image_ids(store, place), [("run", "machine"), ("other", "machine")]
    ),
    "files": lambda store, place: store.file_listing.page(place, None, 10),
    "statistics": lambda store, place: store.statistics.spans(
        _run(store, place), annotations_per_span=10
    ),
}


def _run(store: Store, place: int) -> Any:
    run = store.statistics.find_run(place, "run", "machine")
    assert run is not None
    return run


@contextmanager
def recorded() -> Iterator[Statements]:
    """Statements that are executed meanwhile, by any store."""
    statements: Statements = []

    def note(_c: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        if text.startswith(("SELECT", "WITH")):
            statements.append((text, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def rows_read(connection: sa.Connection, text: str, parameters: Any) -> int:
    """Rows that the scans of a statement pass over in PostgreSQL."""
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {text}"

    def total(node: dict[str, Any]) -> float:
        rows = 0.0
        if "Scan" in node["Node Type"]:
            passed = sum(number for name, number in node.items() if name.startswith("Rows Removed"))
            rows = (node["Actual Rows"] + passed) * node["Actual Loops"]
        return rows + sum(map(total, node.get("Plans", [])))

    (plan,) = connection.exec_driver_sql(explain, parameters).scalar_one()
    return round(total(plan["Plan"]))


def steps(connection: sa.Connection, text: str, parameters: Any) -> int:
    """Steps that SQLite's machine takes for a statement, in tens."""
    file = connection.connection.driver_connection
    taken = 0

    def note() -> int:
        nonlocal taken
        taken += 1
        return 0

    file.set_progress_handler(note, 10)  # type: ignore[union-attr]
    connection.exec_driver_sql(text, parameters).fetchall()
    file.set_progress_handler(None, 10)  # type: ignore[union-attr]
    return taken


def cost(store: Store, ask: Ask, place: int) -> tuple[int, int]:
    """Statements of a call that finds nothing in memory, and what they read."""
    with recorded() as statements:
        ask(store, place)
    engine = sa.create_engine(store.database_url.replace("postgresql://", "postgresql+psycopg://"))
    measure = steps if engine.dialect.name == "sqlite" else rows_read
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            # The tables of a test are so small that reading them whole would be the best plan.
            for plan in ("seqscan", "hashjoin", "mergejoin"):
                connection.exec_driver_sql(f"SET enable_{plan} = off")
        read = sum(measure(connection, *each) for each in statements)
    engine.dispose()
    return len(statements), read


def fill(store: Store) -> int:
    """The collection that is asked about: two runs, metadata, a little in the trash."""
    search = Search(store)
    some = {"attributes": {"color": [{"value": "red"}]}}
    upload(
        store,
        *(prepared(f"{n}.jpg", box("car", **some), box("bus")) for n in range(IMAGES)),
        run="run",
    )
    upload(store, *(prepared(f"{n}.jpg", box("car")) for n in range(IMAGES)), run="other")
    place = store.collections.find("yard")
    assert place is not None
    rows = store.metadata.find_rows([f"{n}.jpg" for n in range(IMAGES)], collection_id=place.row_id)
    store.metadata.merge_fields({row: {"shift": "night"} for row in rows.values()})
    search.items.trash(search.items.select_ids(list(rows.values())[:3]))
    return place.row_id


def fill_elsewhere(store: Store) -> None:
    """Another collection: more images under the same run, many other runs, metadata, trash."""
    search = Search(store)
    names = [f"{n}.jpg" for n in range(IMAGES_ELSEWHERE)]
    upload(
        store,
        *(prepared(name, box("car"), box("bus")) for name in names),
        run="run",
        collection="else",
    )
    for number in range(RUNS_ELSEWHERE):
        few = (prepared(name, box("car"), box("bus")) for name in names[number : number + 3])
        upload(store, *few, run=f"run {number}", collection="else")
    place = store.collections.find("else")
    assert place is not None
    rows = store.metadata.find_rows(names, collection_id=place.row_id)
    store.metadata.merge_fields({row: {"shift": "night"} for row in rows.values()})
    search.items.trash(search.items.select_ids(list(rows.values())[:TRASHED]))


def analyze(store: Store) -> None:
    """PostgreSQL plans by numbers that it gathers now and then; here, now."""
    engine = sa.create_engine(store.database_url.replace("postgresql://", "postgresql+psycopg://"))
    if engine.dialect.name != "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def test_what_others_have_costs_nothing(database_url: str) -> None:
    """As many statements, and as many rows read, with hundreds of runs elsewhere as without."""
    before, after = {}, {}
    for costs, has_others in ((before, False), (after, True)):
        store = Store.open(database_url)
        try:
            if has_others:
                fill_elsewhere(store)
            else:
                fill(store)
            analyze(store)
            place = store.collections.find("yard")
            assert place is not None
        finally:
            store.close()
        for name, ask in CALLS.items():
            fresh = Store.open(database_url)  # nothing is in memory
            costs[name] = cost(fresh, ask, place.row_id)
            fresh.close()
    allowed = ALLOWED[database_url.partition(":")[0]]
    grown = {
        name: (before[name], after[name])
        for name in CALLS
        if after[name][0] > before[name][0] or after[name][1] > before[name][1] + allowed
    }
    assert not grown
