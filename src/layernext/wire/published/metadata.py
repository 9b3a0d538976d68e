"""Metadata of files and collections (E28 to E31)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from layernext.wire.published.paths import CLIENT

METADATA_JSON_PATH = f"{CLIENT}/metadata/uploadMetadataByJson"  # E28, POST
METADATA_OBJECT_PATH = f"{CLIENT}/metadata/uploadMetadataByMetaObject"  # E29, POST
VALIDATE_TAGS_PATH = f"{CLIENT}/metadata/validateTags"  # E30, POST
VALIDATE_FIELDS_PATH = f"{CLIENT}/metadata/validateMetaFields"  # E31, POST

METADATA_AT_ONCE = 1_000
"""Files whose metadata our client sends in one request."""


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
