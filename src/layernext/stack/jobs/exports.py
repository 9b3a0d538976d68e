"""Writes runs and dataset versions in other formats, as one object each; a folder is packed as zip.

It is written in a temporary folder first and then stored, both as streams. Done again after a crash it starts over
and replaces the object, which nobody could see before.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from layernext.errors import NotFound
from layernext.formats import ExportOptions, Sample, get_format, write_export
from layernext.model import LabelClass
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.jobs.samples import iter_run, label_list, samples_of
from layernext.stack.objects import ObjectStore
from layernext.stack.store import ExportOutcome, ExportSettings, Store

PIECE_BYTES = 1 << 20
_WRITTEN_PERCENT = 80.0


def export_handler(store: Store, objects: ObjectStore) -> Handler:
    """Writes the export whose id is the payload's ``export``.

    Args:
        store, objects: what it works on.
    """

    def handle(context: JobContext) -> dict[str, Any]:
        row = store.exports.get(str(context.payload["export"]))
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "export"
            total, samples, classes = _plan(store, row.settings)
            done = 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                context.progress(_WRITTEN_PERCENT * min(done / max(total, 1), 1.0))

            options = ExportOptions(
                strict=row.settings.strict,
                labels=[entry.name for entry in classes] or None,
                codes={entry.name: entry.code for entry in classes if entry.code is not None},
                skeletons={entry.name: entry.skeleton for entry in classes if entry.skeleton},
            )
            report = write_export(samples, target, row.settings.format, options, advance=advance)
            if get_format(row.settings.format).is_folder:
                target = _packed(target, lambda: context.progress(_WRITTEN_PERCENT))
            size, checksum = _store(
                objects, target, row.object_path, lambda: context.progress(_WRITTEN_PERCENT)
            )
        outcome = ExportOutcome(
            images=report.images, annotations=report.annotations, losses=report.losses
        )
        if not store.exports.finish(row.id, size, checksum, outcome):
            store.exports.drop_object(row.object_path)
            raise NotFound("the export was deleted meanwhile", status=404)
        return {"export": row.id, "images": report.images, "annotations": report.annotations}

    return handle


def _plan(store: Store, settings: ExportSettings) -> tuple[int, Iterator[Sample], list[LabelClass]]:
    """How many images there are about, the samples, and the classes in order."""
    if settings.version_id is None:
        assert settings.collection_id is not None  # noqa: S101 - one of the two is there
        assert settings.run is not None  # noqa: S101
        assert settings.mode is not None  # noqa: S101
        runs = store.runs.list_page(settings.collection_id, after=None, limit=1_000).items
        total = sum(run.image_count for run in runs if run.name == settings.run)
        samples = iter_run(store, settings.collection_id, settings.run, settings.mode)
        return total, samples, store.classes.list(settings.collection_id)
    version = store.datasets.get(settings.version_id)
    of_split = (
        sample
        for row in store.datasets.iter_files(version)
        if settings.split in {None, row.split}
        for sample in samples_of(version, row)
    )
    labels = label_list(store.datasets, version)
    skeletons = store.classes.skeletons_of_version(version.row_id)
    classes = [LabelClass(name=label, skeleton=skeletons.get(label)) for label in labels]
    return version.image_count, of_split, classes


def _packed(folder: Path, tell: Callable[[], None]) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                tell()
                archive.write(path, path.relative_to(folder).as_posix())
    return target


def _store(
    objects: ObjectStore, source: Path, path: str, tell: Callable[[], None]
) -> tuple[int, str]:
    """Store a file as an object; its size and SHA-256."""
    digest, size = hashlib.sha256(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        with source.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                tell()
                digest.update(piece)
                size += len(piece)
                yield piece

    objects.put_stream(path, pieces())
    return size, digest.hexdigest()
