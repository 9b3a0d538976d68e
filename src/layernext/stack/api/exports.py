"""Files that are made of a dataset version when somebody asks for them, and exports, at signed URLs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from litestar import Response
from litestar.response.base import ASGIResponse

from layernext.errors import NotFound
from layernext.formats import (
    ExportOptions,
    Losses,
    Sample,
    mask_png,
    voc_xml,
    write_export,
    yolo_line,
)
from layernext.stack.api.messages import Call, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.presence import check_object
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services, services_of
from layernext.stack.api.signed import Links, SignedQuery, check_reader, check_signature
from layernext.stack.api.transfer import FileAnswer
from layernext.stack.jobs import annotations_of, iter_samples, label_list
from layernext.stack.store import (
    SPLITS,
    Datasets,
    ExportRow,
    FileRow,
    VersionImage,
    VersionRow,
)

PIECE_BYTES = 1 << 20
_PICTURE = "picture-"
_ID = re.compile(r"[0-9a-f]{1,24}")
_VERSION = Parameter("version_id", "The version's id.")


def export_url(links: Links, version_id: str, name: str) -> str:
    """Where a file of a version is."""
    return links.download(f"/exports/{version_id}/{name}")


def image_export_url(links: Links, version_id: str, ending: str, row: VersionImage) -> str:
    """Where the annotations of one image or picture of a version are."""
    is_image = row.picture_id is None
    name = f"{row.image_id:024x}" if is_image else f"{_PICTURE}{row.picture_id:x}"
    return links.download(f"/exports/{version_id}/{ending}/{name}")


def url_of_version_file(links: Links, row: VersionImage) -> str:
    """Where the file of an image or picture of a version is."""
    if row.picture_id is None:
        return links.image(row.image_id, row.name)
    return links.download(f"/pictures/{row.picture_id:024x}")


def export_file_url(links: Links, row: ExportRow) -> str:
    """Where the file of an export is."""
    return links.download(f"/export-files/{row.id}")


@operation(
    "GET",
    "/exports/{version_id:str}/{name:str}",
    Operation(
        summary="A file of a dataset version",
        tag="Files",
        role=None,
        path=(_VERSION, Parameter("name", "Such as `annotations.json` or `train.json`.")),
        query=SignedQuery,
        answer=bytes,
        is_binary=True,
        errors=(400, 403, 404, 422, 503),
    ),
)
async def version_file(request: Call) -> Response[Any]:
    """All annotations of a version in one file, for whoever has its signed URL."""
    version_id, name = read_path(request, "version_id"), read_path(request, "name")
    holder = check_signature(request, "GET", f"/exports/{version_id}/{name}")
    await check_reader(request, holder, "dataset version", version_id)
    services = services_of(request)
    version = await services.call(services.store.datasets.get, version_id)
    folder = tempfile.TemporaryDirectory()
    try:
        path = Path(folder.name) / "file"
        await services.ingest(_write, services.store.datasets, version, name, path)
    except BaseException:
        folder.cleanup()
        raise
    return _FileAnswer(services, path, folder)


def _write(datasets: Datasets, version: VersionRow, name: str, path: Path) -> None:
    if name == "readme.txt":
        path.write_text(_readme(version), encoding="utf-8")
    elif name == "classes.txt":
        labels = label_list(datasets, version)
        path.write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    elif name == "annotations.json":
        write_export(iter_samples(datasets, version, sizes=False), path, "layernext")
    elif name in {f"{split}.json" for split in SPLITS}:
        split = name.removesuffix(".json")
        samples = (sample for sample in iter_samples(datasets, version) if sample.split == split)
        write_export(samples, path, "coco", ExportOptions(labels=label_list(datasets, version)))
    else:
        raise NotFound("a version has no such file", status=404)


def _readme(version: VersionRow) -> str:
    counts = ", ".join(f"{count} {split}" for split, count in sorted(version.splits.items()))
    return (
        f"{version.dataset}, version 1.0.{version.number}: {version.image_count} images ({counts}),\n"
        f"{version.annotation_count} annotations. Made {version.created_at}, seed {version.settings.seed}.\n"
        + _readme_of_pictures(version)
    )


def _readme_of_pictures(version: VersionRow) -> str:
    if not version.settings.augmentations:
        return ""
    result = ", ".join(map(str, version.settings.augmentations))
    return f"{version.picture_count} more pictures of the images of the train split: {result}.\n"


@operation(
    "GET",
    "/exports/{version_id:str}/{ending:str}/{image_id:str}",
    Operation(
        summary="The annotations of an image of a dataset version",
        tag="Files",
        role=None,
        path=(
            _VERSION,
            Parameter("ending", "`txt` for YOLO, `xml` for Pascal VOC, `png` for masks."),
            Parameter("image_id", "The image's id."),
        ),
        query=SignedQuery,
        answer=bytes,
        is_binary=True,
        errors=(400, 403, 404, 422),
    ),
)
async def image_file(request: Call) -> Response[bytes]:
    """The annotations of one image, for whoever has the signed URL."""
    version_id, ending = read_path(request, "version_id"), read_path(request, "ending")
    image_id = read_path(request, "image_id")
    holder = check_signature(request, "GET", f"/exports/{version_id}/{ending}/{image_id}")
    await check_reader(request, holder, "dataset version", version_id)
    services = services_of(request)
    datasets = services.store.datasets

    def work() -> bytes:
        version = datasets.get(version_id)
        row = _find(datasets, version, image_id)
        sample = Sample(
            image=row.file_name,
            annotations=annotations_of(version, row),
            width=row.width,
            height=row.height,
        )
        if ending == "xml":
            return voc_xml(sample, Losses())
        labels = label_list(datasets, version)
        if ending == "png":
            codes = {label: number for number, label in enumerate(labels, 1)}
            return mask_png(sample, codes, Losses())
        size = (row.width or 1, row.height or 1)
        lines = [
            yolo_line(annotation, labels.index(annotation.label), size, row.name, as_polygon=False)
            for annotation in sample.annotations
        ]
        return "".join(f"{line}\n" for line in lines if line is not None).encode()

    kinds = {"xml": "application/xml", "png": "image/png"}
    return Response(await services.call(work), media_type=kinds.get(ending, "text/plain"))


def _find(datasets: Datasets, version: VersionRow, name: str) -> VersionImage:
    row: VersionImage | None = None
    text = name.removeprefix(_PICTURE)
    if _ID.fullmatch(text) and text != name:
        row = datasets.find_picture(version, int(text, 16))
    elif _ID.fullmatch(text):
        row = next(iter(datasets.page(version, after=0, limit=1, only=int(text, 16))), None)
    if row is None:
        raise NotFound("the version has no such image", status=404)
    return row


@operation(
    ["GET", "HEAD"],
    "/pictures/{picture_id:str}",
    Operation(
        summary="A picture that was made for a dataset version",
        tag="Files",
        role=None,
        path=(Parameter("picture_id", "The picture, as the answer that gave the URL says."),),
        query=SignedQuery,
        answer=bytes,
        is_binary=True,
        errors=(400, 403, 404, 416),
    ),
)
async def get_picture(request: Call) -> Response[Any]:
    """The bytes of a picture, or of a range of it, for whoever has its signed URL."""
    text = read_path(request, "picture_id")
    holder = check_signature(request, "GET", f"/pictures/{text}")
    services = services_of(request)
    picture_id = int(text, 16) if _ID.fullmatch(text) else -1
    file = await services.call(services.store.datasets.pictures.find, picture_id)
    if file is None:
        raise NotFound("the picture is gone", status=404)
    await check_reader(request, holder, "image", f"{file.image_id:024x}")
    await services.write(check_object, services, file)
    return FileAnswer(services, file, request)


@operation(
    ["GET", "HEAD"],
    "/export-files/{export_id:str}",
    Operation(
        summary="The file of an export",
        tag="Files",
        role=None,
        path=(Parameter("export_id", "The export, as the answer that gave the URL says."),),
        query=SignedQuery,
        answer=bytes,
        is_binary=True,
        errors=(400, 403, 404, 416),
    ),
)
async def get_export_file(request: Call) -> Response[Any]:
    """The bytes of an export, or of a range of it, for whoever has its signed URL."""
    export_id = read_path(request, "export_id")
    holder = check_signature(request, "GET", f"/export-files/{export_id}")
    await check_reader(request, holder, "export", export_id)
    services = services_of(request)
    row = await services.call(services.store.exports.get, export_id)
    if row.size is None:
        raise NotFound("the export is not there yet", status=404)
    file = FileRow(
        image_id=0,
        name=row.file_name,
        unique_name=row.file_name,
        kind=0,
        place_id="",
        object_path=row.object_path,
        size=row.size,
        checksum=row.checksum,
        content_type=None,
        width=None,
        height=None,
        created_at=row.created_at,
        state="ready",
        thumbnail_path=None,
    )
    await services.write(check_object, services, file)
    return FileAnswer(services, file, request)


class _FileAnswer(Response[Any]):
    """Sends a temporary file, and removes it."""

    def __init__(
        self, services: Services, path: Path, folder: tempfile.TemporaryDirectory[str]
    ) -> None:
        super().__init__(b"", media_type="application/octet-stream")
        self._services, self._path, self._folder = services, path, folder

    def to_asgi_response(self, *arguments: Any, **named: Any) -> ASGIResponse:
        """The ASGI application that sends the stream."""
        result = super().to_asgi_response(*arguments, **named)
        pieces = _pieces(self._path, self._folder)
        return Sender(
            self._services, pieces, result.encode_headers(), slots=self._services.transfers
        )


def _pieces(path: Path, folder: tempfile.TemporaryDirectory[str]) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
    finally:
        folder.cleanup()


ROUTES = [version_file, image_file, get_picture, get_export_file]
