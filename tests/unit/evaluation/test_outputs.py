"""What results become: pictures, tables, Markdown. Names are hostile, and shown as they are."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import msgspec
import pytest

from layernext.errors import ConfigurationError
from layernext.evaluation import (
    Evaluator,
    RunPairing,
    compare_evaluations,
    evaluation_figures,
    figure_bytes,
    save_figures,
)
from layernext.model import ErrorKind, ErrorKinds

LABELS = ["cup $x_1$", "<b>fork</b>", "a|b\n`c`", "刀"]


def packed(*annotations):
    return msgspec.json.encode({"annotations": annotations})


def box(label, x, confidence=None):
    found = {"type": "rectangle", "label": label, "bbox": [x, 0, 9, 9]}
    return found if confidence is None else found | {"confidence": confidence}


def evaluator(shift=0):
    found = Evaluator()
    truths = [box(label, 20 * place) for place, label in enumerate(LABELS)]
    run = [
        box(LABELS[0], 0, 0.9),
        box(LABELS[0], 20 + shift, 0.8),
        box(LABELS[2], 40 + shift, 0.6),
        box(LABELS[1], 200, 0.3),
    ]
    found.add("a.jpg", packed(*truths), packed(*run))
    found.add("b|c.jpg", packed(*truths[:1]), packed(*run[:1]))
    return found


@pytest.fixture(scope="module")
def evaluation():
    kind = ErrorKind(count=3, ap_cost=0.1)
    names = (
        "classification", "localisation", "both", "duplicate", "background", "missed",
        "false_positives", "false_negatives",
    )  # fmt: skip
    errors = ErrorKinds(ap=0.5, background_threshold=0.1, **dict.fromkeys(names, kind))
    return msgspec.structs.replace(evaluator().result(), errors=errors)


@pytest.fixture(scope="module")
def comparison():
    pairing = RunPairing()
    pairing.add("a.jpg", packed(box(LABELS[0], 0, 0.9)), packed(box(LABELS[1], 0, 0.9)))
    return compare_evaluations(
        evaluator(), evaluator(9), pairing=pairing, name_a="old $x$", name_b="<new>", resamples=20
    )


def test_every_figure_is_written(evaluation, comparison, tmp_path):
    """One file for each figure and format: pictures with something on them."""
    paths = save_figures(evaluation, tmp_path / "new" / "folder", ["png", "svg"])
    paths += save_figures(comparison, tmp_path / "new" / "folder")
    assert sorted(path.name for path in paths) == [
        "agreement.png", "confidence.png", "confidence.svg", "confusion.png", "confusion.svg",
        "differences.png", "errors.png", "errors.svg", "precision-recall.png",
        "precision-recall.svg", "reliability.png", "reliability.svg",
    ]  # fmt: skip
    for path in paths:
        content = path.read_bytes()
        assert len(content) > 5_000, path
        if path.suffix == ".png":
            assert content.startswith(b"\x89PNG")
        else:
            assert ET.fromstring(content).tag.endswith("svg")


def test_figures_show_what_there_is(evaluation):
    """Axes, curves and cells are those of the evaluation; names are text, not formulas."""
    figures = evaluation_figures(evaluation)
    matrix = figures["confusion"].axes[0]
    names = [tick.get_text() for tick in matrix.get_yticklabels()]
    assert set(names) == {"cup $x_1$", "<b>fork</b>", "a|b□`c`", "□", "(background)"}
    assert not any(tick.get_parse_math() for tick in matrix.get_yticklabels())
    numbers = sorted(int(text.get_text()) for text in matrix.texts if text.get_text())
    cells = [count for row in evaluation.confusion.counts for count in row if count]
    assert numbers == sorted(cells)
    lines = {line.get_label(): line for line in figures["precision-recall"].axes[0].lines}
    assert list(lines["all labels"].get_xdata()) == evaluation.curves[0].recall
    bars = figures["errors"].axes[0].patches
    assert [bar.get_width() for bar in bars] == [0.1] * 6


def test_without_annotations_there_is_less_to_draw():
    """An evaluation of nothing has an empty matrix and no curves."""
    assert list(evaluation_figures(Evaluator().result())) == ["confusion"]


def test_figures_leave_matplotlib_alone():
    """No window system, no pyplot, no setting changed; and nothing is loaded before it is drawn."""
    program = """
import sys
from layernext.evaluation import Evaluator, confusion_figure, figure_bytes
assert "matplotlib" not in sys.modules and "pandas" not in sys.modules
found = Evaluator()
box = b'{"annotations": [{"type": "rectangle", "label": "cup", "bbox": [0, 0, 4, 4]}]}'
found.add("a.jpg", box, box)
once, again = (figure_bytes(confusion_figure(found.result().confusion)) for _ in range(2))
assert once == again
import matplotlib
assert "matplotlib.pyplot" not in sys.modules
assert matplotlib.rcParams == matplotlib.rcParamsOrig
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=120)


def test_without_matplotlib(monkeypatch, evaluation):
    """The sentence says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigurationError, match=r"need matplotlib .*\[eval\]"):
        evaluation_figures(evaluation)


def test_tables(evaluation, comparison):
    """Every table has its columns, in pandas and in Arrow alike, with the same values."""
    for result in (evaluation, comparison, Evaluator().result()):
        for name, table in result.tables().items():
            frame, arrow = result.to_pandas(name), result.to_arrow(name)
            assert list(frame.columns) == arrow.column_names == table.columns
            assert len(frame) == arrow.num_rows == len(table.rows)
            assert arrow.to_pylist() == table.rows
    labels = evaluation.to_pandas()
    assert list(labels["label"]) == sorted(LABELS)
    assert labels["f1"].dtype == "float64"
    assert labels["AP"].isna().sum() == 0
    cells = evaluation.to_arrow("confusion").to_pylist()
    assert {"truth": "刀", "run": None, "count": 1} in cells
    assert len(evaluation.to_pandas("curves").query("label == 'cup $x_1$'")) == 2


def test_a_table_that_is_not_there(evaluation, monkeypatch):
    """A wrong name is answered with the right ones, a missing library with what to install."""
    with pytest.raises(ConfigurationError, match=r"no table 'label' .*labels, summary"):
        evaluation.to_pandas("label")
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for call in (evaluation.to_pandas, evaluation.to_arrow):
        with pytest.raises(ConfigurationError, match=r"pip install '.*\[eval\]'"):
            call()


def test_markdown(evaluation, comparison):
    """Reports have every section; no name breaks a table or becomes markup."""
    report = evaluation.to_markdown("Run <1>")
    assert report.startswith("# Run \\<1\\>\n\nrectangle, protocol coco: 5 annotations against 5")
    assert re.findall(r"^## (.*)$", report, re.MULTILINE) == [
        "Numbers", "Labels", "Confusion", "Errors", "Calibration",
    ]  # fmt: skip
    assert "| a\\|b \\`c\\` |" in report
    assert f"| AP | {evaluation.summary['AP']:.4f} |" in report
    for text in (report, comparison.to_markdown()):
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            bars = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(bars) == 1, block
    text = comparison.to_markdown()
    assert "a is old \\$x\\$, b is \\<new\\>; 5 truths on 2 images" in text
    assert "95% interval of the difference, 20 resamples" in text
    assert figure_bytes(evaluation_figures(evaluation)["confusion"], "pdf").startswith(b"%PDF")
