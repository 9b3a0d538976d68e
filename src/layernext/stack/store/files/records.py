"""Files and their objects, as records."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class FileItem(Struct, frozen=True, kw_only=True):
    """A file on its way in.

    Attributes:
        row_id, id: of the item.
        name: of the file in its collection.
        collection_id, place_id: row id and public id of that.
        is_stored: whether it has become visible.
        object_path, handle: where its bytes go; None until that is decided.
        is_sealed: whether its parts are fixed.
        image_id: of its image, once it is stored.
        size, checksum: what the client says of it, or None.
        fields: metadata that it gets.
    """

    row_id: int
    id: str
    name: str
    collection_id: int
    place_id: str
    is_stored: bool
    object_path: str | None
    handle: str | None
    is_sealed: bool
    image_id: int | None
    size: int | None
    checksum: str | None
    fields: dict[str, Any]


class ItemPart(Struct, frozen=True, omit_defaults=True):
    """A part of a file that is durable.

    Attributes:
        number: from 1.
        size: bytes.
        checksum: SHA-256 in hexadecimal. To clients also the ETag of a part that only a bucket has seen; in the
            database that is the tag.
        tag: what the store of objects said of it.
    """

    number: int
    size: int
    checksum: str
    tag: str = ""


class NewFile(Struct, frozen=True, kw_only=True):
    """A file whose bytes are durable and that is to become visible."""

    name: str
    object_path: str
    size: int
    checksum: str | None
    fields: dict[str, Any]


class ObjectRow(Struct, frozen=True, kw_only=True):
    """The object of a file: what tells whether it is whole.

    Attributes:
        image_id: row id of the image.
        name: the image's.
        object_path: where the file's bytes are.
        size, checksum: bytes, SHA-256 in hexadecimal (None until the stack has inspected the file).
        state: ``pending``, ``ready``, ``failed``, or ``missing`` if the object was lost.
    """

    image_id: int
    name: str
    object_path: str
    size: int
    checksum: str | None
    state: str


class FileRow(ObjectRow, frozen=True, kw_only=True):
    """The file of an image.

    Attributes:
        unique_name: the image's.
        kind: of its collection: 5 images, 4 videos, 7 other files.
        place_id: public id of that.
        content_type, width, height: found by inspecting it, else None.
        created_at: when the stack first heard of the image.
        thumbnail_path: where its small picture is, or None.
    """

    unique_name: str
    kind: int
    place_id: str
    content_type: str | None
    width: int | None
    height: int | None
    created_at: str
    thumbnail_path: str | None


class LookResult(Struct, frozen=True, kw_only=True):
    """What inspecting a file has shown; `failure` says why it could not be read."""

    checksum: str | None
    content_type: str
    width: int | None = None
    height: int | None = None
    frame_count: int | None = None
    frame_rate: float | None = None
    duration_s: float | None = None
    thumbnail_path: str | None = None
    failure: str | None = None


class FileUploadRequest(Struct, frozen=True, kw_only=True):
    """What a request to open an upload asks for."""

    name: str
    kind: int
    fields: dict[str, Any]
    is_override: bool
    names: list[str]
    storage_prefix: str | None = None
    application_code: str | None = None


class Began(Struct, frozen=True, kw_only=True):
    """What came of beginning a file."""

    item: FileItem | None
    is_existing: bool = False
    existing_checksum: str | None = None
    existing_size: int | None = None


class UploadPlace(Struct, frozen=True):
    """Where the files of an upload go: the collection's public id, and the metadata they get."""

    id: str
    fields: dict[str, Any]
