"""Objects that were lost: noticed when somebody wants them or sends them again, and shown as missing from then on.

The size tells: an object that is cut short is as lost as one that is gone. Nothing reads a whole object here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from layernext.errors import NotFound
from layernext.stack.api.services import Services
from layernext.stack.objects import describe_loss
from layernext.stack.store import FileRow, ObjectRow

log = logging.getLogger(__name__)


def check_object(services: Services, file: FileRow) -> None:
    """Check that the object of a file is whole, before it is sent.

    Raises:
        NotFound: it is not; the file is shown as missing from now on.
    """
    info = services.objects.find(file.object_path)
    if info is None or info.size != file.size:
        note_lost(services, [file])
        loss = describe_loss(file.object_path)
        if loss is not None:
            raise NotFound(loss, status=404)
        raise NotFound(
            f"the content of {file.name!r} is missing from the store of objects; upload it again",
            status=404,
        )
    if file.state == "missing":
        services.store.file_states.set_missing([file], is_missing=False)


def find_stored(services: Services, upload_id: str, names: Sequence[str]) -> list[ObjectRow]:
    """The files of these names that an upload's collection has, with their objects.

    Those whose objects were lost are left out, so that they are sent and stored again.
    """
    files = services.store.files.find_known(upload_id, names)
    sizes = services.objects.sizes([file.object_path for file in files])
    stored = [file for file in files if sizes.get(file.object_path) == file.size]
    if len(stored) < len(files):
        note_lost(services, [file for file in files if sizes.get(file.object_path) != file.size])
    back = [file for file in stored if file.state == "missing"]
    services.store.file_states.set_missing(back, is_missing=False)
    return stored


def note_lost(services: Services, files: Sequence[ObjectRow]) -> None:
    """Show files as missing from now on."""
    for file in files:
        log.warning("the object of %s is missing: %s", file.name, file.object_path)
    losses = {file.image_id: describe_loss(file.object_path) for file in files}
    services.store.file_states.set_missing(files, is_missing=True, failures=losses)
