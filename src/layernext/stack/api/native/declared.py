"""Metadata fields and tags that were declared."""

from __future__ import annotations

from litestar import Response

from layernext.model import MetadataNames
from layernext.stack.api.access import HANDLER
from layernext.stack.api.audit import changing, note
from layernext.stack.api.messages import Call, answer, check_name, read_message
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services, services_of
from layernext.wire.native import NAMES_PATH, NamesRequest


@operation(
    "GET",
    NAMES_PATH,
    Operation(
        summary="List declared metadata fields and tags",
        tag="Items",
        role="read",
        scope=HANDLER,
        answer=MetadataNames,
    ),
)
async def list_names(request: Call) -> Response[bytes]:
    """The declared names, and whether there can be others."""
    services = services_of(request)
    return answer(await services.call(_names, services))


@operation(
    "POST",
    NAMES_PATH,
    Operation(
        summary="Declare metadata fields and tags",
        tag="Items",
        role="admin",
        action="declare metadata names",
        body=NamesRequest,
        answer=MetadataNames,
        errors=(400, 413, 422),
    ),
)
async def change_names(request: Call) -> Response[bytes]:
    """Declares names, or withdraws them; metadata that is there stays. Again it changes nothing."""
    wanted, services = await read_message(request, NamesRequest), services_of(request)
    for where, names in (("fields", wanted.fields), ("tags", wanted.tags)):
        for number, name in enumerate(names):
            check_name(name, f"{where}[{number}]", "a metadata field or tag")
    declared = services.store.declared

    def work() -> MetadataNames:
        change = declared.withdraw if wanted.withdraw else declared.declare
        change("field", wanted.fields)
        change("tag", wanted.tags)
        return _names(services)

    if wanted.withdraw:
        note(request, action="withdraw metadata names")
    names = [*wanted.fields, *wanted.tags]
    note(request, subject=", ".join(names), count=len(names))
    return answer(await services.call(changing(request, work)))


def _names(services: Services) -> MetadataNames:
    declared = services.store.declared
    return MetadataNames(
        fields=declared.list_all("field"),
        tags=declared.list_all("tag"),
        is_strict=services.settings.strict_metadata,
    )


ROUTES = [list_names, change_names]
