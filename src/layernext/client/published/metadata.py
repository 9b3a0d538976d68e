"""Metadata of files and collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layernext.client.published.asking import ask
from layernext.client.published.listings import collection_code
from layernext.client.reports import CreatedCollection, MetadataReport
from layernext.client.texts import check_text
from layernext.client.transport import Transport
from layernext.errors import DataError, Problem
from layernext.wire import published


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
    target = {"collectionId": collection_id, "jobId": job_id, "bucketName": bucket}
    parts = []
    for start in range(0, len(entries), published.METADATA_AT_ONCE):
        body = {**target, "metadata": entries[start : start + published.METADATA_AT_ONCE]}
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
    body = {
        "collectionName": check_text(name, "collection_name", "a collection"),
        "objectType": code,
    }
    answer = ask(transport, "POST", published.COLLECTION_ID_PATH, body)
    if answer.get("isSuccess") is False or not answer.get("collectionId"):
        raise DataError(Problem("collection_name", str(answer.get("message") or "is unknown")))
    return str(answer["collectionId"])


def send_for_collection(
    transport: Transport,
    collection_name: str,
    content_type: str,
    fields: Mapping[str, Any],
    *,
    to_all_files: bool,
) -> MetadataReport:
    """Give a collection metadata, and its files if wanted."""
    body = {
        "collectionName": check_text(collection_name, "collection_name", "a collection"),
        "objectType": collection_code(content_type),
        "metadata": dict(fields),
        "isApplyToAllFiles": bool(to_all_files),
    }
    return _report(ask(transport, "POST", published.METADATA_OBJECT_PATH, body))


def create_collection(
    transport: Transport, collection_name: str, content_type: str, fields: Mapping[str, Any]
) -> CreatedCollection:
    """Create a collection if it is missing, and give it metadata."""
    body = {
        "collectionName": check_text(collection_name, "collection_name", "a collection"),
        "objectType": collection_code(content_type),
        "customMetaObject": dict(fields),
    }
    answer = ask(transport, "POST", published.CREATE_COLLECTION_PATH, body)
    if answer.get("isSuccess") is False:
        raise DataError(Problem("collection_name", str(answer.get("message") or "was refused")))
    collection = CreatedCollection(collection_id=str(answer.get("collectionId") or ""))
    return collection.including(answer)


def _report(answer: Mapping[str, Any]) -> MetadataReport:
    return MetadataReport(
        updated=int(answer.get("updatedCount") or 0),
        unmatched=[str(name) for name in answer.get("unmatched") or []],
        message=str(answer.get("message") or ""),
    )
