"""`layernext projects`: annotation projects and their tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.connection import Connection
from layernext.cli.options import AsJson, CollectionName, Overwrite, Query
from layernext.cli.output import counted, print_json, print_rows, print_table, tell, time_text

projects = CommandGroup(help=GROUPS["projects"].summary)

ProjectId = Annotated[str, typer.Argument(help="Id of the project.")]
ToolFormat = Annotated[
    Literal["cvat", "label-studio"], typer.Option("--format", help="Format of the annotation tool.")
]


@projects.command("list")
def list_projects(
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """List annotation projects.

    Examples:

        layernext projects list

        layernext projects list --json
    """
    with connection.open() as client:
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
    name: Annotated[str, typer.Argument(help="Name of the project.")],
    collection: CollectionName,
    query: Query = "",
    per_task: Annotated[int, typer.Option("--per-task", min=1, help="Images per task.")] = 120,
    shape: Annotated[
        Literal["rectangle", "polygon", "line"],
        typer.Option("--shape", help="Shape that annotators draw by default."),
    ] = "rectangle",
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Create a project from a collection's images, divided into tasks.

    Examples:

        layernext projects create "day 1" kitchen --per-task 50

        layernext projects create "raw ones" kitchen --query "annotated = raw" --json
    """
    with connection.open() as client:
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
        str | None, typer.Option("--set", help="State to set the tasks to, such as completed.")
    ] = None,
    task: Annotated[
        list[int] | None, typer.Option("--task", help="Number of a task to set; repeatable.")
    ] = None,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """List the tasks of a project; with --set, change their state first.

    Examples:

        layernext projects tasks 5f0c1e…

        layernext projects tasks 5f0c1e… --set completed --task 1 --task 2 --json
    """
    with connection.open() as client:
        if set_status is not None:
            client.projects.set_task_status(project, task or [], set_status)
        rows = client.projects.tasks(project)
    print_rows(
        rows,
        ["Task", "State", "Images", "Updated (UTC)"],
        lambda row: [row.number, row.status, row.image_count, time_text(row.updated_at)],
        "no tasks",
        as_json=as_json,
    )


@projects.command("export")
def export_project(
    project: ProjectId,
    file: Annotated[Path, typer.Argument(help="File to write.")],
    tool: ToolFormat = "cvat",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Write a project as a file for an annotation tool.

    Examples:

        layernext projects export 5f0c1e… project.xml

        layernext projects export 5f0c1e… tasks.json --format label-studio --json
    """
    with connection.open() as client:
        report = client.projects.export(project, file, tool, overwrite=overwrite)
    if as_json:
        print_json(report.to_dict())
    else:
        tell(f"{counted(report.images, 'image')} in {report.path}")


@projects.command("import")
def import_project(
    project: ProjectId,
    collection: CollectionName,
    file: Annotated[Path, typer.Argument(help="File from the annotation tool.")],
    tool: ToolFormat = "cvat",
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Import annotations from an annotation tool as ground truth.

    The ground truth is named after the project's id.

    Examples:

        layernext projects import 5f0c1e… kitchen annotations.xml

        layernext projects import 5f0c1e… kitchen tasks.json --format label-studio --json
    """
    with connection.open() as client:
        report = client.projects.import_file(project, collection, file, tool)
    if as_json:
        print_json(report.to_dict())
    else:
        tell(repr(report))


@projects.command("delete")
def delete_project(
    project: ProjectId,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Delete a project.

    Its images and annotations are kept.

    Examples:

        layernext projects delete 5f0c1e…

        layernext projects delete 5f0c1e… --json
    """
    with connection.open() as client:
        client.projects.delete(project)
    if as_json:
        print_json({"deleted": project})
    else:
        tell("deleted")
