"""Average precision of keypoints is that of pycocotools, to nine digits."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval, Params

from layernext.errors import ConfigurationError, DataError
from layernext.evaluation import Evaluator, compare_files, evaluate_files, find_geometry
from layernext.evaluation.similarity import keypoint_similarity
from layernext.formats import convert
from layernext.model import (
    COCO_PERSON,
    EvaluationSettings,
    ImageAnnotations,
    Keypoints,
    Skeleton,
    sigmas_of,
    with_sigmas,
)

NAMES = ["AP", "AP50", "AP75", "APm", "APl", "AR20", "AR@0.5", "AR@0.75", "ARm", "ARl"]
POINTS = 17


def scene(seed: int, *, images: int = 30, truths: int = 6, points: int = POINTS) -> Any:
    """A file of instances with crowds, objects without labeled points and of all sizes; and results."""
    rng = random.Random(seed)
    annotations: list[Any] = []
    results: list[Any] = []
    for image in range(1, images + 1):
        for _ in range(rng.randint(0, truths)):
            side = rng.choice([20, 60, 150])
            x, y = rng.uniform(0, 400), rng.uniform(0, 300)
            shown = [rng.choice([0, 1, 2, 2]) * (rng.random() > 0.1) for _ in range(points)]
            if rng.random() < 0.15:
                shown = [0] * points
            places = [(rng.uniform(x, x + side), rng.uniform(y, y + side)) for _ in range(points)]
            flat = [
                number
                for (px, py), seen in zip(places, shown, strict=True)
                for number in ((px, py, seen) if seen else (0, 0, 0))
            ]
            category = rng.choice([1, 7])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "bbox": [x, y, side * 1.1, side],
                    "area": side * side * rng.uniform(0.3, 0.9),
                    "iscrowd": int(rng.random() < 0.05),
                    "keypoints": flat,
                    "num_keypoints": sum(seen > 0 for seen in shown),
                    "segmentation": [[x, y, x + side, y, x + side, y + side]],
                }
            )
            for _ in range(rng.choice([0, 1, 1, 2, 6])):
                spread = side * rng.choice([0.02, 0.06, 0.15])
                moved = [
                    number
                    for px, py in places
                    for number in (rng.gauss(px, spread), rng.gauss(py, spread), rng.random())
                ]
                results.append(
                    {
                        "image_id": image,
                        "category_id": category if rng.random() < 0.9 else 8 - category,
                        "keypoints": moved,
                        "score": round(rng.random(), rng.choice([1, 6])),
                    }
                )
    instances = {
        "images": [
            {"id": number, "file_name": f"{number}.jpg", "width": 640, "height": 480}
            for number in range(1, images + 1)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 7, "name": "doll"}],
        "annotations": annotations,
    }
    return instances, results


def reference(instances: Any, results: Any, sigmas: Any = None) -> COCOeval:
    """pycocotools' own evaluation."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(instances))
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(json.loads(json.dumps(results))), "keypoints")
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def write(folder: Path, instances: Any, results: Any) -> tuple[Path, Path]:
    paths = (folder / "truth.json", folder / "results.json")
    for path, content in zip(paths, (instances, results), strict=True):
        path.write_text(json.dumps(content))
    return paths


@pytest.mark.parametrize("with_boxes", [False, True], ids=["points", "points-and-boxes"])
@pytest.mark.parametrize("seed", [1, 2])
def test_equal_to_pycocotools(tmp_path: Path, seed: int, with_boxes: bool) -> None:
    """The ten numbers, and those of each label, are the reference's; so is what was converted before."""
    instances, results = scene(seed)
    if with_boxes:  # then COCO's tools take the areas of results from these
        for number, result in enumerate(results):
            result["bbox"] = [1.0, 2.0, 30.0 + number % 70, 50.0]
    expected = reference(instances, results)
    truth, run = write(tmp_path, instances, results)
    settings = EvaluationSettings(geometry="keypoints")
    result = evaluate_files(truth, run, settings)
    assert [result.summary[name] for name in NAMES] == pytest.approx(expected.stats, abs=1e-9)
    assert result.settings.max_annotations == (20,)
    for number, label in enumerate(("person", "doll")):
        precision = expected.eval["precision"][:, :, number, 0, -1]
        scores = next(entry for entry in result.labels if entry.label == label).scores
        assert scores["AP"] == pytest.approx(precision[precision > -1].mean(), abs=1e-9)
    assert find_geometry(truth, run) == "keypoints"
    assert find_geometry(truth) == "keypoints"
    # LayerNext JSON keeps what counts: areas, crowds, boxes.
    convert(truth, tmp_path / "truth.layernext.json", "layernext")
    convert(run, tmp_path / "run.layernext.json", "layernext", instances=truth)
    again = evaluate_files(
        tmp_path / "truth.layernext.json", tmp_path / "run.layernext.json", settings
    )
    if not with_boxes:
        assert again.summary["AR20"] == pytest.approx(result.summary["AR20"], abs=1e-9)
        assert again.counts["truths"] == result.counts["truths"]


