"""The database: its tables, and every statement that the stack makes to it."""

from layernext.stack.store.access.answers import CallId, RecordedAnswer, RecordedAnswers
from layernext.stack.store.access.audit import AuditFilter, AuditLog, NewAuditEntry
from layernext.stack.store.access.grants import WHOLE_STACK, Thing
from layernext.stack.store.access.records import (
    RANKS,
    Caller,
    CheckCollections,
    Key,
    NewKey,
    Role,
    Within,
)
from layernext.stack.store.access.sessions import LINK_SECONDS, SESSION_SECONDS
from layernext.stack.store.access.users import Identity
from layernext.stack.store.annotations.prepared import BatchPreparation, PreparedSet
from layernext.stack.store.annotations.records import ImageSets, StoredSet
from layernext.stack.store.annotations.uploads import PublishedUpload, UploadSettings
from layernext.stack.store.backup.dump import (
    Loader,
    NamedObject,
    Snapshot,
    find_stack,
    is_empty,
    loading,
    open_snapshot,
    still_named,
)
from layernext.stack.store.backup.repair import (
    find_broken_references,
    find_damage,
    known_lost,
    mark_lost,
    other_named,
)
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.collections.collections import CONTENT_TYPES
from layernext.stack.store.collections.declared import NameKind
from layernext.stack.store.collections.fields import check as check_fields
from layernext.stack.store.collections.keys import ImageKey, SetKeyKind
from layernext.stack.store.collections.naming import IMAGES
from layernext.stack.store.collections.records import CollectionRow, Selection
from layernext.stack.store.collections.selections import Selections
from layernext.stack.store.database import Database
from layernext.stack.store.datasets.datasets import BUILD_JOB, Datasets
from layernext.stack.store.datasets.pictures import NewPicture, PictureSet
from layernext.stack.store.datasets.records import VersionImage, VersionRow, VersionSettings
from layernext.stack.store.datasets.splits import SPLITS
from layernext.stack.store.evaluations.data import Changed, EvaluationData
from layernext.stack.store.evaluations.evaluations import EVALUATION_JOB, Evaluations, not_computed
from layernext.stack.store.evaluations.rows import (
    EvaluationNotes,
    EvaluationOutcome,
    EvaluationRequest,
    ImagePair,
    Plan,
    SideSet,
    Span,
    TallyRow,
)
from layernext.stack.store.evaluations.statistics import STATISTICS_JOB, CountedRun, Statistics
from layernext.stack.store.exports import (
    EXPORT_JOB,
    ExportOutcome,
    ExportRow,
    Exports,
    ExportSettings,
)
from layernext.stack.store.files.announced import Announced
from layernext.stack.store.files.files import Files
from layernext.stack.store.files.records import (
    Began,
    FileItem,
    FileRow,
    FileUploadRequest,
    ItemPart,
    LookResult,
    NewFile,
    ObjectRow,
    UploadPlace,
)
from layernext.stack.store.files.rows import unique_name
from layernext.stack.store.files.states import FileStates
from layernext.stack.store.files.storing import StoredFile, object_path
from layernext.stack.store.identity import StackIdentity, location_digest
from layernext.stack.store.jobs.jobs import COMPARISON_JOB, LOOK_JOB, Jobs
from layernext.stack.store.jobs.records import JobRow, JobStatus
from layernext.stack.store.labels.records import LabelGroup, LabelRef, ValueRef
from layernext.stack.store.labels.texts import value_text
from layernext.stack.store.objects.dropped import DroppedObjects
from layernext.stack.store.objects.holds import hold_objects
from layernext.stack.store.objects.references import ORPHAN_HOURS
from layernext.stack.store.outages import DatabaseUnavailable
from layernext.stack.store.pages import read_cursor
from layernext.stack.store.projects.projects import TASK_STATUSES, ProjectRow, TaskRow
from layernext.stack.store.revisions import check_backup
from layernext.stack.store.sqlite import restrict
from layernext.stack.store.store import Store

__all__ = [
    "BUILD_JOB",
    "COMPARISON_JOB",
    "CONTENT_TYPES",
    "EVALUATION_JOB",
    "EXPORT_JOB",
    "IMAGES",
    "LINK_SECONDS",
    "LOOK_JOB",
    "ORPHAN_HOURS",
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
    "ItemPart",
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
    "PublishedUpload",
    "RecordedAnswer",
    "RecordedAnswers",
    "Role",
    "Selection",
    "Selections",
    "SetKeyKind",
    "SideSet",
    "Snapshot",
    "Span",
    "StackIdentity",
    "Statistics",
    "Store",
    "StoredFile",
    "StoredSet",
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
    "check_backup",
    "check_fields",
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
    "read_cursor",
    "restrict",
    "still_named",
    "text_of",
    "unique_name",
    "value_text",
]
