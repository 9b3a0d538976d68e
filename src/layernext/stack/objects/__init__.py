"""Files: where their bytes are. One face; a local folder or a bucket behind it."""

from layernext.stack.objects.bucket import BucketStore
from layernext.stack.objects.counted import count_errors
from layernext.stack.objects.face import ObjectInfo, ObjectStore, Part, PartWriter, UploadInfo
from layernext.stack.objects.folder import FolderStore
from layernext.stack.objects.linked import (
    LinkedFile,
    LinkedObjects,
    describe_loss,
    linked_location,
    normalized_root,
    with_links,
)
from layernext.stack.objects.marker import read_marker, write_marker

__all__ = [
    "BucketStore",
    "FolderStore",
    "LinkedFile",
    "LinkedObjects",
    "ObjectInfo",
    "ObjectStore",
    "Part",
    "PartWriter",
    "UploadInfo",
    "count_errors",
    "describe_loss",
    "linked_location",
    "normalized_root",
    "read_marker",
    "with_links",
    "write_marker",
]
