"""Several uploads of one run at once: each image ends as if they had come one after the other."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layernext.stack.store import PreparedSet, Store
from tests.contract.store.batches import (
    box,
    content,
    counted,
    counts,
    open_upload,
    prepared,
    upload_published,
    write,
)

PER_DATABASE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

Batches = list[list[str]]
"""Of one upload: the names of the images in each of its batches."""

plans = st.lists(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3), min_size=1, max_size=4),
    min_size=2,
    max_size=3,
)


def batch_sets(plan: list[Batches], number: int, sequence: int) -> list[PreparedSet]:
    """The sets of one batch; each annotation's label says where it came from."""
    names = plan[number][sequence]
    return [prepared(name, box(f"{number}.{sequence}.{place}")) for place, name in enumerate(names)]


def serial_result(plan: list[Batches]) -> dict[str, list[str]]:
    """The labels of each image after the uploads came one after the other, in opening order."""
    result: dict[str, list[str]] = {}
    for number, batches in enumerate(plan):
        of_upload: dict[str, list[str]] = {}
        for sequence, names in enumerate(batches):
            for place, name in enumerate(names):
                of_upload.setdefault(name, []).append(f"{number}.{sequence}.{place}")
        result |= of_upload
    return result


def stored_labels(store: Store, run: str) -> dict[str, list[str]]:
    """The labels of each image of the run, in stored order."""
    stored = content(store, runs=[run])
    return {name: [a["label"] for a in annotations] for name, annotations in stored.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=PER_DATABASE)
@given(plan=plans, data=st.data())
def test_any_interleaving(store: Store, plan: list[Batches], data: st.DataObject) -> None:
    """In whatever order batches arrive, and arrive again, the result is the serial one."""
    run = f"run {uuid.uuid4()}"
    uploads = [open_upload(store, run) for _ in plan]
    every = [(n, s) for n, batches in enumerate(plan) for s in range(len(batches))]
    retries = data.draw(st.lists(st.sampled_from(every), max_size=4), label="retries")
    for number, sequence in data.draw(st.permutations([*every, *retries]), label="order"):
        write(store, uploads[number], *batch_sets(plan, number, sequence), sequence=sequence)
    for number in data.draw(st.permutations(range(len(plan))), label="finishing order"):
        assert store.uploads.finish(uploads[number], len(plan[number])).finished
    assert stored_labels(store, run) == serial_result(plan)
    key = (run, "machine", "yard")
    assert counts(store)[key] == counted(store)[key]


@settings(max_examples=6, deadline=None, suppress_health_check=PER_DATABASE)
@given(plan=plans)
def test_threads(store: Store, plan: list[Batches]) -> None:
    """Likewise when each upload, every batch sent twice, has a thread of its own."""
    run = f"run {uuid.uuid4()}"
    uploads = [open_upload(store, run) for _ in plan]

    def send(number: int) -> None:
        for sequence in [*range(len(plan[number]))] * 2:
            write(store, uploads[number], *batch_sets(plan, number, sequence), sequence=sequence)

    with ThreadPoolExecutor(len(plan)) as pool:
        list(pool.map(send, range(len(plan))))
    assert stored_labels(store, run) == serial_result(plan)
    key = (run, "machine", "yard")
    assert counts(store)[key] == counted(store)[key]


def test_published_sessions(store: Store) -> None:
    """Sessions of published clients follow the same rule."""
    for session, label in (("s1", "1a"), ("s2", "2a"), ("s1", "1b"), ("s2", "2b")):
        upload_published(store, prepared("a", box(label), kind="published"), session=session)
    (annotations,) = content(store, None).values()
    assert [annotation["label"] for annotation in annotations] == ["2a", "2b"]
