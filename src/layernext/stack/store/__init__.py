"""The database: its tables, and every statement that the stack makes to it."""

from layernext.stack.store.announced import Announced
from layernext.stack.store.answers import CallId, RecordedAnswer, RecordedAnswers
from layernext.stack.store.audit import AuditFilter, AuditLog, NewAuditEntry
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.collections import CONTENT_TYPES
from layernext.stack.store.database import Database
from layernext.stack.store.datasets import (
    BUILD_JOB,
    Datasets,
    VersionImage,
    VersionRow,
    VersionSettings,
)
from layernext.stack.store.declared import NameKind
from layernext.stack.store.dropped import DroppedObjects
from layernext.stack.store.dump import (
    Loader,
    NamedObject,
    Snapshot,
    check_revision,
    find_stack,
    is_empty,
    loading,
    open_snapshot,
    still_named,
)
from layernext.stack.store.embeddings import Similar
from layernext.stack.store.evaluation_data import Changed, EvaluationData
from layernext.stack.store.evaluation_rows import (
    EvaluationNotes,
    EvaluationOutcome,
    EvaluationRequest,
    ImagePair,
    Plan,
    SideSet,
    Span,
    TallyRow,
)
from layernext.stack.store.evaluations import EVALUATION_JOB, Evaluations, not_computed
from layernext.stack.store.exports import (
    EXPORT_JOB,
    ExportOutcome,
    ExportRow,
    Exports,
    ExportSettings,
)
from layernext.stack.store.fields import check as check_fields
from layernext.stack.store.file_rows import unique_name
from layernext.stack.store.file_states import FileStates
from layernext.stack.store.file_storing import StoredFile, object_path
from layernext.stack.store.files import Began, Files, FileUploadRequest, UploadPlace
from layernext.stack.store.grants import WHOLE_STACK, Thing
from layernext.stack.store.holds import hold_objects
from layernext.stack.store.identity import location_digest
from layernext.stack.store.items import ItemFilter, ItemRow, SortField
from layernext.stack.store.jobs import COMPARISON_JOB, Jobs
from layernext.stack.store.outages import DatabaseUnavailable
from layernext.stack.store.pictures import NewPicture, PictureSet
from layernext.stack.store.prepared import (
    BatchPreparation,
    ImageKey,
    PreparedSet,
    SetKeyKind,
    value_text,
)
from layernext.stack.store.projects import TASK_STATUSES, ProjectRow, TaskRow
from layernext.stack.store.purge import Purge, Purged, before_days
from layernext.stack.store.query import FIELDS as QUERY_FIELDS
from layernext.stack.store.query import Field as QueryField
from layernext.stack.store.records import (
    RANKS,
    Caller,
    CheckCollections,
    CollectionRow,
    FileItem,
    FileRow,
    ImageSets,
    ItemPart,
    JobRow,
    JobStatus,
    Key,
    LabelGroup,
    LabelRef,
    LookResult,
    NewFile,
    NewKey,
    ObjectRow,
    Role,
    Selection,
    StoredSet,
    ValueRef,
    Within,
)
from layernext.stack.store.references import ORPHAN_HOURS
from layernext.stack.store.repair import (
    find_broken_references,
    find_damage,
    known_lost,
    mark_lost,
    other_named,
)
from layernext.stack.store.run_statistics import STATISTICS_JOB, CountedRun, Statistics
from layernext.stack.store.selections import Selections
from layernext.stack.store.sessions import LINK_SECONDS, SESSION_SECONDS
from layernext.stack.store.splits import SPLITS
from layernext.stack.store.sqlite import restrict
from layernext.stack.store.store import Store
from layernext.stack.store.tallies import Tallies
from layernext.stack.store.uploads import UploadSettings
from layernext.stack.store.users import Identity

__all__ = [
    "BUILD_JOB",
    "COMPARISON_JOB",
    "CONTENT_TYPES",
    "EVALUATION_JOB",
    "EXPORT_JOB",
    "LINK_SECONDS",
    "ORPHAN_HOURS",
    "QUERY_FIELDS",
    "RANKS",
    "SESSION_SECONDS",
    "SPLITS",
    "STATISTICS_JOB",
    "TASK_STATUSES",
    "WHOLE_STACK",
    "Announced",
    "AuditFilter",
    "AuditLog",
    "BatchPreparation",
    "Began",
    "CallId",
    "Caller",
    "Changed",
    "CheckCollections",
    "CollectionRow",
    "CountedRun",
    "Database",
    "DatabaseUnavailable",
    "Datasets",
    "DroppedObjects",
    "EvaluationData",
    "EvaluationNotes",
    "EvaluationOutcome",
    "EvaluationRequest",
    "Evaluations",
    "ExportOutcome",
    "ExportRow",
    "ExportSettings",
    "Exports",
    "FileItem",
    "FileRow",
    "FileStates",
    "FileUploadRequest",
    "Files",
    "Identity",
    "ImageKey",
    "ImagePair",
    "ImageSets",
    "ItemFilter",
    "ItemPart",
    "ItemRow",
    "JobRow",
    "JobStatus",
    "Jobs",
    "Key",
    "LabelGroup",
    "LabelRef",
    "Loader",
    "LookResult",
    "NameKind",
    "NamedObject",
    "NewAuditEntry",
    "NewFile",
    "NewKey",
    "NewPicture",
    "ObjectRow",
    "PictureSet",
    "Plan",
    "PreparedSet",
    "ProjectRow",
    "Purge",
    "Purged",
    "QueryField",
    "RecordedAnswer",
    "RecordedAnswers",
    "Role",
    "Selection",
    "Selections",
    "SetKeyKind",
    "SideSet",
    "Similar",
    "Snapshot",
    "SortField",
    "Span",
    "Statistics",
    "Store",
    "StoredFile",
    "StoredSet",
    "Tallies",
    "TallyRow",
    "TaskRow",
    "Thing",
    "UploadPlace",
    "UploadSettings",
    "ValueRef",
    "VersionImage",
    "VersionRow",
    "VersionSettings",
    "Within",
    "before_days",
    "check_fields",
    "check_revision",
    "find_broken_references",
    "find_damage",
    "find_stack",
    "hold_objects",
    "is_empty",
    "known_lost",
    "loading",
    "location_digest",
    "mark_lost",
    "not_computed",
    "now_text",
    "object_path",
    "open_snapshot",
    "other_named",
    "restrict",
    "still_named",
    "text_of",
    "unique_name",
    "value_text",
]
