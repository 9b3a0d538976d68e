"""Outputs of models, as their libraries return them, become the annotations that they mean."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import supervision
from PIL import Image

from layernext.client.annotations.run_logger import RunLogger
from layernext.client.annotations.sources import Source
from layernext.client.outputs.adapters import ADAPTERS, check_for_outputs
from layernext.client.reports import UploadReport
from layernext.errors import ConfigurationError, DataError
from layernext.model import RunLengths
from tests.support.model_outputs import (
    BitmapMasks,
    Data,
    DetDataSample,
    InstanceData,
    Instances,
    PolarsFrame,
    Tensor,
    UltralyticsBoxes,
    UltralyticsObb,
    UltralyticsResults,
    WithTensor,
)

BOXES = [[10, 20, 50, 40], [1, 2, 3, 4]]
BOX = {"type": "rectangle", "bbox": [10, 20, 40, 20], "label": "dog", "confidence": 0.75}
SMALL = {"type": "rectangle", "bbox": [1, 2, 2, 2], "label": "cat", "confidence": 0.5}
NAMES = ["cat", "dog"]


def logged(
    results: Any,
    image: Any = None,
    *,
    strict: bool = False,
    normalized: bool = False,
    **options: Any,
) -> tuple[dict[str, list[dict[str, Any]]], UploadReport]:
    """The annotations of each image as they would be sent, and the report."""
    lines: list[bytes] = []

    def send(source: Source) -> UploadReport:
        lines.extend(source.lines())
        return UploadReport(
            collection="c", run="r", mode="machine", images=len(lines), annotations=0, batches=1,
            resumed_batches=0, new_labels=[], unmatched_images=0, bytes_sent=0, seconds=1.0,
        )  # fmt: skip

    with RunLogger(send, is_normalized=normalized, strict=strict) as run:
        run.log_results(results, image, **options)
    assert run.report is not None
    images = [json.loads(line) for line in lines]
    return {image["image"]: image["annotations"] for image in images}, run.report


def arrays(annotations: list[dict[str, Any]]) -> list[Any]:
    return [
        RunLengths(tuple(row["mask"]["size"]), row["mask"]["counts"]).to_array()
        for row in annotations
    ]


def two_masks(height: int = 48, width: int = 64) -> Any:
    masks = np.zeros((2, height, width), bool)
    masks[0, 20:40, 10:50] = True
    masks[0, 25:30, 20:30] = False  # a hole
    masks[1, 2:4, 1:3] = True
    return masks


def yolo(path: str = "/data/a.jpg", **fields: Any) -> UltralyticsResults:
    boxes = UltralyticsBoxes(Tensor(BOXES), Tensor([0.75, 0.5]), Tensor([1.0, 0.0]))
    return UltralyticsResults(path, boxes=boxes, **fields)


def torchvision(**fields: Any) -> dict[str, Any]:
    boxes = Tensor(BOXES)
    return {"boxes": boxes, "scores": Tensor([0.75, 0.5]), "labels": Tensor([1, 0]), **fields}


def instances(**fields: Any) -> Instances:
    return Instances(
        (48, 64),
        scores=Tensor([0.75, 0.5]),
        pred_classes=Tensor([1, 0]),
        **({"pred_boxes": WithTensor(Tensor(BOXES))} | fields),
    )


def sample(**fields: Any) -> DetDataSample:
    data: dict[str, Any] = {"bboxes": Tensor(BOXES)} | fields
    predicted = InstanceData(scores=Tensor([0.75, 0.5]), labels=Tensor([1, 0]), **data)
    return DetDataSample(predicted, {"img_path": "/data/a.jpg", "ori_shape": (48, 64)})


def detections(**fields: Any) -> supervision.Detections:
    return supervision.Detections(
        np.array(BOXES, float),
        confidence=np.array([0.75, 0.5]),
        class_id=np.array([1, 0]),
        **fields,
    )


TABLE = {
    "image": ["a.jpg", "a.jpg"],
    "xmin": [10, 1], "ymin": [20, 2], "xmax": [50, 3], "ymax": [40, 4],
    "label": ["dog", "cat"],
    "score": [0.75, 0.5],
}  # fmt: skip
COCO_RESULTS = [
    {"image_id": 7, "category_id": 1, "bbox": [10, 20, 40, 20], "score": 0.75},
    {"image_id": 7, "category_id": 0, "bbox": [1, 2, 2, 2], "score": 0.5},
]
PIPELINE = [
    {"label": "dog", "score": 0.75, "box": {"xmin": 10, "ymin": 20, "xmax": 50, "ymax": 40}},
    {"label": "cat", "score": 0.5, "box": {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}},
]


@pytest.mark.parametrize(
    ("results", "options"),
    [
        pytest.param(yolo(), {}, id="ultralytics"),
        pytest.param(torchvision(), {"image": "a.jpg", "names": NAMES}, id="torchvision"),
        pytest.param(
            {"boxes": np.array(BOXES), "scores": [0.75, 0.5], "labels": ["dog", "cat"]},
            {"image": "a.jpg", "format": "xyxy"},
            id="dictionary-of-arrays",
        ),
        pytest.param(
            torchvision(text_labels=["dog", "cat"]), {"image": "a.jpg"}, id="hugging-face-labels"
        ),
        pytest.param(instances(), {"image": "a.jpg", "names": NAMES}, id="detectron2"),
        pytest.param(
            {"instances": instances()},
            {"image": "a.jpg", "names": NAMES},
            id="detectron2-predictor",
        ),
        pytest.param(sample(), {"names": {1: "dog", 0: "cat"}}, id="mmdetection"),
        pytest.param(detections(), {"image": "a.jpg", "names": NAMES}, id="supervision"),
        pytest.param(
            detections(data={"class_name": np.array(["dog", "cat"])}),
            {"image": "a.jpg"},
            id="supervision-names",
        ),
        pytest.param(pd.DataFrame(TABLE), {}, id="pandas"),
        pytest.param(PolarsFrame(TABLE), {}, id="polars"),
        pytest.param(pa.table(TABLE), {}, id="arrow"),
        pytest.param(pa.RecordBatch.from_pydict(TABLE), {}, id="arrow-batch"),
        pytest.param(COCO_RESULTS, {"image": {7: "a.jpg"}, "names": NAMES}, id="coco-results"),
        pytest.param(PIPELINE, {"image": "a.jpg"}, id="pipeline"),
    ],
)
def test_boxes(results: Any, options: dict[str, Any]) -> None:
    """Every kind of output gives the same boxes, alone and in a generator of outputs."""
    assert logged(results, **options) == ({"a.jpg": [BOX, SMALL]}, logged([], "a.jpg")[1])
    if isinstance(options.get("image"), str):
        options = {**options, "image": iter([options["image"]])}
    assert logged((output for output in [results]), **options)[0] == {"a.jpg": [BOX, SMALL]}


@pytest.mark.parametrize(
    ("results", "options"),
    [
        pytest.param(
            yolo(masks=Data(Tensor(two_masks().astype(np.float32)))), {}, id="ultralytics"
        ),
        pytest.param(
            torchvision(masks=Tensor(two_masks()[:, None] * 0.8 + 0.1)),
            {"image": "a.jpg", "names": NAMES},
            id="torchvision",
        ),
        pytest.param(
            torchvision(masks=Tensor(two_masks())), {"image": "a.jpg", "names": NAMES}, id="bool"
        ),
        pytest.param(
            instances(pred_masks=Tensor(two_masks())),
            {"image": "a.jpg", "names": NAMES},
            id="detectron2",
        ),
        pytest.param(
            sample(masks=BitmapMasks(two_masks().astype(np.uint8))),
            {"names": NAMES},
            id="mmdetection",
        ),
        pytest.param(
            detections(mask=two_masks()), {"image": "a.jpg", "names": NAMES}, id="supervision"
        ),
        pytest.param(
            [
                {**row, "segmentation": {"size": mask.size, "counts": mask.counts}}
                for row, mask in zip(
                    COCO_RESULTS, map(RunLengths.from_array, two_masks()), strict=True
                )
            ],
            {"image": {7: "a.jpg"}, "names": NAMES},
            id="coco-results",
        ),
    ],
)
def test_masks(results: Any, options: dict[str, Any]) -> None:
    """A detection with a mask becomes its mask, hole and all, with the box of the model in its metadata."""
    annotations = logged(results, **options)[0]["a.jpg"]
    assert [row["type"] for row in annotations] == ["mask", "mask"]
    assert [row["metadata"] for row in annotations] == [
        {"bbox": BOX["bbox"]},
        {"bbox": SMALL["bbox"]},
    ]
    assert [row["label"] for row in annotations] == ["dog", "cat"]
    assert np.array_equal(arrays(annotations), two_masks())


def test_masks_of_a_padded_copy() -> None:
    """Ultralytics' masks of the size that its network sees are cut and scaled to the image."""
    copy = np.zeros((2, 32, 32), np.float32)
    copy[0, 4 + 10 : 4 + 20, 5:25] = 1  # 4 rows of padding above and below 24 rows
    copy[0, :4] = 1  # in the padding: not of the image
    copy[1, 4, 0] = 1
    annotations = logged(yolo(masks=Data(Tensor(copy))))[0]["a.jpg"]
    first, second = arrays(annotations)
    expected = np.zeros((48, 64), bool)
    expected[20:40, 10:50] = True
    assert np.array_equal(first, expected)
    assert second.sum() == second[:2, :2].sum() == 4


