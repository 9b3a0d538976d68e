"""API keys over HTTP, for administrators."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync
from litestar import Request, delete, get, post
from litestar.params import FromPath

from layernext.errors import DataError, NotFound, Problem
from layernext.model import find_names_problem
from layernext.stack.api import auth, body
from layernext.stack.api.dependencies import TheStore
from layernext.stack.api.openapi import errors, json_body
from layernext.stack.store import Key, NewKey, Store
from layernext.wire.native import KEYS_PATH, KeyRequest


@get(KEYS_PATH, opt=auth.ADMIN, tags=["keys"], responses=errors(401, 403))
async def list_keys(store: TheStore) -> list[Key]:
    """Every key without its secret, revoked ones too."""
    return await run_sync(store.list_keys)


@post(
    KEYS_PATH,
    status_code=201,
    opt=auth.ADMIN,
    tags=["keys"],
    operation_class=json_body(KeyRequest),
    responses=errors(401, 403, 413, 422),
)
async def create_key(request: Request[Any, Any, Any], store: TheStore) -> NewKey:
    """Make a key. The answer is the only place where its secret is ever shown."""
    message = await body.read_message(request, KeyRequest)
    problem = find_names_problem(message.name, "a key")
    if problem:
        raise DataError(Problem("name", problem))
    return await run_sync(store.create_key, message.name, message.role)


@delete(
    KEYS_PATH + "/{api_key:str}",
    status_code=204,
    opt=auth.ADMIN,
    tags=["keys"],
    responses=errors(401, 403, 404),
)
async def revoke_key(store: TheStore, api_key: FromPath[str]) -> None:
    """Revoke a key; requests with it are refused from now on."""
    if not await run_sync(store.revoke_key, api_key):
        raise NotFound(f"there is no key {api_key!r} in use", status=404)


ROUTES = [list_keys, create_key, revoke_key]
