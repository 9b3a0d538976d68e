"""Files that are made of a dataset version when somebody asks for them, and exports, at signed URLs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from litestar import Response
from litestar.response.base import ASGIResponse
from msgspec import Meta

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
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.presence import check_object
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services
from layernext.stack.api.signature import Binary
from layernext.stack.api.signed import Links
from layernext.stack.api.transfer import FileAnswer, SentConditions, UrlReader
from layernext.stack.jobs import annotations_of, iter_samples, label_list
from layernext.stack.store import (
    SPLITS,
    Datasets,
    ExportRow,
    FileRow,
    Store,
    VersionImage,
    VersionRow,
)

PIECE_BYTES = 1 << 20
_PICTURE = "picture-"
_ID = re.compile(r"[0-9a-f]{1,24}")
VersionId: TypeAlias = Annotated[str, Meta(description="The version's id.")]
FileName: TypeAlias = Annotated[
    str, Meta(description="Such as `annotations.json` or `train.json`.")
]
Extension: TypeAlias = Annotated[
    str, Meta(description="`txt` for YOLO, `xml` for Pascal VOC, `png` for masks.")
]
ImageId: TypeAlias = Annotated[str, Meta(description="The image's id.")]
PictureId: TypeAlias = Annotated[
    str, Meta(description="The picture, as the answer that gave the URL says.")
]
ExportId: TypeAlias = Annotated[
    str, Meta(description="The export, as the answer that gave the URL says.")
]


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
        signed="/exports/{version_id}/{name}",
        threads="ingest",
        errors=(400, 403, 404, 422, 503),
    ),
)
def version_file(
    version_id: VersionId, name: FileName, services: Services, reader: UrlReader
) -> Binary:
    """All annotations of a version in one file, for whoever has its signed URL."""
    reader.check("dataset version", version_id)
    version = services.store.datasets.get(version_id)
    folder = tempfile.TemporaryDirectory()
    try:
        path = Path(folder.name) / "file"
        _write(services.store.datasets, version, name, path)
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
        signed="/exports/{version_id}/{ending}/{image_id}",
        errors=(400, 403, 404, 422),
    ),
)
def image_file(
    version_id: VersionId, ending: Extension, image_id: ImageId, store: Store, reader: UrlReader
) -> Binary:
    """The annotations of one image, for whoever has the signed URL."""
    reader.check("dataset version", version_id)
    version = store.datasets.get(version_id)
    row = _find(store.datasets, version, image_id)
    sample = Sample(
        image=row.file_name,
        annotations=annotations_of(version, row),
        width=row.width,
        height=row.height,
    )
    if ending == "xml":
        return Response(voc_xml(sample, Losses()), media_type="application/xml")
    labels = label_list(store.datasets, version)
    if ending == "png":
        codes = {label: number for number, label in enumerate(labels, 1)}
        return Response(mask_png(sample, codes, Losses()), media_type="image/png")
    size = (row.width or 1, row.height or 1)
    lines = [
        yolo_line(annotation, labels.index(annotation.label), size, row.name, as_polygon=False)
        for annotation in sample.annotations
    ]
    text = "".join(f"{line}\n" for line in lines if line is not None)
    return Response(text.encode(), media_type="text/plain")


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
        signed="/pictures/{picture_id}",
        threads="write",
        errors=(400, 403, 404, 416),
    ),
)
def get_picture(
    picture_id: PictureId, services: Services, reader: UrlReader, conditions: SentConditions
) -> Binary:
    """The bytes of a picture, or of a range of it, for whoever has its signed URL."""
    file = services.store.datasets.pictures.find(int(picture_id, 16))
    if file is None:
        raise NotFound("the picture is gone", status=404)
    reader.check("image", f"{file.image_id:024x}")
    check_object(services, file)
    return FileAnswer(services, file, conditions)


@operation(
    ["GET", "HEAD"],
    "/export-files/{export_id:str}",
    Operation(
        summary="The file of an export",
        tag="Files",
        role=None,
        signed="/export-files/{export_id}",
        threads="write",
        errors=(400, 403, 404, 416),
    ),
)
def get_export_file(
    export_id: ExportId, services: Services, reader: UrlReader, conditions: SentConditions
) -> Binary:
    """The bytes of an export, or of a range of it, for whoever has its signed URL."""
    reader.check("export", export_id)
    row = services.store.exports.get(export_id)
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
    check_object(services, file)
    return FileAnswer(services, file, conditions)


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
