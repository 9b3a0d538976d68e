"""Keys under which scripts for the published clients read answers (docs/decisions/0022-answers-are-dictionaries.md)."""

from __future__ import annotations


def _success(source: str | bool) -> dict[str, str | bool]:
    """Whether a call succeeded, under each of the names that published clients use for it."""
    return {"isSuccess": source, "is_success": source, "success": source}


PUBLISHED_KEYS: dict[str, dict[str, str | bool]] = {
    "CreatedCollection": {**_success(True), "collectionId": "collection_id"},
    "CreatedLabel": _success(True),
    "Done": _success(True),
    "Embedding": {"uniqueName": "unique_name", "embeddings": "vector"},
    "EmbeddingReport": {
        **_success("is_success"), "upsert_count": "stored", "message": "messages",
    },
    "FileDownloadReport": _success("is_success"),
    "FileUploadReport": {
        **_success("is_success"), "jobId": "job_id", "collectionId": "collection_id",
        "uniqueName": "unique_name",
    },
    "FileUrl": _success(True),
    "Job": {
        "isSuccess": True, "success": True, "jobId": "id",  # of create_or_update_job
        "is_success": "ended_well", "job_status": "job_status",  # of wait_for_job_complete
    },
    "Label": {
        "label": "ref", "key": "ref", "labelText": "name", "type": "label_type",
        "attributes": "published_attributes", "isSuccess": True,
    },
    "LabelGroup": {
        "groupId": "id", "groupName": "name", "labelKeys": "label_refs", **_success(True),
    },
    "MetadataReport": {**_success("is_success"), "updatedCount": "updated"},
    "ProjectReport": {**_success(True), "jobId": "job_id"},
    "RemoveReport": {
        **_success(True), "imageCount": "images", "annotationCount": "annotations",
    },
    "TrashReport": {**_success(True), "trashedCount": "files"},
    "UploadStatus": {
        **_success(True), "uploadedCount": "uploaded_count", "totalCount": "total_count",
    },
    "VersionReport": {
        **_success(True), "versionId": "version_id", "datasetVersionId": "version_id",
        "datasetId": "dataset_id", "jobId": "job_id",
    },
}  # fmt: skip
"""By class of the client: each published key with the attribute that has its value, or the value itself."""
