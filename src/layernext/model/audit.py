"""The audit log: who did what to which collection, and when."""

from __future__ import annotations

from typing import Literal, TypeAlias

from layernext.model.collection import Record

AuditOutcome: TypeAlias = Literal["done", "refused"]


class AuditEntry(Record, frozen=True, kw_only=True):
    """Something that changed a stack, or was refused.

    Attributes:
        id: given by the stack; later entries have larger numbers.
        at: UTC, ISO 8601.
        actor: name of the key or of the operator's command; empty if the caller is unknown.
        api_key: the key, without its secret; None if there was none.
        address: where the request came from; None for the operator's commands.
        action: what was done, such as ``delete run``.
        collection: name of the collection, if there is a single one.
        subject: the run, dataset, key or other thing that was acted on.
        count: number of images, files or annotations, depending on the action; None if not counted.
        outcome: ``done`` or ``refused``.
        request_id: id of the request, as in the access log.
    """

    id: str
    at: str
    actor: str
    action: str
    outcome: AuditOutcome = "done"
    api_key: str | None = None
    address: str | None = None
    collection: str | None = None
    subject: str | None = None
    count: int | None = None
    request_id: str | None = None
