"""The published protocol's words and numbers, spoken by client and stack alike.

E01, E02, … are the endpoint numbers of the protocol's contract, which docs/protocol.md retells.
"""

from __future__ import annotations

from layernext.model import Mode
from layernext.wire.paths import segment

DATALAKE = "/datalake"
CLIENT = f"{DATALAKE}/api/client"
OPERATION_DATA = f"{DATALAKE}/api/metadata/operationdata"

HANDSHAKE_VERSION = "2.3.4"
"""What our client calls itself in E01: the newest release whose calls it can make."""

USER_NAME = "Python SDK"
BATCH_IMAGES = 1_000
PAGE_SIZE = 250

OPERATION_TYPE_ANNOTATION = 1
OPERATION_MODES: dict[Mode, int] = {"human": 1, "machine": 2}

OBJECT_TYPES = {
    "video": 1, "image": 2, "dataset": 3, "video_collection": 4,
    "image_collection": 5, "other": 6, "other_collection": 7,
}  # fmt: skip
IMAGE_COLLECTION = OBJECT_TYPES["image_collection"]

PART_BYTES = 100 << 20
"""Of each part of a file but the last."""

STORAGE_TYPE = "AWS_S3"
"""The rules by which parts are sent (E15); those of S3 are the simplest, and all clients know them."""

BETA_STORAGE_TYPE = "aws_s3"
"""The same in the words of layernext-beta."""

CONTENT_TYPES = {"video": 4, "image": 5, "other": 7}
"""What a collection holds, and its object type."""

JOB_STATUS = {"in_progress": 1, "completed": 2, "queued": 3, "failed": 4}


JOB_TYPES = {
    "download_dataset": 9, "download_collection": 10, "download_project": 11,
    "upload_embedding": 14, "generate_embedding": 15, "generate_auto_tagging": 16,
    "generate_auto_annotation": 17, "unknown": -1,
}  # fmt: skip
UPDATE_JOB_PATH = f"{DATALAKE}/api/job/updateJob/basicAuthRequest"  # E38, POST
INSERT_EMBEDDINGS_PATH = f"{CLIENT}/embeddings/insert/vectors"  # E39, POST
GET_EMBEDDINGS_PATH = f"{CLIENT}/embeddings/getVector"  # E40, POST
EMBEDDING_MODEL_PATH = f"{CLIENT}/embeddings/create/embeddingModel"  # E41, POST
EMBEDDINGS_AT_ONCE = 100
ANALYTICS = "/analytics"


def label_group_path(group_id: str, action: str) -> str:
    """E10 (``addLabels``) and E11 (``removeLabels``), POST."""
    return f"{CLIENT}/label_groups/{segment(group_id)}/{action}"


DATASET = "/dataset/api/client/dataset"
CREATE_DATASET_PATH = f"{DATASET}/create"  # E54, GET
UPDATE_VERSION_PATH = f"{DATASET}/updateExistingVersion"  # E55, GET
NEW_VERSION_PATH = f"{DATASET}/updateNewVersion"  # E56, GET
DELETE_VERSION_PATH = f"{DATASET}/deleteVersion"  # E57, GET
EXPORT_TYPES = ("RAW", "YOLO Darknet", "COCO", "Pascal VOC", "Semantic Segmentation")


def version_data_path(version_id: str, export_type: str) -> str:
    """E44, GET, pages from 1."""
    return f"/dataset/api/dataset/getVersionData/{segment(version_id)}/{segment(export_type)}/"


STUDIO = "/studio/api/client"
RESERVE_PROJECT_PATH = f"{STUDIO}/projects/initial/create"  # E46, GET
PROJECTS_PATH = f"{STUDIO}/projects/list"  # E50, GET
ATTACH_RUNS_PATH = f"{STUDIO}/projects/modelRun/attach"  # E52, POST
PROJECT_NAME_PATH = f"{STUDIO}/projects/get/projectName"  # E53, POST
PROJECT_ANNOTATIONS_PATH = f"{STUDIO}/projects/getAnnotations"  # E43, GET, pages from 0
SHAPE_TYPES = ("rectangle", "polygon", "line")


def project_path(project_id: str, action: str) -> str:
    """E47 ``update``, E48 ``delete``, E49 ``updateLabel``, E51 ``setLabelGroup``; POST."""
    return f"{STUDIO}/project/{segment(project_id)}/{action}"


def handshake_path(version: str) -> str:
    """E01, GET."""
    return f"{CLIENT}/sdk/compatibility/{segment(version)}"


