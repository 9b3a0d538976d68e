"""The SDK: clients, and the engines behind their calls."""

from layernext.client.async_client import AsyncLayerNextClient
from layernext.client.calls.annotations import validate_file
from layernext.client.client import LayerNextClient
from layernext.client.reports import (
    CreatedLabel,
    Done,
    DownloadReport,
    EmbeddingReport,
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
    "LayerNextClient",
    "RemoveReport",
    "RunLogger",
    "UploadReport",
    "validate_file",
]
