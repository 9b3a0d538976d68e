"""URLs that authorise themselves: whoever has one may do the one thing that it is for, for a while.

The signature is an HMAC of method, path and expiry under a secret that all processes of a stack share.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import cast

from litestar.types import HTTPScope
from msgspec import Struct

from layernext.errors import NotAllowed
from layernext.stack.api.access import HOLDER, IS_KNOWN, Connection, may_read_thing
from layernext.stack.api.messages import Call, read_query
from layernext.stack.api.routing import path_text
from layernext.stack.api.services import services_of
from layernext.stack.store import Caller, Thing
from layernext.wire.paths import segment

PART_SECONDS = 24 * 3600
DOWNLOAD_SECONDS = 3600
SIGNATURE_DIGITS = 40
_SEGMENT = re.compile(r"\{(\w+)\}")


class SignedQuery(Struct, frozen=True):
    """What signs a URL.

    Attributes:
        expires: seconds since 1970 at which it stops to be good.
        signature: of method, path, expiry and holder.
        holder: whose URL it is, by `Caller.id`: it ends with their key. Empty in URLs of earlier versions.
    """

    expires: int
    signature: str
    holder: str = ""


def base_url(request: Call) -> str:
    """How the client reached us, or how the settings say that clients do."""
    configured = services_of(request).settings.public_url
    if configured is not None:
        return configured.rstrip("/")
    headers = request.headers
    scheme = headers.get("x-forwarded-proto", request.scope["scheme"]).partition(",")[0].strip()
    host = headers.get("host", "") or "localhost"
    return f"{'https' if scheme == 'https' else 'http'}://{host}"


def file_path(image_id: int) -> str:
    """Where a file is."""
    return f"/files/{image_id:024x}"


class Links:
    """Makes URLs that need no key, for the client that asks.

    Args:
        request: whose client gets them.
    """

    def __init__(self, request: Call) -> None:
        self.base = base_url(request)
        self._services = services_of(request)
        caller = request.scope.get("auth")  # nobody, while somebody signs in
        self._holder = "" if caller is None else caller.id

    def download(self, path: str, *, shown_name: str = "") -> str:
        """Where something can be had for an hour or more, while the client may read it; see `signed_url`."""
        return signed_url(
            self.base,
            self._services.url_secret,
            "GET",
            path,
            DOWNLOAD_SECONDS,
            shown_name=shown_name,
            holder=self._holder,
        )

    def image(self, image_id: int, name: str) -> str:
        """Where the file of an image can be had for an hour or more."""
        return self.download(file_path(image_id), shown_name=name)


def signed_url(
    base: str,
    secret: bytes,
    method: str,
    path: str,
    seconds: int,
    *,
    shown_name: str = "",
    holder: str = "",
) -> str:
    """An absolute URL for one use.

    Args:
        base: from `base_url`.
        secret: of the stack.
        method: of the request.
        path: of the request; plain ASCII.
        seconds: how long the URL is good; rounded up, so that caches see the same one for a while.
        shown_name: a last segment for people and for file names; it is not signed.
        holder: see `SignedQuery`.
    """
    step = max(seconds // 4, 1)
    expires = (int(time.time()) // step + 1) * step + seconds
    signature = _signature(secret, method, path, expires, holder)
    suffix = f"/{segment(shown_name)}" if shown_name else ""
    held = f"&holder={segment(holder)}" if holder else ""
    return f"{base}{path}{suffix}?expires={expires}&signature={signature}{held}"


def check_signature(connection: Connection, template: str) -> str:
    """Let a request pass whose URL was signed for it, and not too long ago; returns the URL's holder.

    Args:
        connection: of the request.
        template: the path that was signed, with names of segments such as ``/files/{file_id}``.

    Raises:
        InvalidRequest: the URL has no signature.
        NotAllowed: the signature is wrong, or its time is over.
    """
    segments = connection.path_params
    path = _SEGMENT.sub(lambda match: path_text(segments, match[1]), template)
    query = read_query(connection, SignedQuery)
    secret = services_of(connection).url_secret
    method = cast("HTTPScope", connection.scope)["method"]
    method = "GET" if method == "HEAD" else method
    right = _signature(secret, method, path, query.expires, query.holder)
    if not hmac.compare_digest(right.encode(), query.signature.encode()):
        raise NotAllowed("the URL's signature is wrong", status=403)
    if query.expires < time.time():
        raise NotAllowed("the URL has expired; ask for a new one", status=403)
    connection.scope["state"][IS_KNOWN] = True
    return query.holder


class Reader:
    """Whoever asked for the signed URL of a request, whom the guard has let in. To be used in a thread.

    Args:
        request: by a URL that `check_signature` let pass.
    """

    def __init__(self, request: Call) -> None:
        self._store = services_of(request).store
        self._caller: Caller | None = request.scope["state"].get(HOLDER)

    def check(self, thing: Thing, key: str) -> None:
        """Refuse a download of what they may not read any more; URLs of earlier versions have no holder.

        Args:
            thing: what kind of thing the URL leads to.
            key: the thing's public id.

        Raises:
            NotAllowed: what was granted to the user was taken back.
        """
        if self._caller is not None and not may_read_thing(self._store, self._caller, thing, key):
            raise NotAllowed(
                "the user who asked for this URL may not read this any more", status=403
            )


def _signature(secret: bytes, method: str, path: str, expires: int, holder: str) -> str:
    lines = [method, path, str(expires), *([holder] if holder else [])]
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    return hmac.new(secret, text, hashlib.sha256).hexdigest()[:SIGNATURE_DIGITS]
