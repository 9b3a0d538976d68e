"""The native protocol itself: its version, where it is, and what a stack offers of it."""

from __future__ import annotations

from msgspec import Struct

VERSION = 1
BASE_PATH = "/api/v1"
NDJSON = "application/x-ndjson"

MAX_BATCH_BYTES = 64 << 20
"""Decompressed bytes of one batch that a stack accepts; one image's set must fit into it."""

MAX_BATCH_IMAGES = 10_000
"""Images in one batch that a stack accepts."""


class NativeOffer(Struct, frozen=True, kw_only=True):
    """What the handshake answer of a stack with the native protocol says under ``native``."""

    version: int = VERSION
    base_path: str = BASE_PATH
    batch_bytes: int = MAX_BATCH_BYTES
    batch_images: int = MAX_BATCH_IMAGES
