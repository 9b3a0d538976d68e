"""Annotation projects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from layernext.client.published import listings
from layernext.client.published.asking import ask
from layernext.client.reports import Done, ProjectReport
from layernext.client.transport import Transport
from layernext.errors import DataError, InvalidRequest, NotFound, Problem
from layernext.formats import Sample, in_pixels
from layernext.model import convert_trusted
from layernext.wire import published
from layernext.wire.published import Received, wire_fields


def task_fields(
    fps: int, frames_per_task: int, assign_to_all: bool, send_email: bool, shape_type: str
) -> dict[str, Any]:
    """How a project is to be filled, checked before anything is sent."""
    if shape_type not in published.SHAPE_TYPES:
        words = ", ".join(published.SHAPE_TYPES)
        raise DataError(Problem("default_shape_type", f"is {shape_type!r}, must be one of {words}"))
    images: Any = frames_per_task
    if not isinstance(images, int) or images < 1:
        raise DataError(Problem("frames_per_task", f"is {images!r}, must be 1 or more"))
    return wire_fields(
        published.FillRequest,
        fps=fps,
        frames_per_task=frames_per_task,
        assign_to_all=bool(assign_to_all),
        send_email=bool(send_email),
        default_shape_type=shape_type,
    )


def select_in_collection(
    transport: Transport, collection_id: str, query: str, filter_: Mapping[str, Any] | None
) -> tuple[str, int]:
    """Freeze a selection of a collection's images or videos; its tag, and the code of its type.

    Raises:
        DataError: it is a collection of something else, or nothing matches.
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
        DataError: there is neither query nor filter, one of them is wrong, or nothing matches.
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
    answer = Received(
        published.ReservedAnswer, ask(transport, "GET", published.RESERVE_PROJECT_PATH, {})
    )
    if answer.is_success is False or not answer.id:
        raise InvalidRequest("the stack returned no id for a project", status=200)
    return fill_project(transport, str(answer.id), name, selection, fields)


def fill_project(
    transport: Transport,
    project_id: str,
    name: str | None,
    selection: tuple[str, int],
    fields: dict[str, Any],
) -> ProjectReport:
    """Add a selection to a project; `name` is None unless it is new."""
    tag, code = selection
    query = urlencode(wire_fields(published.SentFillQuery, is_editable=name is None))
    body = fields | wire_fields(
        published.FillRequest, selection_id=tag, name=name, content_type=code
    )
    path = f"{published.fill_project_path(project_id)}?{query}"
    answer = Received(published.FillAnswer, ask(transport, "POST", path, body))
    return ProjectReport(
        id=str(answer.id or project_id),
        job_id=str(answer.job_id or answer.job or ""),
        added=None if answer.added is None else int(answer.added),
    )


def delete_project(transport: Transport, project_id: str) -> None:
    """Delete a project."""
    _post(transport, published.delete_project_path(project_id), {})


def change_labels(
    transport: Transport, project_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> Done:
    """Add labels to a project, or remove them."""
    body = published.LabelsRequest(add_list=list(add), remove_list=list(remove))
    return _post(transport, published.project_labels_path(project_id), body)


def set_label_group(transport: Transport, project_id: str, group_id: str) -> Done:
    """Give a project a group of labels."""
    body = published.GroupRequest(label_group_id=group_id)
    return _post(transport, published.project_label_group_path(project_id), body)


def _post(transport: Transport, path: str, body: object) -> Done:
    transport.request("POST", path, json=body)
    return Done(message="")


def attach_runs(transport: Transport, project_id: str, runs: Sequence[str]) -> Done:
    """Attach model runs to a project."""
    body = published.AttachRequest(project_id=project_id, operation_id_array=list(runs))
    answer = Received(
        published.DoneAnswer, ask(transport, "POST", published.ATTACH_RUNS_PATH, body)
    )
    return Done(message=str(answer.message or ""))


def project_name(transport: Transport, project_id: str) -> str:
    """The name of a project.

    Raises:
        NotFound: there is no such project.
    """
    body = published.NameRequest(project_id=project_id)
    answer = Received(
        published.NameAnswer, ask(transport, "POST", published.PROJECT_NAME_PATH, body)
    )
    if answer.is_success is False:
        raise NotFound(str(answer.message or "there is no such project"), status=200)
    return str(answer.project_name or "")


def iter_samples(transport: Transport, path_of: Callable[[int], str]) -> Iterator[Sample]:
    """The annotated images of projects, page after page."""
    number = 0
    while True:
        fields = ask(transport, "GET", path_of(number), {})["data"]
        page = Received(published.DownloadPage, fields)
        for row in page.resource_array:
            resource = Received(published.DownloadResource, row)
            image = convert_trusted(resource.raw_annotations, strict=False)
            width, height = resource.width, resource.height
            yield Sample(
                image=image.image,
                annotations=in_pixels(image, width, height),
                width=width,
                height=height,
            )
        if not page.next_page:
            return
        number += 1
