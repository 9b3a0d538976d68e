"""Outputs of models arrive in a stack, by each way to send them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from layernext import AsyncLayerNextClient, LayerNextClient, Rectangle
from layernext.errors import ConfigurationError, DataError
from tests.integration.client.conftest import Pair
from tests.support.model_outputs import Tensor, UltralyticsBoxes, UltralyticsResults
from tests.support.stack_process import StackProcess

EXPECTED = [Rectangle(label="dog", bbox=(10, 20, 40, 20), confidence=0.75)]


def fresh() -> str:
    return f"yard-{uuid.uuid4().hex[:8]}"


def yolo(number: int, **fields: Any) -> UltralyticsResults:
    boxes = UltralyticsBoxes(Tensor([[10, 20, 50, 40]]), Tensor([0.75]), Tensor([1.0]))
    return UltralyticsResults(f"/data/{number}.jpg", boxes=boxes, **fields)


def stored(client: LayerNextClient, collection: str) -> dict[str, Any]:
    return {image.image: image.annotations for image in client.iter_annotations(collection, "r")}


def test_every_way(pair: Pair) -> None:
    """Logged or uploaded, outputs become the same annotations; both protocols carry them."""
    logged, uploaded = fresh(), fresh()
    with pair.writer.model_run(logged, "r") as run:
        run.log_results(yolo(0))
        run.log_results(yolo(number) for number in (1, 2))
    report = pair.writer.upload_modelrun(uploaded, "r", (yolo(number) for number in range(3)))
    assert run.report is not None
    assert (report.images, report.annotations) == (run.report.images, run.report.annotations)
    expected = {f"{number}.jpg": EXPECTED for number in range(3)}
    assert stored(pair.writer, logged) == stored(pair.writer, uploaded) == expected


def test_arguments_of_an_upload(client: LayerNextClient) -> None:
    """`upload_modelrun` takes names of classes and images and the layout of boxes; it reports what is not logged."""
    collection = fresh()
    outputs = [{"boxes": np.array([[10, 20, 40, 20]]), "scores": [0.75], "labels": [1]}]
    client.upload_modelrun(
        collection, "r", outputs, format="xywh", names=["cat", "dog"], image_names=["a.jpg"]
    )
    assert stored(client, collection) == {"a.jpg": EXPECTED}
    report = client.upload_modelrun(collection, "r", [yolo(0, keypoints=Tensor([0]))])
    assert report.losses == {"keypoints": (1, "results[0]")}
    with pytest.raises(ConfigurationError, match="omit `geometry`"):
        client.upload_modelrun(collection, "r", [yolo(0)], geometry="rectangle")
    with pytest.raises(DataError, match=r"results\[0\]: not kept: keypoints"):
        client.upload_modelrun(collection, "r", [yolo(0, keypoints=Tensor([0]))], strict=True)


def test_nothing_of_a_failed_upload(client: LayerNextClient) -> None:
    """An output in the middle that is wrong ends the upload with its place."""
    collection = fresh()
    with pytest.raises(DataError, match=r"results\[1\]\.labels\[0\]: is the class number 1"):
        client.upload_modelrun(collection, "r", [yolo(0), yolo(1, names={0: "cat"})])
    assert collection not in {run.collection for run in client.runs.list()}


def test_asyncio(native_stack: StackProcess, client: LayerNextClient) -> None:
    """The asynchronous client logs and uploads outputs, also of asynchronous generators."""
    logged, uploaded = fresh(), fresh()

    async def outputs() -> AsyncIterator[UltralyticsResults]:
        for number in range(3):
            await asyncio.sleep(0)
            yield yolo(number)

    async def main() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as asynchronous:
            async with asynchronous.model_run(logged, "r") as run:
                await run.log_results(yolo(7), names=["cat", "dog"])
                await run.log_results(outputs())
            await asynchronous.upload_modelrun(uploaded, "r", outputs())

    asyncio.run(main())
    expected = {f"{number}.jpg": EXPECTED for number in range(3)}
    assert stored(client, uploaded) == expected
    assert stored(client, logged) == {"7.jpg": EXPECTED, **expected}
