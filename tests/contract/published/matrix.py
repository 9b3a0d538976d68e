"""Every public method of the published clients, and how it is called in the tests."""

from __future__ import annotations

from typing import Any

Step = tuple[str, str, list[Any], dict[str, Any]]

BROKEN: dict[str, dict[str, str]] = {
    "1.0.15": {
        "file_upload": "45: always a TypeError",
        "upload_data": "45: always a TypeError",
        "remove_annotations": "26: works, but says nothing",
    },
    "1.1.1": {
        "file_upload": "45: always a TypeError",
        "upload_data": "45: always a TypeError",
        "remove_annotations": "26: works, but says nothing",
    },
    "3.28.14": {"register_model": "of its own: leaves out an argument, always a TypeError"},
}
"""Methods that cannot work, or not as they say, whatever the stack does: the fault's number and what happens."""

RAISES = {"file_upload", "upload_data", "register_model"}
"""Of the broken ones those that always raise."""

EARLY = ("0.0.21", "0.1.1", "1.0.1")
NEW = ("2.3.4", "3.28.14", "ours")
"""Versions with the methods of 2.3.4; `ours` is our SDK, called as the published scripts call it."""

STAYS_OUT = {"run_sql_query", "get_data_dictionary", "quickbooks_query_object", "find_chunk"}
"""Some of the methods of layernext-beta that are answered with 501; all paths are in test_left_out."""

ANALYSIS = {
    "register_model", "auto_tag_collection", "generate_auto_tags_to_metalake",
    "auto_annotate_project", "prompt_inference", "generate_embeddings_for_collection",
    "generate_embeddings_to_metalake",
}  # fmt: skip
"""Calls that would have the stack run a model: answered 501 (docs/automatic-analysis.md)."""

SPLIT = {"train": 50, "validation": 25, "test": 25}


