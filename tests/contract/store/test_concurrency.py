"""Several writers and readers at once, in one process and over several connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from layernext.errors import StackUnavailable
from layernext.stack.store import Store
from layernext.stack.store.collections import images
from tests.contract.store.batches import (
    box,
    content,
    counted,
    counts,
    names,
    open_upload,
    prepared,
    published,
    read,
    row_id,
    upload,
    upload_published,
    write,
)

ROUNDS = 12


@pytest.fixture
def stores(database_url: str) -> Iterator[list[Store]]:
    """Two stores on one database, as two replicas or the stack and the command line have."""
    opened = [Store.open(database_url), Store.open(database_url)]
    yield opened
    for store in opened:
        store.close()


def together(*works: Callable[[], object]) -> list[object]:
    """Run all at once; the first error is raised."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(run, work) for work in works]]


def test_two_runs(stores: list[Store]) -> None:
    """Two writers of different runs on the same images do not disturb one another."""

    def writer(store: Store, run: str) -> None:
        for _ in range(ROUNDS):
            upload(store, *(prepared(f"{n}", box(run)) for n in range(20)), run=run)

    together(*(lambda s=store, r=f"run {n}": writer(s, r) for n, store in enumerate(stores * 2)))
    assert counts(stores[0]) == counted(stores[0])
    assert {key[0]: count for key, count in counts(stores[0]).items()} == {
        f"run {n}": (20, 20) for n in range(4)
    }


def test_one_run_same_images(stores: list[Store]) -> None:
    """Writers of one run on the same images: each set is one writer's, whole; counts are exact."""

    def writer(store: Store, number: int) -> None:
        for size in range(1, ROUNDS):
            boxes = [box(f"label {number}", x=float(size))] * (size + number)
            order = range(30) if number % 2 else range(29, -1, -1)
            upload(store, *(prepared(f"{n}", *boxes) for n in order))

    together(*(lambda s=store, n=n: writer(s, n) for n, store in enumerate(stores * 2)))
    found = content(stores[0])
    assert len(found) == 30
    for boxes in found.values():
        number = int(boxes[0]["label"].removeprefix("label "))
        assert boxes == [boxes[0]] * (int(boxes[0]["bbox"][0]) + number)
    assert counts(stores[0]) == counted(stores[0])


def test_one_upload_many_senders(stores: list[Store]) -> None:
    """Batches of one upload sent at once are all stored, once; shared images merge in order."""
    upload_id = open_upload(stores[0])

    def sender(store: Store, sequence: int) -> None:
        sets = [prepared(f"{n}", box(x=float(sequence))) for n in range(10)]
        write(store, upload_id, *sets, prepared("last", box(x=9.0)), sequence=sequence)

    numbers = [(stores[n % 2], n % 6) for n in range(12)]
    together(*(lambda s=store, n=number: sender(s, n) for store, number in numbers))
    state = stores[1].uploads.finish(upload_id, 6)
    assert (state.images, state.annotations, len(state.received)) == (66, 66, 6)
    for name, boxes in content(stores[0]).items():
        if name != "last":
            assert [one["bbox"][0] for one in boxes] == [0, 1, 2, 3, 4, 5]
    assert counts(stores[0]) == counted(stores[0])


def test_new_labels_at_once(stores: list[Store]) -> None:
    """The same new labels met by several writers get one row and one reference."""
    both = [f"label {n}" for n in range(40)]

    def writer(store: Store, number: int) -> dict[str, str]:
        order = both if number % 2 else both[::-1]
        boxes = [box(name, attributes={"size": [{"value": name}]}) for name in order]
        upload(store, prepared("a", *boxes), run=f"run {number}")
        table = store.labels.ensure_table({name: {"size": [name], "more": [1]} for name in order})
        return {name: table[name].ref for name in both}

    tables = together(*(lambda s=store, n=n: writer(s, n) for n, store in enumerate(stores * 2)))
    assert all(table == tables[0] for table in tables)
    labels = stores[0].labels.list_page(after=None, limit=100).items
    assert sorted(label.name for label in labels) == sorted(both)
    assert all(
        {a.name: a.value_count for a in one.attributes} == {"size": 1, "more": 1} for one in labels
    )


def test_same_key_at_once(stores: list[Store]) -> None:
    """Published uploads of the same unknown keys make each image and collection once."""

    def writer(store: Store, number: int) -> None:
        for part in range(ROUNDS):
            keys = [f"place {part}_cam_{n:03}.jpg" for n in range(5)]
            upload_published(store, *(published(key, box()) for key in keys), run=f"run {number}")

    together(*(lambda s=store, n=n: writer(s, n) for n, store in enumerate(stores * 2)))
    assert names(stores[0]) == {f"place {part}_cam": 5 for part in range(ROUNDS)}
    assert counts(stores[0]) == counted(stores[0])


def test_collections_with_one_storage_path(stores: list[Store]) -> None:
    """Collections whose names spell one storage path can be made at the same moment."""
    for part in range(ROUNDS):
        spellings = [f"c{part}.x", f"c{part}:x", f"c{part}_x", f"c{part}/x"]
        together(
            *(
                lambda s=stores[n % 2], name=name: s.collections.ensure(name)
                for n, name in enumerate(spellings)
            )
        )
    assert len(names(stores[0])) == 4 * ROUNDS


