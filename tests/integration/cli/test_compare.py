"""compare: two runs in files on the command line, and what is written beside the answer."""

from __future__ import annotations

import json

import pytest

from layernext.evaluation import compare_files, evaluate_files
from layernext.model import EvaluationSettings
from tests.unit.evaluation.scenes import scene, write


@pytest.fixture
def files(tmp_path):
    """A scene's ground truth and two runs: as the scene has it, and with every third image empty."""
    images = scene(1)
    other = [
        (name, there, [] if number % 3 == 0 else said)
        for number, (name, there, said) in enumerate(images)
    ]
    return (
        write(tmp_path / "truth.json", images, 1),
        write(tmp_path / "a.json", images, 2),
        write(tmp_path / "b.json", other, 2),
    )


def test_json_is_the_comparison(cli, files):
    """With --json the document is the comparison, in one process as in several."""
    options = ("--confidence", "0.5", "--resamples", "20", "--images", "3")
    wanted = ("compare", *files, "--json", *options)
    found = json.loads(cli(*wanted).stdout)
    at = EvaluationSettings(confidence=0.5)
    expected = compare_files(*files, at, resamples=20, image_limit=3)
    assert found == json.loads(json.dumps(expected.to_dict()))
    assert found == json.loads(cli(*wanted, "--processes", "2").stdout)
    assert len(found["different_images"]) == 3
    assert found["lost"] > 0 == found["gained"]
    assert found["changes"]["removed"] > 0 == found["changes"]["added"]


def test_the_numbers_are_those_of_both_evaluations(files):
    """Each side's numbers are those of its own evaluation, confidence included."""
    found = compare_files(*files, EvaluationSettings(confidence=0.5), resamples=0)
    a, b = (
        evaluate_files(files[0], path, EvaluationSettings(confidence=0.5)) for path in files[1:]
    )
    assert {each.name: each.a for each in found.scores} == a.summary
    assert {each.name: each.b for each in found.scores} == b.summary
    assert (found.name_a, found.name_b) == ("a.json", "b.json")
    assert found.found_by_both + found.lost == sum(each.true_positives for each in a.labels)
    assert found.changes.a == sum(each.true_positives + each.false_positives for each in a.labels)


def test_table(cli, files):
    """The table says what is clear, what was lost, and where."""
    shown = cli("compare", *files, "--confidence", "0.5", "--resamples", "50").stdout
    assert "a is a.json, b is b.json" in shown
    assert "95% interval, 50 resamples" in shown
    assert "lower" in shown
    assert "0 gained" in shown
    assert "images differ, most of all" in shown


def test_report_and_figures(cli, files, tmp_path):
    """A Markdown file and a folder of pictures are written, and said on standard error."""
    report, folder = tmp_path / "out" / "report.md", tmp_path / "figures"
    options = ("--markdown", report, "--figures", folder)
    done = cli("compare", *files, "--resamples", "5", *options)
    assert report.read_text().startswith("# Comparison\n")
    assert {path.name for path in folder.iterdir()} == {"agreement.png", "differences.png"}
    assert f"2 figures in {folder}" in done.stderr
    cli("evaluate", *files[:2], *options, "--json")
    assert report.read_text().startswith("# Evaluation\n")
    assert (folder / "confusion.png").exists()


def test_lines_with_the_size_of_their_images(cli, tmp_path):
    """Lines are cut off at the given size; fractions are taken of it."""
    line = {"type": "line", "label": "lane", "confidence": 0.9}
    truth = {"images": [{"image": "a.jpg", "annotations": [line | {"line": [[0, 0.5], [1, 0.5]]}]}]}
    truth["images"][0]["isNormalized"] = True
    run = {"images": [{"image": "a.jpg", "annotations": [line | {"line": [[-90, 60], [300, 60]]}]}]}
    paths = [tmp_path / "truth.json", tmp_path / "run.json"]
    for path, content in zip(paths, (truth, run), strict=True):
        path.write_text(json.dumps(content))
    found = json.loads(cli("evaluate", *paths, "--image-size", "200", "100", "--json").stdout)
    # Drawn 30 px wide over all of the width, 10 px apart: 20 rows of 40.
    assert found["summary"]["mean_similarity"] == 0.5
    assert found["summary"]["F1@0.5"] == 1
    done = cli("evaluate", *paths, code=4)
    assert "a.jpg: has fractions for coordinates, and the image's size is not known" in done.stderr
    both = json.loads(
        cli("compare", *paths, paths[1], "--image-size", "200", "100", "--json").stdout
    )
    assert both["changes"]["unchanged"] == 1


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        pytest.param(["--level", "1"], 3, "level is 1", id="level"),
        pytest.param(["--match", "7"], 3, "a threshold is 7", id="match"),
        pytest.param(["--resamples", "-1"], 2, "resamples", id="resamples"),
    ],
)
def test_settings_that_cannot_be(cli, files, options, code, text):
    """What cannot be is said in a line."""
    done = cli("compare", *files, *options, code=code)
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there(cli, files, tmp_path):
    """The missing file is named."""
    done = cli("compare", *files[:2], tmp_path / "none.json", code=4)
    assert "none.json" in done.stderr
    assert "Traceback" not in done.stderr
