"""What of the published packages' public surface our SDK leaves out, and why."""

from __future__ import annotations

_DOCUMENTS = "documents and chat: not part of an annotation stack"
_DATABASES = "queries of SQL and MongoDB databases: not part of an annotation stack"
_ACCOUNTING = "accounting: not part of an annotation stack"
_KNOWLEDGE = "rules and knowledge of the chat assistant: not part of an annotation stack"

LEFT_OUT: dict[str, str] = {
    **dict.fromkeys(
        (
            "extract_document_elements_keyInfo", "find_chunk", "find_document_chunks",
            "find_documents", "find_elements", "get_documents_with_structure",
            "get_item_list_from_datalake_llm", "query_documents_with_structure",
            "retrieve_documents", "retrieve_suggested_questions", "retrieve_text_chunks",
            "submit_user_feedback",
        ),
        _DOCUMENTS,
    ),
    **dict.fromkeys(
        (
            "delete_mongodb_data", "execute_mongo_delete", "execute_mongo_insert",
            "execute_mongo_query", "get_data_dictionary",
            "get_data_dictionary_modified_timestamp", "get_data_dictionary_with_overview_data",
            "get_data_source_sync_status", "get_datasource_metadata", "get_integration_list",
            "get_source_list", "get_table_schema", "insert_mongodb_data",
            "retrieve_db_unstructured_records", "run_mongodb_aggregation", "run_sql_query",
        ),
        _DATABASES,
    ),
    **dict.fromkeys(
        (
            "exchange_plaid_public_token", "get_plaid_link_token", "notify_plaid_on_event",
            "notify_plaid_on_exit", "quickbooks_create_or_update_object", "quickbooks_get_auth_uri",
            "quickbooks_get_object", "quickbooks_query_object", "quickbooks_upload_attachment",
        ),
        _ACCOUNTING,
    ),
    **dict.fromkeys(
        (
            "acknowledge_knowledge_block_rules", "add_knowledge_blocks", "create_business_rule",
            "update_business_overview", "update_business_rule",
        ),
        _KNOWLEDGE,
    ),
}  # fmt: skip
"""Methods of layernext-beta 3.28.14 alone; a stack answers their requests with 501."""

SERVED_ONLY = {"update_virtual_collection"}
"""Methods of layernext-beta that a stack serves and our client does not have: docs/migration.md says what to write."""

OTHER_ARGUMENTS: dict[tuple[str, str], str] = {
    ("get_file_details", "chat_id"): "layernext-beta: belongs to the chat assistant; leave it out",
}
"""Arguments of published methods that ours do not take."""

OTHER_ORDER: dict[tuple[str, str], str] = {
    ("upload_files_to_collection", "1.0.15"): (
        "the 7th argument is `application_code` there and `storage_prefix_path` in 1.1.1 and 2.3.4: "
        "both are strings; name it"
    ),
    ("get_file_details", "3.28.14"): (
        "the 2nd argument is `chat_id` there and `fields_filter` in 2.3.4; name the latter"
    ),
}
"""Positional arguments that cannot be told apart from those of another version."""

TOLD_APART: dict[tuple[str, str], str] = {
    ("upload_data", "1.x"): "eight arguments, the sixth a string: the shape type of a form v1 file",
    ("upload_files_to_collection", "1.1.1"): "the 8th argument is a string: `application_code`",
    ("upload_metadata_for_files", "1.x"): "two arguments: the second is the file",
}
"""Positional arguments of other versions that ours recognizes by their number or type."""

REPLACED: dict[str, tuple[str, ...]] = {
    "create_studio_project_from_collection": ("create_annotation_project_from_collection",),
    "create_studio_project_from_datalake": ("create_annotation_project_from_datalake",),
    "delete_studio_project": ("delete_annotation_project",),
    "download_annotations": ("download_collection",),
    "download_project_annotations": ("download_annotation_projects",),
    "file_upload": ("upload_files_to_collection",),
    "get_studio_project_list": ("get_annotation_project_list",),
    "remove_labels_to_studio_project": ("remove_labels_from_studio_project",),
    "update_objects_to_studio_project_from_collection": (
        "add_files_to_annotation_project_from_collection",
    ),
    "update_objects_to_studio_project_from_datalake": (
        "add_files_to_annotation_project_from_datalake",
    ),
    "upload_annoations_for_folder": ("upload_annotations_for_folder", "upload_modelrun_from_json"),
    "upload_data": ("upload_files_to_collection",),
}
"""Published methods, and those that have taken their place."""