LABEL_REFERENCES_PATH = f"{CLIENT}/system/label/references"  # E02, POST
COCO_LABEL_PATH = f"{CLIENT}/cocojson/import/label/create"  # E05, POST
LABELS_PATH = f"{CLIENT}/labels/list"  # E06, GET
CREATE_LABEL_PATH = f"{CLIENT}/system/labels/create"  # E07, POST
LABEL_GROUPS_PATH = f"{CLIENT}/label_groups/list"  # E08, GET
CREATE_LABEL_GROUP_PATH = f"{CLIENT}/label_groups/create"  # E09, POST
UPLOAD_METADATA_PATH = f"{CLIENT}/uploadMetadataInCollection"  # E12, POST
BEGIN_FILE_PATH = f"{CLIENT}/fileUpload/initializeMultipartUpload"  # E13, POST
PART_URLS_PATH = f"{CLIENT}/fileUpload/getMultipartPreSignedUrls"  # E14, POST
FINISH_FILE_PATH = f"{CLIENT}/fileUpload/finalizeMultipartUpload"  # E16, POST
UPLOAD_PROGRESS_PATH = f"{CLIENT}/collection/getuploadProgress"  # E18, GET
DOWNLOAD_URL_PATH = f"{CLIENT}/downloadUrl"  # E24, GET
COLLECTION_ID_PATH = f"{CLIENT}/metadata/getCollectionIdByName"  # E20, POST
COLLECTION_DETAILS_PATH = f"{CLIENT}/metadata/getCollectionDetails"  # E21, POST
CREATE_COLLECTION_PATH = f"{CLIENT}/metadata/collection/create"  # E19, POST
ITEM_DETAILS_PATH = f"{CLIENT}/metadata/getItemDetails"  # E22, POST
SELECTION_PATH = f"{CLIENT}/query/getSelectionId"  # E26, POST
TRASH_PATH = f"{CLIENT}/file/trash"  # E27, POST
METADATA_JSON_PATH = f"{CLIENT}/metadata/uploadMetadataByJson"  # E28, POST
METADATA_OBJECT_PATH = f"{CLIENT}/metadata/uploadMetadataByMetaObject"  # E29, POST
VALIDATE_TAGS_PATH = f"{CLIENT}/metadata/validateTags"  # E30, POST
VALIDATE_FIELDS_PATH = f"{CLIENT}/metadata/validateMetaFields"  # E31, POST
LIST_PATH = f"{CLIENT}/explorer/objects/list"  # E32, POST
COUNT_PATH = f"{CLIENT}/explorer/objects/count"  # E33, POST
SYSTEM_DETAILS_PATH = f"{CLIENT}/getDetails/system"  # E36, GET
VIRTUAL_COLLECTION_PATH = f"{CLIENT}/vCollection/create"  # layernext-beta, POST
METADATA_AT_ONCE = 1_000
MAX_LISTED = 1_000
ITEM_TYPES = {"video": 1, "image": 2, "other": 6}
ANNOTATION_TYPES = {"raw": 0, "machine": 1, "human": 2}
SORT_FIELDS = {
    "date_modified": 1, "date_created": 2, "name": 3, "size": 4, "video_index": 6,
}  # fmt: skip
DELETE_ANNOTATIONS_PATH = f"{CLIENT}/collection/deleteAnnotation"  # E25, GET


def operation_path(run: str, mode: Mode) -> str:
    """E03, POST: the form of 0.0.5 and 1.x, with type and mode in the path."""
    kind = OPERATION_TYPE_ANNOTATION
    return f"{OPERATION_DATA}/{kind}/{OPERATION_MODES[mode]}/{segment(run)}/update"


def operation_path_v2(run: str) -> str:
    """E04, POST: the form of 2.3.4, with type and mode in the body."""
    return f"{OPERATION_DATA}/{segment(run)}/update"


def finish_upload_path(upload_id: str) -> str:
    """E17, GET."""
    return f"{CLIENT}/collectionUploadingStatus/{segment(upload_id)}/complete"


def collection_list_path(collection_id: str, action: str) -> str:
    """E34 (``list``) and E35 (``count``), POST."""
    return f"{CLIENT}/explorer/{segment(collection_id)}/objects/{action}"


def job_path(job_id: str) -> str:
    """E37, GET."""
    return f"{CLIENT}/jobs/{segment(job_id)}/getStatus"


def annotations_path(collection_id: str) -> str:
    """E42, GET, pages from 0."""
    return f"{CLIENT}/getAnnotations/{segment(collection_id)}/collection"


def object_type_path(object_id: str) -> str:
    """E23, GET."""
    return f"{CLIENT}/{segment(object_id)}/getObjectTypeById"
