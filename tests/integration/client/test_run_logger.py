"""Logging from a loop: what is logged arrives, what fails is told, what is broken off stays out."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import httpx
import numpy as np
import pytest

from layernext import (
    AttributeValue,
    ImageAnnotations,
    ImageLabel,
    Keypoints,
    LayerNextClient,
    Line,
    Polygon,
    Rectangle,
    RotatedBox,
)
from layernext.errors import DataError, LayerNextError, StackUnavailable, UploadIncomplete
from tests.integration.client.conftest import Pair
from tests.support.faulty_network import FaultyNetwork
from tests.support.stack_process import StackProcess


def fresh() -> str:
    return f"yard-{uuid.uuid4().hex[:8]}"


def no_thread_is_left() -> bool:
    return not [t for t in threading.enumerate() if t.name.startswith("layernext")]


def test_nothing_logged(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """A run without images says that it will not be listed, in its log and its report."""
    collection = fresh()
    with pair.writer.model_run(collection, "blank") as run:
        pass
    notice = "run 'blank' has no images; the stack does not list it"
    assert notice in caplog.messages
    assert notice in repr(run.report)
    assert notice in repr(pair.writer.upload_modelrun(collection, "blank", []))
    if pair.protocol == "native":
        assert collection not in {run.collection for run in pair.writer.runs.list()}


def test_arrays_and_lists(pair: Pair) -> None:
    """Arrays of numpy and plain lists give the same annotations, in the order of the shapes."""
    collection = fresh()
    with pair.writer.model_run(collection, "r") as run:
        run.log(
            "a.jpg",
            boxes=np.array([[1, 2, 3, 4], [5, 6, 7.5, 8]]),
            polygons=[np.array([[0, 0], [1, 0], [1, 1]]), [[5, 5], [6, 6]]],
            lines=[[(0, 0), (9, 9)]],
            labels=np.array(["cup", "cup", "table", "plate", "edge"]),
            confidences=np.array([0.5, 0.25, 1, 0, 0.125], dtype=np.float32),
            attributes=[
                {"color": "red"},
                {"color": [AttributeValue("red", 0.5), {"value": "blue"}], "n": np.int64(3)},
                {},
                {},
                {},
            ],
            metadata=[{"track": np.int32(n)} for n in range(5)],
        )
        run.log("b.jpg", boxes=np.empty((0, 4)), labels=[], confidences=[])
        run.log("c.jpg")
    assert run.report is not None
    assert (run.report.images, run.report.annotations) == (3, 5)
    stored = {image.image: image for image in pair.writer.iter_annotations(collection, "r")}
    assert stored["a.jpg"].annotations == [
        Rectangle(
            label="cup",
            bbox=(1, 2, 3, 4),
            confidence=0.5,
            attributes={"color": [AttributeValue("red")]},
            metadata={"track": 0},
        ),
        Rectangle(
            label="cup",
            bbox=(5, 6, 7.5, 8),
            confidence=0.25,
            attributes={
                "color": [AttributeValue("red", 0.5), AttributeValue("blue")],
                "n": [AttributeValue(3)],
            },
            metadata={"track": 1},
        ),
        Polygon(
            label="table", polygon=[(0, 0), (1, 0), (1, 1)], confidence=1, metadata={"track": 2}
        ),
        Polygon(label="plate", polygon=[(5, 5), (6, 6)], confidence=0, metadata={"track": 3}),
        Line(label="edge", line=[(0, 0), (9, 9)], confidence=0.125, metadata={"track": 4}),
    ]
    assert stored["b.jpg"] == ImageAnnotations(image="b.jpg", annotations=[])
    assert stored["c.jpg"] == ImageAnnotations(image="c.jpg", annotations=[])


def test_rotated_boxes_and_image_labels(client: LayerNextClient) -> None:
    """Boxes with rotations are rotated boxes; labels without any shape are those of the image."""
    collection = fresh()
    with client.model_run(collection, "r") as run:
        boxes, rotations = np.array([[1, 2, 3, 4], [5, 6, 7.5, 8]]), np.array([30.5, -90])
        run.log("a.jpg", boxes=boxes, rotations=rotations, labels=["cup", "mug"])
        centers = np.column_stack([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:], rotations])
        run.log("b.jpg", boxes=centers, format="cxcywh", labels=["cup", "mug"])
        run.log("c.jpg", labels=np.array(["rain", "night"]), confidences=[0.75, 0.5])
        run.log("d.jpg", labels=[])
        run.log("e.jpg", boxes=[], rotations=[], labels=[])
    stored = {image.image: image.annotations for image in client.iter_annotations(collection, "r")}
    turned = [
        RotatedBox(label="cup", bbox=(1, 2, 3, 4), rotation=30.5),
        RotatedBox(label="mug", bbox=(5, 6, 7.5, 8), rotation=-90),
    ]
    labels = [
        ImageLabel(label="rain", confidence=0.75),
        ImageLabel(label="night", confidence=0.5),
    ]
    expected = {"a.jpg": turned, "b.jpg": turned, "c.jpg": labels, "d.jpg": [], "e.jpg": []}
    assert stored == expected


def test_keypoints(client: LayerNextClient) -> None:
    """Poses of arrays, with visibilities and boxes or without; mistakes are named, and nothing is logged."""
    collection = fresh()
    poses = np.array([[[1, 2, 2], [3, 4.5, 0]], [[5, 6, 0.25], [7, 8, 1]]])
    with client.model_run(collection, "r") as run:
        run.log("a.jpg", keypoints=poses, labels=["cup", "mug"], confidences=[0.5, 1])
        run.log(
            "b.jpg", keypoints=poses[:1, :, :2], boxes=[[1, 2, 4, 6]], format="xyxy", labels=["cup"]
        )
        run.log("c.jpg", keypoints=[], boxes=[], labels=[])
        for arguments, message in (
            ({"keypoints": poses[0], "labels": ["cup"]}, r"keypoints: is a single pose"),
            ({"keypoints": poses, "boxes": [[1, 2, 3, 4]], "labels": ["a", "b"]}, "boxes: has 1 value for 2 shapes"),
            ({"keypoints": poses[:1], "boxes": [[1, 2, 3, 4, 30]], "labels": ["a"]}, "rotations: must be None"),
            ({"keypoints": poses[:1] * [1, 1, -1], "labels": ["a"]}, r"keypoints\[0\]\[2\]: is -2.0, must be ≥ 0"),
        ):  # fmt: skip
            with pytest.raises(DataError, match=message):
                run.log("d.jpg", **arguments)
    stored = {image.image: image.annotations for image in client.iter_annotations(collection, "r")}
    assert stored == {
        "a.jpg": [
            Keypoints(label="cup", keypoints=[(1, 2, 2), (3, 4.5, 0)], confidence=0.5),
            Keypoints(label="mug", keypoints=[(5, 6, 0.25), (7, 8, 1)], confidence=1),
        ],
        "b.jpg": [Keypoints(label="cup", keypoints=[(1, 2, 2), (3, 4.5, 2)], bbox=(1, 2, 3, 4))],
        "c.jpg": [],
    }


def test_radians_are_noticed(client: LayerNextClient) -> None:
    """Rotations that are all within half a turn of radians give a warning, once."""
    with client.model_run(fresh(), "r") as run:
        boxes, labels = np.tile([1.0, 2, 3, 4], (15, 1)), ["cup"] * 15
        run.log("a.jpg", boxes=boxes, rotations=np.linspace(-1.5, 1.5, 15), labels=labels)
        with pytest.warns(UserWarning, match="all 30 rotations are between -π and π"):
            run.log("b.jpg", boxes=boxes, rotations=np.linspace(-3, 3, 15), labels=labels)
        run.log("c.jpg", boxes=boxes, rotations=np.zeros(15), labels=labels)


def test_ground_truth_and_normalized(client: LayerNextClient) -> None:
    """A run can be ground truth, and in fractions of the image."""
    collection = fresh()
    with client.model_run(collection, "r", ground_truth=True, normalized=True) as run:
        run.log("a.jpg", boxes=[[0.1, 0.2, 0.3, 0.4]], labels=["cup"])
    (image,) = client.iter_annotations(collection, "r", ground_truth=True)
    assert image.normalized


def test_many_images(client: LayerNextClient) -> None:
    """More images than wait at a time all arrive, in order, and an image logged twice is merged."""
    collection = fresh()
    boxes = np.arange(400, dtype=float).reshape(100, 4)
    with client.model_run(collection, "r") as run:
        for number in range(3_000):
            run.log(f"{number:05}.jpg", boxes=boxes + number, labels=["a"] * 100)
        run.log("00000.jpg", boxes=[[0, 0, 1, 1]], labels=["again"])
    assert run.report is not None
    assert run.report.annotations == 300_001
    images = list(client.iter_annotations(collection, "r"))
    assert [image.image for image in images] == [f"{number:05}.jpg" for number in range(3_000)]
    assert [len(image.annotations) for image in images] == [101] + [100] * 2_999


def test_image_that_is_logged_often(pair: Pair) -> None:
    """The report counts images as the stack does: once, however often each was logged."""
    collection = fresh()
    with pair.writer.model_run(collection, "r") as run:
        for number in range(4_500):
            run.log(f"{number % 1_500}.jpg", boxes=[[number, 0, 1, 2]], labels=["cup"])
    assert run.report is not None
    assert (run.report.images, run.report.annotations) == (1_500, 4_500)
    assert run.report.unmatched_images == 1_500
    assert len(list(pair.writer.iter_annotations(collection, "r"))) == 1_500


def test_what_is_logged_is_a_copy(client: LayerNextClient) -> None:
    """Arrays and dictionaries may be used again for the next image."""
    collection = fresh()
    boxes = np.zeros((1, 4))
    fields = {"step": 0}
    with client.model_run(collection, "r") as run:
        for number in range(50):
            boxes[:] = number
            fields["step"] = number
            run.log(f"{number:02}.jpg", boxes=boxes, labels=["a"], metadata=[fields])
    for number, image in enumerate(client.iter_annotations(collection, "r")):
        (box,) = image.annotations
        assert isinstance(box, Rectangle)
        assert (box.bbox, box.metadata) == ((number,) * 4, {"step": number})


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"boxes": [[1, 2, 3, 4]]}, "labels"),
        ({"boxes": [[1, 2, 3, 4]], "labels": []}, "labels"),
        ({"boxes": [], "labels": ["a"]}, "labels"),
        ({"labels": "a"}, "labels"),
        ({"labels": ["a"], "confidences": [0.5, 0.5]}, "confidences"),
        ({"labels": ["a"], "rotations": [30]}, "rotations"),
        ({"boxes": [[1, 2, 3, 4]], "rotations": [], "labels": ["a"]}, "rotations"),
        ({"boxes": [[1, 2, 3, 4, 5]], "rotations": [30], "labels": ["a"]}, "boxes"),
        ({"boxes": [[1, 2, 3, 4, 5], [1, 2, 3, 4]], "labels": ["a", "b"]}, "boxes"),
        ({"boxes": np.array([1, 2, 3, 4, 5]), "labels": ["a"] * 5}, "boxes"),
        (
            {"boxes": [[1, 2, 3, 4]], "rotations": ["30"], "labels": ["a"]},
            "images[1].annotations[0].rotation",
        ),
        ({"boxes": [[1, 2, 3, 4]], "labels": "a"}, "labels"),
        ({"boxes": [[1, 2, 3, 4]] * 3, "labels": "cup"}, "labels"),
        ({"boxes": [[1, 2, 3, 4]], "labels": ["a"], "confidences": []}, "confidences"),
        ({"boxes": [[1, 2, 3, 4]], "labels": ["a"], "confidences": 0.5}, "confidences"),
        ({"boxes": [[1, 2, 3, 4]], "labels": ["a"], "metadata": {"a": 1}}, "metadata"),
        ({"boxes": [[1, 2, 3, 4]], "labels": ["a"], "attributes": [{}, {}]}, "attributes"),
        ({"boxes": 7, "labels": ["a"]}, "boxes"),
        ({"boxes": np.array(7.0), "labels": ["a"]}, "boxes"),
        ({"boxes": np.array([1, 2, 3, 4]), "labels": ["a"] * 4}, "boxes"),
        ({"boxes": [[1, 2, 3]], "labels": ["a"]}, "images[1].annotations[0].bbox"),
        ({"boxes": [[1, 2, -3, 4]], "labels": ["a"]}, "images[1].annotations[0].bbox"),
        (
            {"boxes": [[1, 2, np.nan, 4]], "labels": ["a"]},
            "images[1].annotations[0].bbox[2]",
        ),
        (
            {"boxes": [[1, 2, 3, 4]], "labels": ["a"], "confidences": [2]},
            "images[1].annotations[0].confidence",
        ),
        ({"polygons": [[]], "labels": ["a"]}, "images[1].annotations[0].polygon"),
        (
            {"boxes": [[1, 2, 3, 4]], "labels": ["a"], "attributes": ["red"]},
            "images[1].annotations[0].attributes",
        ),
        ({"boxes": [[1, 2, 3, 4]], "labels": [7]}, "labels"),
    ],
)
def test_bad_calls(client: LayerNextClient, fields: dict[str, Any], where: str) -> None:
    """A call that cannot be right raises where it stands; the run goes on without that image."""
    collection = fresh()
    with client.model_run(collection, "r") as run:
        run.log("fine.jpg")
        with pytest.raises(DataError) as caught:
            run.log("bad.jpg", **fields)
        run.log("fine too.jpg")
    assert caught.value.where == where
    stored = [image.image for image in client.iter_annotations(collection, "r")]
    assert stored == ["fine.jpg", "fine too.jpg"]


class OwnError(Exception):
    """Of the user's loop."""


