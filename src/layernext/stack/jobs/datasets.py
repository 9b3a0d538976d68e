"""Builds dataset versions, and makes the pictures that they were asked for."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from layernext.errors import NotFound
from layernext.formats import in_pixels
from layernext.model import ImageAnnotations, Skeleton, decode_trusted
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.media import Decoder, Move, NotAugmentable, Picture, move_into
from layernext.stack.objects import ObjectStore
from layernext.stack.store import (
    FileRow,
    NewPicture,
    PictureSet,
    Store,
    StoredSet,
    VersionImage,
    VersionRow,
)

log = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20
"""Of a picture that is stored."""


def build_handler(store: Store, objects: ObjectStore, look: Handler) -> Handler:
    """Divides a version's images, copies their annotations and makes its pictures.

    Args:
        store, objects: what it works on.
        look: inspects files: those that nobody has inspected have no checksum yet, and by that
            it is known that two images are the same and must be in the same split.
    """

    def handle(context: JobContext) -> dict[str, Any]:
        look(context)
        percent = 0.0

        def tell(now: float) -> None:
            nonlocal percent
            percent = now
            context.progress(now)

        skeletons_of = cache(store.classes.skeletons_of_version)
        with Decoder() as decoder:

            def make(version: VersionRow, row: VersionImage) -> list[NewPicture]:
                file = store.files.find(row.image_id) if row.has_file else None
                if file is None:
                    return []
                return _pictures(
                    objects,
                    decoder,
                    version,
                    row,
                    file,
                    skeletons_of(version.row_id),
                    lambda: context.progress(percent),
                )

            return store.datasets.build(str(context.payload["version"]), tell, make)

    return handle


def _pictures(
    objects: ObjectStore,
    decoder: Decoder,
    version: VersionRow,
    row: VersionImage,
    file: FileRow,
    skeletons: Mapping[str, Skeleton],
    alive: Callable[[], None],
) -> list[NewPicture]:
    settings = version.settings
    if not settings.augmentations:
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with _local(objects, file) as path:
                pictures = decoder.augment(
                    path,
                    folder,
                    settings.augmentations,
                    seed=settings.seed,
                    name=row.unique_name,
                    alive=alive,
                )
        except (NotFound, NotAugmentable) as error:
            log.warning("no pictures are made of %s: %s", row.unique_name, error)
            return []
        return [
            # The same path when the job is done again, with the same bytes.
            _stored(
                objects,
                folder / f"{number}",
                f"versions/{version.id}/{row.image_id:x}-{number}.{picture.extension}",
                picture,
                row,
                skeletons,
            )
            for number, picture in enumerate(pictures)
        ]


@contextmanager
def _local(objects: ObjectStore, file: FileRow) -> Iterator[Path]:
    path = objects.local_path(file.object_path)
    if path is not None:
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy:
        for piece in objects.read(file.object_path):
            copy.write(piece)
        copy.flush()
        yield Path(copy.name)


def _stored(
    objects: ObjectStore,
    path: Path,
    object_path: str,
    picture: Picture,
    row: VersionImage,
    skeletons: Mapping[str, Skeleton],
) -> NewPicture:
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as content:
            while piece := content.read(PIECE_BYTES):
                digest.update(piece)
                yield piece

    objects.put_stream(object_path, pieces())
    move = move_into(picture, skeletons)
    return NewPicture(
        made_by=str(picture.augmentation),
        ending=picture.extension,
        object_path=object_path,
        size=path.stat().st_size,
        checksum=digest.hexdigest(),
        content_type="image/jpeg" if picture.extension == "jpg" else "image/png",
        width=picture.width,
        height=picture.height,
        sets=[_moved(stored_set, picture.image_wh, move) for stored_set in row.sets],
    )


def _moved(stored_set: StoredSet, image_wh: tuple[int, int], move: Move) -> PictureSet:
    decoded = decode_trusted(stored_set.raw, stored_set.geometry)
    decoded = msgspec.structs.replace(decoded, normalized=stored_set.normalized)
    moved = [annotation for old in in_pixels(decoded, *image_wh) for annotation in move(old)]
    whole = ImageAnnotations(image=stored_set.image, annotations=moved)
    return PictureSet(stored_set.run, stored_set.mode, Raw(msgspec.json.encode(whole)))
