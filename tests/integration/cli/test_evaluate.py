"""evaluate: two files on the command line, or a run in a stack."""

from __future__ import annotations

import json

import pytest

from layernext.cli import exit_codes
from layernext.evaluation import evaluate_files
from tests.unit.evaluation.scenes import scene, write


@pytest.fixture
def files(tmp_path):
    """A scene's ground truth and run."""
    images = scene(1)
    return write(tmp_path / "truth.json", images, 1), write(tmp_path / "run.json", images, 2)


def test_json_is_the_evaluation(cli, files):
    """With --json the document is the evaluation, with the worst images if they are wanted."""
    found = json.loads(cli("evaluate", *files, "--json", "--worst", "2").stdout)
    worst = found.pop("worst")
    assert found == json.loads(json.dumps(evaluate_files(*files).to_dict()))
    assert len(worst) == 2
    assert worst[0]["f1"] <= worst[1]["f1"]


def test_table(cli, files):
    """The table has the numbers, the labels and the errors; several processes give the same."""
    shown = cli("evaluate", *files, "--confidence", "0.5").stdout
    expected = evaluate_files(*files).summary["AP"]
    assert f"AP      {expected:.4f}" in shown
    assert "at confidence 0.5, as requested" in shown
    assert "localisation" in shown
    assert shown == cli("evaluate", *files, "--confidence", "0.5", "--processes", "2").stdout


def test_geometry_is_found_out(cli, tmp_path):
    """Polygons are evaluated as polygons, without being told."""
    images = scene(1, images=3, geometry="polygon")
    paths = write(tmp_path / "truth.json", images, 1), write(tmp_path / "run.json", images, 2)
    assert cli("evaluate", *paths).stdout.startswith("polygon, protocol coco: ")


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        pytest.param(
            ["--protocol", "chamfer"], 3, "is not for the geometry 'rectangle'", id="geometry"
        ),
        pytest.param(["--confidence", "7"], 3, "confidence is 7", id="confidence"),
        pytest.param(["--protocol", "kitti"], 2, "kitti", id="unknown"),
    ],
)
def test_settings_that_cannot_be(cli, files, options, code, text):
    """What cannot be is said in a line."""
    done = cli("evaluate", *files, *options, code=code)
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_file(cli, files, tmp_path):
    """A broken file is named with the place."""
    broken = tmp_path / "broken.json"
    broken.write_text('{"images": [{"image": "a.jpg", "annotations": [{"label": "a"}]}]}')
    done = cli("evaluate", broken, files[1], code=4)
    assert "broken.json" in done.stderr or "a.jpg" in done.stderr
    assert "Traceback" not in done.stderr


def test_in_a_stack(cli, connected, files):
    """With --truth the same numbers come from a stack, for the same sets."""
    for name, path, kind in (("truth", files[0], "--ground-truth"), ("run", files[1], None)):
        connected("upload", "evaluated", name, path, *([kind] if kind else []))
    shown = connected("evaluate", "evaluated", "run", "--truth", "truth", "--worst", "3").stdout
    assert shown == cli("evaluate", *files, "--worst", "3").stdout
    found = json.loads(
        connected("evaluate", "evaluated", "run", "--truth", "truth", "--json").stdout
    )
    assert found["info"]["is_current"]
    assert found["summary"] == json.loads(cli("evaluate", *files, "--json").stdout)["summary"]
    unknown = connected("evaluate", "evaluated", "rum", "--truth", "truth", code=5)
    assert "did you mean 'run'" in unknown.stderr
    compared = connected("compare", "evaluated", "run", "run", "--truth", "truth", "--json")
    assert json.loads(compared.stdout)["gained"] == 0
    refused = connected("compare", "evaluated", "run", "other", code=3)
    assert "name their ground truth with --truth" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(["kitchen", "run"], "name their ground truth with --truth", id="names"),
        pytest.param(["{}", "{}", "--truth", "t"], "omit --truth", id="files"),
        pytest.param(["{}", "{}", "--again"], "--again is for runs in a stack", id="again"),
        pytest.param(
            ["a", "b", "--truth", "t", "--processes", "2"], "is for files", id="processes"
        ),
    ],
)
def test_files_or_a_stack(cli, files, arguments, text):
    """What could be both, or neither, is refused with the way out."""
    given = iter(files)
    done = cli("evaluate", *(next(given) if one == "{}" else one for one in arguments), code=3)
    assert text in done.stderr