@pytest.mark.parametrize("error", [OwnError, KeyboardInterrupt])
def test_error_inside_the_block(client: LayerNextClient, error: type[BaseException]) -> None:
    """An exception in the loop comes out, nothing that waits is sent, no thread is left."""
    collection = fresh()
    with pytest.raises(error), client.model_run(collection, "r") as run:  # noqa: PT012 - the block is what is tested
        for number in range(300):
            run.log(f"{number}.jpg")
        raise error
    assert run.report is None
    assert no_thread_is_left()
    assert list(client.iter_annotations(collection, "r")) == []


def test_abort_with_a_full_queue(native_stack: StackProcess) -> None:
    """A block that fails while much is waiting ends at once, without sending what waits."""
    release = threading.Event()

    def slow(request: httpx.Request, _: int) -> httpx.Response | None:
        if "/batches/" in request.url.path:
            assert release.wait(300)
            return httpx.Response(500)
        return None

    collection = fresh()
    network = FaultyNetwork(slow)
    boxes = np.random.default_rng(1).random((2_000, 4))
    with (  # noqa: PT012 - the block is what is tested
        LayerNextClient(*native_stack.arguments, http=network) as client,
        pytest.raises(OwnError),
        client.model_run(collection, "r") as run,
    ):
        for number in range(110):
            run.log(f"{number}.jpg", boxes=boxes, labels=["a"] * 2_000)
        threading.Timer(0.5, release.set).start()
        raise OwnError
    sent = [r for r in network.requests if "/batches/" in r.url.path]
    assert len(sent) <= 3


