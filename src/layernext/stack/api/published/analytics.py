"""Automatic analysis, E58 to E62: not done by a stack, and said so."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response

from layernext.stack.api.error_map import JSON, envelope
from layernext.stack.api.messages import Call
from layernext.stack.api.operation import Operation, operation
from layernext.wire.published import ANALYTICS

SENTENCE = (
    "a stack runs no models: run yours where you are and send what it finds, "
    "with model_run or insert_image_embeddings"
)

PATHS = {
    "E58": "model_setup",
    "E59": "dataIn",
    "E60": "dataIn_embedding",
    "E61": "dataIn_annotation",
    "E62": "dataIn_prompt_infer",
}


def _route(number: str, name: str) -> Any:
    record = Operation(
        summary=f"{number}: automatic analysis, which a stack does not do",
        tag="Published protocol",
        role="write",
        status=501,
    )

    async def refuse(request: Call) -> Response[bytes]:
        """Answers 501: a stack runs no code that somebody sends it."""
        request_id: str | None = request.scope["state"].get("request_id")
        # The published clients print `message` at the top level as well.
        plain = msgspec.json.decode(envelope(501, SENTENCE, request_id)) | {"message": SENTENCE}
        return Response(msgspec.json.encode(plain), status_code=501, media_type=JSON)

    refuse.__name__ = f"refuse_{name}"  # its name in the description of the routes
    return operation("POST", f"{ANALYTICS}/{name}", record)(refuse)


ROUTES = [_route(number, name) for number, name in PATHS.items()]
