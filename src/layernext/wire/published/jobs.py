"""Jobs: how far one has come (E37), and those that a client keeps itself (E38)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from layernext.wire.published.paths import CLIENT, DATALAKE, PathTemplate

job_path = PathTemplate(f"{CLIENT}/jobs/{{job_id}}/getStatus")
"""E37, GET."""

UPDATE_JOB_PATH = f"{DATALAKE}/api/job/updateJob/basicAuthRequest"  # E38, POST

JOB_STATUS = {"in_progress": 1, "completed": 2, "queued": 3, "failed": 4}

JOB_TYPES = {
    "download_dataset": 9, "download_collection": 10, "download_project": 11,
    "upload_embedding": 14, "generate_embedding": 15, "generate_auto_tagging": 16,
    "generate_auto_annotation": 17, "unknown": -1,
}  # fmt: skip


class JobStatusAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E37.

    Attributes:
        status: 1 in progress, 2 completed, 3 queued, 4 failed.
        collection_name: where an upload of files goes; null for other jobs.
    """

    is_success: bool
    status: int
    progress: float
    message: str
    collection_name: str | None = None


class UpdateJobRequest(Struct, frozen=True, rename="camel"):
    """E38: what a client says of a job of its own.

    Attributes:
        job_name: for people.
        session_id: the same in all that is said of one job.
        job_type: 9 to 11 downloads, 14 to 17 embeddings and analysis, -1 any other.
        progress: 0 to 100.
        status: 1 in progress, 2 completed, 3 queued, 4 failed.
        job_specific_details: kept as they are.
    """

    job_name: str
    session_id: str
    job_type: Literal[-1, 5, 9, 10, 11, 14, 15, 16, 17]
    progress: Annotated[float, Meta(ge=0, le=100)]
    status: Literal[1, 2, 3, 4]
    job_specific_details: dict[str, Any] = field(default_factory=dict)


class UpdateJobAnswer(
    Struct, frozen=True, kw_only=True, rename={"is_success": "isSuccess", "job_id": "jobId"}
):
    """The answer to E38."""

    is_success: bool = True
    success: bool = True
    job_id: str
