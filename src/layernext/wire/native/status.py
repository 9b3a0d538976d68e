"""How a stack is."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from layernext.wire.native.protocol import BASE_PATH

STATUS_PATH = f"{BASE_PATH}/status"


class StackStatus(Struct, frozen=True, kw_only=True):
    """How one server of the stack is.

    Attributes:
        database: its kind; it has answered.
        objects: what uploaded files are in.
        are_objects_reachable: whether that answers.
        free_bytes: on the disk of the data folder; None if nothing is kept there.
        free_temporary_bytes: on the disk of the system's folder for temporary files.
        queued_jobs: jobs that wait for a worker.
        running_jobs: jobs that one works at.
        oldest_queued_s: how long the oldest waiting job has waited.
    """

    database: Literal["sqlite", "postgresql"]
    objects: Literal["folder", "bucket"]
    are_objects_reachable: bool
    free_bytes: int | None
    free_temporary_bytes: int
    queued_jobs: int
    running_jobs: int
    oldest_queued_s: float
