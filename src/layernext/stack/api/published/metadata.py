"""Metadata of files and collections."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from layernext.errors import InvalidRequest, NotFound
from layernext.model import counted, find_names_problem
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import Encoded, check_name, decode_message, encoded
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.stack.api.signature import Change, IsUnprefixed, JsonStream, Shape
from layernext.stack.store import CollectionRow, NameKind, check_fields
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
        errors=(400, 404, 406, 408, 413, 415, 422),
    ),
)
async def upload_metadata(
    body: Annotated[JsonStream, Shape(MetadataRequest)],
    services: Services,
    permissions: Permissions,
    audit: Audit,
    change: Change,
) -> Encoded[MetadataAnswer]:
    """Gives files metadata, all of it in one transaction; fields under other names stay.

    Names that no file has are in the answer; the others get theirs all the same.
    """
    async with body.received(MAX_BODY_BYTES) as received:

        def work() -> Encoded[MetadataAnswer]:
            with received.content(MAX_BODY_BYTES) as content:
                message = decode_message(content, MetadataRequest)
            collection_id = _find_collection(message, permissions, audit)
            return change(partial(_apply, services, permissions, audit, message, collection_id))

        return await services.ingest(work)


def _find_collection(
    message: MetadataRequest, permissions: Permissions, audit: Audit
) -> int | None:
    """The row id of the collection that a request names; None if it names none."""
    if message.collection_id:
        row = permissions.find_collection(message.collection_id)
    elif message.collection_name is not None:
        row = _find_named(permissions, message.collection_name, message.object_type)
    else:
        return None
    audit.note(collection=row.name)
    return row.row_id


def _find_named(permissions: Permissions, name: str, kind: int) -> CollectionRow:
    row = permissions.look_up_collection(name, kind=kind)
    if row is None:
        raise NotFound(f"there is no collection {name[:600]!r}", status=404)
    return row


def _apply(
    services: Services,
    permissions: Permissions,
    audit: Audit,
    request: MetadataRequest,
    collection_id: int | None,
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
    if permissions.is_limited:
        collections = services.store.grants.collections_of_images(rows.values())
        # What the caller may not read does not exist for them.
        rows = {name: row for name, row in rows.items() if permissions.may_read(collections[row])}
        permissions.check_collections(collections[row] for row in rows.values())
    metadata.merge_fields(
        {rows[name]: fields_by_name[name] for name in fields_by_name if name in rows}
    )
    unmatched = [name for name in fields_by_name if name not in rows]
    message = f"{counted(len(rows), 'file')} updated"
    if unmatched:
        first_names = ", ".join(repr(name) for name in unmatched[:5])
        more = " and more" if len(unmatched) > 5 else ""  # noqa: PLR2004
        message += f"; there are no files {first_names}{more}"
    audit.note(count=len(rows))
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
        threads="ingest",
        errors=(400, 404, 406, 413, 422),
    ),
)
def upload_object(
    body: MetadataObjectRequest, services: Services, permissions: Permissions, audit: Audit
) -> MetadataAnswer:
    """Gives a collection metadata, and if wanted every file in it, in one transaction."""
    fields = check_fields(body.metadata, "metadata")
    collection = _find_named(permissions, body.collection_name, body.object_type)
    services.check_metadata([fields])
    count = services.store.metadata.merge_collection_fields(
        collection.row_id, fields, with_images=body.is_apply_to_all_files
    )
    audit.note(collection=collection.name, count=count)
    message = f"the collection and {counted(count, 'file')} updated"
    return MetadataAnswer(is_success=True, message=message, updated_count=count)


@operation(
    "POST",
    VALIDATE_TAGS_PATH,
    Operation(
        summary=title_of(VALIDATE_TAGS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 406, 413, 422),
    ),
)
def validate_tags(
    body: TagsRequest, services: Services, is_unprefixed: IsUnprefixed
) -> Encoded[ValidAnswer]:
    """Any text can be a tag, and is made one by using it; in strict mode only a declared one."""
    _check_names(body.tags, "tags", "a tag")
    _check_declared(services, "tag", body.tags)
    return _valid(is_unprefixed)


@operation(
    "POST",
    VALIDATE_FIELDS_PATH,
    Operation(
        summary=title_of(VALIDATE_FIELDS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 406, 413, 422),
    ),
)
def validate_fields(
    body: FieldsRequest, services: Services, is_unprefixed: IsUnprefixed
) -> Encoded[ValidAnswer]:
    """Any name can be a field's, made by using it; in strict mode only a declared one."""
    _check_names(body.fields, "fields", "a metadata field")
    _check_declared(services, "field", [name for name in body.fields if name != "Tags"])
    return _valid(is_unprefixed)


def _valid(is_unprefixed: bool) -> Encoded[ValidAnswer]:
    """All names can be used. layernext-beta expects the names to be replaced by others: none."""
    return Encoded(b"[]") if is_unprefixed else encoded(ValidAnswer())


def _check_declared(services: Services, kind: NameKind, names: list[str]) -> None:
    if services.settings.strict_metadata:
        services.store.declared.check_names(kind, names)


def _check_names(names: list[Any], where: str, what: str) -> None:
    for number, name in enumerate(names):
        problem = find_names_problem(name, what)
        if problem:
            # 2.3.4 looks for exactly this status.
            raise InvalidRequest(f"{where}[{number}]: {problem}", status=406)


ROUTES = [upload_metadata, upload_object, validate_tags, validate_fields]
