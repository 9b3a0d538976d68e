"""By what an upload names an image."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

SetKeyKind: TypeAlias = Literal["name", "unique_name", "storage_path", "published"]
"""What an `ImageKey` says: a file name in a collection, a unique name, a path in a bucket, or the
``objectKey`` of a published client, which may be any of these (docs/protocol.md)."""


class ImageKey(Struct, frozen=True):
    """By what an upload names an image.

    Attributes:
        kind: how to read `name`.
        name: as the client gave it.
        bucket: for storage paths; None is the stack's default bucket.
    """

    kind: SetKeyKind
    name: str
    bucket: str | None = None
