"""Paths that published clients know, and that a stack answers with 501."""

from __future__ import annotations

from layernext.wire.published.paths import ANALYTICS, CLIENT, DATALAKE, PathTemplate

ANALYTICS_PATHS = (
    f"{ANALYTICS}/model_setup",  # E58
    f"{ANALYTICS}/dataIn",  # E59
    f"{ANALYTICS}/dataIn_embedding",  # E60
    f"{ANALYTICS}/dataIn_annotation",  # E61
    f"{ANALYTICS}/dataIn_prompt_infer",  # E62
)
"""Automatic analysis, POST."""

DOCUMENT_GET_PATHS = (
    f"{CLIENT}/dataSourceMetaData",
    f"{CLIENT}/get/data/dictionary",
    f"{CLIENT}/get/dataDictionaryFromDB",
    f"{CLIENT}/get/dataDictionaryUpdatedTime",
    f"{CLIENT}/get/tableSchema",
    f"{CLIENT}/metadata/getDetails",
    f"{CLIENT}/retrieve/suggested_questions",
    f"{DATALAKE}/api/connection/integrationList",
    f"{DATALAKE}/api/quickbooks/get_auth_uri",
    f"{DATALAKE}/api/quickbooks/get_object_by_id",
)
"""Documents, databases and accounting in layernext-beta 3.28.14, GET."""

sync_status_path = PathTemplate(f"{DATALAKE}/api/connection/sync-status/{{type}}")
"""Likewise, GET."""

DOCUMENT_POST_PATHS = (
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
"""Likewise, POST."""