def steps(version: str, work: str, name: str) -> list[Step]:
    """Calls of a version in an order that works.

    Args:
        version: ``1.0.15``, ``1.1.1``, ``2.3.4``, ``3.28.14`` or ``ours``.
        work: a folder with ``images`` (0.jpg to 3.jpg), ``more`` (4.jpg), v1.json, v2.json,
            by_name.json, by_path.json, metadata.json, names.json and paths.json.
        name: of the collection, with nothing that is changed in a path.
    """
    is_old, is_new = version == "1.0.15", version in NEW
    found: list[Step] = [
        ("upload", "upload_files_to_collection",
         [f"{work}/images", "image", name, {"shift": "day", "Tags": ["a"]}], {}),
        ("again", "upload_files_to_collection", [f"{work}/images", "image", name], {}),
        ("status", "get_upload_status", [name], {}),
        ("wait", "wait_for_job_complete", ["${upload.job_id}"], {}),
        ("folder", "upload_annoations_for_folder",
         [name, f"{name} v1", f"{work}/v1.json", "rectangle", False, True], {}),
        ("labels", "get_all_labels", [], {}),
        ("group", "create_label_group", [f"{name} group", ["${labels.0.key}"]], {}),
        ("attach", "attach_labels_to_group", ["${group.id}", ["${labels.1.key}"]], {}),
        ("detach", "detach_labels_from_group", ["${group.id}", ["${labels.1.key}"]], {}),
        ("in_group", "get_labels_in_group", ["${group.id}"], {}),
        ("groups", "get_all_label_groups", [], {}),
        ("url", "get_downloadable_url", [f"{name}_0.jpg"], {}),
        ("meta_all", "upload_metadata_for_collection", [name, "image", {"site": "north"}, True], {}),
        ("meta_files", "upload_metadata_for_files",
         [name, f"{work}/metadata.json"] if is_old else [name, "image", f"{work}/metadata.json"], {}),
        ("collection", "download_collection", ["${upload.collection_id}"],
         {"custom_download_path": f"{work}/d1"}),
        ("annotations", "download_annotations", ["${upload.collection_id}", f"{name} v1"],
         {"custom_download_path": f"{work}/d2"}),
        ("dataset", "create_dataset_from_collection",
         [f"{name} set", "${upload.collection_id}", SPLIT, ["cup", "fork"],
          ["RAW", "YOLO Darknet", "COCO", "Pascal VOC"]], {}),
        ("built", "wait_for_job_complete", ["${dataset.jobId}"], {}),
        ("yolo", "download_dataset", ["${dataset.versionId}", "YOLO Darknet", f"{work}/d3"], {}),
        ("raw", "download_dataset", ["${dataset.versionId}", "RAW", f"{work}/d4"], {}),
        ("lake_set", "create_dataset_from_datalake", [f"{name} lake", SPLIT],
         {"query": f"collection = {name}"}),
        ("update", "update_dataset_version_from_collection",
         ["${dataset.versionId}", "${upload.collection_id}", SPLIT], {"is_new_version_required": True}),
        ("change", "update_dataset_version_from_datalake", ["${dataset.versionId}", SPLIT],
         {"query": f"collection = {name}", "is_new_version_required": False}),
        ("drop", "delete_dataset_version", ["${change.versionId}"], {}),
        ("project", "create_annotation_project_from_collection",
         [f"{name} project", "${upload.collection_id}"], {"frames_per_task": 3}),
        ("lake_project", "create_annotation_project_from_datalake",
         [f"{name} lake project", f"collection = {name}"], {}),
        ("projects", "get_annotation_project_list", [], {}),
        ("add_labels", "add_labels_to_studio_project", ["${project.id}", ["${labels.0.key}"]], {}),
        ("cut_labels", "remove_labels_to_studio_project",
         ["${project.id}", ["${labels.0.key}"]], {}),
        ("project_group", "attach_label_group_to_annotation_project",
         ["${project.id}", "${group.id}"], {}),
        ("add_files", "add_files_to_annotation_project_from_collection",
         ["${project.id}", "${upload.collection_id}", "", {}], {}),
        ("add_lake", "add_files_to_annotation_project_from_datalake",
         ["${project.id}", f"collection = {name}", {}, "image"], {}),
        ("people", "upload_annoations_for_folder",
         [name, "${project.id}", f"{work}/v1.json", "rectangle", False, False], {}),
        ("project_down", "download_annotation_projects", [["${project.id}"]],
         {"custom_download_path": f"{work}/d5"}),
        ("one_down", "download_project_annotations", ["${project.id}"],
         {"custom_download_path": f"{work}/d6"}),
    ]  # fmt: skip
    if not is_old:
        found += [
            ("v2", "upload_annotations_for_collection",
             [name, f"{name} v2", f"{work}/v2.json", False, True], {}),
            ("by_name", "upload_annotations_by_unique_name",
             [f"{name} by name", f"{work}/by_name.json", False, True], {}),
            ("by_path", "upload_annotations_by_storage_path",
             [f"{name} by path", f"{work}/by_path.json", False, True], {}),
        ]  # fmt: skip
    if is_new:
        found += _new_steps(work, name)
    else:
        found += [
            ("old_upload", "file_upload", [f"{work}/more", 5, name], {}),
            ("old_data", "upload_data",
             [name, f"{work}/more", {}, f"{name} data", f"{work}/v1.json", "rectangle", False, True],
             {}),
        ]  # fmt: skip
    found += [
        ("drop_project", "delete_annotation_project", ["${lake_project.id}"], {}),
        ("remove", "remove_annotations", ["${upload.collection_id}", f"{name} v1"], {}),
        ("trash_some", "trash_objects_from_datalake", [f"unique_name = {name}_3.jpg"], {}),
        ("trash", "trash_objects_from_collection", ["${upload.collection_id}"], {}),
    ]
    if version == "3.28.14":
        found[-3:-3] = _virtual_steps(name)
        return [_for_beta(step, name) for step in found] + _beta_steps()
    return found


def _for_beta(step: Step, name: str) -> Step:
    """A step with the argument that layernext-beta has put in between."""
    if step[1] != "get_file_details":
        return step
    return (step[0], step[1], [f"{name}_0.jpg", "chat", {"fileSize": True, "site": True}], {})


