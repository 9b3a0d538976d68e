"""Native uploads of many small files at a time."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from layernext.errors import (
    Conflict,
    DataError,
    InvalidRequest,
    NotFound,
    Problem,
    StorageFull,
)
from layernext.model import find_names_problem, refuse_repeated_keys
from layernext.stack.api.access import Scope
from layernext.stack.api.body import Content
from layernext.stack.api.messages import problem_of
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.presence import find_stored
from layernext.stack.api.services import Services
from layernext.stack.api.signature import ByteStream
from layernext.stack.store import NewFile, UploadPlace, object_path
from layernext.wire.native import (
    BASE_PATH,
    MAX_ASKED_NAMES,
    MAX_BUNDLE_BYTES,
    MAX_BUNDLE_FILES,
    BundleEntry,
    BundleResult,
    KnownAnswer,
    KnownFile,
    KnownRequest,
    StoredEntry,
)

MAX_LINE_BYTES = 16 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}")
UploadId: TypeAlias = Annotated[str, Meta(description="The upload of files.")]
_read_entry = msgspec.json.Decoder(BundleEntry).decode


class _File(Struct, frozen=True):
    """A file of a bundle: its line, and where its bytes are."""

    entry: BundleEntry
    content: memoryview


@operation(
    "POST",
    f"{BASE_PATH}/file-uploads/{{upload_id:str}}/known",
    Operation(
        summary="Which files are there already?",
        tag="Files",
        role="write",
        scope=Scope(path={"upload_id": "file upload"}),
        errors=(400, 404, 413, 422),
    ),
)
def known_files(upload_id: UploadId, body: KnownRequest, services: Services) -> KnownAnswer:
    """Which of some names the upload's collection has, with size and checksum.

    A file whose content was lost is not among them, so that it is sent again.
    """
    if len(body.names) > MAX_ASKED_NAMES:
        raise DataError(
            Problem("names", f"are {len(body.names)}, must be at most {MAX_ASKED_NAMES}")
        )
    stored = find_stored(services, upload_id, body.names)
    services.store.files.note_known(upload_id, stored)
    return KnownAnswer([KnownFile(file.name, file.size, file.checksum) for file in stored])


@operation(
    "POST",
    f"{BASE_PATH}/file-uploads/{{upload_id:str}}/bundle",
    Operation(
        summary="Send many small files",
        tag="Files",
        role="write",
        scope=Scope(path={"upload_id": "file upload"}),
        is_upload=True,
        errors=(400, 404, 408, 413, 415, 422, 507),
    ),
)
async def put_bundle(upload_id: UploadId, body: ByteStream, services: Services) -> BundleResult:
    """Stores files, each a line of JSON (`name`, `size`, `checksum`) and the bytes behind it.

    All of them become visible at the same moment, durably, or none. A name that the collection has
    keeps the file that it has. The same bundle a second time changes nothing.
    """
    target = await services.call(services.store.files.place_of, upload_id)
    async with body.received(MAX_BUNDLE_BYTES) as packed:

        def work() -> BundleResult:
            with packed.content(MAX_BUNDLE_BYTES) as content, memoryview(content) as view:
                return _store(services, upload_id, target, list(_files(content, view)))

        return await services.ingest(work)


def _files(content: Content, view: memoryview) -> Iterator[_File]:
    """Cut a bundle; every file is checked against its checksum."""
    at = 0
    names: set[str] = set()
    while at < len(content):
        where = f"files[{len(names)}]"
        if len(names) == MAX_BUNDLE_FILES:
            raise DataError(Problem(where, f"a bundle has at most {MAX_BUNDLE_FILES} files"))
        end = content.find(b"\n", at, at + MAX_LINE_BYTES)
        if end < 0:
            raise DataError(Problem(where, "its line does not end"))
        try:
            entry = _read_entry(view[at:end])
            refuse_repeated_keys(bytes(view[at:end]), where)
        except msgspec.ValidationError as error:
            raise DataError(problem_of(error, where)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(Problem(where, f"its line is not JSON: {error}")) from error
        problem = find_names_problem(entry.name, "a file")
        if problem is None and entry.name in names:
            problem = f"{entry.name!r} is twice in the bundle"
        if problem:
            raise DataError(Problem(f"{where}.name", problem))
        names.add(entry.name)
        at = end + 1 + entry.size
        if entry.size < 0 or at > len(content):
            left = len(content) - end - 1
            raise DataError(Problem(f"{where}.size", f"is {entry.size}, {left} bytes follow"))
        file = _File(entry, view[end + 1 : at])
        digest = hashlib.sha256(file.content).hexdigest()
        if not _SHA256.fullmatch(entry.checksum) or digest != entry.checksum:
            message = f"is {entry.checksum[:80]!r}, the bytes have {digest}"
            raise DataError(Problem(f"{where}.checksum", message))
        yield file


def _store(
    services: Services, upload_id: str, target: UploadPlace, files: list[_File]
) -> BundleResult:
    store = services.store.files
    stored_names = {
        file.name for file in find_stored(services, upload_id, [file.entry.name for file in files])
    }
    fresh = {file.entry.name: file for file in files if file.entry.name not in stored_names}
    new = {
        name: NewFile(
            name=name,
            object_path=object_path(target.id, secrets.token_hex(12), name),
            size=file.entry.size,
            checksum=file.entry.checksum,
            fields=target.fields,
        )
        for name, file in fresh.items()
    }
    written_at = datetime.now(timezone.utc)
    services.objects.put([(new[name].object_path, file.content) for name, file in fresh.items()])
    try:
        result = store.store_bundle(upload_id, [file.entry.name for file in files], new, written_at)
    except (StorageFull, NotFound, Conflict, InvalidRequest, DataError):
        # These are raised before the commit or by a commit that was undone, so no row refers to the objects;
        # on a full disk they would keep it full. After any other error, such as a connection lost at the
        # commit, rows may refer to them: housekeeping finds out.
        for new_file in new.values():
            services.objects.delete(new_file.object_path)
        raise
    outcomes = []
    for file in files:
        name, stored = file.entry.name, result[file.entry.name]
        if name in new and not stored.is_new:
            services.objects.delete(new[name].object_path)
        is_same = stored.checksum == file.entry.checksum
        outcomes.append(
            StoredEntry(name, "stored" if stored.is_new else "existing" if is_same else "different")
        )
    return BundleResult(outcomes)


ROUTES = [known_files, put_bundle]
