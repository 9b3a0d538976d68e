"""What the store takes and gives, as records without a connection behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from layernext.model import Geometry, Mode, UserRole

Role: TypeAlias = Literal["read", "write", "admin"]
"""What a key may do; each role includes the ones before it."""

RANKS: dict[UserRole, int] = {"none": -1, "read": 0, "write": 1, "admin": 2}
"""Each role may do what the ones of lower rank may."""


Within: TypeAlias = frozenset[int] | None
"""Row ids of the only collections that somebody may read; None for all."""

CheckCollections: TypeAlias = Callable[[Iterable[int]], None]
"""Raises if somebody may not do what they want in one of these collections, by row id."""


class Key(Struct, frozen=True, kw_only=True):
    """An API key without its secret.

    Attributes:
        api_key: the key.
        name: what it is for.
        role: what it may do, as far as its user may, too.
        user: name of the user it belongs to.
        created_at, revoked_at: UTC, ISO 8601.
        rate: requests a second that it may send; None for what the stack permits every key.
    """

    api_key: str
    name: str
    role: Role
    user: str
    created_at: str
    revoked_at: str | None = None
    rate: float | None = None


PERSON = "user "
"""What the id of a caller without a key begins with."""


class Caller(Struct, frozen=True, kw_only=True):
    """Who makes a request: an API key, or a person who signed in without one.

    Attributes:
        api_key: the key; None of a person without one.
        name: of the key, or of the person.
        role: in the whole stack, both the key's and its user's.
        user, user_id: whom the key belongs to.
        limit: the key's own role: what is granted to the user counts up to it.
        rate: see `Key`.
    """

    api_key: str | None
    name: str
    role: UserRole
    user: str
    user_id: int
    limit: Role
    rate: float | None = None

    @property
    def id(self) -> str:
        """What tells callers apart: the key, or the person."""
        return self.api_key or f"{PERSON}{self.user_id}"


class NewKey(Struct, frozen=True, kw_only=True):
    """A key just made: the only moment at which its secret is known."""

    api_key: str
    secret: str
    name: str
    role: Role
    user: str
    created_at: str
    rate: float | None = None


class CollectionRow(Struct, frozen=True, kw_only=True):
    """A collection by its numbers and names. `kind`: 5 of images, 4 of videos, 7 of other files."""

    row_id: int
    id: str
    name: str
    kind: int
    storage_path: str
    is_provisional: bool
    is_trashed: bool
    created_at: str


class ValueRef(Struct, frozen=True):
    """A value of an attribute, and the attribute's and label's names."""

    attribute: str
    value: Any


class LabelRef(Struct, frozen=True, kw_only=True):
    """A label's reference table (E02): attribute name to its ref and its values' refs by text."""

    ref: str
    color: str
    attributes: dict[str, tuple[str, dict[str, str]]]


class LabelGroup(Struct, frozen=True, kw_only=True):
    """A named group of labels."""

    id: str
    name: str
    label_refs: list[str]


class StoredSet(Struct, frozen=True, kw_only=True, gc=False):
    """An annotation set as stored.

    Attributes:
        cursor: continue behind this set by giving it as `after`.
        run, mode: its operation.
        geometry: of annotations without a ``type`` in `raw`.
        normalized: whether coordinates are fractions of the image's size.
        image: the image's name in its collection.
        raw: the set's JSON; its ``image`` is `image`.
        width, height: of the image in pixels, where the reader looked and they are known.
    """

    cursor: str
    run: str
    mode: Mode
    geometry: Geometry | None
    normalized: bool
    image: str
    raw: bytes
    width: int | None = None
    height: int | None = None


JobStatus: TypeAlias = Literal["queued", "in_progress", "completed", "failed"]


class JobRow(Struct, frozen=True):
    """A job as its worker sees it."""

    row_id: int
    id: str
    kind: str
    name: str
    payload: dict[str, Any]


class JobCount(Struct, frozen=True, kw_only=True):
    """How many jobs of a kind have a status.

    Attributes:
        kind, status: of the jobs.
        count: of them.
        oldest_age_s: since the oldest of them was created.
    """

    kind: str
    status: JobStatus
    count: int
    oldest_age_s: float


class Selection(Struct, frozen=True):
    """Images that were chosen; see `selections`."""

    row_id: int
    id: str
    count: int
    collection_ids: tuple[int, ...]


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


class ImageSets(Struct, frozen=True):
    """An image with its annotation sets; `size` is its width and height, once they are known."""

    id: int
    name: str
    size: tuple[int, int] | None
    sets: list[StoredSet]


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
        content_type, width, height: found by looking into it, else None.
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
    """What looking into a file has shown; `failure` says why it could not be read."""

    checksum: str
    content_type: str
    width: int | None = None
    height: int | None = None
    frame_count: int | None = None
    frame_rate: float | None = None
    duration_s: float | None = None
    thumbnail_path: str | None = None
    failure: str | None = None