def test_segmentations_of_hugging_face() -> None:
    """A map of segments becomes a mask for each of them; so does a map for each segment."""
    masks = two_masks()
    segments = [
        {"id": 5, "label_id": 1, "score": 0.75, "was_fused": False},
        {"id": 2, "label_id": 0, "score": 0.5, "was_fused": True},
    ]
    for segmentation in (Tensor(masks[0] * 5 + masks[1] * 2), Tensor(masks)):
        output = {"segmentation": segmentation, "segments_info": segments}
        annotations = logged([output], ["a.jpg"], names=NAMES)[0]["a.jpg"]
        assert np.array_equal(arrays(annotations), masks)
        assert [row["label"] for row in annotations] == ["dog", "cat"]
        assert [row["confidence"] for row in annotations] == [0.75, 0.5]
        assert [row["metadata"] for row in annotations] == [
            {"was_fused": False},
            {"was_fused": True},
        ]
    nothing = {"segmentation": Tensor(masks[0] - 1.0), "segments_info": []}
    assert logged(nothing, "a.jpg")[0] == {"a.jpg": []}
    with pytest.raises(DataError, match=r"results\.segmentation: is a list, must be an array"):
        logged({"segmentation": [[0, 1]], "segments_info": segments}, "a.jpg", names=NAMES)


