"""What published clients ask for and a stack does not do: every such call is answered with 501 and a sentence."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Response
from msgspec import Struct

from layernext.stack.api.error_map import JSON, envelope
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.signature import RequestId
from layernext.stack.store import Role
from layernext.wire.published import (
    ANALYTICS_PATHS,
    DATALAKE,
    DOCUMENT_GET_PATHS,
    DOCUMENT_POST_PATHS,
    sync_status_path,
    title_of,
)

NO_MODELS = (
    "a stack runs no models: run yours where you are and send what it finds, "
    "with model_run or insert_image_embeddings"
)
NO_DOCUMENTS = (
    "a stack holds images, videos and their annotations: documents, databases, accounting and "
    "the chat assistant are not part of it (docs/compatibility.md)"
)
_BETA = "layernext-beta: not part of a stack"


class Refusal(Struct, frozen=True):
    """An endpoint that is only refused.

    Attributes:
        method, path: of the endpoint.
        title: in the description of the stack.
        sentence: of the answer.
        role: that a key needs to be told so.
        is_message_on_top: whether the sentence is also the answer's own `message`, which some clients print.
    """

    method: Literal["GET", "POST"]
    path: str
    title: str
    sentence: str
    role: Role = "read"
    is_message_on_top: bool = False


REFUSALS = (
    *(
        Refusal("POST", path, title_of(path), NO_MODELS, role="write", is_message_on_top=True)
        for path in ANALYTICS_PATHS
    ),
    *(Refusal("GET", path, _BETA, NO_DOCUMENTS) for path in DOCUMENT_GET_PATHS),
    Refusal("GET", sync_status_path.route, _BETA, NO_DOCUMENTS),
    *(Refusal("POST", path, _BETA, NO_DOCUMENTS) for path in DOCUMENT_POST_PATHS),
)


def _route(refusal: Refusal) -> Any:
    record = Operation(
        summary=refusal.title,
        tag="Published protocol",
        role=refusal.role,
        path=(Parameter("type", "Any."),) if "{type" in refusal.path else (),
        status=501,
    )

    async def refuse(request_id: RequestId) -> Response[bytes]:
        body = envelope(501, refusal.sentence, request_id)
        if refusal.is_message_on_top:
            body = msgspec.json.encode(msgspec.json.decode(body) | {"message": refusal.sentence})
        return Response(body, status_code=501, media_type=JSON)

    # Both are part of the stack's description.
    words = refusal.path.partition("{")[0].removeprefix(DATALAKE).strip("/")
    refuse.__name__ = "refuse_" + words.replace("-", "_").replace("/", "_")
    refuse.__doc__ = f"Answers 501: {refusal.sentence}."
    return operation(refusal.method, refusal.path, record)(refuse)


ROUTES = [_route(refusal) for refusal in REFUSALS]
