"""Files: where their bytes are. One face; a local folder or a bucket behind it."""

from layernext.stack.objects.bucket import BucketStore
from layernext.stack.objects.counted import count_errors
from layernext.stack.objects.face import ObjectInfo, ObjectStore, Part, PartWriter, UploadInfo
from layernext.stack.objects.folder import FolderStore
from layernext.stack.objects.marker import read_marker, write_marker

__all__ = [
    "BucketStore",
    "FolderStore",
    "ObjectInfo",
    "ObjectStore",
    "Part",
    "PartWriter",
    "UploadInfo",
    "count_errors",
    "read_marker",
    "write_marker",
]
