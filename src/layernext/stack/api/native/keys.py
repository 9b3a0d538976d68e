"""API keys, for administrators."""

from __future__ import annotations

import msgspec
from litestar import Response
from msgspec import Struct

from layernext.errors import NotFound
from layernext.stack.api.audit import describe_key, note
from layernext.stack.api.messages import Call, answer, check_name, read_message, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.store import Key, NewKey
from layernext.wire.native import KEYS_PATH, KeyRequest


class RevokeResult(Struct, frozen=True):
    """The key that was revoked."""

    api_key: str


@operation(
    "GET",
    KEYS_PATH,
    Operation(summary="List API keys", tag="Keys", role="admin", answer=list[Key]),
)
async def list_keys(request: Call) -> Response[bytes]:
    """Every key without its secret, revoked ones too, oldest first."""
    services = services_of(request)
    return answer(await services.call(services.store.keys.list))


@operation(
    "POST",
    KEYS_PATH,
    Operation(
        summary="Make an API key",
        tag="Keys",
        role="admin",
        action="create key",
        body=KeyRequest,
        answer=NewKey,
        is_recorded=True,
        errors=(400, 404, 409, 413, 422),
    ),
)
async def create_key(request: Call) -> Response[bytes]:
    """Makes a key. Its secret is in this answer and nowhere else, ever again.

    Nor is it recorded: if this request is repeated under its `Idempotency-Key`, no second key is made, and
    the answer is a 409 that names the first one, to be revoked.
    """
    wanted = await read_message(request, KeyRequest)
    check_name(wanted.name, "name", "a key")
    services = services_of(request)

    def work() -> Response[bytes]:
        key = services.store.keys.create(wanted.name, wanted.role, wanted.rate, wanted.user)
        note(request, subject=describe_key(key))
        return answer(key)

    response = await change(request, work, refusal=_refuse_secret)
    response.set_header("Cache-Control", "no-store")
    return response


def _refuse_secret(content: bytes) -> str:
    """What a repeated request is told in place of a secret."""
    api_key = msgspec.json.decode(content, type=NewKey).api_key
    return (
        f"an earlier attempt at this request made the key {api_key}; its secret was in that answer "
        "alone and is not stored: revoke that key and make another"
    )


@operation(
    "DELETE",
    f"{KEYS_PATH}/{{api_key:str}}",
    Operation(
        summary="Revoke an API key",
        tag="Keys",
        role="admin",
        action="revoke key",
        is_recorded=True,
        path=(Parameter("api_key", "The key, without its secret."),),
        answer=RevokeResult,
        errors=(400, 404),
    ),
)
async def revoke_key(request: Call) -> Response[bytes]:
    """Ends a key's life: requests that come with it are refused from now on."""
    services, api_key = services_of(request), read_path(request, "api_key")

    def work() -> Response[bytes]:
        if not services.store.keys.revoke(api_key):
            raise NotFound(f"there is no key {api_key[:600]!r} in use", status=404)
        note(request, subject=api_key)
        return answer(RevokeResult(api_key))

    return await change(request, work)


ROUTES = [list_keys, create_key, revoke_key]
