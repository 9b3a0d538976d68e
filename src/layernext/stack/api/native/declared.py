"""Metadata fields and tags that were declared."""

from __future__ import annotations

from layernext.model import MetadataNames
from layernext.stack.api.access import HANDLER
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.wire.native import NAMES_PATH, NamesRequest


@operation(
    "GET",
    NAMES_PATH,
    Operation(
        summary="List declared metadata fields and tags",
        tag="Items",
        role="read",
        scope=HANDLER,
    ),
)
def list_names(services: Services) -> MetadataNames:
    """The declared names, and whether there can be others."""
    return _names(services)


@operation(
    "POST",
    NAMES_PATH,
    Operation(
        summary="Declare metadata fields and tags",
        tag="Items",
        role="admin",
        action="declare metadata names",
        errors=(400, 413, 422),
    ),
)
def change_names(body: NamesRequest, services: Services, audit: Audit) -> MetadataNames:
    """Declares names, or withdraws them; metadata that is there stays. Again it changes nothing."""
    for where, names in (("fields", body.fields), ("tags", body.tags)):
        for number, name in enumerate(names):
            check_name(name, f"{where}[{number}]", "a metadata field or tag")
    declared = services.store.declared
    if body.withdraw:
        audit.note(action="withdraw metadata names")
    names = [*body.fields, *body.tags]
    audit.note(subject=", ".join(names), count=len(names))
    change = declared.withdraw if body.withdraw else declared.declare
    change("field", body.fields)
    change("tag", body.tags)
    return _names(services)


def _names(services: Services) -> MetadataNames:
    declared = services.store.declared
    return MetadataNames(
        fields=declared.list_all("field"),
        tags=declared.list_all("tag"),
        is_strict=services.settings.strict_metadata,
    )


ROUTES = [list_names, change_names]
