"""From a request's path to the one form that the router knows.

The published clients join URLs by hand and quote nothing (docs/protocol.md): a base URL with
a closing slash doubles a slash, and an operation id with slashes adds segments. Here repeated
slashes are collapsed, an id is taken greedily and put into one segment, percent-encoded; a handler
gets it back, decoded once, from `path_text`.

layernext-beta leaves out the prefix of the data lake. Its paths get it here; `is_unprefixed` tells handlers
whose answers differ for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from layernext.errors import InvalidRequest

_SLASHES = re.compile(rb"/{2,}")
_OPERATION_DATA = re.compile(
    rb"/+datalake/+api/+metadata/+operationdata/(?:(\d+)/(\d+)/)?(.+)/update/*", re.DOTALL
)
_CLIENT = b"/datalake/api/client/"
_UNPREFIXED = re.compile(
    rb"/+(api/+(?:client|metadata/+operationdata|job/+updateJob|connection|plaid|quickbooks)/.*)",
    re.DOTALL,
)
_GREEDY = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        _CLIENT + rb"(getAnnotations/)(.+)(/(?:collection|project))",
        _CLIENT + rb"(jobs/)(.+)(/getStatus)",
        _CLIENT + rb"(explorer/)(?!objects/)(.+)(/objects/(?:list|count))",
        _CLIENT + rb"(collectionUploadingStatus/)(.+)(/complete)",
        _CLIENT + rb"(sdk/compatibility/)(.+)()",
        _CLIENT + rb"()(.+)(/getObjectTypeById)",
    )
]


def routed_path(scope: Mapping[str, Any]) -> str:
    """The path to route by: ASCII, variable segments percent-encoded."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    raw = raw.partition(b"?")[0]
    bare = _UNPREFIXED.fullmatch(raw)
    if bare:
        raw = b"/datalake/" + bare.group(1)
    match = _OPERATION_DATA.fullmatch(raw)
    if match:
        kind, mode, run = match.groups()
        form = f"{kind.decode()}/{mode.decode()}/" if kind and mode else ""
        return f"/datalake/api/metadata/operationdata/{form}{_segment(run)}/update"
    raw = _SLASHES.sub(b"/", raw)
    raw = raw.rstrip(b"/") or b"/"
    for pattern in _GREEDY:
        match = pattern.fullmatch(raw)
        if match:
            before, name, after = match.groups()
            return f"{(_CLIENT + before).decode()}{_segment(name)}{after.decode()}"
    return "/".join(quote(unquote_to_bytes(part), safe="") for part in raw.split(b"/"))


def is_unprefixed(scope: Mapping[str, Any]) -> bool:
    """Whether a request of the published protocol came without the data lake's prefix: layernext-beta."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return _UNPREFIXED.fullmatch(raw.partition(b"?")[0]) is not None


def _segment(name: bytes) -> str:
    # Every byte is encoded, so that no name can be taken for a fixed part of a route.
    return "".join(f"%{byte:02X}" for byte in unquote_to_bytes(name))


def path_text(parameters: Mapping[str, Any], name: str) -> str:
    """A variable segment of the path, decoded.

    Raises:
        InvalidRequest: it is not UTF-8, or contains U+0000.
    """
    try:
        text = unquote_to_bytes(parameters[name]).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the path is not UTF-8 in {name}", status=400) from error
    if "\x00" in text:
        raise InvalidRequest(f"U+0000 cannot be in {name}", status=400)
    return text