def test_pictures_of_a_pipeline() -> None:
    """Masks of a pipeline are gray pictures; labels without a shape are of the whole image."""
    pictures = [Image.fromarray(mask.astype(np.uint8) * 255) for mask in two_masks()]
    output = [{"label": "dog", "score": None, "mask": picture} for picture in pictures]
    annotations = logged(output, "a.jpg")[0]["a.jpg"]
    assert np.array_equal(arrays(annotations), two_masks())
    assert "confidence" not in annotations[0]
    labels = [{"label": "indoors", "score": 0.75}, {"label": "outdoors", "score": 0.25}]
    expected = [
        {"type": "image_label", "label": row["label"], "confidence": row["score"]} for row in labels
    ]
    assert logged([labels, []], ["a.jpg", "b.jpg"])[0] == {"a.jpg": expected, "b.jpg": []}


@pytest.mark.parametrize(
    ("results", "options"),
    [
        pytest.param(
            UltralyticsResults(
                "/data/a.jpg",
                obb=UltralyticsObb(
                    Tensor([[30, 20, 40, 10, np.pi / 6]]), Tensor([0.75]), Tensor([1])
                ),
            ),
            {},
            id="ultralytics",
        ),
        pytest.param(
            Instances(
                (48, 64),
                pred_boxes=WithTensor(Tensor([[30, 20, 40, 10, -30]])),
                scores=Tensor([0.75]),
                pred_classes=Tensor([1]),
            ),
            {"image": "a.jpg", "names": NAMES},
            id="detectron2-counterclockwise",
        ),
        pytest.param(
            DetDataSample(
                InstanceData(
                    bboxes=WithTensor(Tensor([[30, 20, 40, 10, np.pi / 6]])),
                    scores=Tensor([0.75]),
                    labels=Tensor([1]),
                ),
                {"img_path": "/data/a.jpg"},
            ),
            {"names": NAMES},
            id="mmrotate",
        ),
        pytest.param(
            supervision.Detections(
                np.array([[10.0, 6, 50, 34]]),
                confidence=np.array([0.75]),
                data={
                    "class_name": np.array(["dog"]),
                    "xyxyxyxy": np.array(
                        [
                            [
                                [15.179492, 5.669873],
                                [49.820508, 25.669873],
                                [44.820508, 34.330127],
                                [10.179492, 14.330127],
                            ]
                        ]
                    ),
                },
            ),
            {"image": "a.jpg"},
            id="supervision-corners",
        ),
    ],
)
def test_rotated_boxes(results: Any, options: dict[str, Any]) -> None:
    """Rotated boxes turn clockwise in degrees, however their library counts."""
    (annotation,) = logged(results, **options)[0]["a.jpg"]
    assert annotation["type"] == "rotated_box"
    assert annotation["bbox"] == pytest.approx([10, 15, 40, 10], abs=1e-4)
    assert annotation["rotation"] == pytest.approx(30, abs=1e-4)


