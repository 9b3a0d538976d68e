"""Calls under the names that they had on the client itself before there were groups.

Scripts that use them go on working. New code calls the groups.
"""

from __future__ import annotations

from layernext.client.groups.audit import Audit
from layernext.client.groups.collections import Collections
from layernext.client.groups.datasets import Datasets
from layernext.client.groups.embeddings import Embeddings
from layernext.client.groups.evaluations import Evaluations
from layernext.client.groups.exports import Exports
from layernext.client.groups.files import Files
from layernext.client.groups.grants import Grants
from layernext.client.groups.items import Items
from layernext.client.groups.jobs import Jobs
from layernext.client.groups.metadata import Metadata
from layernext.client.groups.projects import Projects
from layernext.client.groups.runs import Runs
from layernext.client.groups.trash import Trash
from layernext.client.groups.users import Users
from layernext.client.other_names import CallOf


class EarlierNames:
    """Earlier names of calls that are in groups today."""

    list_collections = CallOf("collections", Collections.list)
    create_collection = CallOf("collections", Collections.create)
    iter_items = CallOf("items", Items.iter)
    iter_trash = CallOf("trash", Trash.iter)
    restore = CallOf("trash", Trash.restore)
    purge = CallOf("trash", Trash.purge)
    list_files = CallOf("files", Files.list)
    download_files = CallOf("files", Files.download)
    list_model_runs = CallOf("runs", Runs.list)
    get_run_statistics = CallOf("runs", Runs.statistics)
    export = CallOf("runs", Runs.export)
    list_jobs = CallOf("jobs", Jobs.list)
    get_metadata_names = CallOf("metadata", Metadata.names)
    declare_metadata = CallOf("metadata", Metadata.declare)
    list_datasets = CallOf("datasets", Datasets.list)
    get_dataset_version = CallOf("datasets", Datasets.get_version)
    diff_dataset_versions = CallOf("datasets", Datasets.diff)
    export_dataset = CallOf("datasets", Datasets.export)
    start_export = CallOf("exports", Exports.start)
    list_exports = CallOf("exports", Exports.list)
    get_export = CallOf("exports", Exports.get)
    delete_export = CallOf("exports", Exports.delete)
    download_export = CallOf("exports", Exports.download)
    find_similar = CallOf("embeddings", Embeddings.search)
    start_evaluation = CallOf("evaluations", Evaluations.start)
    list_evaluations = CallOf("evaluations", Evaluations.list)
    get_evaluation = CallOf("evaluations", Evaluations.get)
    get_evaluation_info = CallOf("evaluations", Evaluations.info)
    delete_evaluation = CallOf("evaluations", Evaluations.delete)
    iter_tallies = CallOf("evaluations", Evaluations.iter_tallies)
    iter_confused = CallOf("evaluations", Evaluations.iter_confused)
    match_image = CallOf("evaluations", Evaluations.match_image)
    get_project = CallOf("projects", Projects.get)
    list_tasks = CallOf("projects", Projects.tasks)
    set_task_status = CallOf("projects", Projects.set_task_status)
    export_project = CallOf("projects", Projects.export)
    import_project = CallOf("projects", Projects.import_file)
    list_users = CallOf("users", Users.list)
    add_user = CallOf("users", Users.add)
    remove_user = CallOf("users", Users.remove)
    list_grants = CallOf("grants", Grants.list)
    grant = CallOf("grants", Grants.add)
    revoke = CallOf("grants", Grants.remove)
    list_audit_entries = CallOf("audit", Audit.list)