def _virtual_steps(name: str) -> list[Step]:
    """Of layernext-beta: a virtual collection, created by a query and added to by ids."""
    return [
        ("virtual", "update_virtual_collection", [f"{name} best"],
         {"query": f"unique_name = {name}_0.jpg"}),
        ("virtual_more", "update_virtual_collection", [],
         {"virtual_collection_id": "${virtual.vCollectionId}",
          "query": f"collection = {name}"}),
        ("virtual_items", "get_item_list_from_datalake",
         ["image", 'metadata.virtual_collection = "' + name + ' best"'], {}),
    ]  # fmt: skip


def _beta_steps() -> list[Step]:
    """Of layernext-beta: some of what stays out."""
    return [
        ("sql", "run_sql_query", ["source", "select 1"], {}),
        ("dictionary", "get_data_dictionary", [], {}),
        ("books", "quickbooks_query_object", ["Invoice", "select * from Invoice"], {}),
        ("chunk", "find_chunk", [["a"], ["b"]], {}),
    ]


def early_steps(version: str, work: str, name: str, known: dict[str, str]) -> list[Step]:
    """Calls of a version before 1.0.15, which answers no id of a collection: its name stands for it.

    Args:
        version: one of `EARLY`.
        work, name: as in `steps`.
        known: ``label``, a label's reference, and ``version``, of a dataset that is built.
    """
    is_first = version == "0.0.21"
    project = "studio_project" if is_first else "annotation_project"
    add = "update_objects_to" if is_first else "add_files_to"
    query = f"collection = {name}"
    rest: list[Any] = ["", {}, 4]
    found: list[Step] = [
        ("upload", "file_upload", [f"{work}/images", 5, name, {"shift": "day"}], {}),
        ("data", "upload_data",
         [name, f"{work}/more", {}, f"{name} data", f"{work}/v1.json", "rectangle", False, True], {}),
        ("status", "get_upload_status", [name], {}),
        ("folder", "upload_annoations_for_folder",
         [name, f"{name} v1", f"{work}/v1.json", "rectangle", False, True], {}),
        ("annotations", "download_annotations", [name, f"{name} v1"], {}),
        ("project", f"create_{project}_from_collection", [f"{name}_project", name, *rest], {}),
        ("lake_project", f"create_{project}_from_datalake",
         [f"{name} lake project", query, {}, 2 if is_first else "image", 4], {}),
        ("add_files", f"{add}_{project}_from_collection", ["${project.id}", name, *rest], {}),
        ("add_lake", f"{add}_{project}_from_datalake",
         ["${project.id}", query, {}, 2 if is_first else "image", 4], {}),
        ("projects", f"get_{project}_list", [], {}),
        ("add_labels", "add_labels_to_studio_project", ["${project.id}", [known["label"]]], {}),
        ("cut_labels", "remove_labels_to_studio_project", ["${project.id}", [known["label"]]], {}),
        ("people", "upload_annoations_for_folder",
         [name, "${project.id}", f"{work}/v1.json", "rectangle", False, False], {}),
        ("raw", "download_dataset", [known["version"], "YOLO Darknet"], {}),
    ]  # fmt: skip
    if not is_first:
        found += [
            ("files", "upload_files_to_collection", [f"{work}/images", "image", f"{name}_2", {}], {}),
            ("labels", "get_all_labels", [], {}),
            ("group", "create_label_group", [f"{name} group", [known["label"]]], {}),
            ("groups", "get_all_label_groups", [], {}),
            ("project_group", "attach_label_group_to_annotation_project",
             ["${project.id}", "${group.id}"], {}),
            ("project_down", "download_project_annotations", ["${project.id}"], {}),
        ]  # fmt: skip
    if version == "1.0.1":
        found += [
            ("attach", "attach_labels_to_group", ["${group.id}", [known["label"]]], {}),
            ("in_group", "get_labels_in_group", ["${group.id}"], {}),
            ("detach", "detach_labels_from_group", ["${group.id}", [known["label"]]], {}),
        ]
    found += [
        ("drop_project", f"delete_{project}", ["${lake_project.id}"], {}),
        ("remove", "remove_annotations", [name, f"{name} v1"], {}),
    ]
    return found


