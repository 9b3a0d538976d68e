"""What the caller hands over stays as it was (fault 98 of the published clients)."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from layernext import LayerNextClient
from tests.integration.client.conftest import Pair


def handed_over(collection: str) -> dict[str, dict[str, Any]]:
    """Arguments that have something in them to change, by method."""
    box = {
        "type": "rectangle",
        "label": "cup",
        "bbox": [1, 2, 3, 4],
        "attributes": {"color": [{"value": "red"}]},
        "metadata": {"a": [1]},
    }
    split = {"train": 100, "test": 0, "validation": 0}
    return {
        "upload_modelrun": {
            "collection": collection,
            "run": "run",
            "source": [{"image": "1.jpg", "annotations": [box]}],
        },
        "upload_metadata_by_unique_name": {
            "json_data_file_path": {
                "files": [{"file": f"{collection}_1.jpg", "metadata": {"Tags": ["a"], "b": {}}}]
            }
        },
        "upload_metadata_for_collection": {
            "collection_name": collection,
            "content_type": "image",
            "metadata_obj": {"Tags": ["x"], "place": {"row": [1]}},
        },
        "insert_image_embeddings": {
            "embedding_list": [{"uniqueName": f"{collection}_1.jpg", "embeddings": [1.0, 2.0]}],
            "model_name": f"model of {collection}",
            "vector_dimension": [2],
        },
        "get_item_list_from_collection": {
            "collection_id": collection,
            "filter": {"annotation_types": ["machine"], "from_date": "2020-01-01"},
            "sort_order": {"sort_by_field": "name", "sort_order": "ASC"},
        },
        "create_system_label": {
            "label": {
                "className": f"label of {collection}",
                "attributes": [{"attributeName": "b", "values": [{"valueName": "c"}]}],
            }
        },
        "create_dataset_from_collection": {
            "dataset_name": f"set of {collection}",
            "collection_id": collection,
            "split_info": split,
            "labels": ["cup"],
            "export_types": ["RAW"],
            "filter": {"annotation_types": ["machine"]},
            "operation_list": ["run"],
        },
        "create_or_update_job": {
            "session_id": collection, "job_name": "work", "job_type": -1, "progress": 1, "status": 1,
            "job_detail": {"errorList": "", "modelName": "m"},
        },
    }  # fmt: skip


def test_arguments_stay_as_they_were(pair: Pair, client: LayerNextClient) -> None:
    """Lists and dictionaries of every kind, given to calls of both protocols."""
    collection = f"yard-{uuid.uuid4().hex[:8]}"
    given = handed_over(collection)
    before = copy.deepcopy(given)
    for method, arguments in given.items():
        answer = getattr(pair.writer, method)(**arguments)
        assert answer is not None, method
    assert given == before
