"""Average precision and recall are those of pycocotools, to nine digits."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from layernext.evaluation import Evaluator, evaluate_files, match_image
from layernext.evaluation.similarity import polygon_area
from layernext.formats import read_format
from layernext.model import (
    COCO_AREAS,
    EvaluationSettings,
    ImageAnnotations,
    RunLengths,
    decode_trusted,
)
from tests.unit.evaluation.scenes import IMAGE_WH, encoded, scene, shape

SAMPLES = Path(__file__).parents[3] / "src" / "layernext" / "cli" / "samples"
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


class Reference(COCOeval):
    """COCOeval that heeds ``ignore``: the original overwrites it with ``iscrowd`` (see _prepare)."""

    def _prepare(self):
        super()._prepare()
        for truths in self._gts.values():
            for each in truths:
                each["ignore"] = each["iscrowd"] or each["asked_to_ignore"]


def as_coco(images, geometry):
    """The scene as what pycocotools loads; truths' areas are those of the shapes."""
    labels = sorted({one["label"] for _, *sides in images for side in sides for one in side})
    codes = {label: number for number, label in enumerate(labels, 1)}
    truths, results = [], []
    for number, (_, there, said) in enumerate(images, 1):
        for one in there:
            truths.append(row(one, number, codes, geometry) | {"id": len(truths) + 1})
        results += [
            row(one, number, codes, geometry) | {"score": one["confidence"]} for one in said
        ]
    for each in results:
        del each["iscrowd"]
        if geometry == "polygon":
            width, height = IMAGE_WH
            (each["segmentation"],) = mask.frPyObjects(each["segmentation"], height, width)
            del each["bbox"]
    return {
        "images": [
            {"id": number, "width": IMAGE_WH[0], "height": IMAGE_WH[1]}
            for number in range(1, len(images) + 1)
        ],
        "categories": [{"id": code, "name": label} for label, code in codes.items()],
        "annotations": truths,
    }, results


def row(one, image, codes, geometry):
    flags = one.get("metadata", {})
    fields = {
        "image_id": image,
        "category_id": codes[one["label"]],
        "iscrowd": flags.get("iscrowd", 0),
        "asked_to_ignore": flags.get("ignore", False),
    }
    if geometry == "rectangle":
        return fields | {"bbox": one["bbox"], "area": one["bbox"][2] * one["bbox"][3]}
    flat = [each for point in one["polygon"] for each in point]
    area = polygon_area(np.array(one["polygon"]))
    return fields | {"segmentation": [flat], "area": area, "bbox": [0, 0, 1, 1]}


def reference(images, geometry="rectangle"):
    """pycocotools' own evaluation."""
    truths, results = as_coco(images, geometry)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truths
        coco.createIndex()
        kind = "bbox" if geometry == "rectangle" else "segm"
        found = Reference(coco, coco.loadRes(results), kind)
        found.evaluate()
        found.accumulate()
        found.summarize()
    return found


def ours(images, **settings):
    evaluator = Evaluator(EvaluationSettings(**settings))
    for name, there, said in images:
        evaluator.add(name, encoded(name, there), encoded(name, said), image_wh=IMAGE_WH)
    return evaluator.result()


SCENES = [
    pytest.param({"seed": 1, "truths": 40, "labels": 3}, id="dense"),
    pytest.param({"seed": 2, "truths": 3, "images": 80, "labels": 8}, id="sparse"),
    pytest.param({"seed": 3, "ties": True}, id="ties"),
    pytest.param(
        {"seed": 4, "crowd": 0.1, "ignore": 0.1, "empty_labels": 2, "ties": True},
        id="crowd-ignore-empty-ties",
    ),
    pytest.param({"seed": 5, "truths": 260, "images": 4, "labels": 1}, id="more-than-the-limit"),
]


@pytest.mark.parametrize("geometry", ["rectangle", "polygon"])
@pytest.mark.parametrize("options", SCENES)
def test_equal_to_pycocotools(options, geometry):
    """The twelve numbers, and those of each label, are the reference's."""
    images = scene(**options, geometry=geometry)
    found, theirs = ours(images, geometry=geometry), reference(images, geometry)
    for name, expected in zip(NAMES, theirs.stats, strict=True):
        value = found.summary[name]
        assert value == pytest.approx(expected, abs=1e-9), name
    precision, recall = theirs.eval["precision"], theirs.eval["recall"]
    for number, label in enumerate(found.labels):
        for area, bounds in enumerate(COCO_AREAS):
            name = f"AP{bounds.name}"
            assert label.scores[name] == expected_mean(precision[:, :, number, area, -1]), name
        expected = expected_mean(recall[:, number, 0, -1])
        assert label.scores["AR100"] == expected


def test_equal_on_real_shapes():
    """The samples are one object of COCO's val2017, by people: as box, outline and corners."""
    box, outline, corners = (
        json.loads((SAMPLES / f"example_{kind}.json").read_text())["images"][0]["annotations"][0]
        for kind in ("bbox", "polygon", "line")
    )
    xs, ys = zip(*outline["polygon"], strict=True)
    around = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    assert around == pytest.approx(box["bbox"])
    drawn = {"type": "polygon", "label": "kitchen", "polygon": corners["line"]}
    scenes = {
        "polygon": ({"type": "polygon", **outline}, drawn | {"confidence": corners["confidence"]}),
        "rectangle": (
            {"type": "rectangle", **box},
            {"type": "rectangle", "label": "kitchen", "bbox": around, "confidence": 0.5},
        ),
    }
    for geometry, (there, said) in scenes.items():
        images = [("000000397133.jpg", [there], [said])]
        found, theirs = ours(images, geometry=geometry), reference(images, geometry)
        for name, expected in zip(NAMES, theirs.stats, strict=True):
            assert (found.summary[name] or 0.0) == pytest.approx(max(expected, 0.0), abs=1e-9), name
    assert 0.5 < found.summary["AP"] <= 1


