"""LayerNext SDK: move model runs and ground truth between this machine and a LayerNext stack.

    client = layernext.LayerNextClient(api_key, secret, url)
    client.upload_modelrun_from_json("path1/path2/", "model v1", "run.json", "rectangle")

Names are loaded at their first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# A library is silent until the program that uses it sets up logging; without any handler Python
# itself would print the warnings.
logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from layernext.client import (
        Answer,
        AsyncLayerNextClient,
        CreatedCollection,
        CreatedLabel,
        Done,
        DownloadReport,
        Embedding,
        EmbeddingReport,
        FailedFile,
        FileDownloadReport,
        FileUploadReport,
        FileUrl,
        IgnoredFile,
        Job,
        Label,
        LabelGroup,
        LayerNextClient,
        MetadataReport,
        ProjectReport,
        PurgeReport,
        RemoveReport,
        RunLogger,
        TrashReport,
        UploadReport,
        UploadStatus,
        VersionReport,
        validate_file,
    )
    from layernext.datalake.constants import (
        AnnotationShapeType,
        AnnotationUploadType,
        ItemType,
        JobStatus,
        JobType,
        MediaType,
        ObjectType,
        SortField,
        SortFieldName,
        SortOrder,
    )
    from layernext.errors import (
        ConfigurationError,
        Conflict,
        ConnectionFailed,
        DataError,
        DownloadIncomplete,
        FormatError,
        IncompatibleStack,
        InvalidRequest,
        JobFailed,
        LayerNextError,
        NotAllowed,
        NotAuthenticated,
        NotFound,
        NotSupported,
        Problem,
        RateLimited,
        RequestTimeout,
        StackError,
        StackUnavailable,
        StorageFull,
        TooLarge,
        UploadIncomplete,
    )
    from layernext.formats import (
        ConversionReport,
        FileSummary,
        convert,
    )
    from layernext.model import (
        Annotation,
        AreaRange,
        AttributeValue,
        AuditEntry,
        Calibration,
        CalibrationBin,
        Collection,
        ConfusionMatrix,
        Curve,
        DatasetDiff,
        DatasetVersion,
        ErrorKind,
        ErrorKinds,
        Evaluation,
        EvaluationInfo,
        EvaluationSettings,
        Export,
        FileRecord,
        Geometry,
        Histogram,
        ImageAnnotations,
        ImageTally,
        Item,
        LabelAttribute,
        LabelScores,
        Line,
        MetadataNames,
        Mode,
        ModelRun,
        Points,
        Polygon,
        Project,
        Rectangle,
        RunStatistics,
        SimilarImage,
        SliceScores,
        StoredEvaluation,
        StoredMatches,
        StoredTally,
        Task,
    )

_HOMES = {
    "layernext.client": (
        "Answer", "Embedding", "Job", "Label", "LabelGroup",
        "AsyncLayerNextClient", "CreatedCollection", "CreatedLabel", "Done", "DownloadReport",
        "EmbeddingReport", "FailedFile", "FileDownloadReport", "FileUploadReport", "FileUrl",
        "IgnoredFile", "LayerNextClient", "MetadataReport", "ProjectReport", "RemoveReport",
        "PurgeReport", "RunLogger", "TrashReport", "UploadReport", "UploadStatus", "VersionReport",
        "validate_file",
    ),
    "layernext.datalake.constants": (
        "AnnotationShapeType", "AnnotationUploadType", "ItemType", "JobStatus", "JobType",
        "MediaType", "ObjectType", "SortField", "SortFieldName", "SortOrder",
    ),
    "layernext.errors": (
        "ConfigurationError", "Conflict", "ConnectionFailed", "DataError", "DownloadIncomplete",
        "FormatError", "IncompatibleStack", "InvalidRequest", "JobFailed", "LayerNextError",
        "NotAllowed", "NotAuthenticated", "NotFound", "NotSupported", "Problem", "RateLimited",
        "RequestTimeout", "StackError", "StackUnavailable", "StorageFull", "TooLarge",
        "UploadIncomplete",
    ),
    "layernext.formats": (
        "ConversionReport", "FileSummary", "convert",
    ),
    "layernext.model": (
        "Annotation", "AreaRange", "AttributeValue", "AuditEntry", "Calibration", "CalibrationBin", "Collection",
        "ConfusionMatrix", "Curve", "DatasetDiff", "DatasetVersion", "MetadataNames", "ErrorKind",
        "ErrorKinds", "Evaluation", "EvaluationInfo", "EvaluationSettings", "Export", "FileRecord", "Geometry", "Histogram",
        "ImageAnnotations", "ImageTally", "Item", "LabelAttribute",
        "LabelScores", "Line", "Mode", "ModelRun", "Points", "Polygon", "Project", "Rectangle", "RunStatistics",
        "SimilarImage", "SliceScores", "StoredMatches", "StoredTally", "StoredEvaluation", "Task",
    ),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Annotation",
    "AnnotationShapeType",
    "AnnotationUploadType",
    "Answer",
    "AreaRange",
    "AsyncLayerNextClient",
    "AttributeValue",
    "AuditEntry",
    "Calibration",
    "CalibrationBin",
    "Collection",
    "ConfigurationError",
    "Conflict",
    "ConfusionMatrix",
    "ConnectionFailed",
    "ConversionReport",
    "CreatedCollection",
    "CreatedLabel",
    "Curve",
    "DataError",
    "DatasetDiff",
    "DatasetVersion",
    "Done",
    "DownloadIncomplete",
    "DownloadReport",
    "Embedding",
    "EmbeddingReport",
    "ErrorKind",
    "ErrorKinds",
    "Evaluation",
    "EvaluationInfo",
    "EvaluationSettings",
    "Export",
    "FailedFile",
    "FileDownloadReport",
    "FileRecord",
    "FileSummary",
    "FileUploadReport",
    "FileUrl",
    "FormatError",
    "Geometry",
    "Histogram",
    "IgnoredFile",
    "ImageAnnotations",
    "ImageTally",
    "IncompatibleStack",
    "InvalidRequest",
    "Item",
    "ItemType",
    "Job",
    "JobFailed",
    "JobStatus",
    "JobType",
    "Label",
    "LabelAttribute",
    "LabelGroup",
    "LabelScores",
    "LayerNextClient",
    "LayerNextError",
    "Line",
    "MediaType",
    "MetadataNames",
    "MetadataReport",
    "Mode",
    "ModelRun",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotSupported",
    "ObjectType",
    "Points",
    "Polygon",
    "Problem",
    "Project",
    "ProjectReport",
    "PurgeReport",
    "RateLimited",
    "Rectangle",
    "RemoveReport",
    "RequestTimeout",
    "RunLogger",
    "RunStatistics",
    "SimilarImage",
    "SliceScores",
    "SortField",
    "SortFieldName",
    "SortOrder",
    "StackError",
    "StackUnavailable",
    "StorageFull",
    "StoredEvaluation",
    "StoredMatches",
    "StoredTally",
    "Task",
    "TooLarge",
    "TrashReport",
    "UploadIncomplete",
    "UploadReport",
    "UploadStatus",
    "VersionReport",
    "__version__",
    "convert",
    "validate_file",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'layernext' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only when something is asked for

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
