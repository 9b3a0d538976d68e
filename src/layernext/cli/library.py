"""`layernext items`, `datasets` and `projects`: find and manage what a stack holds."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from layernext.cli import exit_codes
from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.output import counted, print_json, print_table, say, tell, tell_names

items = CommandGroup(help=GROUPS["items"].summary)
datasets = CommandGroup(help=GROUPS["datasets"].summary)
projects = CommandGroup(help=GROUPS["projects"].summary)

Collection = Annotated[str | None, typer.Argument(help="Collection, by name or id. Default: all.")]
Query = Annotated[
    str, typer.Option("--query", help="Only files that match the query; see docs/queries.md.")
]
Version = Annotated[str, typer.Argument(help="Id of a dataset version.")]
ProjectId = Annotated[str, typer.Argument(help="Id of the project.")]
Tool = Annotated[
    Literal["cvat", "label-studio"], typer.Option("--format", help="Format of the annotation tool.")
]


@items.command("list")
def list_items(
    collection: Collection = None,
    query: Query = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of items.")] = 100,
    trash: Annotated[bool, typer.Option("--trash", help="List the trash.")] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List images and other files, or those that match a query.

    Examples:

        layernext items list kitchen --query "label = cup AND annotation.confidence > 0.8"

        layernext items list --trash --json
    """
    with connect(api_key, secret, url, config) as client:
        find = client.trash.iter if trash else client.items.iter
        rows = list(islice(find(collection, query=query), limit + 1))
    if len(rows) > limit:
        del rows[limit:]
        say(f"note: only the first {limit} are listed; pass a higher --limit for more")
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    print_table(
        ["Name", "Collection", "Type", "Size", "Pixels", "Unique name"],
        [
            [
                row.name,
                row.collection,
                row.media_type or row.content_type,
                "awaiting" if row.size is None else row.size,
                f"{row.width}x{row.height}" if row.width else "",
                row.unique_name,
            ]
            for row in rows
        ],
        "nothing fits",
    )


