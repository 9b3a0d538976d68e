"""Uploads of files, and the way to a file."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from functools import partial

from litestar import Response

from layernext.errors import Conflict, DataError, InvalidRequest, NotFound, Problem
from layernext.model import find_names_problem
from layernext.stack.api.access import (
    HANDLER,
    Scope,
    check_thing,
    creating,
    may_read_image,
    readable,
)
from layernext.stack.api.admission import begin_transfer, end_transfer
from layernext.stack.api.audit import changing, note, note_nothing
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    read_message,
    read_path,
    read_query,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.presence import find_stored
from layernext.stack.api.replay import change
from layernext.stack.api.routing import is_unprefixed
from layernext.stack.api.services import Services, services_of
from layernext.stack.api.signed import PART_SECONDS, base_url, signed_url
from layernext.stack.api.transfer import download_url, part_path
from layernext.stack.jobs import LOOK_JOB
from layernext.stack.objects import Part
from layernext.stack.store import (
    Began,
    FileItem,
    FileUploadRequest,
    ItemPart,
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
        body=OpenFilesRequest,
        answer=OpenFilesAnswer,
        errors=(400, 406, 413, 422),
    ),
)
async def open_files(request: Call) -> Response[bytes]:
    """Begins an upload of files to a collection, which is made if there is none."""
    message = await read_message(request, OpenFilesRequest)
    name = message.collection_name.rstrip("/")
    check_name(name, "collectionName", "a collection")
    services = services_of(request)

    def check_file_names() -> None:
        for number, file_name in enumerate(message.object_key_list):
            check_name(file_name, f"objectKeyList[{number}]", "a file")

    await services.decode(check_file_names)
    prefix = _prefix(message.storage_prefix_path)
    if message.application_code is not None and message.application_code:
        check_name(message.application_code, "applicationCode", "an application code")
    # `file_upload` of the published clients sends an empty text for no metadata.
    fields = check_fields(message.meta_data_object or {}, "metaDataObject")
    await services.call(services.check_metadata, [fields])
    note(request, collection=name)
    upload = FileUploadRequest(
        name=name,
        kind=message.collection_type,
        fields=fields,
        is_override=message.is_override_meta_data,
        names=message.object_key_list,
        storage_prefix=prefix,
        application_code=message.application_code or None,
    )

    is_beta = is_unprefixed(request.scope)

    def work() -> Response[bytes]:
        upload_id, collection_id = services.store.files.open_upload(upload)
        return answer(
            OpenFilesAnswer(
                upload_id=upload_id,
                collection_id=collection_id,
                job_id=upload_id,
                storage_type=BETA_STORAGE_TYPE if is_beta else STORAGE_TYPE,
            )
        )

    return await change(request, creating(request, name, message.collection_type, work))


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
        body=BeginFileRequest,
        answer=BeginFileAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def begin_file(request: Call) -> Response[bytes]:
    """Begins a file, or says that one of its name is in the collection already.

    A file is one by its name, as the published clients have it. Ours also compares the checksum.
    """
    message = await read_message(request, BeginFileRequest)
    problem = find_names_problem(message.file_name, "a file")
    if problem:
        raise DataError(Problem("fileName", problem))
    if message.checksum is not None and not _SHA256.fullmatch(message.checksum):
        raise DataError(Problem("checksum", "is not a SHA-256 in lowercase hexadecimal"))
    services = services_of(request)
    await check_thing(request, "file upload", message.upload_id)
    if message.size is not None and message.size > services.settings.max_file_bytes:
        limit = services.settings.max_file_bytes
        raise DataError(Problem("size", f"is {message.size}, must be at most {limit}"))

    def begin() -> Began:
        # A file whose content was lost is marked as missing by this, and then begins again.
        find_stored(services, message.upload_id, [message.file_name])
        return services.store.files.begin_file(
            message.upload_id, message.file_name, size=message.size, checksum=message.checksum
        )

    began = await services.call(begin)
    if began.item is None:
        return answer(
            BeginFileAnswer(
                is_success=True,
                file_id="",
                file_key="",
                is_existing=True,
                existing_checksum=began.existing_checksum,
                existing_size=began.existing_size,
            )
        )
    item = began.item
    parts = await services.call(_stored_parts, services, item)
    return answer(
        BeginFileAnswer(is_success=True, file_id=item.id, file_key=item.name, stored_parts=parts)
    )


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
        body=PartUrlsRequest,
        answer=PartUrlsAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def part_urls(request: Call) -> Response[bytes]:
    """A URL for each part, good for a day. Asking again changes nothing."""
    message = await read_message(request, PartUrlsRequest)
    services = services_of(request)
    if (message.parts - 1) * PART_BYTES > services.settings.max_file_bytes:
        limit = services.settings.max_file_bytes
        raise DataError(Problem("parts", f"make more than the {limit} bytes that a file may have"))
    await check_thing(request, "file", message.file_id)
    item = await services.call(services.store.files.find_item, message.file_id)
    if item.is_stored:
        raise Conflict("the file has been finished already", status=409)
    item = await services.call(_placed, services, item)
    # Of parts that go straight into a bucket the stack hears nothing else.
    await services.call(services.store.files.touch, item)
    if services.objects.has_direct_parts:
        await begin_transfer(request, item.id)
    sign = partial(signed_url, base_url(request), services.url_secret, holder=request.auth.id)

    def urls() -> list[PartUrl]:
        return [
            PartUrl(number, _part_url(services, item, number, sign))
            for number in range(1, message.parts + 1)
        ]

    return answer(PartUrlsAnswer(parts=await services.call(urls)))


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
        body=FinishFileRequest,
        answer=FinishFileAnswer,
        errors=(400, 404, 409, 413, 422, 507),
    ),
)
async def finish_file(request: Call) -> Response[bytes]:
    """Makes a file visible, all of it and at once.

    Again, also at the same time, it changes nothing and gives the same answer.
    """
    message = await read_message(request, FinishFileRequest)
    services = services_of(request)
    files = services.store.files
    await check_thing(request, "file", message.file_id)
    item = await services.call(files.find_item, message.file_id)
    if item.is_stored:
        end_transfer(request, item.id)
        is_own = await services.call(files.is_own, item)
        return answer(FinishFileAnswer(is_existing=not is_own))
    is_new = await services.write(_finish, services, item, message.parts)
    end_transfer(request, item.id)
    return answer(FinishFileAnswer(is_existing=not is_new))


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
        path=(Parameter("upload_id", "From the answer that opened the upload."),),
        answer=FinishFilesAnswer,
        errors=(400, 404),
    ),
)
async def finish_files(request: Call) -> Response[bytes]:
    """Ends an upload, and lets the stack inspect its files. Again it changes nothing.

    A GET that writes, as the protocol has it.
    """
    services, upload_id = services_of(request), read_path(request, "upload_id")

    def work() -> list[str]:
        collection, is_finished = services.store.files.name_upload(upload_id)
        names = services.store.files.finish_upload(upload_id)
        services.store.jobs.ensure_queued(LOOK_JOB, "Inspect new files")
        note(request, collection=collection, count=len(names))
        if is_finished:
            note_nothing(request)
        return names

    names = await services.call(changing(request, work))
    services.jobs.wake()
    return answer(FinishFilesAnswer(uploaded_file_list=names))


@operation(
    "GET",
    UPLOAD_PROGRESS_PATH,
    Operation(
        summary=title_of(UPLOAD_PROGRESS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        query=ProgressQuery,
        answer=ProgressAnswer,
        errors=(400, 404),
    ),
)
async def upload_progress(request: Call) -> Response[bytes]:
    """The newest upload to a collection."""
    query, services = read_query(request, ProgressQuery), services_of(request)
    within = readable(request)
    counts = await services.call(services.store.files.progress, query.collection_name, within)
    if counts is None:
        raise NotFound(
            f"there is no upload of files to {query.collection_name[:600]!r}", status=404
        )
    stored, total = counts
    percent = 100.0 * stored / total if total else 100.0
    return answer(
        ProgressAnswer(is_success=True, progress=percent, uploaded_count=stored, total_count=total)
    )


@operation(
    "GET",
    DOWNLOAD_URL_PATH,
    Operation(
        summary=title_of(DOWNLOAD_URL_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        query=DownloadUrlQuery,
        answer=DownloadUrlAnswer,
        errors=(400, 404),
    ),
)
async def file_url(request: Call) -> Response[bytes]:
    """A URL for the file with a unique name, or else at a path in storage."""
    services = services_of(request)
    key = read_query(request, DownloadUrlQuery).file_key
    if not key:
        raise InvalidRequest("file_key is empty", status=400)
    file = await services.call(services.store.files.find_named, key)
    if file is None and b"+" in request.scope["query_string"]:
        # The published 1.x clients quote nothing, so a plus sign can also be one.
        key = read_query(request, DownloadUrlQuery, plus_is_space=False).file_key
        file = await services.call(services.store.files.find_named, key)
    if file is None or not await may_read_image(request, file.image_id):
        raise NotFound(f"there is no file {key[:600]!r}", status=404)
    return answer(DownloadUrlAnswer(url=download_url(request, file)))


ROUTES = [
    open_files,
    begin_file,
    part_urls,
    finish_file,
    finish_files,
    upload_progress,
    file_url,
]
