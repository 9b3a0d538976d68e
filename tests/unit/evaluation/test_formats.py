"""Evaluation of files in other formats: the numbers of pycocotools on the very same files."""

from __future__ import annotations

import contextlib
import io
import json
import random

import pytest
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from layernext.errors import ConfigurationError, DataError, FormatError
from layernext.evaluation import compare_files, evaluate_files, find_geometry
from layernext.formats import Losses, convert
from layernext.model import EvaluationSettings
from tests.unit.evaluation.scenes import IMAGE_WH, scene, write
from tests.unit.evaluation.test_coco import NAMES


def box_around(polygon):
    """x, y, width, height."""
    xs, ys = zip(*polygon, strict=True)
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def run_lengths(rng, size, bbox):
    """A mask that about fills a box, as the text that COCO's tools write."""
    x, y, w, h = bbox
    outline = [x, y, x + w, y + rng.uniform(0, 4), x + w, y + h, x + rng.uniform(0, 4), y + h]
    (found,) = mask.frPyObjects([outline], size[1], size[0])
    return found | {"counts": found["counts"].decode()}


def rectangle_counts(bbox):
    """Run lengths of a rectangle of pixels inside the image, near the box."""
    width, height = IMAGE_WH
    x, y = max(int(bbox[0]), 0), max(int(bbox[1]), 0)
    w, h = min(int(bbox[2]) + 1, width - x), min(int(bbox[3]) + 1, height - y - 1)
    counts = [x * height + y, *[h, height - h] * w]
    return [*counts[:-1], width * height - sum(counts[:-1])]


def coco_files(folder, images, *, masks=0.0):
    """A scene as a file of instances and one of results, by hand, in no order.

    Areas of the truths are others than those of the shapes. `masks` is the share of the shapes that are masks
    (text, numbers) or two outlines.
    """
    rng = random.Random(7)
    labels = sorted({one["label"] for _, *sides in images for side in sides for one in side})
    rows = {1: [], 2: []}
    for number, (_, *sides) in enumerate(images, 1):
        for side, said in enumerate(sides, 1):
            for one in said:
                row = {"image_id": number, "category_id": 10 + labels.index(one["label"])}
                row["bbox"] = one.get("bbox") or box_around(one["polygon"])
                if "polygon" in one:
                    flat = [each for point in one["polygon"] for each in point]
                    row["segmentation"] = [flat]
                    if rng.random() < masks:
                        row["segmentation"] = other_shape(rng, row["bbox"], flat, side)
                if side == 1:
                    row["id"] = len(rows[1]) + 1
                    row["iscrowd"] = one["metadata"].get("iscrowd", 0)
                    row["area"] = row["bbox"][2] * row["bbox"][3] * rng.uniform(0.3, 1)
                else:
                    row["score"] = one["confidence"]
                rows[side].append(row)
    rng.shuffle(rows[2])
    width, height = IMAGE_WH
    instances = {
        "annotations": rows[1],
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, (name, *_) in enumerate(images, 1)
        ],
        "categories": [{"id": 10 + code, "name": label} for code, label in enumerate(labels)],
    }
    paths = folder / "instances.json", folder / "results.json"
    paths[0].write_text(json.dumps(instances))
    paths[1].write_text(json.dumps(rows[2]))
    return paths


def other_shape(rng, bbox, flat, side):
    """One of the other ways to say a shape; only truths may have outlines and numbers in pycocotools."""
    packed = run_lengths(rng, IMAGE_WH, bbox)
    kind = rng.randrange(3) if side == 1 else 0
    if kind == 1:
        return [flat, [each + 5 for each in flat]]
    if kind == 2:
        return {"size": packed["size"], "counts": rectangle_counts(bbox)}
    return packed


