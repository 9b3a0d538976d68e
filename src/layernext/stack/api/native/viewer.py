"""What the pages need beside the rest: thumbnails, and links that sign a browser in."""

from __future__ import annotations

from typing import Any

from litestar import Response

from layernext.errors import NotFound
from layernext.stack.api.access import HANDLER, Scope
from layernext.stack.api.audit import recorded
from layernext.stack.api.messages import Call, answer, is_image_id, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import Services, services_of
from layernext.stack.api.signed import base_url
from layernext.stack.store import LINK_SECONDS
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
        answer=SignInLink,
    ),
)
async def create_sign_in_link(request: Call) -> Response[bytes]:
    """Makes a link that signs a browser in with the key that asks: once, and for ten minutes."""
    services = services_of(request)
    create = recorded(request, services.store.sessions.create_link)
    token = await services.call(create, request.auth)
    link = SignInLink(url=f"{base_url(request)}/sign-in#{token}", seconds=LINK_SECONDS)
    made = answer(link)
    made.set_header("Cache-Control", "no-store")
    return made


@operation(
    "GET",
    thumbnail_path("{image_id:str}"),
    Operation(
        summary="A small picture of an image",
        tag="Pages",
        role="read",
        scope=Scope(path={"image_id": "image"}),
        path=(Parameter("image_id", "The image's `id`."),),
        answer=bytes,
        is_binary=True,
        errors=(404,),
    ),
)
async def thumbnail(request: Call) -> Response[Any]:
    """A WebP picture of at most 256 pixels each way; 404 while there is none."""
    text, services = read_path(request, "image_id"), services_of(request)
    file = None
    if is_image_id(text):
        file = await services.call(services.store.files.find, int(text, 16))
    if file is None or file.thumbnail_path is None:
        raise NotFound("there is no small picture of this image", status=404)
    headers = {
        "Cache-Control": f"private, max-age={KEEP_SECONDS}",
        "ETag": f'"{file.checksum}"',
        "Vary": "Cookie, Authorization",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type="image/webp")
    content = await services.write(_read, services, file.thumbnail_path)
    return Response(content, headers=headers, media_type="image/webp")


def _read(services: Services, path: str) -> bytes:
    return b"".join(services.objects.read(path))


ROUTES = [create_sign_in_link, thumbnail]