def test_stack_that_fails(native_stack: StackProcess) -> None:
    """When batches cannot be sent, the loop is told at its next call or when the block ends."""

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        return httpx.Response(500) if "/batches/" in request.url.path else None

    with LayerNextClient(*native_stack.arguments, http=FaultyNetwork(fault)) as client:
        with pytest.raises(UploadIncomplete) as caught, client.model_run(fresh(), "r") as run:
            run.log("a.jpg")
        assert isinstance(caught.value.__cause__, StackUnavailable)
        number = 0
        with pytest.raises(UploadIncomplete), client.model_run(fresh(), "r") as run:  # noqa: PT012 - the block is what is tested
            for number in range(200_000):
                run.log(f"{number}.jpg", boxes=[[0, 0, 1, 1]] * 50, labels=["a"] * 50)
    assert number < 199_999
    assert no_thread_is_left()


def test_logging_outside_the_block(client: LayerNextClient) -> None:
    """What is logged before or after the block is refused, not lost."""
    run = client.model_run(fresh(), "r")
    with pytest.raises(LayerNextError, match="with block"):
        run.log("a.jpg")
    with run:
        run.log("a.jpg")
    with pytest.raises(LayerNextError, match="with block"):
        run.log("b.jpg")
    with pytest.raises(LayerNextError), run:
        pass
    assert run.report is not None
    assert run.report.images == 1


def test_several_threads_log(client: LayerNextClient) -> None:
    """Several threads may log into one run."""
    collection = fresh()
    with client.model_run(collection, "r") as run:

        def work(part: int) -> None:
            for number in range(200):
                run.log(f"{part}-{number}.jpg", boxes=[[0, 0, 1, 1]], labels=["a"])

        threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({i.image for i in client.iter_annotations(collection, "r")}) == 800
