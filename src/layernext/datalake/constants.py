"""The published clients' enumerations, under the module path that published scripts import from.

    from layernext.datalake.constants import JobType, MediaType

Members equal their values, so that either can be passed: ``MediaType.IMAGE == 5``. New code needs none
of this: calls take words such as ``"image"``.
"""

from __future__ import annotations

from enum import Enum


class AnnotationShapeType(str, Enum):
    """Geometry of annotations."""

    LINE_ANNOTATION = "line"
    POLYGON_ANNOTATION = "polygon"
    BOX_ANNOTATION = "rectangle"
    POINTS_ANNOTATION = "points"


class MediaType(int, Enum):
    """Kind of a collection, as `file_upload` takes it."""

    VIDEO = 4
    IMAGE = 5
    OTHER = 7


class ObjectType(int, Enum):
    """Kind of an object of the data lake."""

    VIDEO = 1
    IMAGE = 2
    DATASET = 3
    VIDEO_COLLECTION = 4
    IMAGE_COLLECTION = 5
    OTHER = 6
    OTHER_COLLECTION = 7


class ItemType(str, Enum):
    """Kind of an object of the data lake, as `get_item_list_from_datalake` takes it."""

    IMAGE = "image"
    VIDEO = "video"
    OTHER = "other"
    IMAGE_COLLECTION = "image_collection"
    VIDEO_COLLECTION = "video_collection"
    OTHER_COLLECTION = "other_collection"
    DATASET = "dataset"


class JobStatus(int, Enum):
    """State of a job, as `create_or_update_job` takes it."""

    IN_PROGRESS = 1
    COMPLETED = 2
    QUEUED = 3
    FAILED = 4


class JobType(int, Enum):
    """Kind of a job, as `create_or_update_job` takes it."""

    UPLOAD_EMBEDDING = 14
    GENERATE_EMBEDDING = 15
    GENERATE_AUTO_TAGGING = 16
    GENERATE_AUTO_ANNOTATION = 17
    UNKNOWN = -1


class MetadataUploadType(int, Enum):
    """How metadata is sent."""

    BY_JSON = 1
    BY_META_OBJECT = 2


class AnnotationUploadType(int, Enum):
    """How the images of an upload are named."""

    BY_FILE_NAME = 1
    BY_STORAGE_PATH = 2
    BY_UNIQUE_NAME = 3
    BY_FILE_NAME_OR_UNIQUE_NAME = 4
    BY_JOB_ID = 5


class SortFieldName(str, Enum):
    """What items are sorted by, as `sort_by_field` takes it."""

    DATE_MODIFIED = "date_modified"
    DATE_CREATED = "date_created"
    NAME = "name"
    SIZE = "size"
    VIDEO_INDEX = "video_index"


class SortField(int, Enum):
    """What items are sorted by, as it is sent."""

    DATE_MODIFIED = 1
    DATE_CREATED = 2
    NAME = 3
    SIZE = 4
    VIDEO_INDEX = 6


class SortOrder(str, Enum):
    """Direction of a sort, as `sort_order` takes it."""

    ASC = "ASC"
    DESC = "DESC"


class Task(str, Enum):
    """Kind of automatic analysis."""

    EMBEDDING = "embedding"
    AUTO_TAGGING = "auto_tagging"
    AUTO_ANNOTATION = "auto_annotation"