def test_files_of_other_formats(cli, files, tmp_path):
    """COCO's instances and results give the numbers of LayerNext JSON; what is not read is said."""
    for path, kind in ((files[0], "coco"), (files[1], "coco-results")):
        numbers = ["--instances", tmp_path / "coco"] if kind != "coco" else []
        cli("convert", path, tmp_path / kind, "--to", kind, *numbers)
    paths = (tmp_path / "coco", tmp_path / "coco-results")
    named = ["--truth-format", "coco", "--run-format", "coco-results", "--processes", "2"]
    shown = cli("evaluate", *paths, *named, "--json")
    assert "not read" not in shown.stderr
    assert json.loads(shown.stdout)["summary"] == evaluate_files(*files).summary
    compared = json.loads(cli("compare", *paths, files[1], "--resamples", "0", "--json").stdout)
    assert compared["changes"]["unchanged"] == compared["changes"]["paired"] > 0
    assert compared["gained"] == compared["lost"] == 0
    instances = json.loads(paths[0].read_text())
    instances["categories"][0] |= {"keypoints": ["nose"], "skeleton": [[1, 9]]}
    paths[0].write_text(json.dumps(instances))
    assert (
        "not read: the skeleton of a label, which contradicts itself; its names are, once, at"
        in cli("evaluate", *paths).stderr
    )
    refused = cli("evaluate", *paths, "--truth-format", "tfrecord", code=3)
    assert "TFRecord is not written" in refused.stderr
    assert "Traceback" not in refused.stderr


def one_box(path, label, image="a.jpg", **more):
    annotation = {"type": "rectangle", "label": label, "bbox": [1, 1, 20, 20], **more}
    path.write_text(json.dumps({"images": [{"image": image, "annotations": [annotation]}]}))
    return path


@pytest.mark.parametrize(
    "options",
    [["--ignore-case"], ["--class-agnostic"], ["--map-labels", "car=Car"], ["--labels", "Car", "--ignore-case"]],
    ids=" ".join,
)  # fmt: skip
def test_labels_are_made_the_same(cli, tmp_path, options):
    """The run says car, the truth Car: a hint says so, and each of the options evaluates it right."""
    truth = one_box(tmp_path / "truth.json", "Car")
    run = one_box(tmp_path / "run.json", "car", confidence=0.9)
    done = cli("evaluate", truth, run)
    assert "hint: the run's label 'car' and 'Car' differ only in case; --ignore-case" in done.stderr
    done = cli("evaluate", truth, run, *options, "--json")
    assert json.loads(done.stdout)["summary"]["AP"] == pytest.approx(1)
    assert "hint" not in done.stderr
    done = cli("compare", truth, run, run, *options, "--json", "--resamples", "0")
    assert json.loads(done.stdout)["scores"][0]["a"] == pytest.approx(1)


def test_scores_are_scaled(cli, tmp_path):
    """Percent is refused with the fix, and evaluated with it."""
    truth = one_box(tmp_path / "truth.json", "car")
    run = one_box(tmp_path / "run.json", "car", confidence=59)
    assert "must be from 0 to 1" in cli("evaluate", truth, run, code=exit_codes.DATA).stderr
    done = cli("evaluate", truth, run, "--scale-confidence", "100", "--json")
    assert json.loads(done.stdout)["confidence"] == 0.59


def test_nothing_to_evaluate_is_an_error(cli, tmp_path):
    """No images, none in common, or nothing on them: exit code 4 and the reason."""
    truth = one_box(tmp_path / "truth.json", "car")
    run = one_box(tmp_path / "run.json", "car", image="b.jpg", confidence=0.9)
    done = cli("evaluate", truth, run, code=exit_codes.DATA)
    assert "error: the files have no image in common: their names differ" in done.stderr
    empty = tmp_path / "empty.json"
    empty.write_text('{"images": []}')
    assert "has no images" in cli("evaluate", empty, run, code=exit_codes.DATA).stderr
    empty.write_text('{"images": [{"image": "a.jpg", "annotations": []}]}')
    done = cli("evaluate", empty, empty, code=exit_codes.DATA)
    assert "error: neither file has a rectangle" in done.stderr


def test_annotations_over_the_limit_are_named(cli, tmp_path):
    """More than 100 of a label in an image: COCO leaves them out, which is said, and can be changed."""
    boxes = [
        {"type": "rectangle", "label": "cat", "bbox": [20 * n, 0, 10, 10], "confidence": 0.5}
        for n in range(130)
    ]
    content = json.dumps({"images": [{"image": "a.jpg", "annotations": boxes}]})
    for name in ("truth.json", "run.json"):
        (tmp_path / name).write_text(content)
    files = [tmp_path / "truth.json", tmp_path / "run.json"]
    shown = cli("evaluate", *files).stdout
    assert "30 annotations left out: only the best 100 of a label in an image count" in shown
    raised = cli("evaluate", *files, "--max-annotations", "130", "--json")
    counts = json.loads(raised.stdout)["counts"]
    assert (counts["annotations"], counts["annotations_over_limit"]) == (130, 0)
