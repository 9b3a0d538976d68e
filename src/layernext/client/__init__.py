"""The SDK: clients, and the engines behind their calls."""

import logging

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

# A library is silent until the program that uses it sets up logging; without any handler Python
# itself would print the warnings.
logging.getLogger("layernext.client").addHandler(logging.NullHandler())

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
