"""Answers that are the same for everybody who may see them: built once, compressed once."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from http import HTTPStatus

from litestar import Response
from litestar.datastructures import Headers
from msgspec import Struct

TAG_DIGITS = 16


class Document(Struct, frozen=True):
    """Bytes to answer with, as they are and compressed.

    Attributes:
        content: as they are.
        packed: with gzip.
        media_type: of the content.
        tag: the ETag. It is weak, because one stands for both forms.
    """

    content: bytes
    packed: bytes
    media_type: str
    tag: str

    def answer(self, request_headers: Headers, headers: Mapping[str, str]) -> Response[bytes]:
        """The answer to a request, which is 304 if the client has these bytes already."""
        fields = {"ETag": self.tag, "Vary": "Accept-Encoding", **headers}
        if self.tag in request_headers.get("if-none-match", ""):
            return Response(
                b"",
                status_code=HTTPStatus.NOT_MODIFIED,
                headers=fields,
                media_type=self.media_type,
            )
        content = self.content
        if "gzip" in request_headers.get("accept-encoding", ""):
            content = self.packed
            fields["Content-Encoding"] = "gzip"
        return Response(content, headers=fields, media_type=self.media_type)


def make_document(content: bytes, media_type: str) -> Document:
    """Compress and tag `content`. Takes time: call it in a thread, or before serving."""
    digest = hashlib.sha256(content).hexdigest()[:TAG_DIGITS]
    return Document(content, gzip.compress(content, 6, mtime=0), media_type, f'W/"{digest}"')
