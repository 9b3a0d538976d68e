"""The SDK: clients, and the engines behind their calls."""

from layernext.client._generated.async_client import AsyncLayerNextClient
from layernext.client.annotations.checks import validate_file
from layernext.client.annotations.run_logger import RunLogger
from layernext.client.answers import Answer, Embedding, Job, Label, LabelGroup
from layernext.client.client import LayerNextClient
from layernext.client.files.reports import (
    FailedFile,
    FileDownloadReport,
    FileUrl,
    IgnoredFile,
    UploadStatus,
)
from layernext.client.files.state import state_folder
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
