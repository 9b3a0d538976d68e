"""Short ways to say in a test what is uploaded, and to read back what is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.model import Geometry, ImageDecoder, Mode, decode_trusted
from layernext.stack.store import (
    BatchPreparation,
    ImageKey,
    PreparedSet,
    PublishedUpload,
    SetKeyKind,
    Store,
    StoredSet,
)
from layernext.stack.store.schema import upload as upload_table
from layernext.wire.native import BatchResult, UploadRequest


def box(label: str = "cup", x: float = 1.0, **fields: Any) -> dict[str, Any]:
    """One rectangle as v2 JSON data."""
    return {"type": "rectangle", "label": label, "bbox": [x, 2.0, 3.5, 4.25], **fields}


def raw_set(image: str, annotations: Sequence[Any]) -> bytes:
    """An image's set as JSON."""
    return msgspec.json.encode({"image": image, "annotations": annotations})


def prepared(
    image: str,
    *annotations: Any,
    raw: bytes | None = None,
    kind: SetKeyKind = "name",
    key: str | None = None,
    bucket: str | None = None,
    geometry: Geometry | None = None,
    normalized: bool = False,
    is_checked: bool = True,
) -> PreparedSet:
    """A set ready for `Store.write_batch`, made as the stack makes it; published ones are not checked."""
    raw = raw_set(image, annotations) if raw is None else raw
    checked = ImageDecoder(geometry).decode(raw) if is_checked else decode_trusted(raw, geometry)
    image_key = ImageKey(kind, image if key is None else key, bucket)
    batch = BatchPreparation(geometry, normalized=normalized)
    batch.add(raw, checked, image_key)
    (one,) = batch.finish()
    return one


def published(key: str, *annotations: Any) -> PreparedSet:
    """A set under a published client's `objectKey`."""
    return prepared(key, *annotations, kind="published")


def digest_of(sets: Iterable[PreparedSet]) -> str:
    """Some digest: equal for equal batches."""
    whole = hashlib.blake2b(digest_size=16)
    for one in sets:
        whole.update(repr(one.key).encode() + one.content)
    return whole.hexdigest()


def open_upload(store: Store, run: str = "run", **fields: Any) -> str:
    """A new upload's id, by default of a model run in the collection `yard`."""
    request = {"mode": "machine", "collection": "yard", **fields}
    return store.uploads.open(UploadRequest(run=run, **request)).id


def write(
    store: Store, upload_id: str, *sets: PreparedSet, sequence: int | None = 0
) -> BatchResult:
    """Send one batch."""
    return store.annotations.write_batch(upload_id, sequence, digest_of(sets), sets)


def upload(store: Store, *sets: PreparedSet, run: str = "run", **fields: Any) -> BatchResult:
    """A whole upload in one batch."""
    upload_id = open_upload(store, run, **fields)
    result = write(store, upload_id, *sets)
    store.uploads.finish(upload_id, 1)
    return result


def upload_published(
    store: Store,
    *sets: PreparedSet,
    run: str = "run",
    mode: Mode = "machine",
    session: str | None = None,
) -> BatchResult:
    """One request of a published client."""
    of_client = published_upload(run, mode, session)
    return store.annotations.write_batch(of_client, None, digest_of(sets), sets)


def published_upload(
    run: str = "run", mode: Mode = "machine", session: str | None = None, **fields: Any
) -> PublishedUpload:
    """The upload behind a session of a published client."""
    values = {"normalized": False, "total_images": None, **fields}
    return PublishedUpload(run=run, mode=mode, session_id=session, **values)


def upload_ids(store: Store) -> list[str]:
    """Every upload, oldest first."""
    with store.database.read() as connection:
        return list(
            connection.scalars(sa.select(upload_table.c.public_id).order_by(upload_table.c.id))
        )


def row_id(store: Store, collection: str) -> int:
    """The row id of a collection that must exist."""
    found = store.collections.adopt(collection)
    assert found is not None
    return found.row_id


def read(store: Store, collection: str | None = "yard", **filters: Any) -> list[StoredSet]:
    """The stored sets."""
    collection_id = None if collection is None else row_id(store, collection)
    return list(store.annotations.iter_sets(collection_id, **filters))


def content(store: Store, collection: str | None = "yard", **filters: Any) -> dict[str, Any]:
    """Image name to annotations, decoded; every image at most once."""
    sets = read(store, collection, **filters)
    found: dict[str, Any] = {}
    for one in sets:
        fields = msgspec.json.decode(one.raw)
        assert fields["image"] == one.image
        assert one.image not in found
        found[one.image] = fields["annotations"]
    return found


def names(store: Store) -> dict[str, int]:
    """Collection name to number of images, the whole list."""
    return {
        c.name: c.image_count for c in store.collections.list_page(after=None, limit=1000).items
    }


def counts(store: Store) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(run, mode, collection) to (images, annotations), as listed."""
    runs = store.runs.list_page(None, after=None, limit=1000).items
    return {(r.name, r.mode, r.collection): (r.image_count, r.annotation_count) for r in runs}


def counted(store: Store) -> dict[tuple[str, str, str], tuple[int, int]]:
    """The same, counted from the sets themselves."""
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for collection in store.collections.list_page(after=None, limit=1000).items:
        for one in store.annotations.iter_sets(row_id(store, collection.id)):
            key = (one.run, one.mode, collection.name)
            images, annotations = found.get(key, (0, 0))
            more = len(msgspec.json.decode(one.raw)["annotations"])
            found[key] = (images + 1, annotations + more)
    return found
