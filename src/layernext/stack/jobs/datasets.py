"""Builds dataset versions, and makes the pictures that they were asked for."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from layernext.errors import NotFound
from layernext.formats import in_pixels
from layernext.model import ImageAnnotations, decode_trusted
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.media import Move, augment, open_image
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


def build_handler(store: Store, objects: ObjectStore, look: Handler) -> Handler:
    """Divides a version's images, copies their annotations and makes its pictures.

    Args:
        store, objects: what it works on.
        look: looks into files: those that nobody has looked into have no checksum yet, and by that
            it is known that two images are the same and must be in the same split.
    """

    def handle(context: JobContext) -> dict[str, Any]:
        look(context)

        def make(version: VersionRow, row: VersionImage) -> list[NewPicture]:
            file = store.files.find(row.image_id) if row.has_file else None
            return [] if file is None else _pictures(objects, version, row, file)

        return store.datasets.build(str(context.payload["version"]), context.progress, make)

    return handle


def _pictures(
    objects: ObjectStore, version: VersionRow, row: VersionImage, file: FileRow
) -> list[NewPicture]:
    with tempfile.NamedTemporaryFile() as copy:
        path = objects.local_path(file.object_path)
        if path is None:
            try:
                for piece in objects.read(file.object_path):
                    copy.write(piece)
            except NotFound:
                return []
            copy.flush()
            path = Path(copy.name)
        image = open_image(path)
    if image is None:
        return []
    found: list[NewPicture] = []
    contents: list[tuple[str, bytes | memoryview]] = []
    for number, what in enumerate(version.settings.augmentations):
        made = augment(image, what, version.settings.seed, row.unique_name)
        # The same path when the job is done again, with the same bytes.
        place = f"versions/{version.id}/{row.image_id:x}-{number}.{made.ending}"
        contents.append((place, made.content))
        found.append(
            NewPicture(
                made_by=str(what),
                ending=made.ending,
                object_path=place,
                size=len(made.content),
                checksum=hashlib.sha256(made.content).hexdigest(),
                content_type="image/jpeg" if made.ending == "jpg" else "image/png",
                width=made.width,
                height=made.height,
                sets=[_moved(one, image.size, made.move) for one in row.sets],
            )
        )
    objects.put(contents)
    return found


def _moved(one: StoredSet, image_wh: tuple[int, int], move: Move) -> PictureSet:
    decoded = decode_trusted(one.raw, one.geometry)
    decoded = msgspec.structs.replace(decoded, normalized=one.normalized)
    moved = [each for old in in_pixels(decoded, *image_wh) for each in move(old)]
    whole = ImageAnnotations(image=one.image, annotations=moved)
    return PictureSet(one.run, one.mode, Raw(msgspec.json.encode(whole)))