def reference(paths, kind):
    """pycocotools on the two files."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(paths[0]))
        found = COCOeval(truth, truth.loadRes(str(paths[1])), kind)
        found.evaluate()
        found.accumulate()
        found.summarize()
    return found.stats


@pytest.mark.parametrize("masks", [0.0, 0.4])
@pytest.mark.parametrize("geometry", ["rectangle", "polygon"])
def test_equal_to_pycocotools_on_the_same_files(tmp_path, geometry, masks):
    """The twelve numbers of instances and results: crowds, areas, outlines, masks, any order."""
    images = scene(
        6, images=20, crowd=0.15, ties=True, labels=3, empty_labels=1, geometry="polygon"
    )
    paths = coco_files(tmp_path, images, masks=masks)
    losses = Losses()
    found = evaluate_files(*paths, EvaluationSettings(geometry=geometry), losses=losses)
    kind = "bbox" if geometry == "rectangle" else "segm"
    for name, expected in zip(NAMES, reference(paths, kind), strict=True):
        assert found.summary[name] == pytest.approx(expected, abs=1e-9), name
    assert found.summary["APs"] is not None
    assert not losses.counts
    assert found.counts["other_geometry"] == 0


def summary(*paths, geometry="rectangle", **options):
    """The numbers of two files."""
    return evaluate_files(*paths, EvaluationSettings(geometry=geometry), **options).summary


def test_folders_and_files_of_other_formats(tmp_path):
    """YOLO with sizes from the images, CVAT, CSV, compressed COCO: the numbers of LayerNext JSON."""
    images = scene(3, images=6)
    for _, there, _ in images:
        for one in there:
            del one["metadata"]
    truth, run = write(tmp_path / "t.json", images, 1), write(tmp_path / "r.json", images[::-1], 2)
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, *_ in images:
        Image.new("L", IMAGE_WH).save(photos / name)
    convert(truth, tmp_path / "yolo", "yolo", images=photos)
    convert(truth, tmp_path / "cvat.xml", "cvat", images=photos)
    convert(truth, tmp_path / "coco.json.gz", "coco", images=photos)
    convert(run, tmp_path / "run.csv", "csv")
    expected = summary(truth, run)
    assert expected["AP"] > 0.1
    assert summary(tmp_path / "yolo", run, images=photos) == pytest.approx(expected, abs=1e-6)
    for name in ("cvat.xml", "coco.json.gz"):
        assert summary(tmp_path / name, tmp_path / "run.csv") == expected
    fractions = json.loads(truth.read_text())
    for image in fractions["images"]:
        image["isNormalized"] = True
        for one in image["annotations"]:
            one["bbox"] = [v / s for v, s in zip(one["bbox"], IMAGE_WH * 2, strict=True)]
    (tmp_path / "fractions.json").write_text(json.dumps(fractions))
    found = summary(tmp_path / "fractions.json", run, images=photos)
    assert found == pytest.approx(expected, abs=1e-9)


def test_two_runs_of_other_formats_are_compared(tmp_path):
    """Each side of a comparison has the numbers of its own evaluation, masks and all."""
    images = scene(8, images=8, crowd=0.1, geometry="polygon")
    truth, run = coco_files(tmp_path, images, masks=0.5)
    other = write(tmp_path / "other.json", images[2:], 2)
    settings = EvaluationSettings(geometry="polygon")
    found = compare_files(truth, run, other, settings, resamples=0)
    assert {each.name: each.a for each in found.scores} == summary(truth, run, geometry="polygon")
    assert {each.name: each.b for each in found.scores} == summary(truth, other, geometry="polygon")
    assert (found.name_a, found.name_b) == ("results.json", "other.json")
    assert found.changes.paired > 0


def test_the_run_decides_what_is_evaluated_of_outlines(tmp_path):
    """COCO's outlines have a box, too: of a run of boxes these are evaluated."""
    shapes = tmp_path / "shapes"
    boxes = tmp_path / "boxes"
    for folder, geometry in ((shapes, "polygon"), (boxes, "rectangle")):
        folder.mkdir()
        coco_files(folder, scene(2, images=4, labels=1, geometry=geometry), masks=1.0)
    truth = shapes / "instances.json"
    assert find_geometry(truth) == "polygon"
    assert find_geometry(truth, shapes / "results.json") == "polygon"
    assert find_geometry(truth, boxes / "results.json") == "rectangle"
    assert find_geometry(boxes / "instances.json", shapes / "results.json") == "rectangle"


def test_ignored_annotations_of_coco(tmp_path):
    """``ignore`` of a COCO file counts, as it does in LayerNext JSON."""
    truth, run = coco_files(tmp_path, scene(2, images=4))
    counted = evaluate_files(truth, run).counts["truths"]
    changed = json.loads(truth.read_text())
    changed["annotations"][0]["ignore"] = 1
    truth.write_text(json.dumps(changed))
    assert evaluate_files(truth, run).counts["truths"] == counted - 1
    convert(truth, tmp_path / "out.json", "layernext")
    assert (
        evaluate_files(tmp_path / "out.json", run, instances=truth).counts["truths"] == counted - 1
    )


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        pytest.param({"size": [1, 1], "counts": [1]}, "that of the image", id="size"),
        pytest.param({"size": [480, 640], "counts": [5]}, "sums to 5 pixels", id="short"),
        pytest.param({"size": [480, 640], "counts": [-1, 307201]}, "is -1, must be", id="negative"),
        pytest.param(
            {"size": [480, 640], "counts": "PPo"}, "is not a compressed run-length", id="open-end"
        ),
        pytest.param(
            {"size": [480, 640], "counts": "ä"}, "is not a compressed run-length", id="sign"
        ),
        pytest.param(
            {"size": [480, 640], "counts": "o" * 99}, "is not a compressed run-length", id="endless"
        ),
        pytest.param({"size": [480, 640]}, "is missing", id="no-counts"),
        pytest.param([[1, 2, 3]], "3 points or more", id="odd"),
    ],
)
def test_masks_that_are_none(tmp_path, segmentation, message):
    """A mask that COCO's tools would choke on is refused with its place."""
    truth, run = coco_files(tmp_path, scene(2, images=2, geometry="polygon"))
    results = json.loads(run.read_text())
    results[1]["segmentation"] = segmentation
    run.write_text(json.dumps(results))
    with pytest.raises(FormatError, match=rf"results\.json: \[1\]\.segmentation.*: .*{message}"):
        summary(truth, run, geometry="polygon")


def test_what_cannot_be_read(tmp_path):
    """What is missing or twice is said in a sentence."""
    truth, run = coco_files(tmp_path, scene(2, images=2))
    plain = write(tmp_path / "truth.json", scene(2, images=2), 1)
    with pytest.raises(ConfigurationError, match="COCO results have numbers"):
        evaluate_files(plain, run)
    assert summary(plain, run, instances=truth)["AP"] is not None
    with pytest.raises(ConfigurationError, match="there is no format 'cocoa'"):
        evaluate_files(truth, run, run_format="cocoa")
    twice = json.loads(truth.read_text())
    twice["images"][1]["file_name"] = twice["images"][0]["file_name"]
    truth.write_text(json.dumps(twice))
    with pytest.raises(
        DataError, match=r"instances\.json: .*0000\.jpg' appears twice: images\[0\]"
    ):
        evaluate_files(truth, plain)
