"""A whole LayerNext JSON file in one request: checked first, stored only if all of it is valid."""

from __future__ import annotations

from msgspec import Struct, field

from layernext.model import Geometry, Mode
from layernext.wire.native.protocol import BASE_PATH

ANNOTATION_FILES_PATH = f"{BASE_PATH}/annotation-files"
"""POST (query: run, mode, collection, geometry, normalized, name), the body is the file, plain, gzip or
zstd; answer lines of `FileProgress`."""

MAX_ANNOTATION_FILE_BYTES = 4 << 30
"""Of the file, both as it comes and decompressed. Larger ones go by the SDK, which sends batches."""


class FileResult(Struct, frozen=True, kw_only=True):
    """What was stored of a file.

    Attributes:
        upload_id: of the upload, which is also a job.
        run, mode: its operation.
        collection_id, collection: where the images are; None if the file's images name it themselves.
        geometry: of annotations without a ``type``; None for form v2.
        images, annotations: in the file.
        unmatched: images that await their file.
        new_labels: labels that the stack had not seen before.
        warnings: keys that the format does not know and that are kept: how often, and where they were first.
    """

    upload_id: str
    run: str
    mode: Mode
    collection_id: str | None
    collection: str | None
    geometry: Geometry | None
    images: int
    annotations: int
    unmatched: int
    new_labels: list[str]
    warnings: dict[str, tuple[int, str]] = field(default_factory=dict)


class FileProgress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the answer.

    Attributes:
        images: stored so far, of `total`.
        result: in the last line only. An answer without it was cut off: send the file again, which
            changes nothing of what is stored already.
    """

    images: int
    total: int
    result: FileResult | None = None
