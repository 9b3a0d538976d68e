"""What the pages need beside the rest: thumbnails, and links that sign a browser in."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from layernext.errors import NotFound
from layernext.stack.api.access import HANDLER, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import Encoded, is_image_id
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.stack.api.signature import Binary, Header
from layernext.stack.api.signed import Links
from layernext.stack.objects import linked_location
from layernext.stack.store import IMAGES, LINK_SECONDS, Caller, FileRow, Store
from layernext.wire.native import SIGN_IN_LINKS_PATH, SignInLink, thumbnail_path

KEEP_SECONDS = 24 * 3600


@operation(
    "POST",
    SIGN_IN_LINKS_PATH,
    Operation(
        summary="Make a link to sign in by",
        tag="Pages",
        role="read",
        scope=HANDLER,
        action="create sign-in link",
        is_transaction=False,
        answer_headers={"Cache-Control": "no-store"},
    ),
)
def create_sign_in_link(store: Store, caller: Caller, links: Links, audit: Audit) -> SignInLink:
    """Makes a link that signs a browser in with the key that asks: once, and for ten minutes."""
    token = audit.recorded(store.sessions.create_link)(caller)
    return SignInLink(url=f"{links.base}/sign-in#{token}", seconds=LINK_SECONDS)


@operation(
    "GET",
    thumbnail_path("{image_id:str}"),
    Operation(
        summary="A small picture of an image",
        tag="Pages",
        role="read",
        scope=Scope(path={"image_id": "image"}),
        errors=(404,),
    ),
)
async def thumbnail(
    image_id: Annotated[str, Meta(description="The image's `id`.")],
    if_none_match: Annotated[
        str, Header("If-None-Match", "The `ETag` of the picture that the client has.")
    ],
    services: Services,
) -> Binary:
    """A WebP picture of at most 256 pixels each way; 404 while there is none."""
    file = None
    if is_image_id(image_id):
        file = await services.call(services.store.files.find, int(image_id, 16))
    path = None if file is None else file.thumbnail_path
    if file is not None and path is None and is_linked_image(file):
        path = await services.write(services.thumbnails.make, file)
    if file is None or path is None:
        raise NotFound("there is no small picture of this image", status=404)
    headers = {
        "Cache-Control": f"private, max-age={KEEP_SECONDS}",
        "ETag": f'"{file.checksum or file.object_path.rpartition("/")[2]}"',
        "Vary": "Cookie, Authorization",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if headers["ETag"] in if_none_match:
        return Encoded(b"", status_code=304, headers=headers, media_type="image/webp")
    # Not in the threads of the database: a bucket may take its time.
    content = await services.write(_read, services, path)
    return Encoded(content, headers=headers, media_type="image/webp")


def is_linked_image(file: FileRow) -> bool:
    """Whether the small picture of a file is made when somebody looks at it."""
    is_image = file.kind == IMAGES and file.state == "ready"
    return is_image and linked_location(file.object_path) is not None


def _read(services: Services, path: str) -> bytes:
    return b"".join(services.objects.read(path))


ROUTES = [create_sign_in_link, thumbnail]
