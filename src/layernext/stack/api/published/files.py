"""Uploads of files, and the way to a file."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeAlias

from msgspec import Meta

from layernext.errors import Conflict, DataError, InvalidRequest, NotFound, Problem
from layernext.model import find_names_problem
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.admission import Transfers
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import Encoded, check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.presence import find_stored
from layernext.stack.api.services import Services
from layernext.stack.api.signature import Change, FromRequest, IsUnprefixed, unquoted
from layernext.stack.api.signed import PART_SECONDS, Links, signed_url
from layernext.stack.api.transfer import part_path
from layernext.stack.jobs import LOOK_JOB
from layernext.stack.objects import Part
from layernext.stack.store import (
    Caller,
    FileItem,
    FileUploadRequest,
    ItemPart,
    Store,
    check_fields,
    object_path,
)
from layernext.wire.published import (
    BEGIN_FILE_PATH,
    BETA_STORAGE_TYPE,
    DOWNLOAD_URL_PATH,
    FINISH_FILE_PATH,
    PART_BYTES,
    PART_URLS_PATH,
    STORAGE_TYPE,
    UPLOAD_METADATA_PATH,
    UPLOAD_PROGRESS_PATH,
    BeginFileAnswer,
    BeginFileRequest,
    DownloadUrlAnswer,
    DownloadUrlQuery,
    FinishFileAnswer,
    FinishFileRequest,
    FinishFilesAnswer,
    OpenFilesAnswer,
    OpenFilesRequest,
    PartUrl,
    PartUrlsAnswer,
    PartUrlsRequest,
    ProgressAnswer,
    ProgressQuery,
    SentPart,
    StoredPart,
    finish_upload_path,
    title_of,
)

_TAG = "Published protocol"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
UploadId: TypeAlias = Annotated[str, Meta(description="From the answer that opened the upload.")]
CallersTransfers: TypeAlias = Annotated[Transfers, FromRequest(Transfers)]


@operation(
    "POST",
    UPLOAD_METADATA_PATH,
    Operation(
        summary=title_of(UPLOAD_METADATA_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="open file upload",
        is_recorded=True,
        errors=(400, 406, 413, 422),
    ),
)
def open_files(
    body: OpenFilesRequest,
    services: Services,
    permissions: Permissions,
    audit: Audit,
    change: Change,
    is_unprefixed: IsUnprefixed,
) -> Encoded[OpenFilesAnswer]:
    """Begins an upload of files to a collection, which is made if there is none."""
    name = body.collection_name.rstrip("/")
    check_name(name, "collectionName", "a collection")
    for number, file_name in enumerate(body.object_key_list):
        check_name(file_name, f"objectKeyList[{number}]", "a file")
    prefix = _prefix(body.storage_prefix_path)
    if body.application_code is not None and body.application_code:
        check_name(body.application_code, "applicationCode", "an application code")
    # `file_upload` of the published clients sends an empty text for no metadata.
    fields = check_fields(body.meta_data_object or {}, "metaDataObject")
    services.check_metadata([fields])
    audit.note(collection=name)
    upload = FileUploadRequest(
        name=name,
        kind=body.collection_type,
        fields=fields,
        is_override=body.is_override_meta_data,
        names=body.object_key_list,
        storage_prefix=prefix,
        application_code=body.application_code or None,
    )

    def work() -> OpenFilesAnswer:
        upload_id, collection_id = services.store.files.open_upload(upload)
        return OpenFilesAnswer(
            upload_id=upload_id,
            collection_id=collection_id,
            job_id=upload_id,
            storage_type=BETA_STORAGE_TYPE if is_unprefixed else STORAGE_TYPE,
        )

    return change(lambda: permissions.create_collection(name, body.collection_type, work))


def _prefix(path: str | None) -> str | None:
    if path is None or not path.strip("/"):
        return None
    check_name(path, "storagePrefixPath", "a folder")
    parts = path.strip("/").split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\\" in path:
        raise DataError(Problem("storagePrefixPath", f"{path[:100]!r} is not a plain path"))
    return "/".join(parts)


@operation(
    "POST",
    BEGIN_FILE_PATH,
    Operation(
        summary=title_of(BEGIN_FILE_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        errors=(400, 404, 413, 422),
    ),
)
def begin_file(
    body: BeginFileRequest, services: Services, permissions: Permissions
) -> BeginFileAnswer:
    """Begins a file, or says that one of its name is in the collection already.

    A file is one by its name, as the published clients have it. Ours also compares the checksum.
    """
    problem = find_names_problem(body.file_name, "a file")
    if problem:
        raise DataError(Problem("fileName", problem))
    if body.checksum is not None and not _SHA256.fullmatch(body.checksum):
        raise DataError(Problem("checksum", "is not a SHA-256 in lowercase hexadecimal"))
    permissions.check_thing("file upload", body.upload_id)
    limit = services.settings.max_file_bytes
    if body.size is not None and body.size > limit:
        raise DataError(Problem("size", f"is {body.size}, must be at most {limit}"))
    # A file whose content was lost is marked as missing by this, and then begins again.
    find_stored(services, body.upload_id, [body.file_name])
    began = services.store.files.begin_file(
        body.upload_id, body.file_name, size=body.size, checksum=body.checksum
    )
    if began.item is None:
        return BeginFileAnswer(
            is_success=True,
            file_id="",
            file_key="",
            is_existing=True,
            existing_checksum=began.existing_checksum,
            existing_size=began.existing_size,
        )
    item = began.item
    parts = _stored_parts(services, item)
    return BeginFileAnswer(is_success=True, file_id=item.id, file_key=item.name, stored_parts=parts)


def _stored_parts(services: Services, item: FileItem) -> list[StoredPart]:
    """Those that the stack took, or else that the bucket has."""
    parts = services.store.files.list_parts(item)
    if parts or item.object_path is None or item.handle is None:
        return [StoredPart(part.number, part.size, part.checksum or part.tag) for part in parts]
    in_bucket = services.objects.list_parts(item.object_path, item.handle) or []
    return [StoredPart(part.number, part.size, part.tag) for part in in_bucket]


@operation(
    "POST",
    PART_URLS_PATH,
    Operation(
        summary=title_of(PART_URLS_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        errors=(400, 404, 413, 422),
    ),
)
def part_urls(
    body: PartUrlsRequest,
    services: Services,
    permissions: Permissions,
    transfers: CallersTransfers,
    caller: Caller,
    links: Links,
) -> PartUrlsAnswer:
    """A URL for each part, good for a day. Asking again changes nothing."""
    limit = services.settings.max_file_bytes
    if (body.parts - 1) * PART_BYTES > limit:
        raise DataError(Problem("parts", f"make more than the {limit} bytes that a file may have"))
    permissions.check_thing("file", body.file_id)
    item = services.store.files.find_item(body.file_id)
    if item.is_stored:
        raise Conflict("the file has been finished already", status=409)
    item = _placed(services, item)
    # Of parts that go straight into a bucket the stack hears nothing else.
    services.store.files.touch(item)
    if services.objects.has_direct_parts:
        transfers.begin(item.id)
    sign = partial(signed_url, links.base, services.url_secret, holder=caller.id)
    return PartUrlsAnswer(
        parts=[
            PartUrl(number, _part_url(services, item, number, sign))
            for number in range(1, body.parts + 1)
        ]
    )


def _placed(services: Services, item: FileItem) -> FileItem:
    if item.handle is not None:
        return item
    # A file that begins again goes somewhere else: the object of its first attempt is deleted.
    path = object_path(item.place_id, secrets.token_hex(12), item.name)
    handle = services.objects.open_upload(path)
    placed = services.store.files.set_place(item, path, handle)
    if placed.handle != handle:  # another call was faster
        services.objects.drop_upload(path, handle)
    return placed


def _part_url(services: Services, item: FileItem, number: int, sign: Callable[..., str]) -> str:
    path, handle = str(item.object_path), str(item.handle)
    bucket_url = services.objects.part_url(path, handle, number, PART_SECONDS)
    return bucket_url or sign("PUT", part_path(item.id, number), PART_SECONDS)


@operation(
    "POST",
    FINISH_FILE_PATH,
    Operation(
        summary=title_of(FINISH_FILE_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        threads="write",
        errors=(400, 404, 409, 413, 422, 507),
    ),
)
def finish_file(
    body: FinishFileRequest,
    services: Services,
    permissions: Permissions,
    transfers: CallersTransfers,
) -> FinishFileAnswer:
    """Makes a file visible, all of it and at once.

    Again, also at the same time, it changes nothing and gives the same answer.
    """
    files = services.store.files
    permissions.check_thing("file", body.file_id)
    item = files.find_item(body.file_id)
    is_new = files.is_own(item) if item.is_stored else _finish(services, item, body.parts)
    transfers.end(item.id)
    return FinishFileAnswer(is_existing=not is_new)


def _finish(services: Services, item: FileItem, sent: list[SentPart]) -> bool:
    files, objects = services.store.files, services.objects
    _check_sent(sent)
    if item.object_path is None or item.handle is None:
        raise Conflict("no part of the file has arrived", status=409)
    from_bucket = None if item.is_sealed else _parts_in_bucket(services, item, sent)

    def check(current: FileItem, parts: list[ItemPart]) -> None:
        _check_parts(current, parts, sent)
        _check_claims(current, sum(part.size for part in parts), _whole_checksum(services, parts))

    item, parts = files.seal(item, from_bucket, check)
    if item.is_stored:
        return files.is_own(item)
    path, handle = str(item.object_path), str(item.handle)
    try:
        objects.finish_upload(
            path, handle, [Part(part.number, part.size, part.tag) for part in parts]
        )
        is_new = files.finish_file(
            item,
            sum(part.size for part in parts),
            _whole_checksum(services, parts),
            _to_compare(services, parts),
        )
    except (Conflict, InvalidRequest):
        # Its parts are no good for anything any more, unless another call has stored the file since.
        current = files.find_item(item.id)
        if current.is_stored:
            return files.is_own(current)
        files.start_over(item)
        objects.drop_upload(path, handle)
        raise
    if not is_new:
        objects.delete(path)
    return is_new


def _parts_in_bucket(
    services: Services, item: FileItem, sent: list[SentPart]
) -> list[ItemPart] | None:
    """What a bucket got from clients, with the checksums that they say; None if the stack took the parts."""
    try:
        parts = services.objects.list_parts(str(item.object_path), str(item.handle))
    except NotFound:
        current = services.store.files.find_item(item.id)
        if not current.is_sealed and not current.is_stored:
            raise
        return None  # another call has fixed the parts, and may have finished the file
    if parts is None:
        return None
    checksums = {part.number: part.checksum or "" for part in sent}
    return [
        ItemPart(part.number, part.size, checksums.get(part.number, ""), part.tag) for part in parts
    ]


def _whole_checksum(services: Services, parts: list[ItemPart]) -> str | None:
    """SHA-256 of the file, if the stack has computed it: of a single part that it took."""
    is_known = len(parts) == 1 and not services.objects.has_direct_parts
    return parts[0].checksum if is_known else None


def _to_compare(services: Services, parts: list[ItemPart]) -> list[ItemPart]:
    """What the client says of parts that the stack has not seen: of all, or of none."""
    is_said = services.objects.has_direct_parts and all(part.checksum for part in parts)
    return parts if is_said else []


def _check_sent(sent: list[SentPart]) -> None:
    """Check what can be told without the parts.

    Raises:
        DataError: a number is wrong or repeated, or a checksum is not one.
    """
    numbers: set[int] = set()
    for position, part in enumerate(sent):
        where = f"parts[{position}]"
        if part.number < 1 or part.number in numbers:
            text = "is repeated" if part.number in numbers else "must be at least 1"
            raise DataError(Problem(f"{where}.PartNumber", f"{part.number} {text}"))
        numbers.add(part.number)
        if part.checksum is not None and not _SHA256.fullmatch(part.checksum):
            raise DataError(
                Problem(f"{where}.checksum", "is not a SHA-256 in lower-case hexadecimal")
            )


def _check_parts(item: FileItem, parts: list[ItemPart], sent: list[SentPart]) -> None:
    """Check that the parts that have come make a file, and are those that the client names.

    Raises:
        Conflict: they do not, or are not.
    """
    came = {part.number: part for part in parts}
    named = {part.number for part in sent} or set(came)
    last = max(named | set(came), default=1)
    missing = next((number for number in range(1, last + 1) if number not in came), None)
    if missing is not None:
        raise Conflict(f"part {missing} of {item.name!r} has not come", status=409)
    unnamed = min(set(came) - named, default=None)
    if unnamed is not None:
        text = f"part {unnamed} of {item.name!r} has arrived, but is not among the named parts"
        raise Conflict(text, status=409)
    for part in parts[:-1]:
        if part.size != PART_BYTES:
            raise Conflict(
                f"part {part.number} of {item.name!r} has {part.size} bytes, "
                f"all but the last must have {PART_BYTES}",
                status=409,
            )
    for claim in sent:
        if not _fits(came[claim.number], claim):
            raise Conflict(f"part {claim.number} of {item.name!r} has other content", status=409)


def _fits(part: ItemPart, sent: SentPart) -> bool:
    """Whether the tag that a client got for its part is that of the part that counts.

    The published clients cut the quotes off blindly; what is left of another kind of tag is useless for
    a comparison.
    """
    if _SHA256.fullmatch(sent.tag):
        return sent.tag in {part.checksum, part.tag}
    return not (_MD5.fullmatch(sent.tag) and _MD5.fullmatch(part.tag)) or sent.tag == part.tag


def _check_claims(item: FileItem, size: int, checksum: str | None) -> None:
    if item.size is not None and item.size != size:
        raise DataError(Problem(item.name, f"has {size} bytes, {item.size} were announced"))
    if item.checksum is not None and checksum is not None and item.checksum != checksum:
        raise DataError(Problem(item.name, "has another content than its checksum says"))


@operation(
    "GET",
    finish_upload_path.route,
    Operation(
        summary=title_of(finish_upload_path),
        tag=_TAG,
        role="write",
        scope=Scope(path={"upload_id": "file upload"}),
        action="upload files",
        wakes_jobs=True,
        errors=(400, 404),
    ),
)
def finish_files(upload_id: UploadId, store: Store, audit: Audit) -> FinishFilesAnswer:
    """Ends an upload, and lets the stack inspect its files. Again it changes nothing.

    A GET that writes, as the protocol has it.
    """
    collection, is_finished = store.files.name_upload(upload_id)
    names = store.files.finish_upload(upload_id)
    store.jobs.ensure_queued(LOOK_JOB, "Inspect new files")
    audit.note(collection=collection, count=len(names))
    if is_finished:
        audit.note_nothing()
    return FinishFilesAnswer(uploaded_file_list=names)


@operation(
    "GET",
    UPLOAD_PROGRESS_PATH,
    Operation(
        summary=title_of(UPLOAD_PROGRESS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 404),
    ),
)
def upload_progress(query: ProgressQuery, store: Store, permissions: Permissions) -> ProgressAnswer:
    """The newest upload to a collection."""
    counts = store.files.progress(query.collection_name, permissions.readable)
    if counts is None:
        raise NotFound(
            f"there is no upload of files to {query.collection_name[:600]!r}", status=404
        )
    stored, total = counts
    percent = 100.0 * stored / total if total else 100.0
    return ProgressAnswer(
        is_success=True, progress=percent, uploaded_count=stored, total_count=total
    )


@operation(
    "GET",
    DOWNLOAD_URL_PATH,
    Operation(
        summary=title_of(DOWNLOAD_URL_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 404),
    ),
)
def file_url(
    query: DownloadUrlQuery,
    unquoted_query: Annotated[DownloadUrlQuery | None, unquoted(DownloadUrlQuery)],
    store: Store,
    permissions: Permissions,
    links: Links,
) -> DownloadUrlAnswer:
    """A URL for the file with a unique name, or else at a path in storage."""
    key = query.file_key
    if not key:
        raise InvalidRequest("file_key is empty", status=400)
    file = store.files.find_named(key)
    if file is None and unquoted_query is not None:
        # The published 1.x clients quote nothing, so a plus sign can also be one.
        key = unquoted_query.file_key
        file = store.files.find_named(key)
    if file is None or not permissions.may_read_image(file.image_id):
        raise NotFound(f"there is no file {key[:600]!r}", status=404)
    return DownloadUrlAnswer(url=links.image(file.image_id, file.name))


ROUTES = [
    open_files,
    begin_file,
    part_urls,
    finish_file,
    finish_files,
    upload_progress,
    file_url,
]
