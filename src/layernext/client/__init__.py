"""The SDK: clients, and the engines behind their calls."""

from layernext.client.answers import Answer, Embedding, Job, Label, LabelGroup
from layernext.client.async_client import AsyncLayerNextClient
from layernext.client.calls.annotations import validate_file
from layernext.client.client import LayerNextClient
from layernext.client.file_reports import (
    FailedFile,
    FileDownloadReport,
    FileUrl,
    IgnoredFile,
    UploadStatus,
)
from layernext.client.file_state import state_folder
from layernext.client.reports import (
    CreatedCollection,
    CreatedLabel,
    Done,
    DownloadReport,
    EmbeddingReport,
    FileUploadReport,
    MetadataReport,
    ProjectReport,
    PurgeReport,
    RemoveReport,
    TrashReport,
    UploadReport,
    VersionReport,
)
from layernext.client.run_logger import RunLogger

__all__ = [
    "Answer",
    "AsyncLayerNextClient",
    "CreatedCollection",
    "CreatedLabel",
    "Done",
    "DownloadReport",
    "Embedding",
    "EmbeddingReport",
    "FailedFile",
    "FileDownloadReport",
    "FileUploadReport",
    "FileUrl",
    "IgnoredFile",
    "Job",
    "Label",
    "LabelGroup",
    "LayerNextClient",
    "MetadataReport",
    "ProjectReport",
    "PurgeReport",
    "RemoveReport",
    "RunLogger",
    "TrashReport",
    "UploadReport",
    "UploadStatus",
    "VersionReport",
    "state_folder",
    "validate_file",
]
