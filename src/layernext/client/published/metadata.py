"""Metadata of files and collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layernext.client.collection_ids import ask_collection_id
from layernext.client.published.asking import ask
from layernext.client.published.listings import collection_code
from layernext.client.reports import CreatedCollection, MetadataReport
from layernext.client.texts import check_text
from layernext.client.transport import Transport
from layernext.errors import DataError, Problem
from layernext.wire import published
from layernext.wire.published import Received, wire_fields


def send_for_files(
    transport: Transport,
    entries: list[dict[str, Any]],
    *,
    collection_id: str | None = None,
    job_id: str | None = None,
    bucket: str | None = None,
) -> MetadataReport:
    """Give files metadata, a thousand in a request.

    Args:
        transport: to the stack.
        entries: name and fields of each file.
        collection_id: the names are those in this collection; or else
        job_id: those of this upload; or else
        bucket: paths in this bucket. Without any of these they are unique names.
    """
    parts = []
    for start in range(0, len(entries), published.METADATA_AT_ONCE):
        body = wire_fields(
            published.MetadataRequest,
            collection_id=collection_id,
            job_id=job_id,
            bucket_name=bucket,
            metadata=entries[start : start + published.METADATA_AT_ONCE],
        )
        parts.append(_report(ask(transport, "POST", published.METADATA_JSON_PATH, body)))
    return MetadataReport(
        updated=sum(part.updated for part in parts),
        unmatched=[name for part in parts for name in part.unmatched],
        message="; ".join(part.message for part in parts if part.message),
    )


def known_collection_id(transport: Transport, name: str, code: int) -> str:
    """The id of a collection that must exist.

    Raises:
        DataError: there is no such collection.
    """
    check_text(name, "collection_name", "a collection")
    collection_id, message = ask_collection_id(transport, name, code)
    if collection_id is None:
        raise DataError(Problem("collection_name", message or "is unknown"))
    return collection_id


def send_for_collection(
    transport: Transport,
    collection_name: str,
    content_type: str,
    fields: Mapping[str, Any],
    *,
    to_all_files: bool,
) -> MetadataReport:
    """Give a collection metadata, and its files if wanted."""
    body = wire_fields(
        published.MetadataObjectRequest,
        collection_name=check_text(collection_name, "collection_name", "a collection"),
        object_type=collection_code(content_type),
        metadata=dict(fields),
        is_apply_to_all_files=bool(to_all_files),
    )
    return _report(ask(transport, "POST", published.METADATA_OBJECT_PATH, body))


def create_collection(
    transport: Transport, collection_name: str, content_type: str, fields: Mapping[str, Any]
) -> CreatedCollection:
    """Create a collection if it is missing, and give it metadata."""
    body = wire_fields(
        published.CreateCollectionRequest,
        collection_name=check_text(collection_name, "collection_name", "a collection"),
        object_type=collection_code(content_type),
        custom_meta_object=dict(fields),
    )
    raw = ask(transport, "POST", published.CREATE_COLLECTION_PATH, body)
    answer = Received(published.CreateCollectionAnswer, raw)
    if answer.is_success is False:
        raise DataError(Problem("collection_name", str(answer.message or "was refused")))
    collection = CreatedCollection(collection_id=str(answer.collection_id or ""))
    return collection.including(raw)


def _report(fields: Mapping[str, Any]) -> MetadataReport:
    answer = Received(published.MetadataAnswer, fields)
    return MetadataReport(
        updated=int(answer.updated_count or 0),
        unmatched=[str(name) for name in answer.unmatched or []],
        message=str(answer.message or ""),
    )
