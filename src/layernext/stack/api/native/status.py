"""How a server is, for the administrators who look after it."""

from __future__ import annotations

import logging
import shutil
import tempfile

from layernext.errors import StackUnavailable
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.wire.native import STATUS_PATH, StackStatus

logger = logging.getLogger("layernext.stack")

NO_OBJECT = "status"
"""Asked for to see whether the store of objects answers; no object has this path."""


@operation(
    "GET",
    STATUS_PATH,
    Operation(summary="How this server is", tag="Stack", role="admin", errors=(503,)),
)
def show_status(services: Services) -> StackStatus:
    """Database, store of files, disk space, and jobs. Of several servers, the one that was asked."""
    store, settings = services.store, services.settings
    jobs = store.jobs.count()
    queued = [group for group in jobs if group.status == "queued"]
    is_sqlite, has_folder = settings.database_file is not None, settings.objects is None
    uses_folder = has_folder or settings.database is None
    return StackStatus(
        database="sqlite" if is_sqlite else "postgresql",
        objects="folder" if has_folder else "bucket",
        are_objects_reachable=_are_objects_reachable(services),
        free_bytes=shutil.disk_usage(settings.data).free if uses_folder else None,
        free_temporary_bytes=shutil.disk_usage(tempfile.gettempdir()).free,
        queued_jobs=sum(group.count for group in queued),
        running_jobs=sum(group.count for group in jobs if group.status == "in_progress"),
        oldest_queued_s=max((group.oldest_age_s for group in queued), default=0.0),
    )


def _are_objects_reachable(services: Services) -> bool:
    try:
        services.objects.find(NO_OBJECT)
    except (StackUnavailable, OSError) as error:
        logger.warning("the store of objects does not answer: %s", error)
        return False
    folder = services.settings.objects_folder
    return services.settings.objects is not None or folder.is_dir()


ROUTES = [show_status]
