"""Uploads of files (E12 to E18) and the way to a file (E24)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from layernext.wire.published.paths import CLIENT, PathTemplate

UPLOAD_METADATA_PATH = f"{CLIENT}/uploadMetadataInCollection"  # E12, POST
BEGIN_FILE_PATH = f"{CLIENT}/fileUpload/initializeMultipartUpload"  # E13, POST
PART_URLS_PATH = f"{CLIENT}/fileUpload/getMultipartPreSignedUrls"  # E14, POST
FINISH_FILE_PATH = f"{CLIENT}/fileUpload/finalizeMultipartUpload"  # E16, POST

finish_upload_path = PathTemplate(f"{CLIENT}/collectionUploadingStatus/{{upload_id}}/complete")
"""E17, GET."""

UPLOAD_PROGRESS_PATH = f"{CLIENT}/collection/getuploadProgress"  # E18, GET
DOWNLOAD_URL_PATH = f"{CLIENT}/downloadUrl"  # E24, GET

PART_BYTES = 100 << 20
"""Of each part of a file but the last."""

STORAGE_TYPE = "AWS_S3"
"""The rules by which parts are sent (E15); those of S3 are the simplest, and all clients know them."""

BETA_STORAGE_TYPE = "aws_s3"
"""The same in the words of layernext-beta."""

MAX_PARTS = 10_000


class OpenFilesRequest(Struct, frozen=True, rename="camel"):
    """E12: what will come.

    Attributes:
        collection_name: made if there is none.
        collection_type: 5 images, 4 videos, 7 other files.
        meta_data_object: metadata for the files; `Tags` is a list of strings.
        is_override_meta_data: also for files that are there already.
        object_key_list: the files' names.
        storage_prefix_path: folder in storage, of a new collection.
        application_code: a mark on a new collection.
    """

    collection_name: str
    collection_type: Literal[4, 5, 7] = 5
    meta_data_object: Any = None
    is_override_meta_data: bool = False
    object_key_list: list[str] = field(default_factory=list)
    storage_prefix_path: str | None = None
    application_code: str | None = None


class OpenFilesAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E12."""

    is_success: bool = True
    upload_id: str
    collection_id: str
    job_id: str
    storage_type: str = STORAGE_TYPE


class BeginFileRequest(Struct, frozen=True, rename="camel"):
    """E13: a file of an upload.

    Attributes:
        file_name: in the collection.
        upload_id: from E12.
        size, checksum: bytes and SHA-256 of the file; no published client says them. They are
            checked at the end, the checksum of several parts by the inspection of the file.
    """

    file_name: str
    upload_id: str
    size: Annotated[int, Meta(ge=0)] | None = None
    checksum: str | None = None


class StoredPart(Struct, frozen=True):
    """A part of a file that is durable.

    Attributes:
        number: from 1.
        size: bytes.
        checksum: SHA-256 in hexadecimal, or the ETag of a part that only a bucket has seen.
    """

    number: int
    size: int
    checksum: str


class SentBeginFileRequest(BeginFileRequest, frozen=True, kw_only=True):
    """E13 as clients send it; a stack needs only the upload's id."""

    collection_name: str


class BeginFileAnswer(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The answer to E13. Of a file that is there already it says which."""

    is_success: bool
    file_id: str | None = None
    file_key: str | None = None
    is_existing: bool = False
    existing_checksum: str | None = None
    existing_size: int | None = None
    stored_parts: list[StoredPart] = []


class OtherBeginFileAnswer(BeginFileAnswer, frozen=True, kw_only=True):
    """The answer to E13 of other stacks."""

    upload_removed_file: bool = False


class PartUrlsRequest(Struct, frozen=True, rename="camel"):
    """E14."""

    file_id: str
    parts: Annotated[int, Meta(ge=1, le=MAX_PARTS)]


class SentPartUrlsRequest(PartUrlsRequest, frozen=True, kw_only=True):
    """E14 as clients send it."""

    file_key: str
    content_type: str


class PartUrl(Struct, frozen=True, rename={"number": "PartNumber", "signed_url": "signedUrl"}):
    """Where a part goes."""

    number: int
    signed_url: str


class PartUrlsAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E14."""

    is_success: bool = True
    parts: list[PartUrl]


class SentPart(Struct, frozen=True, rename={"number": "PartNumber", "tag": "ETag"}):
    """A part that the client has sent.

    Attributes:
        number, tag: from the answer to its PUT.
        checksum: SHA-256 of what was sent; no published client says it. If all parts went past the stack and
            have one, the inspection of the file compares them.
    """

    number: int
    tag: str = ""
    checksum: str | None = None


class FinishFileRequest(Struct, frozen=True, rename="camel"):
    """E16."""

    file_id: str
    parts: list[SentPart] = field(default_factory=list)


class SentFinishFileRequest(FinishFileRequest, frozen=True, kw_only=True):
    """E16 as clients send it."""

    file_key: str
    upload_id: str
    finalize_url: str


class FinishFileAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E16; `is_existing` if the same file was stored by somebody else meanwhile."""

    is_success: bool = True
    is_existing: bool


class FinishFilesQuery(Struct, frozen=True, rename="camel"):
    """E17.

    Attributes:
        is_returned_unique_name: ``True`` or ``False``; whether the answer has to have the names.
    """

    is_returned_unique_name: str


class FinishFilesAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E17: the unique names of the upload's files."""

    is_success: bool = True
    uploaded_file_list: list[str]


class ProgressQuery(Struct, frozen=True, rename="camel"):
    """E18.

    Attributes:
        collection_name: of the collection.
    """

    collection_name: str


class ProgressAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E18: the newest upload of the collection."""

    is_success: bool
    progress: float
    uploaded_count: int
    total_count: int


class DownloadUrlQuery(Struct, frozen=True):
    """E24.

    Attributes:
        file_key: a unique name, or a path in storage.
    """

    file_key: str


class DownloadUrlAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E24: a URL that is good for an hour or more, without a key."""

    is_success: bool = True
    url: str
