"""What the store takes and gives, as records without a connection behind them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from layernext.model import Geometry, Mode

Role: TypeAlias = Literal["read", "write", "admin"]
"""What a key may do; each role includes the ones before it."""


class Key(Struct, frozen=True, kw_only=True):
    """An API key without its secret."""

    api_key: str
    name: str
    role: Role
    created_at: str
    revoked_at: str | None = None


class NewKey(Struct, frozen=True, kw_only=True):
    """A key just made: the only moment at which its secret is known."""

    api_key: str
    secret: str
    name: str
    role: Role
    created_at: str


class CollectionRow(Struct, frozen=True, kw_only=True):
    """A collection by its numbers and names. `kind`: 5 of images, 4 of videos, 7 of other files."""

    row_id: int
    id: str
    name: str
    kind: int
    storage_path: str
    is_provisional: bool
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
    """

    cursor: str
    run: str
    mode: Mode
    geometry: Geometry | None
    normalized: bool
    image: str
    raw: bytes


JobStatus: TypeAlias = Literal["queued", "in_progress", "completed", "failed"]


class JobRow(Struct, frozen=True):
    """A job as its worker sees it."""

    row_id: int
    id: str
    kind: str
    name: str
    payload: dict[str, Any]


class Selection(Struct, frozen=True):
    """Images that were chosen; see `selections`."""

    row_id: int
    id: str
    count: int
    collection_ids: tuple[int, ...]