def expected_mean(values):
    """As the reference prints it: the mean of what is defined; None where it has -1."""
    defined = values[values > -1]
    return pytest.approx(np.mean(defined), abs=1e-9) if defined.size else None


def test_labels_without_truths_have_no_average():
    """A label that only the run uses has no AP, and does not lower that of the others."""
    found = ours(scene(4, empty_labels=3, labels=2))
    undefined = [each for each in found.labels if not each.truths]
    assert undefined
    assert {each.scores["AP"] for each in undefined} == {None}


def test_areas_of_the_truth_may_be_given():
    """A truth's own ``area``, as COCO files have it, decides its size; not that of the shape."""
    images = scene(1)
    for _, there, _ in images:
        for one in there:
            one["metadata"] = {"area": 10.0}
    found = ours(images)
    assert found.summary["APm"] is None
    assert found.summary["APs"] is not None


def outlines_and_masks(folder):
    """Instances of several outlines, and results that are masks near them, as two files."""
    rng = random.Random(7)
    width, height = IMAGE_WH
    truths, results = [], []
    for image in range(1, 21):
        for _ in range(rng.randint(1, 5)):
            outlines = []
            for _ in range(rng.randint(1, 3)):
                box = [
                    rng.uniform(0, 500),
                    rng.uniform(0, 400),
                    rng.uniform(5, 140),
                    rng.uniform(5, 80),
                ]
                points = shape(rng, "polygon", "", box)["polygon"]
                outlines.append([number for point in points for number in point])
            drawn = mask.merge(mask.frPyObjects(outlines, height, width))
            area = float(mask.area(drawn))
            if len(outlines) == 1:
                area = polygon_area(np.array(outlines[0]).reshape(-1, 2))
            fields = {"image_id": image, "category_id": rng.randint(1, 2)}
            truths.append(
                fields
                | {"id": len(truths) + 1, "segmentation": outlines, "area": area, "iscrowd": 0}
            )
            for _ in range(rng.choice([0, 1, 2])):
                moved = [[number + rng.gauss(0, 2) for number in outline] for outline in outlines]
                near = mask.merge(mask.frPyObjects(moved, height, width))
                encoded_mask = near | {"counts": near["counts"].decode()}
                results.append(
                    fields | {"segmentation": encoded_mask, "score": round(rng.random(), 3)}
                )
    content = {
        "images": [
            {"id": number, "file_name": f"{number:03}.png", "width": width, "height": height}
            for number in range(1, 21)
        ],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": truths,
    }
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "results.json").write_text(json.dumps(results))
    return folder / "truth.json", folder / "results.json"


def test_outlines_of_several_parts_against_masks(tmp_path):
    """Read as polygons with parts and as masks, they have the numbers of pycocotools on the same files."""
    truth, results = outlines_and_masks(tmp_path)
    sides = [
        {sample.image: sample.annotations for sample in samples}
        for samples in (
            read_format(truth, "coco"),
            read_format(results, "coco-results", instances=truth),
        )
    ]
    evaluator = Evaluator(EvaluationSettings(geometry="mask"))
    for name, of_truth in sides[0].items():
        sets = [
            ImageAnnotations(image=name, annotations=found)
            for found in (of_truth, sides[1].get(name, []))
        ]
        evaluator.add(name, *sets, image_wh=IMAGE_WH)
    found = evaluator.result()
    assert found.counts["other_geometry"] == 0
    with contextlib.redirect_stdout(io.StringIO()):
        there = COCO(str(truth))
        theirs = COCOeval(there, there.loadRes(str(results)), "segm")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    assert 0.3 < found.summary["AP"] < 0.99
    of_files = evaluate_files(truth, results, EvaluationSettings(geometry="mask"))
    for name, expected in zip(NAMES, theirs.stats, strict=True):
        assert found.summary[name] == pytest.approx(expected, abs=1e-9), name
        assert of_files.summary[name] == pytest.approx(expected, abs=1e-9), name


def test_holes_do_not_count():
    """A ring overlaps with a mask of it wholly, and with its hole not at all."""
    outer = [[10, 10], [50, 10], [50, 50], [10, 50]]
    hole = [[20, 20], [40, 20], [40, 40], [20, 40]]
    pixels = np.zeros((480, 640), bool)
    pixels[10:50, 10:50] = True
    pixels[20:40, 20:40] = False
    ring = {"type": "polygon", "label": "a", "parts": [[outer, hole]]}
    run_lengths = msgspec.to_builtins(RunLengths.from_array(pixels))
    as_mask = {"type": "mask", "label": "a", "mask": run_lengths, "confidence": 0.5}
    inside = {"type": "polygon", "label": "a", "polygon": hole, "confidence": 0.6}
    matches = match_image(
        *(decode_trusted(encoded("a.jpg", side), None) for side in ([ring], [as_mask, inside])),
        EvaluationSettings(geometry="mask"),
        image_wh=IMAGE_WH,
    )
    assert [match.outcome for match in matches.annotations] == ["matched", "false_positive"]
    assert matches.annotations[0].similarity == 1.0
