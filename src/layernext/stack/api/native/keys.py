"""API keys, for administrators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from layernext.errors import NotFound
from layernext.stack.api.audit import Audit, describe_key
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import Key, NewKey, Store
from layernext.wire.native import KEYS_PATH, KeyRequest


class RevokeResult(Struct, frozen=True):
    """The key that was revoked."""

    api_key: str


@operation(
    "GET",
    KEYS_PATH,
    Operation(summary="List API keys", tag="Keys", role="admin"),
)
def list_keys(store: Store) -> list[Key]:
    """Every key without its secret, revoked ones too, oldest first."""
    return store.keys.list()


def _refuse_secret(content: bytes) -> str:
    """What a repeated request is told in place of a secret."""
    api_key = msgspec.json.decode(content, type=NewKey).api_key
    return (
        f"an earlier attempt at this request made the key {api_key}; its secret was in that answer "
        "alone and is not stored: revoke that key and make another"
    )


@operation(
    "POST",
    KEYS_PATH,
    Operation(
        summary="Make an API key",
        tag="Keys",
        role="admin",
        action="create key",
        is_recorded=True,
        refusal=_refuse_secret,
        answer_headers={"Cache-Control": "no-store"},
        errors=(400, 404, 409, 413, 422),
    ),
)
def create_key(body: KeyRequest, store: Store, audit: Audit) -> NewKey:
    """Makes a key. Its secret is in this answer and nowhere else, ever again.

    Nor is it recorded: if this request is repeated under its `Idempotency-Key`, no second key is made, and
    the answer is a 409 that names the first one, to be revoked.
    """
    check_name(body.name, "name", "a key")
    key = store.keys.create(body.name, body.role, body.rate, body.user)
    audit.note(subject=describe_key(key))
    return key


@operation(
    "DELETE",
    f"{KEYS_PATH}/{{api_key:str}}",
    Operation(
        summary="Revoke an API key",
        tag="Keys",
        role="admin",
        action="revoke key",
        is_recorded=True,
        errors=(400, 404),
    ),
)
def revoke_key(
    api_key: Annotated[str, Meta(description="The key, without its secret.")],
    store: Store,
    audit: Audit,
) -> RevokeResult:
    """Ends a key's life: requests that come with it are refused from now on."""
    if not store.keys.revoke(api_key):
        raise NotFound(f"there is no key {api_key[:600]!r} in use", status=404)
    audit.note(subject=api_key)
    return RevokeResult(api_key)


ROUTES = [list_keys, create_key, revoke_key]
