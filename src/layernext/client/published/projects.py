"""Annotation projects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from layernext.client.published import listings
from layernext.client.published.asking import ask
from layernext.client.reports import Done, ProjectReport
from layernext.client.transport import Transport
from layernext.errors import DataError, InvalidRequest, NotFound, Problem
from layernext.formats import Sample, in_pixels
from layernext.model import convert_trusted
from layernext.wire import published


def task_fields(
    fps: int, frames_per_task: int, assign_to_all: bool, send_email: bool, shape_type: str
) -> dict[str, Any]:
    """What E47 takes, checked before anything is sent."""
    if shape_type not in published.SHAPE_TYPES:
        words = ", ".join(published.SHAPE_TYPES)
        raise DataError(Problem("default_shape_type", f"is {shape_type!r}, must be one of {words}"))
    images: Any = frames_per_task
    if not isinstance(images, int) or images < 1:
        raise DataError(Problem("frames_per_task", f"is {images!r}, must be 1 or more"))
    return {
        "fps": fps,
        "framesPerTask": frames_per_task,
        "assignToAll": bool(assign_to_all),
        "sendEmail": bool(send_email),
        "defaultShapeType": shape_type,
    }


def select_in_collection(
    transport: Transport, collection_id: str, query: str, filter_: Mapping[str, Any] | None
) -> tuple[str, int]:
    """Freeze a selection of a collection's images or videos; its tag, and the code of its type.

    Raises:
        DataError: it is a collection of something else, or nothing fits.
    """
    word = listings.COLLECTION_CONTENTS.get(listings.object_type(transport, collection_id))
    if word is None:
        message = f"{collection_id!r} is not a collection of images or videos"
        raise DataError(Problem("collection_id", message))
    tag = listings.select(transport, query, filter_, collection_id=collection_id)
    return tag, published.ITEM_TYPES[word]


def select_anywhere(
    transport: Transport, query: str, filter_: Mapping[str, Any] | None, content_type: str
) -> tuple[str, int]:
    """Freeze a selection of images or videos of any collection; its tag, and the code of its type.

    Raises:
        DataError: there is neither query nor filter, one of them is wrong, or nothing fits.
    """
    if not (query or "").strip() and not filter_:
        message = "pass a query or a filter; selecting all images by default is not supported"
        raise DataError(Problem("query", message))
    code = listings.item_code(content_type)
    return listings.select(transport, query, filter_, content_type=code), code


def create_project(
    transport: Transport, name: str, selection: tuple[str, int], fields: dict[str, Any]
) -> ProjectReport:
    """Create a project of a selection."""
    answer = ask(transport, "GET", published.RESERVE_PROJECT_PATH, {})
    if answer.get("isSuccess") is False or not answer.get("id"):
        raise InvalidRequest("the stack returned no id for a project", status=200)
    return fill_project(transport, str(answer["id"]), name, selection, fields)


def fill_project(
    transport: Transport,
    project_id: str,
    name: str | None,
    selection: tuple[str, int],
    fields: dict[str, Any],
) -> ProjectReport:
    """Add a selection to a project; `name` is None unless it is new."""
    tag, code = selection
    path = f"{published.project_path(project_id, 'update')}?isEditable={name is None}"
    body = {**fields, "selectionId": tag, "name": name, "contentType": code}
    answer = ask(transport, "POST", path, body)
    return ProjectReport(
        id=str(answer.get("id") or project_id),
        job_id=str(answer.get("job_id") or answer.get("jobId") or ""),
        added=None if answer.get("added") is None else int(answer["added"]),
    )


def delete_project(transport: Transport, project_id: str) -> None:
    """Delete a project."""
    _post(transport, project_id, "delete", {})


def change_labels(
    transport: Transport, project_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> Done:
    """Add labels to a project, or remove them."""
    body = {"addList": list(add), "removeList": list(remove)}
    return _post(transport, project_id, "updateLabel", body)


def set_label_group(transport: Transport, project_id: str, group_id: str) -> Done:
    """Give a project a group of labels."""
    return _post(transport, project_id, "setLabelGroup", {"labelGroupId": group_id})


def _post(transport: Transport, project_id: str, action: str, body: dict[str, Any]) -> Done:
    transport.request("POST", published.project_path(project_id, action), json=body)
    return Done(message="")


def attach_runs(transport: Transport, project_id: str, runs: Sequence[str]) -> Done:
    """Attach model runs to a project."""
    body = {"projectId": project_id, "operationIdArray": list(runs)}
    answer = ask(transport, "POST", published.ATTACH_RUNS_PATH, body)
    return Done(message=str(answer.get("message") or ""))


def project_name(transport: Transport, project_id: str) -> str:
    """The name of a project.

    Raises:
        NotFound: there is no such project.
    """
    body = {"projectId": project_id}
    answer = ask(transport, "POST", published.PROJECT_NAME_PATH, body)
    if answer.get("isSuccess") is False:
        raise NotFound(str(answer.get("message") or "there is no such project"), status=200)
    return str(answer.get("projectName") or "")


def iter_samples(transport: Transport, path_of: Callable[[int], str]) -> Iterator[Sample]:
    """The annotated images of projects, page after page."""
    number = 0
    while True:
        data = ask(transport, "GET", path_of(number), {})["data"]
        for row in data["resourceArray"]:
            image = convert_trusted(row["rawAnnotations"], strict=False)
            width, height = row.get("width"), row.get("height")
            yield Sample(
                image=image.image,
                annotations=in_pixels(image, width, height),
                width=width,
                height=height,
            )
        if not data.get("nextPage"):
            return
        number += 1