def _new_steps(work: str, name: str) -> list[Step]:
    """What only 2.3.4 has."""
    vectors = [{"uniqueName": f"{name}_{n}.jpg", "embeddings": [n, 1.5]} for n in range(2)]
    model = f"{name} model"
    return [
        ("old_upload", "file_upload", [f"{work}/more", 5, name], {}),
        ("one", "upload_files_to_collection", [f"{work}/images/0.jpg", "image", f"{name} one"], {}),
        ("with_meta", "upload_files_to_collection", [f"{work}/images", "image", f"{name} meta"],
         {"metadata_file_path": f"{work}/metadata.json"}),
        ("old_data", "upload_data",
         [f"{name} data", f"{work}/images", {}, f"{name} data", f"{work}/v2.json", False, True], {}),
        ("by_job", "upload_annotations_by_job_id",
         ["${upload.job_id}", f"{name} by job", f"{work}/v2.json", False, True], {}),
        ("made", "create_or_update_collection", [f"{name} made", "image", {"k": 1}], {}),
        ("meta_names", "upload_metadata_by_unique_name", [f"{work}/names.json"], {}),
        ("meta_paths", "upload_metadata_by_storage_path", [f"{work}/paths.json"], {}),
        ("meta_job", "upload_metadata_by_job_id", ["${upload.job_id}", f"{work}/metadata.json"], {}),
        ("file", "get_file_details", [f"{name}_0.jpg", {"fileSize": True, "site": True}], {}),
        ("details", "get_collection_details", ["${upload.collection_id}", {"Tags": True}], {}),
        ("id", "get_collection_id_by_name", [name], {}),
        ("stats", "get_system_stat_count", [], {}),
        ("items", "get_item_list_from_datalake", ["image", f"collection = {name}"], {}),
        ("count", "get_item_count_from_metalake", ["image", f"collection = {name}"], {}),
        ("mine", "get_item_list_from_collection", ["${upload.collection_id}"],
         {"sort_order": {"sort_by_field": "name", "sort_order": "ASC"}}),
        ("mine_count", "get_item_count_from_collection", ["${upload.collection_id}"], {}),
        ("sorts", "get_valid_sort_fields", [], {}),
        ("lake_files", "download_files_from_metalake", ["image", f"{work}/d7"],
         {"query": f"collection = {name}"}),
        ("files", "download_files_from_collection", ["${upload.collection_id}", f"{work}/d8"], {}),
        ("label", "create_system_label",
         [{"className": f"{name} label", "attributes": [
             {"attributeName": "kind", "values": [{"valueName": "car", "description": ""}]}]}], {}),
        ("run", "attach_model_run_to_project", ["${project.id}", [f"{name} v1"]], {}),
        ("title", "get_annotation_project_name_by_id", ["${project.id}"], {}),
        ("job", "create_or_update_job", [f"{name} session", "my job", 14, 50, 1, {}], {}),
        ("batch", "insert_image_embeddings_batch", [vectors, model, [2]], {}),
        ("vectors", "insert_image_embeddings", [vectors, model, [2]], {}),
        ("vector", "get_embedding_vector", [[f"{name}_1.jpg"], model], {}),
        ("tag", "auto_tag_collection", ["${upload.collection_id}"], {}),
        ("tag_lake", "generate_auto_tags_to_metalake", ["image"], {}),
        ("annotate", "auto_annotate_project", ["${project.id}"], {}),
        ("prompt", "prompt_inference", [f"{name}_0.jpg", "bbox"], {}),
        ("embed", "generate_embeddings_for_collection", ["${upload.collection_id}"], {}),
        ("embed_lake", "generate_embeddings_to_metalake", [], {}),
        ("model", "register_model", [f"{work}/model", f"{name}_model", "auto_tagging"], {}),
    ]  # fmt: skip
