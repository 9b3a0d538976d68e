"""What layernext-beta 3.28.14 has beside images: documents, databases, accounting. Not done, and said so."""

from __future__ import annotations

from typing import Any, Literal

from litestar import Response

from layernext.stack.api.error_map import JSON, envelope
from layernext.stack.api.messages import Call
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.wire.published import CLIENT, DATALAKE

SENTENCE = (
    "a stack holds images, videos and their annotations: documents, databases, accounting and "
    "the chat assistant are not part of it (docs/compatibility.md)"
)

GET = (
    f"{CLIENT}/dataSourceMetaData",
    f"{CLIENT}/get/data/dictionary",
    f"{CLIENT}/get/dataDictionaryFromDB",
    f"{CLIENT}/get/dataDictionaryUpdatedTime",
    f"{CLIENT}/get/tableSchema",
    f"{CLIENT}/metadata/getDetails",
    f"{CLIENT}/retrieve/suggested_questions",
    f"{DATALAKE}/api/connection/integrationList",
    f"{DATALAKE}/api/connection/sync-status/{{type:str}}",
    f"{DATALAKE}/api/quickbooks/get_auth_uri",
    f"{DATALAKE}/api/quickbooks/get_object_by_id",
)
POST = (
    f"{CLIENT}/business-overview/update",
    f"{CLIENT}/business-rules/create",
    f"{CLIENT}/business-rules/knowledge-block-ack",
    f"{CLIENT}/business-rules/update",
    f"{CLIENT}/chat_feedback/submit",
    f"{CLIENT}/connection/get/sourceAndType",
    f"{CLIENT}/execute/mongoDelete",
    f"{CLIENT}/execute/mongoInsert",
    f"{CLIENT}/execute/mongoQuery",
    f"{CLIENT}/execute/sqlQuery",
    f"{CLIENT}/extract/doc_content",
    f"{CLIENT}/find/chunk",
    f"{CLIENT}/find/document/chunk",
    f"{CLIENT}/find/elements",
    f"{CLIENT}/knowledge-blocks/create",
    f"{CLIENT}/retrieve/unstructuredRecords",
    f"{DATALAKE}/api/plaid/exchange_public_token",
    f"{DATALAKE}/api/plaid/get_plaid_link",
    f"{DATALAKE}/api/plaid/on_exit",
    f"{DATALAKE}/api/plaid/record_event",
    f"{DATALAKE}/api/quickbooks/create_or_update_object",
    f"{DATALAKE}/api/quickbooks/query_object",
    f"{DATALAKE}/api/quickbooks/upload_attachment",
)


def _route(method: Literal["GET", "POST"], path: str) -> Any:
    names = ("type",) if "{type" in path else ()
    record = Operation(
        summary="layernext-beta: not part of a stack",
        tag="Published protocol",
        role="read",
        path=tuple(Parameter(name, "Any.") for name in names),
        status=501,
    )

    async def refuse(request: Call) -> Response[bytes]:
        """Answers 501: a stack has nothing of the kind."""
        request_id: str | None = request.scope["state"].get("request_id")
        return Response(envelope(501, SENTENCE, request_id), status_code=501, media_type=JSON)

    words = path.partition("{")[0].removeprefix(DATALAKE).strip("/").replace("-", "_")
    refuse.__name__ = "refuse_" + words.replace(
        "/", "_"
    )  # its name in the description of the routes
    return operation(method, path, record)(refuse)


ROUTES = [
    *(_route("GET", path) for path in GET),
    *(_route("POST", path) for path in POST),
]