POSES = [[[11, 22, 0.5], [12, 24, 1.0]], [[1, 2, 0.25], [0, 0, 0.0]]]


@pytest.mark.parametrize(
    ("results", "options"),
    [
        pytest.param(yolo(keypoints=Data(Tensor(POSES))), {}, id="ultralytics"),
        pytest.param(
            torchvision(keypoints=Tensor(POSES)),
            {"image": "a.jpg", "names": NAMES},
            id="torchvision",
        ),
        pytest.param(
            instances(pred_keypoints=Tensor(POSES)),
            {"image": "a.jpg", "names": NAMES},
            id="detectron2",
        ),
        pytest.param(
            [
                {**row, "keypoints": [number for point in pose for number in point]}
                for row, pose in zip(COCO_RESULTS, POSES, strict=True)
            ],
            {"image": {7: "a.jpg"}, "names": NAMES},
            id="coco-results",
        ),
    ],
)
def test_keypoints(results: Any, options: dict[str, Any]) -> None:
    """A detection with keypoints becomes keypoints, with its box; visibility is the model's."""
    annotations = logged(results, **options)[0]["a.jpg"]
    assert [row["type"] for row in annotations] == ["keypoints", "keypoints"]
    assert [row["keypoints"] for row in annotations] == POSES
    boxes = [row["bbox"] if "bbox" in row else row["metadata"]["bbox"] for row in annotations]
    assert boxes == [BOX["bbox"], SMALL["bbox"]]
    assert [row["confidence"] for row in annotations] == [0.75, 0.5]


def test_semantic_masks() -> None:
    """A label map becomes a semantic mask for each class in it."""
    label_map = two_masks()[0] * 1
    results = UltralyticsResults("/data/a.jpg", semantic_mask=Data(Tensor(label_map)))
    for output, options in (
        (results, {}),
        (Tensor(label_map), {"image": "a.jpg", "names": NAMES}),
        ([Tensor(label_map)], {"image": ["a.jpg"], "names": dict(enumerate(NAMES))}),
    ):
        cat, dog = logged(output, **options)[0]["a.jpg"]
        assert (cat["type"], cat["label"], dog["label"]) == ("semantic_mask", "cat", "dog")
        assert np.array_equal(arrays([cat, dog]), [label_map == 0, label_map == 1])
    with pytest.raises(DataError, match="names: are missing"):
        logged(Tensor(label_map), "a.jpg")


def test_labels_of_the_image() -> None:
    """Probabilities become labels of the image, the five most likely; the report says that others are not logged."""
    names = {number: f"name {number}" for number in range(7)}
    probabilities = Tensor([0.01, 0.3, 0.02, 0.2, 0.25, 0.12, 0.1])
    results = UltralyticsResults("/data/a.jpg", names=names, probs=Data(probabilities))
    images, report = logged(results)
    assert [row["label"] for row in images["a.jpg"]] == [f"name {n}" for n in (1, 4, 3, 5, 6)]
    assert report.losses == {"labels of images after the 5 most likely": (1, "results")}


def test_tracks() -> None:
    """The track of a detection is kept."""
    results = yolo()
    assert results.boxes is not None
    results.boxes.id = Tensor([7.0, 9.0])
    for tracked, image in ((results, None), (detections(tracker_id=np.array([7, 9])), "a.jpg")):
        annotations = logged(tracked, image, names=NAMES)[0]["a.jpg"]
        assert [row["track"] for row in annotations] == [7, 9]


def test_what_is_not_logged_is_named() -> None:
    """Losses are counted in the report, with their first place; with `strict` they are refused."""
    results = [yolo(), yolo("/data/b.jpg", depth=Tensor([[0]]))]
    assert logged(results)[1].losses == {"depth maps": (1, "results[1]")}
    with pytest.raises(DataError, match=r"results\[1\]: not kept: depth maps"):
        logged(results, strict=True)
    extra = {"instances": instances(pred_keypoint_heatmaps=Tensor([0])), "sem_seg": Tensor([0])}
    losses = logged(extra, "a.jpg", names=NAMES)[1].losses
    assert set(losses) == {"pred_keypoint_heatmaps", "sem_seg"}


