"""Styles and scripts. Their URLs have a hash of all of them, so that browsers keep each for good."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from layernext.errors import NotFound
from layernext.stack.api.messages import Call, read_path

FOLDER = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
HASH_DIGITS = 12

_IMPORT = re.compile(r'^(?:import|export|\}) ?[^"]*"\./([\w/]+\.js)";$', re.MULTILINE)

FOR_GOOD = "public, max-age=31536000, immutable"


class StaticFile(Struct, frozen=True):
    """A file, as it is and compressed."""

    content: bytes
    packed: bytes
    media_type: str
    tag: str


@cache
def static_files() -> dict[str, StaticFile]:
    """Every file by its path below the folder; read once."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix in TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:HASH_DIGITS]}"'
            packed = gzip.compress(content, 9, mtime=0)
            name = path.relative_to(FOLDER).as_posix()
            found[name] = StaticFile(content, packed, TYPES[path.suffix], tag)
    return found


@cache
def version() -> str:
    """A hash of all files: modules import each other by relative paths, so they change together."""
    tags = "".join(f"{name}{file.tag}" for name, file in static_files().items())
    return hashlib.sha256(tags.encode()).hexdigest()[:HASH_DIGITS]


def static_url(name: str) -> str:
    """The URL of a file; KeyError if there is none of this name."""
    static_files()[name]
    return f"/static/{version()}/{name}"


@cache
def modules_behind(name: str) -> list[str]:
    """The URLs of all modules that a module imports, and those import, without its own.

    A page names them all, so that the browser need not find them one behind the other.
    """
    found: dict[str, None] = {}
    todo = [name]
    while todo:
        text = static_files()[todo.pop()].content.decode()
        for wanted in _IMPORT.findall(text):
            if wanted not in found and wanted != name:
                found[wanted] = None
                todo.append(wanted)
    return [static_url(each) for each in sorted(found)]


async def static_file(request: Call) -> Response[bytes]:
    """One file. Under another version's URL it is the newest, to be asked for again."""
    name = read_path(request, "name")
    folder = request.path_params.get("folder")
    file = static_files().get(f"{folder}/{name}" if folder else name)
    if file is None:
        raise NotFound("there is no such file", status=404)
    is_current = read_path(request, "version") == version()
    headers = {
        "Cache-Control": FOR_GOOD if is_current else "no-cache",
        "ETag": file.tag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=file.media_type)
    content = file.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = file.packed
        headers["Content-Encoding"] = "gzip"
    return Response(content, headers=headers, media_type=file.media_type)


ROUTES = [
    HTTPRouteHandler(
        ["/static/{version:str}/{name:str}", "/static/{version:str}/{folder:str}/{name:str}"],
        http_method=["GET", "HEAD"],
        include_in_schema=False,
        opt={"role": None, "is_page": True},
    )(static_file)
]
