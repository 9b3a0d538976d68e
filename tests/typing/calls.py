"""Calls as users write them. Checked by the type checker, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import layernext
from layernext import (
    AsyncLayerNextClient,
    AttributeValue,
    Collection,
    DownloadReport,
    FileSummary,
    ImageAnnotations,
    Job,
    Label,
    LayerNextClient,
    Line,
    ModelRun,
    Polygon,
    Rectangle,
    RemoveReport,
    UploadReport,
)

if TYPE_CHECKING:
    from typing_extensions import assert_type


def uploads(client: LayerNextClient) -> None:
    path = "run.json"
    report = client.upload_modelrun_from_json("path1/path2/", "model v1", path, "rectangle")
    assert_type(report, UploadReport)
    assert_type(report.images, int)
    assert_type(report.unmatched_images, int | None)
    assert_type(report.to_dict(), dict[str, Any])
    client.upload_groundtruth_from_json(None, "truth", Path(path), "polygon", resume=True)
    client.upload_annotations_for_collection("c", "r", path, False, True, validate="stream")
    client.upload_annotations_by_unique_name("r", path, False, True, progress=False)
    client.upload_annotations_by_storage_path("r", path, False, True, "bucket")
    client.upload_annoations_for_folder("c", "r", path, "line", False, True)
    client.upload_annotations_for_folder(None, "r", path, "line", False, True)
    client.upload_annotations_for_collection("c", "r", path, False, True, validate="firts")  # type: ignore[arg-type]
    client.upload_modelrun_from_json("c", "r", 7, "rectangle")  # type: ignore[arg-type]


def sources(client: LayerNextClient) -> None:
    box = Rectangle(
        label="cup",
        bbox=(1, 2.5, 3, 4),
        attributes={"color": [AttributeValue("red", 0.5)]},
        metadata={"track": 1},
    )
    line = Line(label="edge", line=[(0, 0), (1, 1)])
    outline = Polygon(label="table", polygon=[(0, 0), (1, 1)], confidence=0.5)
    image = ImageAnnotations(image="a.jpg", annotations=[box, line, outline])
    client.upload_modelrun("c", "r", [image])
    client.upload_modelrun("c", "r", (image for _ in range(3)), ground_truth=True)
    client.upload_modelrun("c", "r", [{"image": "a.jpg", "annotations": []}], normalized=True)
    client.upload_modelrun(None, "r", Path("run.json"), geometry="line")
    client.upload_modelrun("c", "r", (object(),), names=["cup"], image_names=["a.jpg"])
    client.upload_modelrun("c", "r", [object()], names={1: "cup"}, format="xyxy")
    client.upload_modelrun("c", "r", [object()], names=7)  # type: ignore[arg-type]


def logging(client: LayerNextClient) -> None:
    with client.model_run("c", "r") as run:
        run.log("a.jpg", boxes=[[1, 2, 3, 4]], labels=["cup"], confidences=[0.5])
        run.log("b.jpg")
        run.log_results(object(), "c.jpg", names=["cup"], format="xyxy")
        run.log_results((object() for _ in range(2)), image=["d.jpg", "e.jpg"], names={1: "cup"})
        run.log_results(object(), format="yxyx")  # type: ignore[arg-type]
    assert_type(run.report, UploadReport | None)


def reading(client: LayerNextClient) -> None:
    assert_type(client.iter_annotations("c", "r"), Iterator[ImageAnnotations])
    for image in client.iter_annotations("c", "r", ground_truth=True):
        for annotation in image.annotations:
            if isinstance(annotation, Rectangle):
                assert_type(annotation.bbox, tuple[float, float, float, float])
            assert_type(annotation.confidence, float | None)
    assert_type(client.collections.list(), list[Collection])
    assert_type(client.runs.list("c"), list[ModelRun])
    assert_type(client.get_all_labels(), list[Label])
    assert_type(client.collections.create("c"), Collection)
    assert_type(client.remove_annotations("c", "r"), RemoveReport)
    assert_type(client.download_collection("c"), DownloadReport)
    assert_type(client.download_to_file("c", ["r"], "out.json").path, Path)
    assert_type(client.wait_for_job_complete("j", timeout_s=5), Job)
    assert_type(layernext.validate_file("run.json", "rectangle"), FileSummary)
    assert_type(client.validate_file("run.json"), FileSummary)


def errors(client: LayerNextClient) -> None:
    try:
        client.collections.list()
    except layernext.RateLimited as error:
        assert_type(error.retry_after_s, float | None)
    except layernext.DataError as error:
        assert_type(error.problems, tuple[layernext.Problem, ...])
    except layernext.LayerNextError as error:
        assert_type(error.hint, str | None)


async def asynchronous() -> None:
    async def images() -> AsyncIterator[ImageAnnotations]:
        yield ImageAnnotations(image="a.jpg", annotations=[])

    async with AsyncLayerNextClient("key", "secret", "https://api.example.com") as client:
        assert_type(await client.upload_modelrun("c", "r", images()), UploadReport)
        assert_type(await client.runs.list(), list[ModelRun])
        async for image in client.iter_annotations("c", "r"):
            assert_type(image, ImageAnnotations)
        async with client.model_run("c", "r") as run:
            await run.log("a.jpg", boxes=[[1, 2, 3, 4]], labels=["cup"])
            await run.log_results(object(), names=["cup"])
        assert_type(run.report, UploadReport | None)