def test_tables() -> None:
    """Other columns of a table are metadata, gaps are gaps, and rows of an image need not be neighbors."""
    frame = pd.DataFrame(
        {
            "path": ["/d/a.jpg", "/d/b.jpg", "/d/a.jpg", "/d/c.jpg"],
            "x": [1.5, 2, 3, None], "y": [1, 2, 3, None], "w": [4, 5, 6, None], "h": [7, 8, 9, None],
            "class": pd.array([0, 1, 1, None], dtype="Int64"),
            "conf": [0.5, 0.25, None, None],
            "head": ["left", None, "right", None],
        }
    )  # fmt: skip
    assert logged(frame, names=NAMES, format="xywh")[0] == {
        "a.jpg": [
            {"type": "rectangle", "bbox": [1.5, 1, 4, 7], "label": "cat", "confidence": 0.5, "metadata": {"head": "left"}},
            {"type": "rectangle", "bbox": [3, 3, 6, 9], "label": "dog", "confidence": None, "metadata": {"head": "right"}},
        ],
        "b.jpg": [{"type": "rectangle", "bbox": [2, 2, 5, 8], "label": "dog", "confidence": 0.25}],
        "c.jpg": [],
    }  # fmt: skip
    with pytest.raises(
        DataError, match="results: does not show the layout of its boxes; pass format="
    ):
        logged(frame, names=NAMES)
    cells = pd.DataFrame({"label": ["dog"], "bbox": [np.array([10, 20, 50, 40])]})
    assert logged(cells, "a.jpg", format="xyxy")[0]["a.jpg"][0]["bbox"] == [10, 20, 40, 20]
    labels = pa.table({"image": ["a.jpg", "a.jpg"], "label": ["indoors", "day"]})
    assert [row["type"] for row in logged(labels)[0]["a.jpg"]] == ["image_label", "image_label"]
    with pytest.raises(
        DataError, match="has the column 'mask', and only boxes and labels are read"
    ):
        logged(pd.DataFrame({"label": ["dog"], "mask": ["…"]}), "a.jpg")


def test_coco_results_with_outlines() -> None:
    """Outlines of COCO results become polygons, several of an object its parts."""
    square = [0, 0, 8, 0, 8, 8]
    rows = [
        {"image_id": "a.jpg", "category_id": 1, "segmentation": [square], "score": 0.75},
        {"image_id": "a.jpg", "category_id": 0, "segmentation": [square, square], "score": 0.5},
        {"image_id": "b.jpg", "category_id": 0, "bbox": [1, 2, 2, 2], "score": 0.5},
    ]
    images, _ = logged(rows, names=NAMES)
    points = [[0, 0], [8, 0], [8, 8]]
    assert images["a.jpg"][0]["polygon"] == points
    assert images["a.jpg"][1]["parts"] == [[points], [points]]
    assert images["b.jpg"] == [SMALL]


