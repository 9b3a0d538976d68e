"""Links folders and buckets: lists what is there, and lets the images of a collection have these files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from layernext.model import find_names_problem
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.objects import LinkedFile, LinkedObjects, ObjectStore, linked_location
from layernext.stack.store import LOOK_JOB, NewFile, ObjectRow, Store

FILES_AT_ONCE = 500
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
"""Of files that are taken for images; others are counted."""


def link_handler(store: Store, objects: ObjectStore) -> Handler:
    """Links the payload's ``source`` to the collection whose row id is ``collection``.

    Done again it links what is new, and notes what has changed or gone.
    """

    def handle(context: JobContext) -> dict[str, Any]:
        collection_id = int(context.payload["collection"])
        linked = cast("LinkedObjects", objects)
        location = linked.check_source(str(context.payload["source"]))
        outcome = _Outcome()
        names: set[str] = set()
        for files in _batches(linked.list_source(location), outcome, context):
            names.update(file.name for file in files)
            counts = store.linked.add(collection_id, files)
            outcome.new += counts.new
            outcome.changed += counts.changed
            outcome.unchanged += counts.unchanged
            for name in counts.taken:
                outcome.refuse(name, "the collection has another file of this name")
            context.note_step()
            context.progress(50.0, outcome.text)
        outcome.gone = _note_gone(store, collection_id, location, names)
        store.jobs.ensure_queued(LOOK_JOB, "Inspect new files")
        return {"message": outcome.text}

    return handle


class _Outcome:
    """What was linked, in numbers and words."""

    def __init__(self) -> None:
        self.new = self.changed = self.unchanged = self.gone = self.others = self.refused = 0
        self._first = ""

    def refuse(self, name: str, why: str) -> None:
        """Count a file that cannot be linked."""
        self.refused += 1
        self._first = self._first or f"{name}: {why}"

    @property
    def text(self) -> str:
        """For the job's message."""
        parts = [f"{self.new:,} linked", f"{self.unchanged:,} unchanged"]
        parts += [f"{self.changed:,} changed and linked again"] if self.changed else []
        parts += [f"{self.gone:,} gone"] if self.gone else []
        parts += [f"{self.others:,} not an image by name"] if self.others else []
        parts += (
            [f"{self.refused:,} not linked, the first is {self._first}"] if self.refused else []
        )
        return ", ".join(parts)


def _batches(
    files: Iterator[LinkedFile], outcome: _Outcome, context: JobContext
) -> Iterator[list[NewFile]]:
    batch: list[NewFile] = []
    for file in files:
        context.progress(0.0)
        problem = file.refusal or find_names_problem(file.name, "an image")
        if not file.name.lower().endswith(EXTENSIONS):
            outcome.others += 1
        elif problem is not None:
            outcome.refuse(file.name, problem)
        else:
            batch.append(
                NewFile(
                    name=file.name, object_path=file.path, size=file.size, checksum=None, fields={}
                )
            )
        if len(batch) == FILES_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _note_gone(store: Store, collection_id: int, location: str, names: set[str]) -> int:
    """Show files below the source that are not there any more as missing; how many."""
    lost: list[ObjectRow] = []
    for row in store.linked.iter_all(collection_id):
        where = linked_location(row.object_path) or ""
        if where.startswith(f"{location}/") and row.name not in names:
            lost.append(row)
    failures = {
        row.image_id: f"the linked file {linked_location(row.object_path)} is gone" for row in lost
    }
    store.file_states.set_missing(lost, is_missing=True, failures=failures)
    return len(lost)
