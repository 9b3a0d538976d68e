"""What is in the store as samples: images with annotations in pixels, on their way into a format."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from layernext.formats import Sample, in_pixels
from layernext.model import Annotation, ImageAnnotations, decode_trusted
from layernext.stack.store import Datasets, Store, StoredSet, VersionImage, VersionRow


def iter_samples(
    datasets: Datasets, version: VersionRow, *, sizes: bool = True
) -> Iterator[Sample]:
    """The images of a version with their annotations, all sets of an image one after another."""
    for row in datasets.iter_files(version):
        yield Sample(
            image=row.file_name,
            annotations=annotations_of(version, row),
            width=row.width,
            height=row.height,
            split=row.split if sizes else None,
        )


def samples_of(version: VersionRow, row: VersionImage) -> list[Sample]:
    """An image of a version, as one sample for each set; one without annotations if it has none."""
    whole = Sample(
        image=row.file_name, annotations=[], width=row.width, height=row.height, split=row.split
    )
    samples = []
    for stored_set in row.sets:
        decoded = _decoded(stored_set)
        sample = msgspec.structs.replace(
            whole,
            annotations=_chosen(version, row, decoded),
            run=stored_set.run,
            mode=stored_set.mode,
            extra=decoded.extra,
        )
        samples.append(sample)
    return samples or [whole]


def annotations_of(version: VersionRow, row: VersionImage) -> list[Annotation]:
    """The annotations of an image, in pixels, of the labels that the version has."""
    return [
        annotation
        for stored_set in row.sets
        for annotation in _chosen(version, row, _decoded(stored_set))
    ]


def _decoded(stored_set: StoredSet) -> ImageAnnotations:
    decoded = decode_trusted(stored_set.raw, stored_set.geometry, with_extra_keys=True)
    return msgspec.structs.replace(decoded, normalized=stored_set.normalized)


def _chosen(version: VersionRow, row: VersionImage, decoded: ImageAnnotations) -> list[Annotation]:
    labels = set(version.settings.labels)
    annotations = in_pixels(decoded, row.width, row.height)
    return [annotation for annotation in annotations if not labels or annotation.label in labels]


def label_list(datasets: Datasets, version: VersionRow) -> list[str]:
    """The labels of a version in an order that is always the same."""
    if version.settings.labels:
        return version.settings.labels
    if version.label_names is not None:
        return version.label_names
    return sorted(
        {
            annotation.label
            for sample in iter_samples(datasets, version)
            for annotation in sample.annotations
        }
    )


def iter_run(store: Store, collection_id: int, run: str, mode: str) -> Iterator[Sample]:
    """The images of a run in a collection, in the order of their upload."""
    sets = store.annotations.iter_sets(
        collection_id, runs=[run], mode="human" if mode == "human" else "machine"
    )
    for row in sets:
        decoded = _decoded(row)
        yield Sample(
            image=row.image,
            annotations=in_pixels(decoded, row.width, row.height),
            width=row.width,
            height=row.height,
            run=row.run,
            mode=row.mode,
            extra=decoded.extra,
        )