def test_normalized() -> None:
    """Plain dictionaries may have fractions; outputs that are always in pixels are refused."""
    output = {"boxes": np.array([[0.25, 0.5, 0.5, 0.75]]), "labels": ["dog"]}
    (row,) = logged(output, "a.jpg", normalized=True, format="xyxy")[0]["a.jpg"]
    assert row["bbox"] == [0.25, 0.5, 0.25, 0.25]
    with pytest.raises(ConfigurationError, match="Ultralytics Results are in pixels"):
        logged(yolo(), normalized=True)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        pytest.param(lambda: logged(yolo(), names=["cat"]),
            r"results\.labels\[0\]: is the class number 1; names= has 1 name, from 0", id="number-outside-names"),
        pytest.param(lambda: logged([torchvision()], ["a.jpg"], names={0: "cat"}),
            r"results\[0\]\.labels\[0\]: is the class number 1, which names= does not have", id="number-not-in-names"),
        pytest.param(lambda: logged(torchvision(), "a.jpg"),
            r"results\.labels\[0\]: is the class number 1, and the output has no class names", id="no-names"),
        pytest.param(lambda: logged([yolo(), torchvision()], names=NAMES),
            r"results\[1\]: does not name its image; pass image=", id="no-image"),
        pytest.param(lambda: logged(yolo("image0.jpg")), "does not name its image", id="placeholder"),
        pytest.param(lambda: logged(yolo("/data/film.mp4")), "is a frame of the video 'film.mp4'", id="video"),
        pytest.param(lambda: logged([yolo(), yolo("/other/a.jpg")]),
            r"results\[1\]: is of '/other/a.jpg', and another file in another folder", id="two-files"),
        pytest.param(lambda: logged([torchvision(), torchvision()], ["a.jpg"], names=NAMES),
            r"results\[1\]: has no image name: image= has 1", id="too-few-images"),
        pytest.param(lambda: logged([torchvision()], ["a.jpg", "b.jpg"], names=NAMES),
            "image: has more names than there are results: 1", id="too-many-images"),
        pytest.param(lambda: logged([torchvision(), torchvision()], "a.jpg", names=NAMES),
            "image: is the name of a single image", id="image-for-several"),
        pytest.param(lambda: logged(COCO_RESULTS, {8: "b.jpg"}, names=NAMES),
            r"results\[0\]: is of the image 7, which image= does not have", id="unknown-image-number"),
        pytest.param(lambda: logged(torchvision(masks=Tensor(two_masks()[:1])), "a.jpg", names=NAMES),
            r"results\.masks: has 1 value for 2 boxes", id="masks-too-few"),
        pytest.param(lambda: logged(torchvision() | {"scores": Tensor([0.5])}, "a.jpg", names=NAMES),
            "confidences: has 1 value for 2 shapes", id="scores-too-few"),
        pytest.param(lambda: logged({"boxes": BOXES, "labels": NAMES}, "a.jpg"),
            "results: does not show the layout of its boxes", id="no-layout"),
        pytest.param(lambda: logged(object(), "a.jpg"),
            r"results: is a object, .* \(recognized are: Ultralytics Results; supervision Detections; ", id="other-object"),
        pytest.param(lambda: logged([yolo(), 7]), r"results\[1\]: is a int, which is not an output", id="other-element"),
        pytest.param(lambda: logged(Tensor(BOXES), "a.jpg"), r"is a tests\.support\.model_outputs\.Tensor", id="tensor"),
        pytest.param(lambda: logged("a.jpg"), "results: is a str", id="string"),
    ],
)  # fmt: skip
def test_mistakes(log: Callable[[], object], message: str) -> None:
    """Every mistake is one sentence with its place."""
    with pytest.raises(DataError, match=message):
        log()


def test_layout_where_there_is_only_one() -> None:
    """A layout is refused where the library has only one, or the table's columns say another."""
    for results in (yolo(), detections(), instances(), sample(), COCO_RESULTS, PIPELINE):
        with pytest.raises(ConfigurationError, match="define the layout of their boxes"):
            logged(results, "a.jpg", names=NAMES, format="xywh")
    with pytest.raises(
        ConfigurationError, match=r"format is 'xywh', and the columns xmin, .* are xyxy"
    ):
        logged(pd.DataFrame(TABLE), format="xywh")
    with pytest.raises(ConfigurationError, match="format is 'coco', must be 'xywh'"):
        logged(torchvision(), "a.jpg", names=NAMES, format="coco")


def test_outputs_stream() -> None:
    """A generator of outputs is read one at a time, and its first element is not lost to the check."""
    images = ({"image": f"{number}.jpg", "annotations": []} for number in range(3))
    are_outputs, elements = check_for_outputs(images)
    assert not are_outputs
    assert [image["image"] for image in elements] == ["0.jpg", "1.jpg", "2.jpg"]
    are_outputs, elements = check_for_outputs(yolo(f"/d/{number}.jpg") for number in range(3))
    assert are_outputs
    assert list(logged(elements)[0]) == ["0.jpg", "1.jpg", "2.jpg"]
    assert check_for_outputs([]) == (False, [])


def test_recognition_is_unambiguous() -> None:
    """Each output is recognized by one adapter only."""
    values = [
        yolo(),
        detections(),
        instances(),
        sample(),
        torchvision(),
        COCO_RESULTS,
        PIPELINE,
        pa.table(TABLE),
    ]
    for value in values:
        assert sum(adapter.matches(value) for adapter in ADAPTERS) == 1
    for value in (None, 7, "a", [], {}, {"image": "a.jpg", "annotations": []}, np.zeros((2, 4))):
        assert not any(adapter.matches(value) for adapter in ADAPTERS)


def test_nothing_is_imported() -> None:
    """The client does not load the libraries whose outputs it reads."""
    script = (
        "import sys, layernext; layernext.LayerNextClient;"
        "print(sorted({'numpy', 'torch', 'pandas', 'polars', 'pyarrow', 'supervision'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
