"""Metadata of files and collections."""

from __future__ import annotations

from typing import Any

from litestar import Response

from layernext.errors import InvalidRequest, NotFound
from layernext.model import find_names_problem
from layernext.stack.api.access import HANDLER, Access, access_of
from layernext.stack.api.audit import changing, note
from layernext.stack.api.body import received
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    decode_message,
    find_collection,
    look_up_collection,
    read_message,
)
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.routing import is_unprefixed
from layernext.stack.api.services import Services, services_of
from layernext.stack.store import NameKind, check_fields
from layernext.wire.published import (
    METADATA_JSON_PATH,
    METADATA_OBJECT_PATH,
    VALIDATE_FIELDS_PATH,
    VALIDATE_TAGS_PATH,
    FieldsRequest,
    MetadataAnswer,
    MetadataObjectRequest,
    MetadataRequest,
    TagsRequest,
    ValidAnswer,
    title_of,
)

_TAG = "Published protocol"
MAX_BODY_BYTES = 256 << 20
"""1.x clients send the metadata of all files at once."""


@operation(
    "POST",
    METADATA_JSON_PATH,
    Operation(
        summary=title_of(METADATA_JSON_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="change metadata of files",
        body=MetadataRequest,
        answer=MetadataAnswer,
        errors=(400, 404, 406, 408, 413, 415, 422),
    ),
)
async def upload_metadata(request: Call) -> Response[bytes]:
    """Gives files metadata, all of it in one transaction; fields under other names stay.

    Names that no file has are in the answer; the others get theirs all the same.
    """
    services = services_of(request)
    async with received(request, MAX_BODY_BYTES) as body:

        def decode() -> MetadataRequest:
            with body.content(MAX_BODY_BYTES) as content:
                return decode_message(content, MetadataRequest)

        message = await services.ingest(decode)
    collection_id = None
    if message.collection_id:
        named = await find_collection(request, message.collection_id)
        collection_id = named.row_id
        note(request, collection=named.name)
    elif message.collection_name is not None:
        collection = await look_up_collection(
            request, message.collection_name, kind=message.object_type
        )
        if collection is None:
            raise NotFound(f"there is no collection {message.collection_name[:600]!r}", status=404)
        collection_id = collection.row_id
        note(request, collection=collection.name)

    def apply() -> MetadataAnswer:
        applied = _apply(services, message, collection_id, access_of(request))
        note(request, count=applied.updated_count)
        return applied

    return answer(await services.ingest(changing(request, apply)))


def _apply(
    services: Services,
    request: MetadataRequest,
    collection_id: int | None,
    access: Access | None,
) -> MetadataAnswer:
    fields_by_name: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(request.metadata):
        check_name(entry.file, f"files[{number}].file", "a file")
        fields = check_fields(entry.metadata or {}, f"files[{number}].metadata")
        fields_by_name[entry.file] = fields_by_name.get(entry.file, {}) | fields
    services.check_metadata(fields_by_name.values())
    metadata = services.store.metadata
    bucket = None if collection_id is not None or request.job_id else request.bucket_name
    rows = metadata.find_rows(
        list(fields_by_name), collection_id=collection_id, upload_id=request.job_id, bucket=bucket
    )
    if access is not None:
        collections = services.store.grants.collections_of_images(rows.values())
        # What the caller may not read does not exist for them.
        rows = {name: row for name, row in rows.items() if access.may_read(collections[row])}
        access.check(collections[row] for row in rows.values())
    metadata.merge_fields(
        {rows[name]: fields_by_name[name] for name in fields_by_name if name in rows}
    )
    unmatched = [name for name in fields_by_name if name not in rows]
    message = f"{len(rows)} files have new metadata"
    if unmatched:
        first_names = ", ".join(repr(name) for name in unmatched[:5])
        more = " and more" if len(unmatched) > 5 else ""  # noqa: PLR2004
        message += f"; there are no files {first_names}{more}"
    return MetadataAnswer(
        is_success=not unmatched, message=message, updated_count=len(rows), unmatched=unmatched
    )


@operation(
    "POST",
    METADATA_OBJECT_PATH,
    Operation(
        summary=title_of(METADATA_OBJECT_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="change metadata of collection",
        body=MetadataObjectRequest,
        answer=MetadataAnswer,
        errors=(400, 404, 406, 413, 422),
    ),
)
async def upload_object(request: Call) -> Response[bytes]:
    """Gives a collection metadata, and if wanted every file in it, in one transaction."""
    body, services = await read_message(request, MetadataObjectRequest), services_of(request)
    fields = check_fields(body.metadata, "metadata")
    collection = await look_up_collection(request, body.collection_name, kind=body.object_type)
    if collection is None:
        raise NotFound(f"there is no collection {body.collection_name[:600]!r}", status=404)
    metadata = services.store.metadata
    await services.call(services.check_metadata, [fields])
    note(request, collection=collection.name)

    def apply() -> int:
        count = metadata.merge_collection_fields(
            collection.row_id, fields, with_images=body.is_apply_to_all_files
        )
        note(request, count=count)
        return count

    count = await services.ingest(changing(request, apply))
    message = f"the collection and {count} files have new metadata"
    return answer(MetadataAnswer(is_success=True, message=message, updated_count=count))


@operation(
    "POST",
    VALIDATE_TAGS_PATH,
    Operation(
        summary=title_of(VALIDATE_TAGS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        body=TagsRequest,
        answer=ValidAnswer,
        errors=(400, 406, 413, 422),
    ),
)
async def validate_tags(request: Call) -> Response[bytes]:
    """Any text can be a tag, and is made one by using it; in strict mode only a declared one."""
    message = await read_message(request, TagsRequest)
    _check_names(message.tags, "tags", "a tag")
    await _check_declared(request, "tag", message.tags)
    return _valid(request)


@operation(
    "POST",
    VALIDATE_FIELDS_PATH,
    Operation(
        summary=title_of(VALIDATE_FIELDS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        body=FieldsRequest,
        answer=ValidAnswer,
        errors=(400, 406, 413, 422),
    ),
)
async def validate_fields(request: Call) -> Response[bytes]:
    """Any name can be a field's, made by using it; in strict mode only a declared one."""
    message = await read_message(request, FieldsRequest)
    _check_names(message.fields, "fields", "a metadata field")
    await _check_declared(request, "field", [name for name in message.fields if name != "Tags"])
    return _valid(request)


def _valid(request: Call) -> Response[bytes]:
    """All names can be used. layernext-beta expects the names to be replaced by others: none."""
    return answer([]) if is_unprefixed(request.scope) else answer(ValidAnswer())


async def _check_declared(request: Call, kind: NameKind, names: list[str]) -> None:
    services = services_of(request)
    if services.settings.strict_metadata:
        await services.call(services.store.declared.check_names, kind, names)


def _check_names(names: list[Any], where: str, what: str) -> None:
    for number, name in enumerate(names):
        problem = find_names_problem(name, what)
        if problem:
            # 2.3.4 looks for exactly this status.
            raise InvalidRequest(f"{where}[{number}]: {problem}", status=406)


ROUTES = [upload_metadata, upload_object, validate_tags, validate_fields]
