"""Evaluation of two files: the same numbers as image by image, wherever it is done."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from layernext.errors import DataError, FormatError
from layernext.evaluation import (
    Evaluator,
    compare_files,
    evaluate_files,
    evaluate_files_to_evaluator,
    files,
)
from layernext.formats import SourceOptions
from tests.unit.evaluation.scenes import encoded, scene, write


@pytest.fixture
def paths(tmp_path):
    """A scene as two files; images of the run stand in the opposite order."""
    images = scene(1)
    return write(tmp_path / "truth.json", images, 1), write(tmp_path / "run.json", images[::-1], 2)


def expected():
    """The scene's evaluator, given image by image."""
    evaluator = Evaluator()
    for name, truths, found in scene(1):
        evaluator.add(name, encoded(name, truths), encoded(name, found))
    return evaluator


def test_same_as_image_by_image(paths):
    """Two files give what their images give."""
    assert evaluate_files(*paths) == expected().result()


def test_in_other_processes(paths, monkeypatch):
    """Partitions evaluated in other processes give the same, tallies included."""
    monkeypatch.setattr(files, "PARTITION_IMAGES", 7)
    done = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        found = evaluate_files_to_evaluator(
            *paths, executor=executor, progress=lambda *counts: done.append(counts)
        )
    assert found.result() == expected().result()
    assert list(found.iter_tallies(0.5)) == list(expected().iter_tallies(0.5))
    assert done[-1] == (40, 40)
    assert len(done) == 6


def test_compressed(paths, tmp_path):
    """A compressed file gives the same."""
    packed = tmp_path / "truth.json.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes()))
    assert evaluate_files(packed, paths[1]) == expected().result()


def test_images_of_one_side_only(tmp_path):
    """An image without truth is left out, one without run found nothing; both are counted."""
    images = scene(2, images=3)
    truth = write(tmp_path / "truth.json", images[:2], 1)
    run = write(tmp_path / "run.json", images[1:], 2)
    counts = evaluate_files(truth, run).counts
    assert (counts["images"], counts["images_without_truth"], counts["images_without_run"]) == (
        2,
        1,
        1,
    )


def test_an_image_that_stands_twice(tmp_path):
    """The file and the place of a repeated image are named."""
    images = scene(2, images=1)
    truth = write(tmp_path / "truth.json", images * 2, 1)
    with pytest.raises(DataError, match=r"truth\.json: images\[1\]\.image: .* appears twice"):
        evaluate_files(truth, truth)


def test_broken_files(paths, tmp_path):
    """What is wrong with a file is said with its name and place."""
    broken = tmp_path / "broken.json"
    broken.write_text('{"images": [')
    with pytest.raises(FormatError, match=r"broken\.json: line 1"):
        evaluate_files(paths[0], broken)
    with pytest.raises(FormatError, match="cannot be read"):
        evaluate_files(paths[0], tmp_path / "none.json")
    nameless = tmp_path / "nameless.json"
    nameless.write_text(json.dumps({"images": [{"annotations": []}]}))
    with pytest.raises(DataError, match=r"nameless\.json: images\[0\]\.image: is missing"):
        evaluate_files(paths[0], nameless)


def test_equal_scores_in_coco_files(tmp_path):
    """Annotations of equal score count in the order of image ids, as in pycocotools, not of names."""
    box = {"category_id": 1, "bbox": [10, 10, 20, 20]}
    truth = {
        "images": [
            {"id": 1, "file_name": "z.jpg", "width": 100, "height": 100},
            {"id": 2, "file_name": "a.jpg", "width": 100, "height": 100},
        ],
        "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"id": 1, "image_id": 1, "area": 400, "iscrowd": 0, **box}],
    }
    results = [{"image_id": number, "score": 0.9, **box} for number in (2, 1)]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "run.json").write_text(json.dumps(results))
    evaluation = evaluate_files(tmp_path / "truth.json", tmp_path / "run.json")
    assert evaluation.summary["AP"] == pytest.approx(1, abs=1e-9)


def test_names_of_other_tools_can_match(tmp_path):
    """Images of the run are found by names that differ in folders and extensions, if that is asked for."""
    box = {"type": "rectangle", "label": "cup", "bbox": [0, 0, 4, 4], "confidence": 0.5}
    for file, name in (
        ("truth", "train/a.jpg"),
        ("run", "a.png"),
        ("other", "C:\\set\\train\\a"),
    ):
        content = {"images": [{"image": name, "annotations": [box]}]}
        (tmp_path / f"{file}.json").write_text(json.dumps(content))
    truth, run, other = (tmp_path / f"{file}.json" for file in ("truth", "run", "other"))
    options = SourceOptions(match_names=True)
    assert evaluate_files(truth, run).summary["AP"] == 0
    assert evaluate_files(truth, run, source_options=options).summary["AP"] == pytest.approx(1)
    comparison = compare_files(truth, run, other, source_options=options, resamples=0)
    assert (comparison.found_by_both, comparison.different_image_count) == (1, 0)