@items.command("trash")
def trash_items(
    collection: Annotated[str, typer.Argument(help="Collection, by name or id.")],
    query: Query = "",
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Move files that match a query to the trash; without a query, the whole collection.

    `layernext items restore` undoes this.

    Examples:

        layernext items trash kitchen --query "metadata.blurred = true"

        layernext items trash kitchen --json
    """
    with connect(api_key, secret, url, config) as client:
        report = client.trash.add_from_collection(collection, query)
    if as_json:
        print_json(report.to_dict())
    else:
        tell(f"{counted(report.files or 0, 'file')} in the trash now")


@items.command("restore")
def restore_items(
    collection: Collection = None,
    query: Query = "",
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Restore files from the trash, with their annotations.

    Examples:

        layernext items restore kitchen

        layernext items restore --query "Tags = keep" --json
    """
    with connect(api_key, secret, url, config) as client:
        count = client.trash.restore(collection, query=query)
    if as_json:
        print_json({"restored": count})
    else:
        tell(f"{counted(count, 'file')} restored")


@items.command("purge")
def purge_items(
    collection: Collection = None,
    query: Query = "",
    older_than: Annotated[
        float,
        typer.Option(
            "--older-than",
            min=0.0,
            max=36500.0,
            metavar="DAYS",
            help="Only files that were moved to the trash at least this many days ago.",
        ),
    ] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without prompting.")] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Permanently delete the files in the trash, with their annotations and metadata.

    Needs an admin key. Images that are part of a dataset version are kept.

    Examples:

        layernext items purge --older-than 30

        layernext items purge kitchen --yes --json
    """
    with connect(api_key, secret, url, config) as client:
        if not yes:
            if not sys.stdin.isatty():
                raise typer.BadParameter("cannot prompt: stdin is not a terminal; pass --yes")
            where = "of the stack" if collection is None else f"of {collection!r}"
            question = f"Remove the trash {where} permanently? This cannot be undone."
            if not typer.confirm(question, err=True):
                say("nothing removed")
                raise typer.Exit(exit_codes.INTERRUPTED)
        report = client.trash.purge(collection, query=query, older_than_days=older_than)
    if as_json:
        print_json(report.to_dict())
        return
    tell(f"{counted(report.files, 'file')} permanently deleted, {report.size_bytes / 1e6:,.1f} MB")
    if report.kept:
        tell(f"{counted(report.kept, 'file')} kept: part of a dataset version, or in use")


@items.command("metadata")
def upload_metadata(
    collection: Annotated[str, typer.Argument(help="Collection, by name.")],
    file: Annotated[Path, typer.Argument(help='JSON: {"files": [{"file": …, "metadata": {…}}]}.')],
    kind: Annotated[
        Literal["image", "video", "other"],
        typer.Option("--type", "-t", help="Type of the collection."),
    ] = "image",
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Set metadata and tags of a collection's files from a JSON file.

    Examples:

        layernext items metadata kitchen metadata.json

        layernext items metadata kitchen metadata.json --type video --json
    """
    with connect(api_key, secret, url, config) as client:
        report = client.upload_metadata_for_files(collection, kind, file)
    if as_json:
        print_json(report.to_dict())
        return
    tell(f"{counted(report.updated, 'file')} with new metadata")
    tell_names("no such file", report.unmatched)


@datasets.command("list")
def list_datasets(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List every version of every dataset.

    Examples:

        layernext datasets list

        layernext datasets list --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.datasets.list()
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    print_table(
        ["Dataset", "Version", "Status", "Images", "Annotations", "Splits", "Id"],
        [
            [
                row.dataset,
                row.version,
                row.status,
                row.image_count,
                row.annotation_count,
                ", ".join(f"{split} {count}" for split, count in row.splits.items()),
                row.id,
            ]
            for row in rows
        ],
        "no datasets yet",
    )


@datasets.command("create")
def create_dataset(
    name: Annotated[str, typer.Argument(help="Name of the new dataset.")],
    collection: Annotated[str, typer.Argument(help="Collection of images, by name or id.")],
    split: Annotated[
        tuple[float, float, float],
        typer.Option("--split", help="Percentages of train, validation and test."),
    ] = (70.0, 20.0, 10.0),
    query: Query = "",
    run: Annotated[
        list[str] | None,
        typer.Option("--run", help="Only annotations of this run; repeatable. Default: all runs."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Only these labels; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the split.")] = 0,
    stratify: Annotated[
        bool,
        typer.Option("--stratify", help="Divide the images of each label in the same proportions."),
    ] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Create a dataset from a collection and wait until it is built.

    Examples:

        layernext datasets create day1 kitchen --split 80 10 10 --stratify

        layernext datasets create day1 kitchen --query "Tags = day" --run truth --json
    """
    shares = dict(zip(("train", "validation", "test"), split, strict=True))
    with connect(api_key, secret, url, config) as client:
        report = client.datasets.create(
            name,
            collection,
            shares,
            labels=label,
            export_types=["RAW", "YOLO Darknet", "COCO", "Pascal VOC"],
            query=query,
            operation_list=run or None,
            seed=seed,
            stratify=stratify,
        )
        client.jobs.wait(report.job_id)
        version = client.datasets.get_version(report.version_id)
    if as_json:
        print_json(version.to_dict())
    else:
        images = counted(version.image_count, "image")
        tell(f"version {version.version} with {images}: {version.id}")


@datasets.command("diff")
def diff_datasets(
    first: Version,
    second: Version,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Show how two versions differ.

    Examples:

        layernext datasets diff 5f0c1e… 61ab77…

        layernext datasets diff 5f0c1e… 61ab77… --json
    """
    with connect(api_key, secret, url, config) as client:
        diff = client.datasets.diff(first, second)
    if as_json:
        print_json(diff.to_dict())
        return
    counts = (
        f"{len(diff.added):,} added, {len(diff.removed):,} removed, {len(diff.moved):,} in another"
        f" split, {len(diff.changed):,} with other annotations, {diff.unchanged:,} the same"
    )
    tell(counts)
    for word, names in (
        ("added", diff.added),
        ("removed", diff.removed),
        ("changed", diff.changed),
    ):
        tell_names(word, names)


@datasets.command("download")
def download_dataset(
    version: Version,
    folder: Annotated[
        Path, typer.Argument(help="Folder in which the version's folder is created.")
    ],
    export_type: Annotated[
        str, typer.Option("--type", help="RAW, 'YOLO Darknet', COCO or 'Pascal VOC'.")
    ] = "RAW",
    media: Annotated[
        bool, typer.Option("--media/--no-media", help="Download the images, too.")
    ] = True,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Download a version. Repeating the command fetches only missing files.

    Examples:

        layernext datasets download 5f0c1e… ./data --type COCO

        layernext datasets download 5f0c1e… ./data --no-media --json
    """
    with connect(api_key, secret, url, config) as client:
        report = client.datasets.download(version, export_type, folder, media)
    if as_json:
        print_json(report.to_dict())
    else:
        tell(repr(report))


@datasets.command("delete")
def delete_dataset(
    version: Version,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Permanently delete a version. Its images and their annotations are kept.

    Examples:

        layernext datasets delete 5f0c1e…

        layernext datasets delete 5f0c1e… --json
    """
    with connect(api_key, secret, url, config) as client:
        client.datasets.delete_version(version)
    if as_json:
        print_json({"deleted": version})
    else:
        tell("deleted")


@projects.command("list")
def list_projects(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List annotation projects.

    Examples:

        layernext projects list

        layernext projects list --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.projects.list()
    if as_json:
        print_json(rows)
        return
    print_table(
        ["Project", "Tasks", "Id"],
        [[row.get("name"), row.get("totalTaskCount"), row.get("id")] for row in rows],
        "no projects yet",
    )


@projects.command("create")
def create_project(
    name: Annotated[str, typer.Argument(help="Display name.")],
    collection: Annotated[str, typer.Argument(help="Collection, by name or id.")],
    query: Query = "",
    per_task: Annotated[int, typer.Option("--per-task", min=1, help="Images per task.")] = 120,
    shape: Annotated[
        Literal["rectangle", "polygon", "line"],
        typer.Option("--shape", help="Shape that annotators draw unless they select another."),
    ] = "rectangle",
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Create a project from a collection's images, divided into tasks.

    Examples:

        layernext projects create "day 1" kitchen --per-task 50

        layernext projects create "raw ones" kitchen --query "annotated = raw" --json
    """
    with connect(api_key, secret, url, config) as client:
        report = client.projects.create(
            name, collection, query, frames_per_task=per_task, default_shape_type=shape
        )
    if as_json:
        print_json(report.to_dict())
    else:
        tell(f"project {report.id} with {counted(report.added or 0, 'image')}")


@projects.command("tasks")
def list_tasks(
    project: ProjectId,
    set_status: Annotated[
        str | None, typer.Option("--set", help="Set the tasks to this state, such as completed.")
    ] = None,
    task: Annotated[
        list[int] | None, typer.Option("--task", help="Task to set; repeatable.")
    ] = None,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List the tasks of a project, or set their state.

    Examples:

        layernext projects tasks 5f0c1e…

        layernext projects tasks 5f0c1e… --set completed --task 1 --task 2 --json
    """
    with connect(api_key, secret, url, config) as client:
        if set_status is not None:
            client.projects.set_task_status(project, task or [], set_status)
        rows = client.projects.tasks(project)
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    print_table(
        ["Task", "State", "Images", "Updated (UTC)"],
        [
            [row.number, row.status, row.image_count, row.updated_at[:19].replace("T", " ")]
            for row in rows
        ],
        "no tasks",
    )


@projects.command("export")
def export_project(
    project: ProjectId,
    file: Annotated[Path, typer.Argument(help="File to write.")],
    tool: Tool = "cvat",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Write a project as a file for an annotation tool.

    Examples:

        layernext projects export 5f0c1e… project.xml

        layernext projects export 5f0c1e… tasks.json --format label-studio --json
    """
    with connect(api_key, secret, url, config) as client:
        report = client.projects.export(project, file, tool, overwrite=overwrite)
    if as_json:
        print_json(report.to_dict())
    else:
        tell(f"{counted(report.images, 'image')} in {report.path}")


@projects.command("import")
def import_project(
    project: ProjectId,
    collection: Annotated[str, typer.Argument(help="Collection with the images.")],
    file: Annotated[Path, typer.Argument(help="File from the annotation tool.")],
    tool: Tool = "cvat",
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Import annotations from an annotation tool as the ground truth named after the project's id.

    Examples:

        layernext projects import 5f0c1e… kitchen annotations.xml

        layernext projects import 5f0c1e… kitchen tasks.json --format label-studio --json
    """
    with connect(api_key, secret, url, config) as client:
        report = client.projects.import_file(project, collection, file, tool)
    if as_json:
        print_json(report.to_dict())
    else:
        tell(repr(report))


@projects.command("delete")
def delete_project(
    project: ProjectId,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Delete a project. Its images and annotations are kept.

    Examples:

        layernext projects delete 5f0c1e…

        layernext projects delete 5f0c1e… --json
    """
    with connect(api_key, secret, url, config) as client:
        client.projects.delete(project)
    if as_json:
        print_json({"deleted": project})
    else:
        tell("deleted")
