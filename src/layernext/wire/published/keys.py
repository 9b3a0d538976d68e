"""Keys under which scripts for the published clients read answers (docs/decisions/0022-answers-are-dictionaries.md)."""

from __future__ import annotations

PUBLISHED_KEYS: dict[str, dict[str, str | bool]] = {
    "CreatedCollection": {"isSuccess": True, "is_success": True, "collectionId": "collection_id"},
    "CreatedLabel": {},
    "Done": {"isSuccess": True, "is_success": True, "success": True},
    "Embedding": {"uniqueName": "unique_name", "embeddings": "vector"},
    "EmbeddingReport": {
        "success": "is_success", "upsert_count": "stored", "message": "messages",
    },
    "FileDownloadReport": {"is_success": "is_success"},
    "FileUploadReport": {"is_success": "is_success"},
    "FileUrl": {"isSuccess": True},
    "Job": {
        "isSuccess": True, "success": True, "jobId": "id",  # of create_or_update_job
        "is_success": "ended_well", "job_status": "job_status",  # of wait_for_job_complete
    },
    "Label": {
        "label": "ref", "key": "ref", "labelText": "name", "type": "label_type",
        "attributes": "published_attributes", "isSuccess": True,
    },
    "LabelGroup": {
        "groupId": "id", "groupName": "name", "labelKeys": "label_refs", "isSuccess": True,
    },
    "MetadataReport": {"isSuccess": "is_success", "updatedCount": "updated"},
    "ProjectReport": {"isSuccess": True, "jobId": "job_id"},
    "RemoveReport": {
        "isSuccess": True, "imageCount": "images", "annotationCount": "annotations",
    },
    "TrashReport": {"isSuccess": True, "trashedCount": "files"},
    "UploadStatus": {
        "isSuccess": True, "uploadedCount": "uploaded_count", "totalCount": "total_count",
    },
    "VersionReport": {
        "isSuccess": True, "versionId": "version_id", "datasetVersionId": "version_id",
        "datasetId": "dataset_id", "jobId": "job_id",
    },
}  # fmt: skip
"""By class of the client: each published key with the attribute that has its value, or the value itself."""
