"""The SDK: clients, and the engines behind their calls."""

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
from layernext.client.reports import (
    CreatedLabel,
    Done,
    DownloadReport,
    EmbeddingReport,
    FileUploadReport,
    RemoveReport,
    UploadReport,
)
from layernext.client.run_logger import RunLogger

__all__ = [
    "AsyncLayerNextClient",
    "CreatedLabel",
    "Done",
    "DownloadReport",
    "EmbeddingReport",
    "FailedFile",
    "FileDownloadReport",
    "FileUploadReport",
    "FileUrl",
    "IgnoredFile",
    "LayerNextClient",
    "RemoveReport",
    "RunLogger",
    "UploadReport",
    "UploadStatus",
    "validate_file",
]
