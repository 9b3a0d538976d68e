"""Styles and scripts. Their URLs have a hash of all of them, so that browsers keep each for good."""

from __future__ import annotations

import hashlib
import posixpath
import re
from functools import cache
from pathlib import Path

from litestar import Response
from litestar.handlers import HTTPRouteHandler

from layernext.errors import NotFound
from layernext.stack.api.documents import Document, make_document
from layernext.stack.api.messages import Call, read_path

FOLDER = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
HASH_DIGITS = 12

_IMPORT = re.compile(r'^(?:import|export|\}) ?[^"]*"(\.{1,2}/[\w/]+\.js)";$', re.MULTILINE)

FOR_GOOD = "public, max-age=31536000, immutable"


@cache
def static_files() -> dict[str, Document]:
    """Every file by its path below the folder; read once."""
    files = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix in TYPES:
            name = path.relative_to(FOLDER).as_posix()
            files[name] = make_document(path.read_bytes(), TYPES[path.suffix])
    return files


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

    A page names them all, so that the browser need not discover them one after another.
    """
    imported: set[str] = set()
    todo = [name]
    while todo:
        module = todo.pop()
        text = static_files()[module].content.decode()
        for relative_path in _IMPORT.findall(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(module), relative_path))
            if path not in imported and path != name:
                imported.add(path)
                todo.append(path)
    return [static_url(path) for path in sorted(imported)]


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
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return file.answer(request.headers, headers)


ROUTES = [
    HTTPRouteHandler(
        ["/static/{version:str}/{name:str}", "/static/{version:str}/{folder:str}/{name:str}"],
        http_method=["GET", "HEAD"],
        include_in_schema=False,
        opt={"role": None, "is_page": True},
    )(static_file)
]
