"""Metadata of files and collections: E28 to E31."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Response
from msgspec import Meta, Struct, field

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
)

_TAG = "Published protocol"
MAX_BODY_BYTES = 256 << 20
"""1.x clients send the metadata of all files at once."""


class FileMetadata(Struct, frozen=True):
    """The metadata of a file."""

    file: str
    metadata: Any = None


class MetadataRequest(Struct, frozen=True, rename="camel"):
    """E28; what `file` means depends on the other fields.

    Attributes:
        metadata: by file.
        collection_name, object_type: 1.x: file names in this collection.
        collection_id: 2.3.4: file names in this collection.
        job_id: file names of this upload.
        bucket_name: paths in this bucket.
    """

    metadata: list[FileMetadata]
    collection_name: str | None = None
    object_type: Literal[4, 5, 7] = 5
    collection_id: str | None = None
    job_id: str | None = None
    bucket_name: str | None = None


class MetadataAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E28 and E29."""

    is_success: bool
    message: str
    updated_count: int
    unmatched: list[str] = []


class MetadataObjectRequest(Struct, frozen=True, rename="camel"):
    """E29."""

    collection_name: str
    metadata: Any
    object_type: Literal[4, 5, 7] = 5
    is_apply_to_all_files: bool = True


class TagsRequest(Struct, frozen=True):
    """E30."""

    tags: Annotated[list[Any], Meta(max_length=100_000)] = field(default_factory=list)


class FieldsRequest(Struct, frozen=True):
    """E31."""

    fields: Annotated[list[Any], Meta(max_length=100_000)] = field(default_factory=list)


class ValidAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E30 and E31."""

    is_success: bool = True
    message: str = ""


@operation(
    "POST",
    METADATA_JSON_PATH,
    Operation(
        summary="E28: metadata of files",
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

        wanted = await services.ingest(decode)
    place = None
    if wanted.collection_id:
        named = await find_collection(request, wanted.collection_id)
        place = named.row_id
        note(request, collection=named.name)
    elif wanted.collection_name is not None:
        found = await look_up_collection(request, wanted.collection_name, kind=wanted.object_type)
        if found is None:
            raise NotFound(f"there is no collection {wanted.collection_name[:600]!r}", status=404)
        place = found.row_id
        note(request, collection=found.name)

    def apply() -> MetadataAnswer:
        applied = _apply(services, wanted, place, access_of(request))
        note(request, count=applied.updated_count)
        return applied

    return answer(await services.ingest(changing(request, apply)))


def _apply(
    services: Services,
    wanted: MetadataRequest,
    place: int | None,
    access: Access | None,
) -> MetadataAnswer:
    given: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(wanted.metadata):
        check_name(entry.file, f"files[{number}].file", "a file")
        fields = check_fields(entry.metadata or {}, f"files[{number}].metadata")
        given[entry.file] = given.get(entry.file, {}) | fields
    services.check_metadata(given.values())
    items = services.store.items
    bucket = None if place is not None or wanted.job_id else wanted.bucket_name
    rows = items.find_rows(list(given), collection_id=place, upload_id=wanted.job_id, bucket=bucket)
    if access is not None:
        places = services.store.grants.collections_of_images(rows.values())
        # What the caller may not read does not exist for them.
        rows = {name: row for name, row in rows.items() if access.may_read(places[row])}
        access.check(places[row] for row in rows.values())
    items.merge_fields({rows[name]: given[name] for name in given if name in rows})
    unmatched = [name for name in given if name not in rows]
    message = f"{len(rows)} files have new metadata"
    if unmatched:
        shown = ", ".join(repr(name) for name in unmatched[:5])
        message += f"; there are no files {shown}" + (" and more" if len(unmatched) > 5 else "")  # noqa: PLR2004
    return MetadataAnswer(
        is_success=not unmatched, message=message, updated_count=len(rows), unmatched=unmatched
    )


@operation(
    "POST",
    METADATA_OBJECT_PATH,
    Operation(
        summary="E29: metadata of a collection",
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
    wanted, services = await read_message(request, MetadataObjectRequest), services_of(request)
    fields = check_fields(wanted.metadata, "metadata")
    found = await look_up_collection(request, wanted.collection_name, kind=wanted.object_type)
    if found is None:
        raise NotFound(f"there is no collection {wanted.collection_name[:600]!r}", status=404)
    items = services.store.items
    await services.call(services.check_metadata, [fields])
    note(request, collection=found.name)

    def apply() -> int:
        count = items.merge_collection_fields(
            found.row_id, fields, with_images=wanted.is_apply_to_all_files
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
        summary="E30: can these be tags?",
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
    wanted = await read_message(request, TagsRequest)
    _check_names(wanted.tags, "tags", "a tag")
    await _check_declared(request, "tag", wanted.tags)
    return _valid(request)


@operation(
    "POST",
    VALIDATE_FIELDS_PATH,
    Operation(
        summary="E31: can these be metadata fields?",
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
    wanted = await read_message(request, FieldsRequest)
    _check_names(wanted.fields, "fields", "a metadata field")
    await _check_declared(request, "field", [each for each in wanted.fields if each != "Tags"])
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
