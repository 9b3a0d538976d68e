"""The SDK: clients, and the engines behind their calls."""

import importlib
import logging
import typing

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

if typing.TYPE_CHECKING:
    from layernext.client._generated.async_client import AsyncLayerNextClient

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


def __getattr__(name: str) -> object:
    # Most programs, the command line among them, do without the async client.
    if name != "AsyncLayerNextClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(
        importlib.import_module("layernext.client._generated.async_client"), name
    )
    globals()[name] = value
    return value