def test_sigmas_are_those_of_the_skeleton(tmp_path: Path) -> None:
    """A category's own sigmas count; without any, each of K points has 1/K; settings go first."""
    instances, results = scene(3, points=4)
    truth, run = write(tmp_path, instances, results)
    settings = EvaluationSettings(geometry="keypoints")
    plain = evaluate_files(truth, run, settings)
    expected = reference(instances, results, [0.25] * 4).stats
    assert [plain.summary[name] for name in NAMES] == pytest.approx(expected, abs=1e-9)
    sigmas = [0.02, 0.05, 0.1, 0.08]
    for category in instances["categories"]:
        category |= {"keypoints": ["a", "b", "c", "d"], "skeleton": [[1, 2]], "sigmas": sigmas}
    truth, run = write(tmp_path, instances, results)
    own = evaluate_files(truth, run, settings)
    expected = reference(instances, results, sigmas).stats
    assert [own.summary[name] for name in NAMES] == pytest.approx(expected, abs=1e-9)
    assert own.settings.sigmas == {"person": tuple(sigmas), "doll": tuple(sigmas)}
    given = EvaluationSettings(
        geometry="keypoints", sigmas=dict.fromkeys(("person", "doll"), (0.25,) * 4)
    )
    assert evaluate_files(truth, run, given).summary == pytest.approx(plain.summary)
    with pytest.raises(DataError, match=r"doll|person: has 4 keypoints, and sigmas for 1"):
        evaluate_files(
            truth,
            run,
            EvaluationSettings(geometry="keypoints", sigmas={"person": (1,), "doll": (1,)}),
        )
    convert(truth, tmp_path / "kept.json", "layernext")
    header = json.loads((tmp_path / "kept.json").read_text())["skeletons"]
    assert header["person"] == {
        "points": ["a", "b", "c", "d"], "edges": [[0, 1]], "sigmas": sigmas,
    }  # fmt: skip
    convert(run, tmp_path / "run.layernext.json", "layernext", instances=truth)
    again = evaluate_files(tmp_path / "kept.json", tmp_path / "run.layernext.json", settings)
    assert again.settings.sigmas == own.settings.sigmas
    comparison = compare_files(
        tmp_path / "kept.json", run, run, settings, instances=truth, resamples=0
    )
    assert {score.delta for score in comparison.scores if score.name in NAMES} == {0.0}


def test_defaults_of_sigmas() -> None:
    """COCO's for its 17 points, named or not; 1/K for everything else; wrong ones are refused."""
    parameters = Params(iouType="keypoints")
    assert pytest.approx(parameters.kpt_oks_sigmas) == COCO_PERSON.sigmas
    assert sigmas_of(None, 17) == sigmas_of(COCO_PERSON, 17) == COCO_PERSON.sigmas
    nameless = Skeleton(points=tuple(str(number) for number in range(1, 18)))
    assert sigmas_of(nameless, 17) == COCO_PERSON.sigmas
    animal = Skeleton(points=tuple(f"joint {number}" for number in range(17)))
    assert sigmas_of(animal, 17) == (1 / 17,) * 17
    assert sigmas_of(None, 21) == (1 / 21,) * 21
    boxes = EvaluationSettings()
    assert with_sigmas(boxes, {"dog": animal}) == boxes
    with pytest.raises(ConfigurationError, match="the sigmas of 'a' are"):
        EvaluationSettings(geometry="keypoints", sigmas={"a": (0.1, 0.0)}).complete()


def test_other_numbers_of_points_cannot_be_compared() -> None:
    """Of one label that is a mistake, which is named; of two labels the poses are just not alike."""

    def image(label: str, count: int) -> ImageAnnotations:
        points = [(10.0 * number, 5.0, 2) for number in range(count)]
        pose = Keypoints(label=label, keypoints=points, confidence=0.5)  # type: ignore[arg-type]
        return ImageAnnotations(image="a.jpg", annotations=[pose])

    evaluator = Evaluator(EvaluationSettings(geometry="keypoints"))
    evaluator.add("a.jpg", image("person", 3), image("hand", 4))
    assert evaluator.result().counts["truths"] == 1
    evaluator = Evaluator(EvaluationSettings(geometry="keypoints"))
    evaluator.add("a.jpg", image("person", 3), image("person", 4))
    message = "person: has 4 keypoints in the run and 3 in the ground truth"
    with pytest.raises(DataError, match=message):
        evaluator.result()


def test_similarity_by_hand() -> None:
    """A point one sigma's width away gives exp(-1/2); unlabeled points do not count."""
    truth = np.array([[10.0, 10, 2], [0, 0, 0], [30, 10, 1]])
    sigmas = np.array([0.05, 0.05, 0.05])
    away = 2 * 0.05 * np.sqrt(400.0)
    poses = np.array([[[10, 10], [99, 99], [30, 10]], [[10 + away, 10], [5, 5], [30, 10]]])
    box = np.array([0.0, 0, 20, 20])
    truths, areas, boxes = (
        np.stack([truth, truth * [1, 1, 0]]),
        np.full(2, 400.0),
        np.stack([box, box]),
    )
    alike = keypoint_similarity(poses, truths, areas, boxes, sigmas)
    assert alike[:, 0] == pytest.approx([1, (np.exp(-0.5) + 1) / 2])
    assert keypoint_similarity(poses[:0], truths, areas, boxes, sigmas).shape == (0, 2)
    inside = np.array([[[1.0, 1], [39, 39], [20, 20]]])
    assert keypoint_similarity(inside, truths, areas, boxes, sigmas)[0, 1] == pytest.approx(1)


def test_fractions_are_pixels_of_the_image() -> None:
    """A normalized set is compared in pixels, its box as well."""
    pixels = Keypoints(label="a", keypoints=[(10, 20, 2), (30, 40, 2)], bbox=(5, 5, 40, 50))
    fractions = Keypoints(
        label="a", keypoints=[(0.1, 0.1, 2), (0.3, 0.2, 2)], bbox=(0.05, 0.025, 0.4, 0.25), confidence=0.9
    )  # fmt: skip
    evaluator = Evaluator(EvaluationSettings(geometry="keypoints"))
    evaluator.add(
        "a.jpg",
        ImageAnnotations(image="a.jpg", annotations=[pixels]),
        ImageAnnotations(image="a.jpg", annotations=[fractions], normalized=True),
        image_wh=(100, 200),
    )
    assert evaluator.result().summary["AP"] == pytest.approx(1)
