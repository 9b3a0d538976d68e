"""Nearest images by vector: exact search over all vectors of a model, in time and memory.

    python3 dev.py bench --embeddings                          100,000 vectors of 512 numbers, SQLite
    python3 dev.py bench --embeddings --postgresql             and PostgreSQL
    python3 dev.py bench --embeddings --vectors 20000 --numbers 2048

Fills a store in this process with seeded random vectors. *first* is a search when none of them is in
memory; *p50* and *max* are those after it. The limit is one product of the matrix with the vector, which
is what a search has to do at least. Memory is what the process grows by, beside the vectors' own size.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import numpy as np
import psutil
from queries import database

from layernext.model import ImageDecoder
from layernext.stack.search import Search
from layernext.stack.store import BatchPreparation, ImageKey, Store
from layernext.wire.native import UploadRequest

REPEATS = 20
AT_ONCE = 1_000


def fill(store: Store, vectors: np.ndarray) -> float:
    """Make an image for each vector, and store the vectors; the seconds these took."""
    upload_id = store.uploads.open(
        UploadRequest(run="bench", mode="machine", collection="bench")
    ).id
    decode, seconds = ImageDecoder(None).decode, 0.0
    for number, start in enumerate(range(0, len(vectors), AT_ONCE)):
        some = range(start, min(start + AT_ONCE, len(vectors)))
        batch = BatchPreparation(None, normalized=False)
        for each in some:
            raw = b'{"image":"%d.jpg","annotations":[]}' % each
            batch.add(raw, decode(raw), ImageKey("name", f"{each}.jpg"))
        store.annotations.write_batch(upload_id, number, str(number), batch.finish())
        rows = [(f"bench_{each}.jpg", vectors[each].tolist()) for each in some]
        began = time.perf_counter()
        Search(store).embeddings.insert("model", vectors.shape[1], rows)
        seconds += time.perf_counter() - began
    return seconds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--postgresql", action="store_true")
    arguments.add_argument("--vectors", type=int, default=100_000)
    arguments.add_argument("--numbers", type=int, default=512)
    given = arguments.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, numpy {np.__version__}")
    vectors = np.random.default_rng(7).standard_normal((given.vectors, given.numbers), np.float32)
    wanted = vectors[given.vectors // 2].tolist()
    for wants_postgresql in [False, True] if given.postgresql else [False]:
        with database(wants_postgresql) as url:
            store = Store.open(url)
            try:
                rate = given.vectors / fill(store, vectors)
                process = psutil.Process()
                before = process.memory_info().rss
                search, times = Search(store), []
                for _ in range(REPEATS + 1):
                    began = time.perf_counter()
                    found = search.embeddings.search("model", vector=wanted, count=10)
                    times.append(1000 * (time.perf_counter() - began))
                assert found[0].unique_name == f"bench_{given.vectors // 2}.jpg"
                grown = process.memory_info().rss - before
                limits = []
                for _ in range(REPEATS):
                    began = time.perf_counter()
                    vectors @ np.asarray(wanted, np.float32)
                    limits.append(1000 * (time.perf_counter() - began))
                p50, limit = statistics.median(times[1:]), statistics.median(limits)
                print(
                    f"{'PostgreSQL' if wants_postgresql else 'SQLite'}: {given.vectors} x {given.numbers}, "
                    f"{rate:,.0f} vectors/s stored; search: first {times[0]:.0f} ms, p50 {p50:.1f} ms, "
                    f"max {max(times[1:]):.1f} ms; one product {limit:.1f} ms ({p50 / limit:.1f} x); "
                    f"memory +{grown / 1e6:.0f} MB of {vectors.nbytes / 1e6:.0f} MB of vectors"
                )
            finally:
                store.close()


if __name__ == "__main__":
    main()
