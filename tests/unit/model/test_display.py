"""What a console and a notebook show of records: short, and never markup from data."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from layernext import (
    Evaluation,
    EvaluationSettings,
    FileUploadReport,
    Item,
    Label,
    MetadataReport,
    UploadReport,
)
from layernext.formats import ConversionReport
from layernext.model import Comparison, ConfusionMatrix, LabelScores, Record
from layernext.model.comparison import ScoreDelta

MOST = 500
"""Characters of a repr that fits a screen, whatever the record holds."""


def evaluation(labels: int = 2_000) -> Evaluation:
    scores = [
        LabelScores(
            label=f"<b>{number}", truths=3, annotations=4, scores={"AP": 0.5},
            true_positives=1, false_positives=3, missed=2, precision=0.5, recall=0.25, f1=0.3333,
            best_f1=None, best_confidence=None, mean_similarity=None,
        )
        for number in range(labels)
    ]  # fmt: skip
    return Evaluation(
        settings=EvaluationSettings(),
        summary={"AP": 0.51249, "AP50": None, "f1": 0.7},
        confidence=0.35,
        counts={"images": 500, "truths": 20_047, "annotations": 19_093},
        labels=scores,
        curves=[],
        confusion=ConfusionMatrix(labels=[], counts=[], match_threshold=0.5, confidence=0.5),
        calibration=None,
        errors=None,
        slices=[],
    )


def comparison() -> Comparison:
    return Comparison(
        name_a="v1", name_b="v2", settings=EvaluationSettings(), confidence_a=0.5, confidence_b=None,
        images=500, truths=9,
        scores=[ScoreDelta(name="AP", a=0.5, b=0.52, delta=0.02, low=None, high=None)],
        labels=[], found_by_both=1, gained=12, lost=3, found_by_neither=0, changes=None,
        different_images=[], different_image_count=0, resamples=0, seed=0, level=0.95,
    )  # fmt: skip


RECORDS = [
    pytest.param(evaluation(), id="evaluation"),
    pytest.param(comparison(), id="comparison"),
    pytest.param(
        FileUploadReport(
            collection="<script>", collection_id="1", job_id="2", unique_name=None,
            uploaded=[f"{n}.jpg" for n in range(10_000)], skipped=[], failed=[], ignored=[],
            bytes_sent=1, seconds=0.5,
        ),
        id="files",
    ),
    pytest.param(
        UploadReport(
            collection="c", run="<i>", mode="machine", images=1, annotations=2, batches=1,
            resumed_batches=0, new_labels=["x" * 200] * 50, unmatched_images=0, bytes_sent=1,
            seconds=0.5,
        ),
        id="upload",
    ),
    pytest.param(
        MetadataReport(updated=1, unmatched=["<img src=x>"] * 1_000, message="m" * 1_000), id="metadata"
    ),
    pytest.param(
        ConversionReport(
            path=Path("/tmp/x"), format="coco", images=1, annotations=2, losses={"<u>": (1, "there")}
        ),
        id="conversion",
    ),
]  # fmt: skip


class Checker(HTMLParser):
    """Collects tags, and requires that each one is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("record", RECORDS)
def test_repr_is_short(record: Record) -> None:
    """One line that names the type, however much the record holds."""
    text = repr(record)
    assert type(record).__name__ in text
    assert len(text) < MOST
    assert "\n" not in text


@pytest.mark.parametrize("record", RECORDS)
def test_html(record: Record) -> None:
    """A notebook gets a well-formed table; text from data is never markup."""
    html = record._repr_html_()
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    assert checker.tags <= {"table", "caption", "tr", "th", "td"}
    assert len(html) < 20_000


def test_evaluation() -> None:
    """The numbers that one looks for first; the table is that of the labels, cut."""
    assert repr(evaluation()) == (
        "<Evaluation: rectangle, AP 0.512, AP50 -, f1 0.700; "
        "500 images, 20,047 truths, 19,093 annotations>"
    )
    assert "… and 1,980 more" in evaluation()._repr_html_()


def test_counts_of_one() -> None:
    """A single one of something has its noun in the singular."""
    single = msgspec.structs.replace(
        evaluation(), counts={"images": 1, "truths": 1, "annotations": 1}
    )
    assert repr(single).endswith("; 1 image, 1 truth, 1 annotation>")
    single_truth = msgspec.structs.replace(comparison(), gained=1, images=1)
    assert repr(single_truth).endswith("; 1 truth gained, 3 lost; 1 image>")


def test_comparison() -> None:
    """What changed, and by how much."""
    assert repr(comparison()) == (
        "<Comparison: 'v2' minus 'v1': AP +0.020; 12 truths gained, 3 lost; 500 images>"
    )


def test_small_records_are_shown_whole() -> None:
    """Nothing is left out of a record that is small."""
    label = Label(ref="r", name="cup", color="#fff", attributes=[])
    assert repr(label).startswith("Label(")
    assert "name='cup'" in repr(label)
    assert repr(MetadataReport(updated=1, unmatched=["a"], message="")) == (
        "MetadataReport(updated=1, unmatched=['a'], message='')"
    )


def test_every_record_has_both() -> None:
    """Records get them from their base."""
    assert Item._repr_html_ is Record._repr_html_
    assert Item.__repr__ is Record.__repr__