def test_claim_during_uploads(stores: list[Store]) -> None:
    """Naming a collection while images of it arrive loses none of them, and no count."""
    done = threading.Event()

    def writer(store: Store, number: int) -> None:
        for part in range(3 * ROUNDS):
            # Each request makes another provisional collection, or fills one.
            keys = [f"yard_{part}_x_{n}.jpg" for n in range(number, number + 6)]
            upload_published(store, *(published(key, box()) for key in keys), run=f"run {number}")

    def namer() -> None:
        part = 0
        while not done.wait(0.01) and part < 3 * ROUNDS:
            stores[1].collections.ensure(f"yard_{part}")
            part += 1

    def writers() -> None:
        try:
            together(*(lambda s=store, n=n: writer(s, n) for n, store in enumerate(stores)))
        finally:
            done.set()

    together(writers, namer)
    stores[0].collections.ensure("yard")
    assert counts(stores[0]) == counted(stores[0])
    total: dict[str, int] = {}
    for (run, _, _), (count, _) in counts(stores[0]).items():
        total[run] = total.get(run, 0) + count
    assert total == {"run 0": 18 * ROUNDS, "run 1": 18 * ROUNDS}


def test_claim_waits_for_a_batch(stores: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection named while a batch of its images is half written gets them, sets and all."""
    resolve = images.resolve
    claims: list[threading.Thread] = []

    def resolve_and_claim(*arguments: object) -> object:
        found = resolve(*arguments)
        if not claims:
            claims.append(threading.Thread(target=stores[1].collections.ensure, args=["yard"]))
            claims[0].start()
            claims[0].join(0.3)
            assert claims[0].is_alive()
        return found

    monkeypatch.setattr(images, "resolve", resolve_and_claim)
    upload_published(stores[0], published("yard_cam_1.jpg", box()), published("yard_cam_2.jpg"))
    claims[0].join()
    assert content(stores[0]) == {"cam_1.jpg": [box()], "cam_2.jpg": []}
    assert counts(stores[0]) == counted(stores[0]) == {("run", "machine", "yard"): (2, 1)}


def test_remove_during_uploads(stores: list[Store]) -> None:
    """Removing a run while it is uploaded leaves whole sets and exact counts."""

    def writer() -> None:
        for _ in range(3 * ROUNDS):
            upload_published(stores[0], *(published(f"yard/{n}", box()) for n in range(20)))

    def remover() -> None:
        for _ in range(3 * ROUNDS):
            stores[1].annotations.remove(None, "run", None)

    together(writer, remover)
    assert counts(stores[0]) == counted(stores[0])
    upload_published(stores[0], *(published(f"yard/{n}", box()) for n in range(20)))
    assert counts(stores[0]) == counted(stores[0]) == {("run", "machine", "yard"): (20, 20)}


def test_reader_sees_one_state(stores: list[Store]) -> None:
    """A reader sees every set old or every set new, never a mixture, however slowly it reads."""
    images = [f"{n}" for n in range(450)]

    def write_all(generation: int) -> None:
        for run in ("one", "two"):
            upload(stores[0], *(prepared(n, box(x=float(generation))) for n in images), run=run)

    write_all(0)
    rows = stores[1].annotations.iter_sets(None)
    first = [next(rows) for _ in range(3)]
    write_all(1)
    old = first + list(rows)
    assert len(old) == 2 * len(images)
    assert {msgspec.json.decode(one.raw)["annotations"][0]["bbox"][0] for one in old} == {0.0}
    new = read(stores[1], None)
    assert len(new) == 2 * len(images)
    assert {msgspec.json.decode(one.raw)["annotations"][0]["bbox"][0] for one in new} == {1.0}


def test_reading_while_writing(stores: list[Store]) -> None:
    """While a run is replaced again and again, each read finds it whole and of one upload."""
    images = [f"{n}" for n in range(40)]
    upload(stores[0], *(prepared(n, box(x=0.0)) for n in images))
    yard = row_id(stores[0], "yard")
    done = threading.Event()

    def writer() -> None:
        try:
            for generation in range(1, 4 * ROUNDS):
                upload(stores[0], *(prepared(n, box(x=float(generation))) for n in images))
        finally:
            done.set()

    def reader() -> int:
        reads = 0
        while not done.is_set():
            sets = list(stores[1].annotations.iter_sets(yard))
            assert len(sets) == len(images)
            seen = {msgspec.json.decode(one.raw)["annotations"][0]["bbox"][0] for one in sets}
            assert len(seen) == 1
            reads += 1
        return reads

    _, *reads = together(writer, reader, reader)
    assert all(reads)


def test_slow_readers_do_not_block_the_rest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more slow readers than there are connections, everything else still answers."""
    monkeypatch.setattr(store.database._streamer.pool, "_timeout", 0.05)
    key = store.keys.create("one", "read")
    upload(store, *(prepared(f"{n}", box()) for n in range(500)))
    slow, refused = [], 0
    for _ in range(30):
        rows = store.annotations.iter_sets(None)
        try:
            next(rows)
            slow.append(rows)
        except StackUnavailable:
            refused += 1
    assert slow
    assert refused
    assert store.keys.authenticate(key.api_key, key.secret) is not None
    upload(store, prepared("a", box()), run="two")
    assert len(store.runs.list_page(None, after=None, limit=10).items) == 2
    for rows in slow:
        rows.close()
    assert len(read(store, None)) == 501
