"""Links to files that stay where they lie."""

from __future__ import annotations

from typing import cast

from layernext.errors import ConfigurationError, DataError, Problem
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.stack.objects import LinkedObjects
from layernext.stack.store import IMAGES, LINK_JOB
from layernext.wire.native import LINKS_PATH, LinkRequest, LinkStarted


@operation(
    "POST",
    LINKS_PATH,
    Operation(
        summary="Link files that lie elsewhere",
        tag="Files",
        role="write",
        scope=HANDLER,
        action="link files",
        is_recorded=True,
        errors=(400, 404, 413, 422),
    ),
)
def link_files(
    body: LinkRequest, services: Services, permissions: Permissions, audit: Audit
) -> LinkStarted:
    """Starts a job that lets a collection have the images below a folder or prefix, without copying them.

    Only what whoever runs the stack has allowed (`serve --allow-link`) can be linked. Done again, it links what is
    new, and notes what has changed or gone.
    """
    name = body.collection.rstrip("/")
    check_name(name, "collection", "a collection")
    audit.note(collection=name, subject=body.source[:500])
    store = services.store
    permissions.create_collection(name, IMAGES, lambda: store.collections.ensure(name))
    collection_id = permissions.find_collection(name).row_id
    linked = cast("LinkedObjects", services.objects)
    try:
        location = linked.check_source(body.source)
    except (ConfigurationError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise DataError(Problem("source", error.message)) from error
        raise DataError(Problem("source", "is not a path")) from error
    payload = {"collection": collection_id, "source": location}
    return LinkStarted(store.jobs.create(LINK_JOB, f"Link {body.source[:200]}", payload))


ROUTES = [link_files]
